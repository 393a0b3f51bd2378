package streams

import (
	"fmt"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams/internal/wire"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

// joinClock is what the two sides of a join have in common in one task.
type joinClock struct {
	stream Time // the highest time of a record that came to either side
	// oldest is a time that no unmatched record is older than, as far as the last look has gone: MaxTime if there
	// was none. Kafka Streams lets it run ahead when a look ends at an open window of each side, and so do we: what
	// has closed behind it goes with a later look.
	oldest   Time
	begun    bool // oldest counts what was in the store when the task started
	nextLook Time // by the wall clock
}

func newJoinClock() *joinClock { return &joinClock{stream: -1, oldest: window.MaxTime} }

// startLeft makes the node that joins left records.
func (j *streamJoin[K, V, VO, R]) startLeft(ctx *topology.Context, next func(Record[K, R]) error) (func(Record[K, V]) error, error) {
	other, err := j.right.open(ctx)
	if err != nil {
		return nil, err
	}
	f := j.open(ctx)
	n := &joinSide[K, V, VO, R]{ctx: ctx, next: next, other: other, left: true, outer: !j.kind.needsRight, span: j.window.ForLeft,
		after: window.Millis(j.window.After),
		join:  func(k K, v V, vo VO, has bool) (R, error) { return f(k, v, true, vo, has) },
	}
	if n.unmatched, err = j.openUnmatched(ctx, f); err != nil {
		return nil, err
	}
	if j.outer != nil {
		if n.values, err = bindOuter(ctx, j.outer.name, j.outer.lefts); err != nil {
			return nil, err
		}
	}
	n.clock = ctx.Shared(j, newJoinClock)
	if n.unmatched != nil {
		ctx.OnAdvance(n.advance)
	}
	return n.process, nil
}

// startRight makes the node that joins right records.
func (j *streamJoin[K, V, VO, R]) startRight(ctx *topology.Context, next func(Record[K, R]) error) (func(Record[K, VO]) error, error) {
	other, err := j.left.open(ctx)
	if err != nil {
		return nil, err
	}
	f := j.open(ctx)
	n := &joinSide[K, VO, V, R]{ctx: ctx, next: next, other: other, outer: !j.kind.needsLeft, span: j.window.ForRight,
		after: window.Millis(j.window.Before),
		join:  func(k K, vo VO, v V, has bool) (R, error) { return f(k, v, has, vo, true) },
	}
	if n.unmatched, err = j.openUnmatched(ctx, f); err != nil {
		return nil, err
	}
	if j.outer != nil {
		if n.values, err = bindOuter(ctx, j.outer.name, j.outer.rights); err != nil {
			return nil, err
		}
	}
	n.clock = ctx.Shared(j, newJoinClock)
	if n.unmatched != nil {
		ctx.OnAdvance(n.advance)
	}
	return n.process, nil
}

// bindOuter binds a value's serde to the changelog of an outerStore.
func bindOuter[T any](ctx *topology.Context, store string, s serde.Serde[T]) (serde.Serde[T], error) {
	return serde.Bind(s, serde.Role{Topic: topology.ChangelogTopic(ctx.ApplicationID(), store)})
}

// openUnmatched opens the store of unmatched records, nil for an inner join.
func (j *streamJoin[K, V, VO, R]) openUnmatched(ctx *topology.Context, f rowJoiner[K, V, VO, R]) (*unmatched[K, R], error) {
	if j.outer == nil {
		return nil, nil
	}
	store, err := storeOf[*state.KV[outerKey[K], []byte]](ctx, j.outer.name)
	if err != nil {
		return nil, err
	}
	lefts, err := bindOuter(ctx, j.outer.name, j.outer.lefts)
	if err != nil {
		return nil, err
	}
	rights, err := bindOuter(ctx, j.outer.name, j.outer.rights)
	if err != nil {
		return nil, err
	}
	u := &unmatched[K, R]{ctx: ctx, store: store, clock: ctx.Shared(j, newJoinClock), throttle: ctx.EmitInterval().Milliseconds(),
		after: window.Millis(j.window.After), before: window.Millis(j.window.Before), grace: window.Millis(j.window.Grace)}
	u.join = func(k outerKey[K], value []byte) (joined R, err error) {
		var l V
		var r VO
		if k.left {
			l, err = lefts.Decode(value)
		} else {
			r, err = rights.Decode(value)
		}
		if err != nil {
			return joined, topology.Fatal(fmt.Errorf("store %s: %w", j.outer.name, err))
		}
		return f(k.key, l, k.left, r, !k.left)
	}
	return u, nil
}

// joinSide is the node of one side of a join in one task: X is the side's value, Y the other's.
type joinSide[K, X, Y, R any] struct {
	ctx   *topology.Context
	next  func(Record[K, R]) error
	clock *joinClock
	other *state.Windows[K, Y]
	left  bool
	outer bool // the other side may be missing
	span  func(at Time) window.Window
	after int64 // how much later than a record of this side the other may be
	join  func(k K, x X, y Y, has bool) (R, error)

	unmatched *unmatched[K, R] // nil for an inner join
	values    serde.Serde[X]   // as the store of unmatched records has them
	value     []byte
}

func (n *joinSide[K, X, Y, R]) process(r Record[K, X]) error {
	n.clock.stream = max(n.clock.stream, r.Time)
	if r.Tombstone || r.NoKey && !n.outer {
		n.ctx.Drop(droppedNull(r.NoKey))
		return nil
	}
	if r.NoKey {
		return n.forwardAlone(r)
	}
	if n.unmatched != nil && r.Time == n.clock.stream {
		if err := n.unmatched.emit(n.after, r.Headers, n.next); err != nil {
			return err
		}
	}
	span := n.span(r.Time)
	matched := false
	for e, err := range n.other.Fetch(r.Key, span.Start, span.End) {
		if err != nil {
			return topology.Fatal(err)
		}
		matched = true
		if n.unmatched != nil {
			if err := n.unmatched.remove(outerKey[K]{at: e.Key, left: !n.left, key: r.Key}); err != nil {
				return err
			}
		}
		if err := n.forward(r, e.Key, e.Value, true); err != nil {
			return err
		}
	}
	switch {
	case matched || !n.outer:
		return nil
	case span.End < n.clock.stream:
		return n.forwardAlone(r)
	}
	var err error
	if n.value, err = n.values.Append(n.value[:0], r.Value); err != nil {
		return n.ctx.Fail(fmt.Errorf("encode an unmatched value: %w", err))
	}
	n.clock.oldest = min(n.clock.oldest, r.Time)
	return n.unmatched.add(outerKey[K]{at: r.Time, left: n.left, key: r.Key}, n.value)
}

// advance forwards what has stayed unmatched when stream time goes on without a record.
func (n *joinSide[K, X, Y, R]) advance(now Time) error {
	n.clock.stream = max(n.clock.stream, now)
	return n.unmatched.emit(n.after, nil, n.next)
}

// forwardAlone forwards a record without match.
func (n *joinSide[K, X, Y, R]) forwardAlone(r Record[K, X]) error {
	var none Y
	return n.forward(r, r.Time, none, false)
}

func (n *joinSide[K, X, Y, R]) forward(r Record[K, X], at Time, y Y, has bool) error {
	joined, err := n.join(r.Key, r.Value, y, has)
	out := Record[K, R]{Key: r.Key, Value: joined, Time: max(r.Time, at), Headers: r.Headers, NoKey: r.NoKey}
	return forwardOr(n.ctx, n.next, out, err)
}

// forwardOr forwards what a joiner has made, or deals with its error.
func forwardOr[K, R any](ctx *topology.Context, next func(Record[K, R]) error, r Record[K, R], err error) error {
	if err == nil {
		return next(r)
	}
	if null, err := nullOr(ctx, err); !null {
		return err
	}
	var none R
	r.Value, r.Tombstone = none, true
	return next(r)
}

// unmatched is the store of unmatched records in the hands of one side's node.
type unmatched[K, R any] struct {
	ctx                  *topology.Context
	store                *state.KV[outerKey[K], []byte]
	clock                *joinClock
	throttle             int64
	before, after, grace int64
	join                 func(k outerKey[K], value []byte) (R, error)
	list                 []byte
}

// add puts a record into the store, beside others of its key and time.
func (u *unmatched[K, R]) add(k outerKey[K], value []byte) error {
	list, _, err := u.store.Get(k)
	if err != nil {
		return topology.Fatal(err)
	}
	if u.list, err = wire.AppendOuterValue(append(u.list[:0], list...), k.left, value); err != nil {
		return topology.Fatal(err)
	}
	return topology.Fatal(u.store.Put(k, u.list))
}

// remove takes the records of a key and time, which have found a match, out of the store.
func (u *unmatched[K, R]) remove(k outerKey[K]) error {
	_, ok, err := u.store.Get(k)
	if ok && err == nil {
		err = u.store.Delete(k)
	}
	return topology.Fatal(err)
}

// begin counts what was in the store when the task started. If there was nothing, Kafka Streams looks all the same, which puts its next look off: the first time so do
// we, and leave out the later ones, which would ask for the wall clock at each record.
func (u *unmatched[K, R]) begin(open int64) error {
	c := u.clock
	c.begun = true
	for e, err := range u.store.All() {
		if err != nil {
			return topology.Fatal(err)
		}
		c.oldest = min(c.oldest, e.Key.at)
		break
	}
	if c.oldest == window.MaxTime && open > 0 && u.throttle > 0 {
		c.nextLook = u.ctx.WallClock().AddMillis(u.throttle)
	}
	return nil
}

// emit forwards the records whose window and grace have passed, by time. after is the running side's, for the cheap test whether there can be any.
func (u *unmatched[K, R]) emit(after int64, h topology.Headers, next func(Record[K, R]) error) error {
	c, open := u.clock, addMillis(after, u.grace)
	if !c.begun {
		if err := u.begin(open); err != nil {
			return err
		}
	}
	if c.oldest.AddMillis(open) >= c.stream {
		return nil
	}
	if u.throttle > 0 {
		now := u.ctx.WallClock()
		if now < c.nextLook {
			return nil
		}
		c.nextLook = now.AddMillis(u.throttle)
	}
	c.oldest = window.MaxTime
	openLeft, openRight := false, false
	for e, err := range u.store.All() {
		if err != nil {
			return topology.Fatal(err)
		}
		c.oldest = e.Key.at
		if openLeft && openRight {
			break
		}
		lookBack := u.before
		if e.Key.left {
			lookBack = u.after
		}
		if e.Key.at.AddMillis(addMillis(lookBack, u.grace)) >= c.stream {
			openLeft, openRight = openLeft || e.Key.left, openRight || !e.Key.left
			continue
		}
		err := wire.OuterValues(e.Value, func(value []byte) error {
			joined, err := u.join(e.Key, value)
			return forwardOr(u.ctx, next, Record[K, R]{Key: e.Key.key, Value: joined, Time: e.Key.at, Headers: h}, err)
		})
		if err != nil {
			return err
		}
		if err := u.store.Delete(e.Key); err != nil {
			return topology.Fatal(err)
		}
	}
	return nil
}
