package runtime

import (
	"context"
	"maps"
)

// Positions are the committed offsets of the thread's input partitions: -1 for one that has records waiting, or processed and not committed. ok is false
// while a task is assigned that does not run yet.
func (t *Thread) Positions(ctx context.Context) (at map[TopicPartition]int64, ok bool, err error) {
	at = map[TopicPartition]int64{}
	err = t.Do(ctx, func() {
		ok = t.assigned
		for _, m := range t.tasks {
			ok = ok && m.runs()
			for tp, q := range m.queues {
				at[tp] = -1
				if q.Len() == 0 && !q.consumed && !m.unfinished() {
					at[tp] = max(q.committed, q.next, 0)
				}
			}
		}
		at = maps.Clone(at)
	})
	return at, ok, err
}
