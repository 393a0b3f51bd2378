package streams

import (
	"context"
	"errors"
	"fmt"

	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

// Joins with a stream end in Stream and have a window: a left and a right record of one key meet if their times are no further apart than it says,
// whichever comes first. A result has the later time of the two and the headers of the record that came last. Null keys and tombstones are dropped
// and counted, but for null keys on a side that needs no other.
//
// Each side keeps its records in a window store for the window and its grace. There is no test for lateness: a record joins what the other
// side's store still has, and is itself refused, and counted, by its own store when it is too old.
//
// A left or outer join holds a record without match back until its window and grace have passed by stream time, the highest time of both sides in
// the task, so that it is not told twice. A record that comes when its window has passed, grace or not, goes at once. What has waited leaves
// when a record comes that is not out of order, with its own time and that record's headers; see Config.EmitInterval.
//
// Both streams must have equally many partitions; one whose key may have changed goes through an internal topic first.

// JoinStream joins each left record with each right record in its window.
func (s Stream[K, V]) JoinStream[VO, R any](other Stream[K, VO], w window.Join, f func(V, VO) R, o ...StreamJoinOption) Stream[K, R] {
	return joinStreams(s, other, w, innerJoin, f != nil, func(*topology.Context) rowJoiner[K, V, VO, R] {
		return func(_ K, l V, _ bool, r VO, _ bool) (R, error) { return f(l, r), nil }
	}, o)
}

// LeftJoinStream joins each left record with each right record in its window; a left record without one is joined with nil when its window has closed, one
// with a null key at once.
func (s Stream[K, V]) LeftJoinStream[VO, R any](other Stream[K, VO], w window.Join, f func(V, *VO) R, o ...StreamJoinOption) Stream[K, R] {
	return joinStreams(s, other, w, leftJoin, f != nil, func(*topology.Context) rowJoiner[K, V, VO, R] {
		return func(_ K, l V, _ bool, r VO, hasR bool) (R, error) { return f(l, optional(r, hasR)), nil }
	}, o)
}

// OuterJoinStream joins each left record with each right record in its window; a record of either side without one is joined with nil when its window
// has closed, one with a null key at once.
func (s Stream[K, V]) OuterJoinStream[VO, R any](other Stream[K, VO], w window.Join, f func(*V, *VO) R, o ...StreamJoinOption) Stream[K, R] {
	return joinStreams(s, other, w, outerJoin, f != nil, func(*topology.Context) rowJoiner[K, V, VO, R] {
		return func(_ K, l V, hasL bool, r VO, hasR bool) (R, error) {
			return f(optional(l, hasL), optional(r, hasR)), nil
		}
	}, o)
}

// TryJoinStream is JoinStream with a function that gets the key and may fail. Null makes a tombstone, Skip drops the pair and counts it.
func (s Stream[K, V]) TryJoinStream[VO, R any](other Stream[K, VO], w window.Join, f func(context.Context, K, V, VO) (R, error), o ...StreamJoinOption) Stream[K, R] {
	return joinStreams(s, other, w, innerJoin, f != nil, func(ctx *topology.Context) rowJoiner[K, V, VO, R] {
		run := ctx.Run()
		return func(k K, l V, _ bool, r VO, _ bool) (R, error) { return f(run, k, l, r) }
	}, o)
}

// TryLeftJoinStream is LeftJoinStream with a function that gets the key, the zero K for a null key, and may fail. Null makes a tombstone, Skip drops the
// pair and counts it.
func (s Stream[K, V]) TryLeftJoinStream[VO, R any](other Stream[K, VO], w window.Join, f func(context.Context, K, V, *VO) (R, error), o ...StreamJoinOption) Stream[K, R] {
	return joinStreams(s, other, w, leftJoin, f != nil, func(ctx *topology.Context) rowJoiner[K, V, VO, R] {
		run := ctx.Run()
		return func(k K, l V, _ bool, r VO, hasR bool) (R, error) { return f(run, k, l, optional(r, hasR)) }
	}, o)
}

// TryOuterJoinStream is OuterJoinStream with a function that gets the key, the zero K for a null key, and may fail. Null makes a tombstone, Skip drops the
// pair and counts it.
func (s Stream[K, V]) TryOuterJoinStream[VO, R any](other Stream[K, VO], w window.Join, f func(context.Context, K, *V, *VO) (R, error), o ...StreamJoinOption) Stream[K, R] {
	return joinStreams(s, other, w, outerJoin, f != nil, func(ctx *topology.Context) rowJoiner[K, V, VO, R] {
		run := ctx.Run()
		return func(k K, l V, hasL bool, r VO, hasR bool) (R, error) {
			return f(run, k, optional(l, hasL), optional(r, hasR))
		}
	}, o)
}

// streamJoin is a join of two streams.
type streamJoin[K, V, VO, R any] struct {
	kind   joinKind
	window window.Join
	open   func(*topology.Context) rowJoiner[K, V, VO, R]
	left   *joinStore[K, V]
	right  *joinStore[K, VO]
	outer  *outerStore[K, V, VO] // nil for an inner join
}

// joinStreams plans the nodes of a join of two streams: for each side one that keeps its records and one that joins them, and one that brings the
// results together.
func joinStreams[K, V, VO, R any](s Stream[K, V], other Stream[K, VO], w window.Join, kind joinKind, given bool, open func(*topology.Context) rowJoiner[K, V, VO, R], o []StreamJoinOption) Stream[K, R] {
	b := s.b
	var c nodeConfig
	for _, opt := range o {
		opt.streamJoin(&c)
	}
	if b != other.b {
		return missingStream[K, R](b, fmt.Errorf("join of %s: the other stream belongs to another Builder: make both with one", s.n.name))
	}
	s, other = s.forJoin(suffixed(c.name, "-left")), other.forJoin(suffixed(c.name, "-right"))
	n := nameStreamJoin(b, &c, kind)
	b.check(n.merge, &c)
	b.require(given, n.merge)
	if err := checkStreamJoin(w, &c); err != nil {
		return missingStream[K, R](b, inNode(n.merge, err))
	}
	if c.store.name == "" {
		b.nameGenerated("store", n.thisStore, "As")
		b.nameGenerated("store", n.otherStore, "As")
	}
	j := &streamJoin[K, V, VO, R]{kind: kind, window: w, open: open}
	j.left = &joinStore[K, V]{storeConfig: c.store, window: w, key: s.key, value: s.value}
	j.right = &joinStore[K, VO]{storeConfig: c.store, window: w, key: other.key, value: other.value}
	j.left.name, j.right.name = n.thisStore, n.otherStore
	if kind != innerJoin {
		j.outer = &outerStore[K, V, VO]{storeConfig: c.store, key: s.key, left: s.value, right: other.value}
		j.outer.name = n.outerStore
	}
	nullKeys := kind != innerJoin // on both sides, if one may be missing
	left := b.plan(keepRecords(n.thisWindowed, j.left, nullKeys), s.n)
	right := b.plan(keepRecords(n.otherWindowed, j.right, nullKeys), other.n)
	joins := &planNode{name: n.merge, copartitioned: true, write: func(w *writer, in []any) any {
		if !j.outer.write(w, n.merge) {
			return nil
		}
		this := topology.Connect(topology.NodeSpec{Name: n.thisJoin, Stores: append([]string{j.right.name}, j.outer.names()...)}, j.startLeft, in[0].(*topology.Edge[K, V]))
		other := topology.Connect(topology.NodeSpec{Name: n.otherJoin, Stores: append([]string{j.left.name}, j.outer.names()...)}, j.startRight, in[1].(*topology.Edge[K, VO]))
		return this.Merge(n.merge, other)
	}}
	joins.selfJoin = selfJoinOf(j, n.merge)
	return Stream[K, R]{b: b, n: b.plan(joins, left, right), key: s.key, value: &slot[R]{}, end: s.end}
}

// streamJoinNames are the names of a join's nodes and stores.
type streamJoinNames struct {
	thisWindowed, otherWindowed, thisJoin, otherJoin, merge string
	thisStore, otherStore, outerStore                       string
}

// nameStreamJoin draws the names. A side is called outer if the other side may be missing.
func nameStreamJoin(b *Builder, c *nodeConfig, kind joinKind) (n streamJoinNames) {
	this, thisPrefix, other, otherPrefix := "-this-join", "KSTREAM-JOINTHIS-", "-other-join", "KSTREAM-JOINOTHER-"
	shared := "-left-shared-join"
	if !kind.needsLeft {
		this, thisPrefix, shared = "-outer-this-join", "KSTREAM-OUTERTHIS-", "-outer-shared-join"
	}
	if !kind.needsRight {
		other, otherPrefix = "-outer-other-join", "KSTREAM-OUTEROTHER-"
	}
	n.thisWindowed = b.suffixedName(c.name, "-this-windowed", "KSTREAM-WINDOWED-")
	n.otherWindowed = b.suffixedName(c.name, "-other-windowed", "KSTREAM-WINDOWED-")
	thisGenerated, otherGenerated := b.generate(thisPrefix), b.generate(otherPrefix)
	n.thisJoin, n.otherJoin = thisGenerated, otherGenerated
	if c.name != "" {
		n.thisJoin, n.otherJoin = c.name+this, c.name+other
	}
	n.merge = b.suffixedName(c.name, "-merge", "KSTREAM-MERGE-")
	n.thisStore, n.otherStore, n.outerStore = thisGenerated, otherGenerated, "KSTREAM-OUTERSHARED-"+thisGenerated[len(thisPrefix):]
	if base := c.store.name; base != "" {
		n.thisStore, n.otherStore, n.outerStore = base+this, base+other, base+shared
	}
	n.thisStore, n.otherStore, n.outerStore = n.thisStore+"-store", n.otherStore+"-store", n.outerStore+"-store"
	return n
}

// suffixed is a name with a suffix, or "" for none.
func suffixed(name, suffix string) string {
	if name == "" {
		return ""
	}
	return name + suffix
}

func checkStreamJoin(w window.Join, c *nodeConfig) error {
	errs := []error{w.Check()}
	refuse := func(option, why string) {
		errs = append(errs, fmt.Errorf("%s is not for joins of streams: %s", option, why))
	}
	if c.store.hasRetention {
		refuse("Retention", "their stores keep what the window and its grace need")
	}
	if c.store.ttl > 0 {
		refuse("TTL", "their stores keep what the window and its grace need")
	}
	if c.store.versioned {
		refuse("Versioned", "leave it out")
	}
	return errors.Join(errs...)
}
