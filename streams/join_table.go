package streams

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

// Joins with a table have the verbs' plain names, as in Kafka. The stream triggers them: each record is joined with the row that the table has when
// the record is processed, whatever their times, or, if the table is Versioned, with the row that was valid at the record's time. Results have
// the record's key, time and headers. Stream and table must have equally many partitions; a stream whose key may have changed goes through an
// internal topic first.

// Join joins each record with the table's row of its key; a record without one makes nothing. Null keys and tombstones are dropped and counted.
//
// With Grace, the table must be Versioned, and records wait until stream time has passed them by the grace: late changes of the table are
// seen, and results leave in the order of their times. With Tolerance, the table must be Versioned, too, and a row that is older than the record by
// more than that is as if it were not there: an as-of join.
func (s Stream[K, V]) Join[VT, R any](t Table[K, VT], f func(V, VT) R, o ...JoinOption) Stream[K, R] {
	return joinTable(s, t, innerJoin, f != nil, plainJoiner(func(l Record[K, V], r VT, _ bool) R { return f(l.Value, r) }), o)
}

// LeftJoin joins each record with the table's row of its key, nil if there is none; so is a record with a null key. Tombstones are dropped and counted.
func (s Stream[K, V]) LeftJoin[VT, R any](t Table[K, VT], f func(V, *VT) R, o ...JoinOption) Stream[K, R] {
	return joinTable(s, t, leftJoin, f != nil, plainJoiner(func(l Record[K, V], r VT, has bool) R { return f(l.Value, optional(r, has)) }), o)
}

// TryJoin is Join with a function that gets the record and may fail. Null makes a tombstone, Skip drops the record.
func (s Stream[K, V]) TryJoin[VT, R any](t Table[K, VT], f func(context.Context, Record[K, V], VT) (R, error), o ...JoinOption) Stream[K, R] {
	return joinTable(s, t, innerJoin, f != nil, tryJoiner(func(ctx context.Context, l Record[K, V], r VT, _ bool) (R, error) {
		return f(ctx, l, r)
	}), o)
}

// TryLeftJoin is LeftJoin with a function that gets the record and may fail. Null makes a tombstone, Skip drops the record.
func (s Stream[K, V]) TryLeftJoin[VT, R any](t Table[K, VT], f func(context.Context, Record[K, V], *VT) (R, error), o ...JoinOption) Stream[K, R] {
	return joinTable(s, t, leftJoin, f != nil, tryJoiner(func(ctx context.Context, l Record[K, V], r VT, has bool) (R, error) {
		return f(ctx, l, optional(r, has))
	}), o)
}

// recordJoiner makes a value of a record and a row, which may not be there. Null and Skip are errors here.
type recordJoiner[K, V, VT, R any] = func(l Record[K, V], r VT, has bool) (R, error)

// openJoiner makes a recordJoiner for one node of a task.
type openJoiner[K, V, VT, R any] = func(ctx *topology.Context) recordJoiner[K, V, VT, R]

func plainJoiner[K, V, VT, R any](f func(Record[K, V], VT, bool) R) openJoiner[K, V, VT, R] {
	join := func(l Record[K, V], r VT, has bool) (R, error) { return f(l, r, has), nil }
	return func(*topology.Context) recordJoiner[K, V, VT, R] { return join }
}

func tryJoiner[K, V, VT, R any](f func(context.Context, Record[K, V], VT, bool) (R, error)) openJoiner[K, V, VT, R] {
	return func(ctx *topology.Context) recordJoiner[K, V, VT, R] {
		run := ctx.Run()
		return func(l Record[K, V], r VT, has bool) (R, error) { return f(run, l, r, has) }
	}
}

func joinConfigOf(opts []JoinOption) (c nodeConfig) {
	for _, o := range opts {
		o.join(&c)
	}
	return c
}

// joinTable plans a join of a stream and a table.
func joinTable[K, V, VT, R any](s Stream[K, V], t Table[K, VT], kind joinKind, given bool, open openJoiner[K, V, VT, R], o []JoinOption) Stream[K, R] {
	b := s.b
	c := joinConfigOf(o)
	prefix := "KSTREAM-JOIN-"
	if !kind.needsRight {
		prefix = "KSTREAM-LEFTJOIN-"
	}
	if b != t.b {
		return missingStream[K, R](b, fmt.Errorf("join of %s: the table belongs to another Builder: make both with one", s.n.name))
	}
	s = s.forJoin(c.name)
	name := b.nodeName(c.name, prefix)
	b.check(name, &c)
	b.require(given, name)
	rows := t.t.view()
	var buffer *graceStore[K, V]
	if c.hasGrace {
		buffer = &graceStore[K, V]{name: name + "-Buffer", grace: c.grace, key: s.key, value: s.value}
	}
	if err := checkHistory(&c, t.t.versioned, rows.history); err != nil {
		return missingStream[K, R](b, inNode(name, err))
	}
	n := &planNode{name: name, copartitioned: true, lookups: 1, wantsNullKeys: !kind.needsRight, dropsNullKeys: kind.needsRight, write: func(w *writer, in []any) any {
		if !buffer.write(w, name) {
			return nil
		}
		j := tableJoin[K, V, VT, R]{left: !kind.needsRight, open: open, rows: rows, buffer: buffer, tolerance: -1}
		if c.tolerance != nil {
			j.tolerance = window.Millis(*c.tolerance)
		}
		stores := append(buffer.names(), rows.stores...)
		return topology.Connect(topology.NodeSpec{Name: name, Stores: stores}, j.start, edgesOf[K, V](in[:len(in)-1])...)
	}}
	return Stream[K, R]{b: b, n: b.plan(n, s.n, t.t.plan), key: s.key, value: &slot[R]{}, end: s.end}
}

// tableJoin is a join of a stream and a table.
type tableJoin[K, V, VT, R any] struct {
	left   bool
	open   openJoiner[K, V, VT, R]
	rows   view[K, VT]
	buffer *graceStore[K, V] // nil without grace
	// tolerance is how much older than the record a row may be, in milliseconds; -1: as much as it likes.
	tolerance int64
}

func (j tableJoin[K, V, VT, R]) start(ctx *topology.Context, next func(Record[K, R]) error) (func(Record[K, V]) error, error) {
	f := j.open(ctx)
	rows, err := j.rows.open(ctx)
	if err != nil {
		return nil, err
	}
	join := func(r Record[K, V]) error {
		var v VT
		has := false
		if !r.NoKey {
			row, ok, err := lookUp(&rows, r.Key, r.Time)
			if err != nil {
				return ctx.Fail(err)
			}
			v, has = row.Value, ok && (j.tolerance < 0 || row.Time >= r.Time.AddMillis(-j.tolerance))
		}
		if !has && !j.left {
			return nil
		}
		return forwardJoined(ctx, next, r, v, has, f)
	}
	if j.buffer == nil {
		return func(r Record[K, V]) error {
			if r.Tombstone || r.NoKey && !j.left {
				ctx.Drop(droppedNull(r.NoKey))
				return nil
			}
			return join(r)
		}, nil
	}
	return startGrace(ctx, j.buffer, j.left, join)
}

// lookUp is the row that a record of that time sees.
func lookUp[K, V any](rows *getter[K, V], k K, at Time) (state.Stamped[V], bool, error) {
	if rows.asOf != nil {
		return rows.asOf(k, at)
	}
	return rows.get(k)
}

// forwardJoined forwards what a joiner makes.
func forwardJoined[K, V, VT, R any](ctx *topology.Context, next func(Record[K, R]) error, r Record[K, V], v VT, has bool, f recordJoiner[K, V, VT, R]) error {
	joined, err := f(r, v, has)
	if err == nil {
		return next(r.WithValue(joined))
	}
	if null, err := nullOr(ctx, err); !null {
		return err
	}
	return next(r.WithoutValue[R]())
}

// checkHistory says what is wrong with a join's grace or tolerance.
func checkHistory(c *nodeConfig, versioned bool, history time.Duration) error {
	switch {
	case c.tolerance != nil && !versioned:
		return errors.New("Tolerance needs a table that is Versioned, so that records are joined with the rows of their time")
	case c.hasGrace && !versioned:
		return errors.New("Grace needs a table that is Versioned, so that late records can be joined with the rows of their time")
	case c.grace > history:
		return fmt.Errorf("Grace(%v) is longer than the table's history of %v: make the history as long", c.grace, history)
	}
	return nil
}
