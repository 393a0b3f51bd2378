package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
)

// Task is one sub-topology for one partition: its queues, nodes and stores. See the package comment for the order of its methods. One goroutine
// uses it; Processed and Current may be called by any.
type Task struct {
	spec   TaskSpec
	ctx    context.Context
	in     *topology.Instance
	record *state.RecordContext

	queues  []*Queue
	order   order
	arrived []*Queue // were empty and have records now: heads not loaded
	last    *Queue   // of the last record: its next head is not loaded
	inputs  []input

	raw        *topology.Raw // the record that is being processed; nil between records
	loading    *Queue        // whose head is being decoded
	streamTime Time
	headErr    error            // of a head that Ready has loaded: Process reports it
	active     Time             // wall clock of the last record, -1: not known; only with Config.IdleAdvance
	activeTime Time             // stream time then
	requested  bool             // a node asked for a commit
	fired      bool             // a timer has fired, or time has moved on by itself, since the last commit
	kept       map[string]int64 // what processors keep with the offsets, as of the last commit

	drops     *drops
	processed atomic.Int64
	current   struct {
		queue  atomic.Pointer[Queue]
		offset atomic.Int64
	}
}

// OpenTask opens the task's stores. Restore them, then Start.
func OpenTask(spec TaskSpec) (*Task, error) {
	if spec.Logger == nil {
		spec.Logger = slog.Default()
	}
	t := &Task{spec: spec, record: &state.RecordContext{Partition: -1, Offset: -1}, streamTime: -1, active: -1, drops: newDrops(spec.Config.Drops)}
	changelogs := map[string]topology.StoreChangelog{}
	for _, c := range spec.Topology.StoreChangelogs(spec.Subtopologies, spec.Config.ApplicationID) {
		changelogs[c.Store] = c
	}
	env := topology.Env{ApplicationID: spec.Config.ApplicationID, EmitInterval: spec.Config.EmitInterval}
	env.Stores = state.Env{DB: spec.DB, Cache: spec.Cache, Partition: spec.ID.Partition, Record: t.record}
	env.Stores.Task, env.Stores.Dir = spec.ID.String(), spec.Config.Dir
	env.Stores.Dropped, env.Stores.Shared = t.drops.add, spec.Shared
	var failed error
	env.Stores.Changelog = func(store string) state.Changelog {
		c, ok := changelogs[store]
		if !ok || c.Source {
			return nil
		}
		log, err := spec.Collector.Changelog(c.Topic, spec.ID.Partition)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("changelog of store %s: %w", store, err))
			return nil
		}
		return fatalLog{log}
	}
	var err error
	if t.in, err = spec.Topology.Open(spec.Subtopologies, spec.ID, env); err != nil {
		return nil, err
	}
	if failed != nil {
		return nil, errors.Join(fmt.Errorf("task %s: %w", spec.ID, failed), t.in.Close())
	}
	return t, nil
}

// ID is the task's id.
func (t *Task) ID() topology.TaskID { return t.spec.ID }

// Stores are the task's stores.
func (t *Task) Stores() *state.Stores { return t.in.Stores() }

// Changelogs are the topics that the stores are restored from, in the stores' order. A store that is not logged is not among them.
func (t *Task) Changelogs() []Changelog {
	var out []Changelog
	for _, c := range t.spec.Topology.StoreChangelogs(t.spec.Subtopologies, t.spec.Config.ApplicationID) {
		out = append(out, Changelog{
			Store:          c.Store,
			TopicPartition: TopicPartition{c.Topic, t.spec.ID.Partition},
			Source:         c.Source,
		})
	}
	return out
}

// Start makes the nodes. ctx is what user functions get; it is cancelled to make them give up. Times and processor metadata go on from the committed
// offsets; metadata that cannot be read are logged and ignored, as Kafka Streams does.
func (t *Task) Start(ctx context.Context, committed map[TopicPartition]Committed) error {
	t.ctx = ctx
	values := map[string]int64{}
	times := map[TopicPartition]Time{}
	for tp, c := range committed {
		m, err := parseMetadata(c.Metadata)
		if err != nil {
			t.spec.Logger.Warn("committed metadata ignored", "task", t.spec.ID, "topic", tp.Topic, "partition", tp.Partition, "error", err)
		}
		times[tp] = m.Time
		for k, v := range m.Values {
			if old, ok := values[k]; !ok || v > old {
				values[k] = v
			}
		}
	}
	t.kept = values
	t.in.SetProcessorMetadata(values)
	if err := t.in.Start(ctx, (*host)(t)); err != nil {
		return err
	}
	for _, tp := range t.spec.Inputs {
		q, err := t.Queue(tp)
		if err != nil {
			return err
		}
		switch c, ok := committed[tp]; {
		case ok && c.Offset >= 0:
			q.next, q.committed = c.Offset, c.Offset
			q.partitionTime = times[tp]
			t.streamTime = max(t.streamTime, q.partitionTime)
		case ok && c.Start >= 0:
			// The next commit commits it: what comes from now on is the application's, whoever has the partition then.
			q.next, q.consumed = c.Start, true
		}
	}
	return nil
}

// Queue is the queue of a partition. It is made when it is first asked for, as a new topic that matches a source's pattern makes necessary. It exists
// after Start.
func (t *Task) Queue(tp TopicPartition) (*Queue, error) {
	for _, q := range t.queues {
		if q.TopicPartition == tp {
			return q, nil
		}
	}
	head, err := t.in.NewHead(tp.Topic)
	if err != nil {
		return nil, err
	}
	q := newQueue(tp, head)
	t.queues = append(t.queues, q)
	t.inputs = append(t.inputs, input{})
	return q, nil
}

// Queues are the queues: those of TaskSpec.Inputs in that order, then those that Queue has made.
func (t *Task) Queues() []*Queue { return t.queues }

// Push appends fetched records to one of the task's queues. They follow what was pushed before. Their bytes must never be written again.
func (t *Task) Push(q *Queue, raws []topology.Raw) {
	if len(raws) == 0 {
		return
	}
	if q.n == 0 {
		if q == t.last {
			t.last = nil
		}
		t.arrived = append(t.arrived, q)
	}
	q.push(raws)
}

// Ready tells whether Process would find a record, now being the wall clock. It remembers since when the task waits for empty partitions. What cannot be decoded
// and what has no time does not count: where it waits, it loads heads for that, and leaves what fails to Process.
func (t *Task) Ready(now Time) bool {
	if len(t.queues) == 1 {
		return t.queues[0].n > 0
	}
	if t.spec.Config.MaxTaskIdle >= 0 && t.headErr == nil {
		if t.headErr = t.enterHeads(); t.headErr != nil {
			return true
		}
	}
	for i, q := range t.queues {
		t.inputs[i] = input{buffered: q.n > 0, lag: q.lag, deadline: q.deadline}
	}
	idle := Time(t.spec.Config.MaxTaskIdle.Milliseconds())
	if t.spec.Config.MaxTaskIdle < 0 {
		idle = -1
	}
	r := ready(t.inputs, idle, now)
	for i, q := range t.queues {
		q.deadline = t.inputs[i].deadline
	}
	return r >= complete
}

// Buffered is the number of records in all queues.
func (t *Task) Buffered() (n int) {
	for _, q := range t.queues {
		n += q.n
	}
	return n
}

// Process processes up to limit records that are in the queues, whether the task is Ready or not, and tells how many. It ends early when there are no more,
// when a node asks for a commit, and when the stores hold more than Config.PendingBytes.
func (t *Task) Process(limit int) (n int, err error) {
	for more := true; more && n < limit; {
		var done int
		done, more, err = t.run(limit - n)
		n += done
		if err != nil {
			break
		}
	}
	t.raw = nil
	t.processed.Add(int64(n))
	if n > 0 && t.spec.Config.IdleAdvance > 0 {
		t.active, t.activeTime = t.spec.Now(), t.streamTime
	}
	return n, err
}

// run is Process until the first panic in user code: the handler is asked about it, and more says that processing may go on.
func (t *Task) run(limit int) (n int, more bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			if t.loading == nil {
				n++
			}
			more, err = true, t.panicked(p)
		}
	}()
	for n < limit {
		q, err := t.choose()
		if q == nil || err != nil {
			return n, false, err
		}
		if err := t.process(q); err != nil {
			return n, false, err
		}
		n++
		t.raw = nil // a panic from here on is not the record's
		if err := t.in.Stores().EvictCaches(); err != nil {
			return n, false, err
		}
		if t.requested || t.Full() {
			return n, false, t.checkPending()
		}
	}
	return n, true, nil
}

// choose takes the queue with the lowest head time, nil if all are empty.
func (t *Task) choose() (*Queue, error) {
	if err := t.headErr; err != nil {
		t.headErr = nil
		return nil, err
	}
	if err := t.offerNew(); err != nil {
		return nil, err
	}
	return t.order.poll(), nil
}

// offerNew offers the queues that have got another head.
func (t *Task) offerNew() error {
	if q := t.last; q != nil {
		if err := t.offer(q); err != nil {
			return err
		}
		t.last = nil
	}
	for len(t.arrived) > 0 {
		if err := t.offer(t.arrived[0]); err != nil {
			return err
		}
		t.arrived = t.arrived[:copy(t.arrived, t.arrived[1:])]
	}
	return nil
}

// enterHeads is offerNew outside of Process: a panic of an extractor or a serde is its record's.
func (t *Task) enterHeads() (err error) {
	for again := true; again && err == nil; {
		again, err = t.enterGuarded()
	}
	return err
}

func (t *Task) enterGuarded() (again bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			again, err = true, t.panicked(p)
		}
	}()
	return false, t.offerNew()
}

// offer loads the head of a queue and enters it into the order; a queue whose records are all dropped stays out.
func (t *Task) offer(q *Queue) error {
	ok, err := t.load(q)
	if ok {
		t.order.offer(q)
	}
	return err
}

// load decodes heads until one has a time; false means that the queue is empty.
func (t *Task) load(q *Queue) (bool, error) {
	for q.n > 0 {
		raw := q.peek()
		t.loading = q
		time, err := q.head.Load(raw, q.partitionTime)
		t.loading = nil
		if err == nil && time >= 0 {
			q.headTime, q.loaded = time, true
			return true, nil
		}
		if err != nil {
			err = t.undecodable(raw, err)
		} else {
			t.drops.add(q.head.Node(), "timestamp")
		}
		if err != nil {
			return false, err
		}
		q.pop()
	}
	q.release()
	return false, nil
}

// process lets the nodes process the loaded head of q.
func (t *Task) process(q *Queue) error {
	raw := q.peek()
	q.pop()
	t.last = q
	q.partitionTime = max(q.partitionTime, q.headTime)
	t.streamTime = max(t.streamTime, q.headTime)
	t.raw = raw
	if t.current.queue.Load() != q { // a load costs less than a store
		t.current.queue.Store(q)
	}
	t.current.offset.Store(raw.Offset)
	*t.record = state.RecordContext{Topic: q.Topic, Partition: q.Partition, Offset: raw.Offset, Time: q.headTime, Headers: raw.Headers}
	return q.head.Process()
}

// Full says that the stores hold more than Config.PendingBytes: it is time to apply them.
func (t *Task) Full() bool {
	return t.spec.Config.PendingBytes > 0 && t.in.Stores().Pending() > t.spec.Config.PendingBytes
}

// checkPending fails when one record has written more than memory is meant for.
func (t *Task) checkPending() error {
	bound := t.spec.Config.PendingBytes
	if bound <= 0 || t.in.Stores().Pending() <= 4*bound {
		return nil
	}
	m, _ := t.Current()
	return topology.Fatal(fmt.Errorf("task %s, record %s/%d@%d: its stores %v hold %d bytes that are not applied, more than four times the bound of %d: raise Config.StateMemory, or write less for one record",
		t.spec.ID, m.Topic, m.Partition, m.Offset, t.in.Stores().Names(), t.in.Stores().Pending(), bound))
}

// CommitRequested says that a node has asked for a commit since the last one.
func (t *Task) CommitRequested() bool { return t.requested }

// StreamTime is the highest time of a processed record; -1 before the first.
func (t *Task) StreamTime() Time { return t.streamTime }

// PunctuateStream fires the timers that stream time has made due, each once. Call it after each batch of records.
func (t *Task) PunctuateStream() (fired bool, err error) {
	if t.streamTime < 0 {
		return false, nil
	}
	return t.punctuate(topology.StreamTime, t.streamTime)
}

// PunctuateWall fires the timers that are due by the wall clock, each once.
func (t *Task) PunctuateWall(now Time) (fired bool, err error) {
	return t.punctuate(topology.WallClock, now)
}

// Idle moves stream time on with the wall clock when no record has come for Config.IdleAdvance: by as much as has passed since. Call it now and then.
func (t *Task) Idle(now Time) error {
	idle := Time(t.spec.Config.IdleAdvance.Milliseconds())
	if idle <= 0 || t.streamTime < 0 {
		return nil
	}
	for _, q := range t.queues {
		if q.n > 0 || q.lag > 0 {
			t.active, t.activeTime = now, t.streamTime
			return nil
		}
	}
	if t.active < 0 { // it has just started
		t.active, t.activeTime = now, t.streamTime
	}
	passed := now - t.active
	if passed < idle || add(t.activeTime, passed) <= t.streamTime {
		return nil
	}
	t.streamTime, t.fired = add(t.activeTime, passed), true
	err := t.in.Advance(t.streamTime)
	if err == nil {
		_, err = t.PunctuateStream()
	}
	if err == nil {
		err = t.in.Stores().EvictCaches()
	}
	return err
}

func (t *Task) punctuate(c topology.Clock, now Time) (bool, error) {
	fired, err := t.in.Punctuate(c, now)
	t.fired = t.fired || fired
	if fired && err == nil {
		err = t.in.Stores().EvictCaches()
	}
	return fired, err
}

// Processed is the number of records processed so far. Any goroutine may ask.
func (t *Task) Processed() int64 { return t.processed.Load() }

// Current is the record that is or was processed last; false before the first. Any goroutine may ask, a watchdog for one; the offset may belong to the
// record after or before the one that is being processed at the moment.
func (t *Task) Current() (topology.RecordMetadata, bool) {
	q := t.current.queue.Load()
	if q == nil {
		return topology.RecordMetadata{}, false
	}
	return topology.RecordMetadata{Topic: q.Topic, Partition: q.Partition, Offset: t.current.offset.Load()}, true
}

// fatalLog is a changelog whose errors no handler is asked about.
type fatalLog struct{ to state.Changelog }

func (l fatalLog) Log(r state.LogRecord) error { return topology.Fatal(l.to.Log(r)) }

// Close closes nodes and stores. What is not applied is lost.
func (t *Task) Close() error { return t.in.Close() }
