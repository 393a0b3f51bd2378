package runtime

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace-go/millrace/state"
)

// changelogState is the restore of one store.
type changelogState struct {
	Changelog
	ends     Ends
	start    int64
	position int64
	end      int64
	records  int64
	reason   string
}

// restorer reads the changelogs of a thread's tasks beside their processing: one fetch is on its way while the last one's records are applied, and the
// running tasks have their turns in between.
type restorer struct {
	cancel  context.CancelFunc
	active  map[TopicPartition]restoring
	fetch   <-chan ReadBatch
	probes  map[TopicPartition]<-chan ReadBatch
	waiting bool
}

type restoring struct {
	m *member
	c *changelogState
}

func (r *restorer) busy() bool { return len(r.active) > 0 || r.waiting }

func (r *restorer) stop() {
	if r.cancel != nil {
		r.cancel()
	}
}

// forget drops what is restored for a task that is closed.
func (r *restorer) forget(m *member) {
	for tp, x := range r.active {
		if x.m == m {
			delete(r.active, tp)
		}
	}
	for _, tp := range m.inputs {
		delete(r.probes, tp)
	}
}

// restoreStep takes the tasks that do not run yet one step further.
func (t *Thread) restoreStep(ctx context.Context) error {
	r := &t.restore
	r.waiting = false
	for _, m := range t.tasks {
		if m.runs() {
			continue
		}
		if m.logs == nil {
			if len(m.committed) < len(m.inputs) {
				r.waiting = true
				continue // only once all offsets are stable does the changelog's end tell the truth
			}
			if err := t.beginRestore(ctx, m); err != nil {
				return err
			}
		}
		if t.restored(m) {
			if err := t.startTask(ctx, m); err != nil {
				return err
			}
		}
	}
	return t.readChangelogs(ctx)
}

// beginRestore finds out from where to where each store of m has to be restored.
func (t *Thread) beginRestore(ctx context.Context, m *member) error {
	logs := m.Changelogs()
	m.logs = make([]*changelogState, 0, len(logs))
	if len(logs) == 0 {
		return nil
	}
	tps := make([]TopicPartition, len(logs))
	for i, c := range logs {
		tps[i] = c.TopicPartition
	}
	ends, err := t.Reader.Ends(ctx, tps)
	if err != nil {
		return fmt.Errorf("task %s: %w", m.id, err)
	}
	for _, c := range logs {
		s := &changelogState{Changelog: c, ends: ends[c.TopicPartition]}
		s.end = s.ends.High
		if c.Source {
			// The store follows the topic that the task reads: what is behind the committed offset is still to be processed.
			s.end = min(s.ends.High, max(m.committed[c.TopicPartition].Offset, s.ends.Start))
		}
		pos, ok := m.Stores().Position(c.Store)
		if ok {
			s.reason, err = t.outdated(ctx, s, pos)
			if err != nil {
				return err
			}
		}
		switch {
		case !ok:
			s.position = s.ends.Start
		case s.reason != "":
			t.Logger.Warn("rebuilding a store from its changelog", "task", m.id, "store", c.Store, "topic", c.Topic, "partition", c.Partition, "reason", s.reason)
			if err := m.Stores().Reset(c.Store); err != nil {
				return err
			}
			s.position = s.ends.Start
		default:
			s.position = pos.Next
		}
		s.start = s.position
		m.logs = append(m.logs, s)
		m.positions[c.Store] = state.Position{Next: s.position, Topic: s.ends.TopicID, Applied: wallClock()}
		if s.position < s.end {
			if t.restore.active == nil {
				t.restore.active = map[TopicPartition]restoring{}
			}
			t.restore.active[c.TopicPartition] = restoring{m, s}
			t.progress(m, s, false)
		}
	}
	return nil
}

// outdated says why a store cannot go on from its position, or "".
func (t *Thread) outdated(ctx context.Context, s *changelogState, pos state.Position) (string, error) {
	switch {
	case pos.Topic != [16]byte{} && s.ends.TopicID != [16]byte{} && pos.Topic != s.ends.TopicID:
		return "the changelog topic was deleted and created again", nil
	case pos.Next < s.ends.Start:
		return fmt.Sprintf("its changelog offset %d is below the log's start %d", pos.Next, s.ends.Start), nil
	case pos.Next > s.ends.High:
		return fmt.Sprintf("its changelog offset %d is beyond the log's end %d", pos.Next, s.ends.High), nil
	}
	if pos.Next == s.ends.High {
		return "", nil
	}
	retention, err := t.Reader.DeleteRetention(ctx, s.Topic)
	if err != nil {
		return "", err
	}
	if age := wallClock() - pos.Applied; retention >= 0 && age > Time(retention) {
		return fmt.Sprintf("it was last written %v ago, and the changelog keeps deletes for %v only", time.Duration(age)*time.Millisecond, time.Duration(retention)*time.Millisecond), nil
	}
	return "", nil
}

// readChangelogs applies what a fetch has brought and sends the next one.
func (t *Thread) readChangelogs(ctx context.Context) error {
	r := &t.restore
	for tp, ch := range r.probes {
		select {
		case b := <-ch:
			delete(r.probes, tp)
			t.probed(tp, b)
		default:
		}
	}
	if r.fetch == nil && len(r.active) > 0 {
		t.nextFetch(ctx)
	}
	if r.fetch == nil {
		return nil
	}
	var b ReadBatch
	select {
	case b = <-r.fetch:
	default:
		return nil
	}
	r.fetch = nil
	if b.Err != nil {
		return b.Err
	}
	// The next fetch leaves before this one's records are applied.
	for _, p := range b.Partitions {
		if x, ok := r.active[p.TopicPartition]; ok {
			x.c.position = max(x.c.position, p.Next)
		}
	}
	t.nextFetch(ctx)
	for _, p := range b.Partitions {
		x, ok := r.active[p.TopicPartition]
		if !ok {
			continue
		}
		rs := p.Records
		for len(rs) > 0 && rs[len(rs)-1].Offset >= x.c.end {
			rs = rs[:len(rs)-1]
		}
		pos := x.m.positions[x.c.Store]
		pos.Next, pos.Applied = min(x.c.position, x.c.end), wallClock()
		if err := x.m.Stores().Restore(x.c.Store, rs, pos); err != nil {
			return fmt.Errorf("task %s: restore store %s: %w", x.m.id, x.c.Store, err)
		}
		x.m.positions[x.c.Store] = pos
		x.c.records += int64(len(rs))
		done := x.c.position >= x.c.end
		if done {
			delete(r.active, p.TopicPartition)
		}
		t.progress(x.m, x.c, done)
	}
	return nil
}

func (t *Thread) nextFetch(ctx context.Context) {
	r := &t.restore
	from := map[TopicPartition]int64{}
	for tp, x := range r.active {
		if x.c.position < x.c.end {
			from[tp] = x.c.position
		}
	}
	if len(from) == 0 {
		return
	}
	if r.cancel == nil {
		ctx, r.cancel = context.WithCancel(ctx)
	}
	r.fetch = t.Reader.Fetch(ctx, from, FetchLimits{Wait: 20 * time.Millisecond, Partition: 4 << 20})
}

// probe asks where a silent partition really stands.
func (r *restorer) probe(t *Thread, tp TopicPartition, q *Queue) {
	if r.probes == nil {
		r.probes = map[TopicPartition]<-chan ReadBatch{}
	}
	if _, ok := r.probes[tp]; ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	answer := make(chan ReadBatch, 1)
	r.probes[tp] = answer
	from := q.next
	go func() {
		defer cancel()
		if _, err := t.Reader.Ends(ctx, []TopicPartition{tp}); err != nil { // the reader has to know the leader
			answer <- ReadBatch{Err: err}
			return
		}
		answer <- <-t.Reader.Fetch(ctx, map[TopicPartition]int64{tp: from}, FetchLimits{Partition: 1})
	}()
}

// probed moves a silent queue behind what holds no record.
func (t *Thread) probed(tp TopicPartition, b ReadBatch) {
	m := t.inputs[tp]
	if m == nil || !m.runs() || b.Err != nil {
		return
	}
	q := m.queues[tp]
	for _, p := range b.Partitions {
		if len(p.Records) == 0 && q.Len() == 0 && p.Next > q.next {
			q.Advance(p.Next)
			q.consumed = true
			q.SetLag(max(m.high[tp]-q.next, 0))
		}
	}
}

// restored says that all stores of m are complete.
func (t *Thread) restored(m *member) bool {
	for _, c := range m.logs {
		if _, active := t.restore.active[c.TopicPartition]; active {
			return false
		}
	}
	return true
}

// startTask makes the nodes and lets the partitions flow.
func (t *Thread) startTask(ctx context.Context, m *member) error {
	done := t.readGlobals() // suppliers may read them
	err := m.Start(ctx, m.committed)
	done()
	if err != nil {
		return err
	}
	m.queues = map[TopicPartition]*Queue{}
	for _, q := range m.Queues() {
		m.queues[q.TopicPartition] = q
	}
	ends, err := t.Reader.Ends(ctx, m.inputs)
	if err != nil {
		return err
	}
	for tp, rs := range m.waiting {
		m.Push(m.queues[tp], rs)
	}
	m.waiting = nil
	for tp, q := range m.queues {
		m.high[tp] = ends[tp].High
		next := q.next
		if next < 0 {
			next = ends[tp].Start
		}
		q.SetLag(max(ends[tp].High-next, 0))
	}
	t.Consumer.Resume(m.inputs)
	t.Logger.Debug("task runs", "task", m.id, "thread", t.Name)
	return nil
}

func (t *Thread) progress(m *member, c *changelogState, done bool) {
	if t.Listener.Restore != nil {
		t.Listener.Restore(RestoreProgress{Task: m.id, Store: c.Store, Changelog: c.TopicPartition, Start: c.start, Position: min(c.position, c.end), End: c.end,
			Records: c.records, Reason: c.reason, Done: done})
	}
}
