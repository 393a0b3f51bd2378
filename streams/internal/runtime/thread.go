package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
)

// ThreadSpec is what a stream thread is made of.
type ThreadSpec struct {
	Name     string
	Topology *topology.Topology
	Config   *Config
	DB       *state.DB // nil: stores live in memory
	Cache    *state.Cache
	Consumer Consumer
	Producer Producer
	Reader   Reader
	// Groups are the sub-topologies that read a topic.
	Subtopology func(topic string) (topology.SubtopologyID, bool)
	// GlobalStore is a new handle of a global store for the thread's nodes; Global is held for reading while they work. Both may be nil.
	GlobalStore func(name string) any
	Global      *sync.RWMutex
	Listener    Listener
	Logger      *slog.Logger
	// Restarts says of an error of Run whether another thread takes this one's place: then the group is not told. nil: after any.
	Restarts func(error) bool
	// CommitInterval is the longest time between commits.
	CommitInterval time.Duration
	// PurgeInterval is how often processed records are deleted from repartition topics.
	PurgeInterval time.Duration
	// MaxStep is the longest that one turn of the loop may take.
	MaxStep time.Duration
}

// Listener hears what a thread does. Its methods are called in the thread's goroutine and must not block. A nil func is not called.
type Listener struct {
	// Running is told whether all tasks of the thread run.
	Running func(all bool)
	// Restore is told about each store: when its restore begins, goes on and ends.
	Restore func(RestoreProgress)
}

// RestoreProgress is how far the restore of one store has come.
type RestoreProgress struct {
	Task      topology.TaskID
	Store     string
	Changelog TopicPartition
	Start     int64 // offsets
	Position  int64
	End       int64
	Records   int64  // restored so far
	Reason    string // why it is restored, when it is more than a tail
	Done      bool
}

// Thread is one stream thread: a goroutine around step, which the owner starts by Run. It owns a group consumer, a producer and a changelog reader,
// and the tasks that the group gives it.
type Thread struct {
	ThreadSpec
	tasks   map[topology.TaskID]*member
	inputs  map[TopicPartition]*member
	restore restorer

	internal   map[string]bool          // repartition topics
	purged     map[TopicPartition]int64 // up to where their records were deleted
	purging    atomic.Bool
	lastPurge  time.Time
	lastCommit time.Time
	lastApply  time.Time
	idleSince  time.Time // zero while there is something to do
	running    bool      // what Listener.Running was told last
	assigned   bool      // the group has answered at least once
	processed  atomic.Int64
	commits    atomic.Int64
	requests   chan *request                      // answered between records
	wake       atomic.Pointer[context.CancelFunc] // ends the waiting of a poll
	ended      chan struct{}                      // closed when the loop is left

	turn     atomic.Int64            // when the current turn began, for the watchdog
	waits    atomic.Bool             // a commit waits for Kafka, for the watchdog
	snapshot atomic.Pointer[[]*Task] // the running tasks, for the watchdog
}

// member is a task of the thread with what belongs to its life in the group.
type member struct {
	*Task
	id        topology.TaskID
	inputs    []TopicPartition
	committed map[TopicPartition]Committed      // of the inputs whose offsets are known
	queues    map[TopicPartition]*Queue         // nil until it runs
	high      map[TopicPartition]int64          // high watermarks as of the last fetch
	waiting   map[TopicPartition][]topology.Raw // fetched before the task was opened anew
	paused    map[TopicPartition]bool           // for backpressure
	logs      []*changelogState
	positions map[string]state.Position // of stores with a changelog of their own
	chunk     int                       // how many records are processed in one go, see nextChunk
}

func (m *member) runs() bool { return m.queues != nil }

// NewThread makes a thread. Its clients are closed by Run.
func NewThread(s ThreadSpec) *Thread {
	t := &Thread{ThreadSpec: s, tasks: map[topology.TaskID]*member{}, inputs: map[TopicPartition]*member{}, requests: make(chan *request, 16), ended: make(chan struct{})}
	t.snapshot.Store(&[]*Task{})
	t.internal, t.purged, t.lastPurge = map[string]bool{}, map[TopicPartition]int64{}, time.Now()
	for _, topic := range t.Topology.InternalTopics(t.Config.ApplicationID) {
		if topic.Kind == topology.RepartitionKind {
			t.internal[topic.Name] = true
		}
	}
	return t
}

// ErrTakenOver says that another process runs with this instance's identity: the same state directory, or a copy of it. Going on would fence that
// one, which would fence this one, for ever.
var ErrTakenOver = errors.New("another process has taken over this instance's identity: is its state directory shared or copied?")

// ErrLost says that the group has given the thread's partitions away. It may start anew.
var ErrLost = errors.New("the group has taken the thread's partitions away")

// LocalError is an error of the instance itself: of its stores, of its time limits.
type LocalError struct{ Err error }

func (e *LocalError) Error() string { return e.Err.Error() }
func (e *LocalError) Unwrap() error { return e.Err }

// StopError says that a thread was asked to stop and could not commit what it had done. The next start does it again.
type StopError struct{ Err error }

func (e *StopError) Error() string { return "stopped without its last commit: " + e.Err.Error() }
func (e *StopError) Unwrap() error { return e.Err }

// stopTime is how long the last commit and leaving the group may take, grace what the watchdog gives on top of it.
const (
	stopTime = 4 * time.Second
	grace    = 500 * time.Millisecond
)

// Run processes until ctx is cancelled, then commits and leaves the group. After an error nothing of what was not committed is left, and the
// clients are closed without telling the group: another thread may take the place.
func (t *Thread) Run(ctx context.Context) (err error) {
	// User functions, requests to Kafka and the last commit outlive the cancelled ctx by a little.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		bound := time.AfterFunc(stopTime, cancel)
		context.AfterFunc(work, func() { bound.Stop() })
	})()
	t.lastCommit = time.Now()
	t.turn.Store(t.lastCommit.UnixNano()) // before the watchdog looks: the loop's goroutine may have to wait for a processor
	ended := make(chan error, 1)
	go func() {
		err := t.loop(ctx, work)
		if err != nil && ctx.Err() != nil {
			err = &StopError{err}
		}
		ended <- t.close(work, err)
		close(t.ended)
	}()
	return t.watch(ctx, ended, cancel)
}

// loop turns until ctx is done, then commits. A panic outside of the nodes, in a listener or when a processor is made, is an error as any other.
func (t *Thread) loop(ctx, work context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			p := &topology.PanicError{Value: p, Stack: debug.Stack()}
			t.Logger.Error("panic in a stream thread", "thread", t.Name, "panic", p.Value, "stack", string(p.Stack))
			err = &LocalError{fmt.Errorf("at %s: %w", place(p.Stack), p)}
		}
	}()
	for ctx.Err() == nil {
		t.turn.Store(time.Now().UnixNano())
		if err := t.step(ctx, work); err != nil {
			return err
		}
	}
	t.turn.Store(time.Now().UnixNano())
	return t.commit(work, time.Now(), everything)
}

// watch waits for the loop's end. A turn that takes too long hangs in user code, which cannot be stopped from outside: the group is left as after a crash, so that
// others take the tasks, and the loop is left to itself.
func (t *Thread) watch(ctx context.Context, ended <-chan error, cancel context.CancelFunc) error {
	tick := time.NewTicker(min(max(t.MaxStep/10, time.Millisecond), grace/2))
	defer tick.Stop()
	var stop <-chan time.Time // when a thread that was asked to stop should have
	stopping := ctx.Done()
	for {
		var why string
		select {
		case err := <-ended:
			return err
		case <-stopping:
			stopping, stop = nil, time.After(stopTime+grace)
			continue
		case <-stop:
			why = fmt.Sprintf("processing does not stop within %v", stopTime+grace)
			if t.Producer.Full() {
				why += ", as no broker takes its records"
			}
		case <-tick.C:
			took := time.Since(time.Unix(0, t.turn.Load()))
			if took < t.MaxStep || t.waits.Load() || t.Producer.Full() { // waiting for Kafka is no hanging
				continue
			}
			why = fmt.Sprintf("processing has taken %v, longer than MaxPollInterval %v", took.Round(time.Millisecond), t.MaxStep)
		}
		cancel()
		t.Consumer.Kill()
		return &LocalError{errors.New(why + t.hung())}
	}
}

// hung names the records that a hung thread is at.
func (t *Thread) hung() (at string) {
	for _, m := range *t.snapshot.Load() {
		if r, ok := m.Current(); ok {
			at += fmt.Sprintf("; task %s is at or behind record %s/%d@%d", m.ID(), r.Topic, r.Partition, r.Offset)
		}
	}
	return at
}

func (t *Thread) close(ctx context.Context, err error) error {
	if t.mayBeTakenOver(err) {
		c, cancel := context.WithTimeout(ctx, 2*time.Second)
		if t.Consumer.TakenOver(c) {
			err = fmt.Errorf("%w (%w)", ErrTakenOver, err)
		}
		cancel()
	}
	for _, m := range t.tasks {
		t.also(&err, m.Close())
	}
	if err != nil {
		abort, cancel := context.WithTimeout(ctx, time.Second) // readers need not wait for the transaction timeout
		t.Producer.Abort(abort)
		cancel()
		t.Producer.Close()
	}
	if err != nil && (t.Restarts == nil || t.Restarts(err) || errors.Is(err, ErrTakenOver)) {
		t.Consumer.Kill()
	} else {
		if left := t.Consumer.Close(ctx); left != nil { // the group finds out later
			t.Logger.Warn("stopped without leaving the group", "thread", t.Name, "error", left)
		}
	}
	if err == nil {
		t.Producer.Close()
	}
	t.restore.stop()
	t.Reader.Close()
	return err
}

// also takes an error of the clean-up: the first error is the thread's, what fails because of it is only logged.
func (t *Thread) also(first *error, err error) {
	switch {
	case err == nil:
	case *first == nil:
		*first = err
	default:
		t.Logger.Warn("closing after an error failed, too", "thread", t.Name, "error", err)
	}
}

// mayBeTakenOver says whether err may come of another process with this one's identity: what user code, a serde or a store has failed with does not.
func (*Thread) mayBeTakenOver(err error) bool {
	var node *topology.NodeError
	var decode *topology.DecodeError
	var local *LocalError
	return err != nil && !errors.As(err, &node) && !errors.As(err, &decode) && !errors.As(err, &local)
}

// Task is the running task of that id, nil if the thread has none. Only for use within Do.
func (t *Thread) Task(id topology.TaskID) *Task {
	if m := t.tasks[id]; m != nil && m.runs() {
		return m.Task
	}
	return nil
}

// Tasks are the ids of the running tasks, in order. Only for use within Do.
func (t *Thread) Tasks() []topology.TaskID {
	var out []topology.TaskID
	for id, m := range t.tasks {
		if m.runs() {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, func(a, b topology.TaskID) int {
		if a.Subtopology != b.Subtopology {
			return int(a.Subtopology - b.Subtopology)
		}
		return int(a.Partition - b.Partition)
	})
	return out
}

// Processed is the number of records processed since the thread began. Any goroutine may ask.
func (t *Thread) Processed() int64 { return t.processed.Load() }

const (
	pollMax       = 3000                   // records of one poll: with what is left in the queues they last while the next are fetched
	bufferedBytes = 32 << 20               // of a partition's queue, before it is paused; of a thread's, before it fetches no more while it has something to do
	maxChunk      = 500                    // records of one task before the others have their turn
	idleWait      = 100 * time.Millisecond // how long a poll waits when there is nothing to do
	sliceTime     = 50 * time.Millisecond  // how long the tasks process before the next look at events and the network
)

// step is one turn of the loop: what the group says, restore, poll, process, punctuate, commit. stop only cuts the waiting for records short.
func (t *Thread) step(stop, ctx context.Context) error {
	for _, e := range t.Consumer.Events() {
		if err := t.handle(ctx, e); err != nil {
			return err
		}
	}
	if err := t.Consumer.Rejoin(); err != nil {
		return err
	}
	if err := t.restoreStep(ctx); err != nil {
		return err
	}
	t.tell()
	if err := t.poll(stop); err != nil {
		return err
	}
	t.answer()
	if err := t.process(); err != nil {
		return err
	}
	now := time.Now()
	if err := t.punctuate(now); err != nil {
		return err
	}
	if t.due(now) {
		return t.commit(ctx, now, whatIsWorthIt)
	}
	return nil
}

func (t *Thread) tell() {
	all := t.assigned
	for _, m := range t.tasks {
		all = all && m.runs()
	}
	if all == t.running {
		return
	}
	t.running = all
	var running []*Task
	for _, m := range t.tasks {
		if m.runs() {
			running = append(running, m.Task)
		}
	}
	t.snapshot.Store(&running)
	if t.Listener.Running != nil {
		t.Listener.Running(all)
	}
}

// handle answers one event of the group.
func (t *Thread) handle(ctx context.Context, e Event) error {
	defer e.Done()
	switch e.Kind {
	case Assigned:
		return t.assign(ctx, e.Partitions)
	case Fetched:
		for tp, c := range e.Committed {
			if m := t.inputs[tp]; m != nil && !m.runs() {
				if _, known := m.committed[tp]; !known {
					m.committed[tp] = c
				}
			}
		}
		return nil
	case Revoked:
		if err := t.commit(ctx, time.Now(), everything); err != nil {
			return err
		}
		return t.drop(e.Partitions)
	default:
		e.Done()
		return t.whyLost(ctx)
	}
}

// whyLost is ErrLost with its reason: it follows the event.
func (t *Thread) whyLost(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	for ctx.Err() == nil {
		err := t.Consumer.Poll(ctx, 100*time.Millisecond, pollMax, func(TopicPartition, []topology.Raw, int64) {})
		if err != nil {
			return fmt.Errorf("%w: %w", ErrLost, err)
		}
	}
	return ErrLost
}

// assign opens the tasks of newly assigned partitions. They wait for their committed offsets, then for their stores.
func (t *Thread) assign(ctx context.Context, ps []TopicPartition) error {
	t.assigned = true
	byTask := map[topology.TaskID][]TopicPartition{}
	for _, tp := range ps {
		sub, ok := t.Subtopology(tp.Topic)
		if !ok {
			return fmt.Errorf("thread %s was given topic %s, which no sub-topology reads", t.Name, tp.Topic)
		}
		id := topology.TaskID{Subtopology: sub, Partition: tp.Partition}
		byTask[id] = append(byTask[id], tp)
	}
	for id, tps := range byTask {
		var err error
		if old := t.tasks[id]; old != nil { // a topic appeared that matches a pattern: the task has one input more
			if err = t.commit(ctx, time.Now(), everything); err == nil {
				err = t.reopen(old, append(tps, old.inputs...))
			}
		} else {
			err = t.open(&member{id: id, inputs: tps, committed: map[TopicPartition]Committed{}})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// open makes a task for m.
func (t *Thread) open(m *member) (err error) {
	slices.SortFunc(m.inputs, func(a, b TopicPartition) int { return strings.Compare(a.Topic, b.Topic) })
	m.Task, err = OpenTask(TaskSpec{ID: m.id, Topology: t.Topology, Subtopologies: []topology.SubtopologyID{m.id.Subtopology}, Inputs: m.inputs, Config: t.Config,
		DB: t.DB, Cache: t.Cache, Collector: t.Producer, GlobalStore: t.GlobalStore, Now: wallClock, Logger: t.Logger})
	if err != nil {
		return err
	}
	m.high, m.paused, m.positions = map[TopicPartition]int64{}, map[TopicPartition]bool{}, map[string]state.Position{}
	t.tasks[m.id] = m
	for _, tp := range m.inputs {
		t.inputs[tp] = m
	}
	return nil
}

// reopen gives a task other inputs, after a commit. The consumer has gone behind what the queues hold: it waits for the new ones. Until the new task runs nothing
// must be fetched for it.
func (t *Thread) reopen(old *member, inputs []TopicPartition) error {
	m := &member{id: old.id, inputs: inputs, committed: old.committed, waiting: old.waiting}
	if old.runs() {
		m.committed, m.waiting = map[TopicPartition]Committed{}, map[TopicPartition][]topology.Raw{}
		for tp, q := range old.queues {
			if slices.Contains(inputs, tp) {
				m.committed[tp] = Committed{Offset: q.committed, Metadata: old.Metadata(q)}
				m.waiting[tp] = q.all()
			}
		}
	}
	t.Consumer.Pause(old.inputs)
	if err := t.closeTask(old); err != nil {
		return err
	}
	return t.open(m)
}

func wallClock() Time { return Time(time.Now().UnixMilli()) }

// drop closes the tasks of revoked partitions. What they did is committed.
func (t *Thread) drop(ps []TopicPartition) error {
	for _, tp := range ps {
		m := t.inputs[tp]
		if m == nil {
			continue
		}
		left := slices.DeleteFunc(slices.Clone(m.inputs), func(tp TopicPartition) bool { return slices.Contains(ps, tp) })
		var err error
		if len(left) > 0 { // a topic that matched a pattern was deleted
			err = t.reopen(m, left)
		} else {
			err = t.closeTask(m)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *Thread) closeTask(m *member) error {
	delete(t.tasks, m.id)
	for _, tp := range m.inputs {
		delete(t.inputs, tp)
	}
	t.restore.forget(m)
	return m.Close()
}

// poll fetches when the queues have room, and waits when there is nothing to process.
func (t *Thread) poll(ctx context.Context) error {
	buffered, bytes, room, wait, ready := 0, int64(0), 0, idleWait, false
	now := time.Now()
	for _, m := range t.tasks {
		if !m.runs() {
			continue
		}
		if m.Ready(Time(now.UnixMilli())) {
			wait, ready = 0, true
		}
		buffered += m.Buffered()
		for _, q := range m.queues {
			bytes += q.Bytes()
		}
		room += t.Config.BufferedRecords * len(m.inputs)
	}
	if wait > 0 && t.restore.busy() {
		wait = 2 * time.Millisecond
	}
	if until := t.CommitInterval - now.Sub(t.lastCommit); wait > until {
		wait = max(until, time.Millisecond)
	}
	if ready && (buffered >= room || bytes >= bufferedBytes) { // tasks that wait for a partition's records are not helped by waiting for room
		t.balance()
		return nil
	}
	busy, got := ready, false
	if wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		t.wake.Store(&cancel)
		if len(t.requests) > 0 {
			wait = 0
		}
	}
	err := t.Consumer.Poll(ctx, wait, pollMax, func(tp TopicPartition, rs []topology.Raw, high int64) {
		got = true
		m := t.inputs[tp]
		if m == nil || !m.runs() {
			return
		}
		q := m.queues[tp]
		m.Push(q, rs)
		m.high[tp] = high
		q.SetLag(max(high-q.next, 0))
	})
	t.balance()
	if busy || got {
		t.idleSince = time.Time{}
	} else if t.idleSince.IsZero() {
		t.idleSince = now
	} else if now.Sub(t.idleSince) > idleWait {
		t.probe()
	}
	return err
}

// balance pauses a partition whose queue is far above its bound, so that others are fetched, and resumes it at half.
func (t *Thread) balance() {
	bound := t.Config.BufferedRecords
	for _, m := range t.tasks {
		for tp, q := range m.queues {
			switch n := q.Len(); {
			case !m.paused[tp] && (n > 20*bound && n > 2*pollMax || q.Bytes() > bufferedBytes):
				t.Consumer.Pause([]TopicPartition{tp})
				m.paused[tp] = true
			case m.paused[tp] && n <= bound/2 && q.Bytes() <= bufferedBytes/2:
				t.Consumer.Resume([]TopicPartition{tp})
				delete(m.paused, tp)
			}
		}
	}
}

// probe looks at partitions whose high watermark is ahead although the idle thread gets nothing: transaction markers, aborted records. The consumer does not
// show that it stepped over them; a direct fetch does.
func (t *Thread) probe() {
	for _, m := range t.tasks {
		for tp, q := range m.queues {
			if q.Len() == 0 && q.next >= 0 && q.next < m.high[tp] && !m.paused[tp] {
				t.restore.probe(t, tp, q)
			}
		}
	}
}

// readGlobals keeps the global stores as they are until the answer is called: while nodes work.
func (t *Thread) readGlobals() (done func()) {
	if t.Global == nil {
		return func() {}
	}
	t.Global.RLock()
	return t.Global.RUnlock
}

// process gives each task its turns until nothing is ready or it is time to look at the rest of the world.
func (t *Thread) process() error {
	defer t.readGlobals()()
	began := time.Now()
	now := began
	for any := true; any; {
		any = false
		for _, m := range t.tasks {
			if !m.runs() || !m.Ready(Time(now.UnixMilli())) {
				continue
			}
			n, err := m.Process(max(m.chunk, 1))
			t.processed.Add(int64(n))
			if err == nil {
				_, err = m.PunctuateStream()
			}
			if err != nil {
				return err
			}
			any = any || n > 0
			took := time.Since(now)
			now = now.Add(took)
			m.chunk = nextChunk(max(m.chunk, 1), n, took)
			if m.CommitRequested() || m.Full() || now.Sub(began) > sliceTime || now.Sub(t.lastCommit) > t.CommitInterval {
				return nil
			}
		}
	}
	return nil
}

// nextChunk makes chunks of quick records longer and those of slow ones shorter: the clock is not read for every record, and a function that takes a while, as a call of
// a remote service does, delays no commit by hundreds of records. Under exactly-once the transaction would time out, after each restart anew.
func nextChunk(chunk, n int, took time.Duration) int {
	const aim = sliceTime / 5
	switch {
	case took > aim:
		return max(int(int64(n)*int64(aim)/int64(took)), 1)
	case n == chunk && took < aim/2:
		return min(2*chunk, maxChunk)
	}
	return chunk
}

func (t *Thread) punctuate(now time.Time) error {
	defer t.readGlobals()()
	for _, m := range t.tasks {
		if !m.runs() {
			continue
		}
		if _, err := m.PunctuateWall(Time(now.UnixMilli())); err != nil {
			return err
		}
		if err := m.Idle(Time(now.UnixMilli())); err != nil {
			return err
		}
	}
	return nil
}

// due says whether it is time to commit.
func (t *Thread) due(now time.Time) bool {
	if now.Sub(t.lastCommit) >= t.CommitInterval {
		return true
	}
	for _, m := range t.tasks {
		if m.runs() && (m.CommitRequested() || m.Full()) {
			return true
		}
	}
	return false
}

// commit is the one commit procedure, for all tasks of the thread together:
//
//  1. flush the caches: downstream, into the changelogs;
//  2. flush the producer: every record is acknowledged, the changelogs' offsets are known;
//  3. exactly-once: the offsets of the queues' heads go into the transaction, and it ends; an interval that produced nothing commits them plainly;
//  4. apply what the stores hold to the database, in one batch with the changelogs' offsets: now and then, see [applying];
//  5. at-least-once: commit the offsets.
//
// A crash before 3 leaves no trace under exactly-once; one between 3 and 4 leaves a store behind its changelog, whose tail is replayed. Any error ends
// the thread, and nothing of the interval is left in memory.
func (t *Thread) commit(ctx context.Context, now time.Time, a applying) error {
	t.lastCommit = now
	var live []*member
	needed := t.Producer.Produced()
	for _, m := range t.tasks {
		if m.runs() {
			live = append(live, m)
			needed = needed || m.NeedsCommit()
		}
	}
	if !needed {
		if a == everything {
			return t.apply(live, now)
		}
		return nil
	}
	// Caches flush downstream, and downstream may be another task's input only through a topic: the order of the tasks does not matter.
	if err := t.flush(live); err != nil {
		return err
	}
	t.waits.Store(true)
	defer func() {
		t.turn.Store(time.Now().UnixNano())
		t.waits.Store(false)
	}()
	if err := t.Producer.Flush(ctx); err != nil {
		return err
	}
	var offsets []Offset
	for _, m := range live {
		offsets = append(offsets, m.Offsets()...)
	}
	if t.Producer.Transactional() {
		if t.Producer.Produced() {
			if len(offsets) == 0 {
				offsets = fence(live)
			}
			if err := t.Producer.Commit(ctx, offsets, t.Consumer); err != nil {
				return err
			}
		} else if err := t.Consumer.Commit(ctx, offsets); err != nil {
			return err
		}
	}
	t.note(live, now)
	if a == everything || t.worthApplying(live, now) {
		if err := t.apply(live, now); err != nil {
			return err
		}
	}
	if !t.Producer.Transactional() {
		if err := t.Producer.Commit(ctx, offsets, t.Consumer); err != nil {
			return err
		}
		if err := t.Consumer.Commit(ctx, offsets); err != nil {
			return err
		}
	}
	t.Producer.Forget()
	for _, m := range live {
		m.Committed()
	}
	t.commits.Add(1)
	t.purge(live, now)
	return nil
}

// purge deletes what is processed and committed from repartition topics, beside the thread: nothing else deletes it, and nobody else reads it.
func (t *Thread) purge(live []*member, now time.Time) {
	if len(t.internal) == 0 || now.Sub(t.lastPurge) < t.PurgeInterval || !t.purging.CompareAndSwap(false, true) {
		return
	}
	t.lastPurge = now
	below := map[TopicPartition]int64{}
	for _, m := range live {
		for tp, q := range m.queues {
			if t.internal[tp.Topic] && q.committed > 0 && q.committed != t.purged[tp] {
				below[tp] = q.committed
			}
		}
	}
	maps.Copy(t.purged, below)
	go func() {
		defer t.purging.Store(false)
		if len(below) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), t.PurgeInterval)
		defer cancel()
		if err := t.Reader.Purge(ctx, below); err != nil {
			t.Logger.Debug("repartition topics keep what was processed for now", "thread", t.Name, "error", err)
		}
	}()
}

// fence is an offset to commit with what timers have written while nothing was consumed: it stays what it was, but only with an offset does the group refuse the
// transaction of a thread whose tasks were given to another.
func fence(live []*member) []Offset {
	for _, m := range live {
		for _, q := range m.queues {
			if at := q.offset(); at >= 0 {
				return []Offset{{q.TopicPartition, at, m.Metadata(q)}}
			}
		}
	}
	return nil
}

// flush is step 1 of commit.
func (t *Thread) flush(live []*member) error {
	defer t.readGlobals()()
	for _, m := range live {
		if err := m.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// applying says how much of step 4 a commit does. The database has no log of its own, so that a batch is as volatile as the stores' memory until the
// database flushes: writing every commit's batch would buy nothing and cost a rewrite of every hot key ten times a second. What is committed stays in the
// stores' memory until there is enough of it, or until a while has passed, or the task goes. Only a commit may apply: between two, the stores hold
// values that are not committed.
type applying uint8

const (
	whatIsWorthIt applying = iota
	everything
)

// applyInterval bounds how far a store's database is behind its commits.
const applyInterval = 10 * time.Second

func (t *Thread) worthApplying(live []*member, now time.Time) bool {
	if now.Sub(t.lastApply) >= applyInterval {
		return true
	}
	for _, m := range live {
		if m.Stores().Pending() > t.Config.PendingBytes/2 {
			return true
		}
	}
	return false
}

// note takes down how far the changelogs go.
func (t *Thread) note(live []*member, now time.Time) {
	for _, m := range live {
		for _, c := range m.logs {
			pos := m.positions[c.Store]
			pos.Applied, pos.Topic = Time(now.UnixMilli()), c.ends.TopicID
			if c.Source {
				if at, ok := m.SourceOffset(c.Topic); ok {
					pos.Next = at
				}
			} else if next, ok := t.Producer.Next(c.TopicPartition); ok {
				pos.Next = next
			}
			m.positions[c.Store] = pos
		}
	}
}

// apply is step 4 of commit.
func (t *Thread) apply(live []*member, now time.Time) error {
	t.lastApply = now
	var b *state.Batch
	if t.DB != nil {
		b = t.DB.NewBatch()
	}
	for _, m := range live {
		if err := m.Apply(b, maps.Clone(m.positions)); err != nil {
			return &LocalError{fmt.Errorf("task %s: apply: %w", m.id, err)}
		}
	}
	if b == nil {
		return nil
	}
	if err := b.Commit(); err != nil {
		return &LocalError{fmt.Errorf("thread %s: apply: %w", t.Name, err)}
	}
	return nil
}
