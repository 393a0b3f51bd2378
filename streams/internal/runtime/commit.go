package runtime

import (
	"maps"

	"github.com/millrace-go/millrace/state"
)

// Flush is the first step of a commit: caches hand what they have held back to the nodes behind them and to the changelogs.
func (t *Task) Flush() (err error) {
	defer func() {
		*t.record = state.RecordContext{Partition: -1, Offset: -1}
		if p := recover(); p != nil {
			err = t.panickedFlush(p)
		}
	}()
	return t.in.Stores().Flush()
}

// NeedsCommit says that something was processed, dropped, done by a timer or kept as metadata since the last commit.
func (t *Task) NeedsCommit() bool { return t.fired || t.unfinished() }

// unfinished is NeedsCommit but for timers, which may fire all the time.
func (t *Task) unfinished() bool {
	if t.requested {
		return true
	}
	if _, changed := t.in.ProcessorMetadata(); changed {
		return true
	}
	for _, q := range t.queues {
		if q.consumed {
			return true
		}
	}
	return false
}

// AppendOffsets appends what a commit writes for the task: the offset of each queue's head, not of the last record, for the partitions of which something was
// consumed; for all, when processors have changed their metadata. Call it after Flush.
func (t *Task) AppendOffsets(out []Offset) []Offset {
	values, changed := t.metadata()
	for _, q := range t.queues {
		if at := q.offset(); at >= 0 && (q.consumed || changed) {
			out = append(out, Offset{q.TopicPartition, at, Metadata{q.partitionTime, values}})
		}
	}
	return out
}

// Metadata is what goes with an offset of q.
func (t *Task) Metadata(q *Queue) Metadata {
	values, _ := t.metadata()
	return Metadata{q.partitionTime, values}
}

// metadata is a copy of what the processors keep that stays as it is, and whether it was changed since the last commit.
func (t *Task) metadata() (values map[string]int64, changed bool) {
	values, changed = t.in.ProcessorMetadata()
	if changed {
		t.kept = maps.Clone(values)
	}
	return t.kept, changed
}

// Apply adds what the stores have written since the last Apply to b, with how far their changelogs go: positions has an entry for every store of
// Changelogs; that of a Source is at SourceOffset. The stores see it as applied once b is committed; if that fails the task must be closed.
func (t *Task) Apply(b *state.Batch, positions map[string]state.Position) error {
	return t.in.Stores().Apply(b, positions)
}

// Committed is the last step of a commit: what AppendOffsets told is committed.
func (t *Task) Committed() {
	t.requested, t.fired = false, false
	t.in.ProcessorMetadataCommitted()
	for _, q := range t.queues {
		q.consumed = false
		q.committed = q.offset()
	}
}

// SourceOffset is where a store that is restored from a source topic stands: the offset to commit of the task's partition of that topic.
func (t *Task) SourceOffset(topic string) (int64, bool) {
	for _, q := range t.queues {
		if q.Topic == topic {
			return q.offset(), q.offset() >= 0
		}
	}
	return 0, false
}
