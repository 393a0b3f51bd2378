package streams

import (
	"context"

	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

func countAggregation[K, V any]() aggregation[K, V, int64] {
	return aggregation[K, V, int64]{given: true, first: func() int64 { return 0 }, open: plainStep(func(_ Record[K, V], n int64) int64 { return n + 1 })}
}

func reduceAggregation[K, V any](f func(agg, v V) V) aggregation[K, V, V] {
	return aggregation[K, V, V]{given: f != nil, from: func(r Record[K, V]) V { return r.Value },
		open: plainStep(func(r Record[K, V], agg V) V { return f(agg, r.Value) })}
}

func tryReduceAggregation[K, V any](f func(ctx context.Context, agg V, r Record[K, V]) (V, error)) aggregation[K, V, V] {
	return aggregation[K, V, V]{given: f != nil, from: func(r Record[K, V]) V { return r.Value },
		open: tryStep(func(ctx context.Context, r Record[K, V], agg V) (V, error) { return f(ctx, agg, r) })}
}

func plainAggregation[K, V, A any](init func() A, add func(K, V, A) A) aggregation[K, V, A] {
	return aggregation[K, V, A]{given: init != nil && add != nil, first: init, open: plainStep(func(r Record[K, V], a A) A { return add(r.Key, r.Value, a) })}
}

func tryAggregation[K, V, A any](init func() A, add func(context.Context, Record[K, V], A) (A, error)) aggregation[K, V, A] {
	return aggregation[K, V, A]{given: init != nil && add != nil, first: init, open: tryStep(add)}
}

// adder puts records into aggregates, for one node of a task.
type adder[K, V, A any] struct {
	ctx *topology.Context
	how *aggregation[K, V, A]
	add step[K, V, A]
}

func newAdder[K, V, A any](ctx *topology.Context, how *aggregation[K, V, A]) adder[K, V, A] {
	return adder[K, V, A]{ctx: ctx, how: how, add: how.open(ctx)}
}

// next adds a record to an aggregate. What an aggregate begins with counts as its old value, as in startAggregate. done says that the record is
// dropped.
func (n *adder[K, V, A]) next(r Record[K, V], old A, had bool) (c change[A], done bool, err error) {
	c = change[A]{Old: old, HasOld: had, HasNew: true}
	switch {
	case had:
	case n.how.first != nil:
		c.Old, c.HasOld = n.how.first(), true
	case r.Tombstone:
		c.HasNew = false
		return c, false, nil
	default:
		c.New = n.how.from(r)
		return c, false, nil
	}
	if c.New, err = n.add(r, c.Old); err != nil {
		null, err := nullOr(n.ctx, err)
		c.HasNew = false
		return c, !null, err
	}
	return c, false, nil
}

// late is for a record that comes after a window of it has closed: it goes to f, if that is given, and is dropped and counted.
func (n *adder[K, V, A]) late(r Record[K, V], w window.Window, f func(context.Context, Record[K, V], window.Window) error) error {
	if f != nil {
		if err := f(n.ctx.Run(), r, w); err != nil {
			return n.ctx.Fail(err)
		}
	}
	n.ctx.Drop(droppedLate)
	return nil
}

// windowAggregation is an aggregation by time or sliding windows.
type windowAggregation[K, V, A any] struct {
	aggregation[K, V, A]
	nulls  bool // it is asked about tombstones
	onLate func(context.Context, Record[K, V], window.Window) error
	store  *windowStore[K, A]
}

// windowNode is the instance of a windowAggregation's node in one task.
type windowNode[K, V, A any] struct {
	nulls  bool
	onLate func(context.Context, Record[K, V], window.Window) error
	adder[K, V, A]
	windows *windowing
	rows    *windowRows[K, A]
	// clock is the highest time of the records with a key (and, for sliding windows, a value) that came here. It is not kept over a restart, but
	// where windows are emitted when they close: what was closed before stays closed.
	clock Time
	open  []window.Window // of the record
}

// start is an openWindows.
func (a *windowAggregation[K, V, A]) start(ctx *topology.Context, olds bool, forward forwardWindow[K, A]) (func(Record[K, V]) error, error) {
	rows, err := a.store.openFor(ctx, olds, forward)
	if err != nil {
		return nil, err
	}
	n := &windowNode[K, V, A]{nulls: a.nulls, onLate: a.onLate, adder: newAdder(ctx, &a.aggregation), windows: &a.store.windows, rows: rows, clock: -1}
	if rows.final != nil {
		n.clock = rows.final.clock()
	}
	ctx.OnAdvance(func(now Time) error {
		_, err := n.advance(Record[K, V]{Time: now})
		return err
	})
	if n.windows.assign == nil {
		return newSlidingNode(n).process, nil
	}
	return n.process, nil
}

// process puts a record into its windows, by ascending start.
func (n *windowNode[K, V, A]) process(r Record[K, V]) error {
	if r.NoKey || r.Tombstone && !n.nulls {
		n.ctx.Drop(droppedNull(r.NoKey))
		return nil
	}
	closed, err := n.advance(r)
	if err != nil {
		return err
	}
	n.open = n.windows.assign(n.open[:0], r.Time)
	for _, w := range n.open {
		if err := window.CheckAssigned(w); err != nil {
			return n.ctx.Fail(err)
		}
		if w.End <= closed {
			if err := n.late(r, w, n.onLate); err != nil {
				return err
			}
			continue
		}
		row, had, err := n.rows.get(r.Key, w.Start)
		if err != nil {
			return err
		}
		c, done, err := n.next(r, row.Value, had)
		if done || err != nil {
			return err
		}
		at := r.Time
		if had {
			at = max(at, row.Time)
		}
		if err := n.rows.update(r.Key, w, c, at, r.Headers); err != nil {
			return err
		}
	}
	return nil
}

// advance moves the clock, emits the windows that close by it, if that is when they are emitted, and answers the time up to which windows are closed.
func (n *windowNode[K, V, A]) advance(r Record[K, V]) (closed Time, err error) {
	n.clock = max(n.clock, r.Time)
	if n.rows.final != nil {
		err = n.rows.emit(n.clock, r.Headers)
	}
	return n.windows.closed(n.clock), err
}
