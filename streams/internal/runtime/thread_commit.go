package runtime

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/millrace-go/millrace/state"
)

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
	for _, m := range t.tasks {
		if m.runs() {
			live = append(live, m)
		}
	}
	if !t.dirty() {
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
		offsets = m.AppendOffsets(offsets)
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

// dirty says that something was done since the last commit.
func (t *Thread) dirty() bool {
	dirty := t.Producer.Produced()
	for _, m := range t.tasks {
		dirty = dirty || m.runs() && m.NeedsCommit()
	}
	return dirty
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
