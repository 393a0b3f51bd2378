package runtime

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
)

// handle answers one event of the group.
func (t *Thread) handle(ctx context.Context, e Event) error {
	defer e.Done()
	if e.Kind != Fetched && len(e.Partitions) > 0 {
		t.moves.Add(1)
	}
	switch e.Kind {
	case Assigned:
		t.moving = e.Moving
		return t.assign(ctx, e.Partitions)
	case Fetched:
		if e.Err != nil {
			return e.Err
		}
		for tp, c := range e.Committed {
			if m := t.inputs[tp]; m != nil && !m.runs() {
				if _, known := m.committed[tp]; !known {
					m.committed[tp] = c
				}
			}
		}
		return nil
	case Revoked:
		t.moving = true // until the group says who has them
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
				m.committed[tp] = Committed{Offset: q.committed, Metadata: old.Metadata(q).String(), Start: q.offset()}
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
