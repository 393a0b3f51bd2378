package streams

import (
	"context"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

// merger puts the aggregates of two sessions together. Null and Skip are errors here.
type merger[K, A any] = func(k K, a, b A) (A, error)

// openMerger makes a merger for one node of a task.
type openMerger[K, A any] = func(ctx *topology.Context) merger[K, A]

func plainMerge[K, A any](f func(k K, a, b A) A) openMerger[K, A] {
	m := func(k K, a, b A) (A, error) { return f(k, a, b), nil }
	return func(*topology.Context) merger[K, A] { return m }
}

func tryMerge[K, A any](f func(ctx context.Context, k K, a, b A) (A, error)) openMerger[K, A] {
	return func(ctx *topology.Context) merger[K, A] {
		run := ctx.Run()
		return func(k K, a, b A) (A, error) { return f(run, k, a, b) }
	}
}

// sessionAggregation is an aggregation by sessions.
type sessionAggregation[K, V, A any] struct {
	aggregation[K, V, A]
	nulls  bool // it is asked about tombstones
	merge  openMerger[K, A]
	onLate func(context.Context, Record[K, V], window.Window) error
	store  *sessionStore[K, A]
}

// sessionNode is the instance of a sessionAggregation's node in one task.
type sessionNode[K, V, A any] struct {
	nulls  bool
	onLate func(context.Context, Record[K, V], window.Window) error
	adder[K, V, A]
	merge   merger[K, A]
	windows *windowing
	rows    *sessionRows[K, A]
	clock   Time                                 // see windowNode.clock
	found   []state.Entry[window.Windowed[K], A] // the record's sessions
}

// start is an openWindows.
func (a *sessionAggregation[K, V, A]) start(ctx *topology.Context, olds bool, forward forwardWindow[K, A]) (func(Record[K, V]) error, error) {
	rows, err := a.store.openFor(ctx, olds, forward)
	if err != nil {
		return nil, err
	}
	n := &sessionNode[K, V, A]{nulls: a.nulls, onLate: a.onLate, adder: newAdder(ctx, &a.aggregation), merge: a.merge(ctx), windows: &a.store.windows, rows: rows, clock: -1}
	if rows.final != nil {
		n.clock = rows.final.clock()
	}
	ctx.OnAdvance(func(now Time) error {
		if n.clock = max(n.clock, now); n.rows.final == nil {
			return nil
		}
		return n.rows.emit(n.clock, nil)
	})
	return n.process, nil
}

// process merges the sessions that a record belongs to, from the earliest on, and adds the record to the result.
func (n *sessionNode[K, V, A]) process(r Record[K, V]) error {
	if r.NoKey || r.Tombstone && !n.nulls {
		n.ctx.Drop(droppedNull(r.NoKey))
		return nil
	}
	n.clock = max(n.clock, r.Time)
	if n.rows.final != nil {
		if err := n.rows.emit(n.clock, r.Headers); err != nil {
			return err
		}
	}
	point := window.Window{Start: r.Time, End: r.Time}
	session, err := n.find(r.Key, point)
	if err != nil {
		return err
	}
	if session.End <= n.windows.closed(n.clock) {
		return n.late(r, session, n.onLate)
	}
	c, done, err := n.combine(r)
	if done || err != nil {
		return err
	}
	// What a new session began with is no old value. Nor is that of a session that the record leaves as long as it is, here as in Kafka Streams: behind
	// the change, only a cache knows what was there before.
	c.HasOld = false
	if session != point {
		for i := range n.found {
			s := &n.found[i]
			if err := n.rows.update(s.Key, change[A]{Old: s.Value, HasOld: true}, r.Headers); err != nil {
				return err
			}
		}
	}
	return n.rows.update(window.Windowed[K]{Key: r.Key, Window: session}, c, r.Headers)
}

// find collects the sessions that are no further from the record than the gap, and answers the session that they make with it.
func (n *sessionNode[K, V, A]) find(k K, session window.Window) (window.Window, error) {
	clear(n.found)
	n.found = n.found[:0]
	gap := n.windows.reach
	for e, err := range n.rows.store.Find(k, session.Start.AddMillis(-gap), session.End.AddMillis(gap)) {
		if err != nil {
			return session, topology.Fatal(err)
		}
		n.found = append(n.found, e)
	}
	for i := range n.found {
		session.Start = min(session.Start, n.found[i].Key.Start)
		session.End = max(session.End, n.found[i].Key.End)
	}
	return session, nil
}

// combine merges the aggregates of the sessions that were found and adds the record. done says that the record is dropped.
func (n *sessionNode[K, V, A]) combine(r Record[K, V]) (c change[A], done bool, err error) {
	var agg A
	there := false
	if n.how.first != nil {
		agg, there = n.how.first(), true
	}
	for i := range n.found {
		if !there {
			agg, there = n.found[i].Value, true
			continue
		}
		if agg, err = n.merge(r.Key, agg, n.found[i].Value); err != nil {
			null, err := nullOr(n.ctx, err)
			if !null {
				return c, true, err
			}
			if there = n.how.first != nil; there {
				agg = n.how.first()
			}
		}
	}
	return n.next(r, agg, there)
}
