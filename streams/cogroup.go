package streams

import (
	"context"
	"fmt"

	"github.com/millrace-go/millrace/window"
)

// Cogroup begins an aggregate of several grouped streams, of values of different types (KIP-150): add puts this stream's values into it. The
// other streams come with CogroupedStream.Cogroup, what an empty aggregate is with Aggregate.
func (g GroupedStream[K, V]) Cogroup[A any](add func(K, V, A) A) CogroupedStream[K, A] {
	return newCogroup(g, plainMember(g, add))
}

// TryCogroup is Cogroup with a function that gets the record and may fail. Null deletes the aggregate, so that the next record starts from an empty one
// again; Skip drops the record. In time windows and sessions it is asked about tombstones too.
func (g GroupedStream[K, V]) TryCogroup[A any](add func(context.Context, Record[K, V], A) (A, error)) CogroupedStream[K, A] {
	return newCogroup(g, tryMember(g, add))
}

// CogroupedStream is several grouped streams with one aggregate, in one store. Null keys are dropped and counted, tombstones too unless a Try function
// is asked about them. The streams must be partitioned alike. One whose key may have changed goes through an internal topic, called after its grouping's
// Named, else after the aggregate's store.
//
// A CogroupedStream is a handle: a value. Adding a stream makes a new one and leaves the old one as it was. The zero CogroupedStream has no streams yet: Cogroup
// adds the first, so that a loop can add them all.
type CogroupedStream[K, A any] struct {
	b       *Builder
	key     *slot[K]     // of the first stream
	end     func(K) Time // of the first stream's key: see endOf
	members []cogroupMember[K, A]
}

func newCogroup[K, V, A any](g GroupedStream[K, V], m *groupMember[K, V, A]) CogroupedStream[K, A] {
	return CogroupedStream[K, A]{b: g.s.b, key: g.s.key, end: g.s.end, members: []cogroupMember[K, A]{m}}
}

// Cogroup adds a grouped stream: add puts its values into the aggregate.
func (c CogroupedStream[K, A]) Cogroup[V any](g GroupedStream[K, V], add func(K, V, A) A) CogroupedStream[K, A] {
	return joinCogroup(c, g, plainMember(g, add))
}

// TryCogroup adds a grouped stream with a function that gets the record and may fail: see GroupedStream.TryCogroup.
func (c CogroupedStream[K, A]) TryCogroup[V any](g GroupedStream[K, V], add func(context.Context, Record[K, V], A) (A, error)) CogroupedStream[K, A] {
	return joinCogroup(c, g, tryMember(g, add))
}

func joinCogroup[K, V, A any](c CogroupedStream[K, A], g GroupedStream[K, V], m *groupMember[K, V, A]) CogroupedStream[K, A] {
	if c.b == nil {
		return newCogroup(g, m)
	}
	node := "Cogroup"
	if g.s.n != nil { // nil: of the zero value
		node += " of " + g.s.n.name
	}
	if c.b.foreign(g.s.b, node) {
		return c
	}
	members := make([]cogroupMember[K, A], 0, len(c.members)+1)
	c.members = append(append(members, c.members...), m)
	return c
}

// Aggregate is the table of the aggregates: init makes an empty one.
func (c CogroupedStream[K, A]) Aggregate(init func() A, o ...StoreOption) Table[K, A] {
	opts := storeConfigOf(o)
	store := c.b.storeName(&opts.store, cogroupPrefix)
	st := newTableStore(&opts, store, c.key.carried(), &slot[A]{})
	t := &tableNode[K, A]{store: store, versioned: st.versioned, view: st.view}
	t.plan = c.plan(&opts, store, init != nil, mergeCogroup[K, change[A]], func(m cogroupMember[K, A], name string) *planNode {
		return m.aggregate(name, &opts, st, t, init)
	})
	c.b.checkAggregate(t.plan.name, store, &opts)
	return Table[K, A]{b: c.b, t: t, key: st.key, value: st.value, end: c.end}
}

// WindowedBy groups further by windows of time: see GroupedStream.WindowedBy. Each stream has a stream time of its own.
func (c CogroupedStream[K, A]) WindowedBy[WK any](w window.Windows[K, WK]) CogroupedWindowedStream[K, WK, A] {
	return CogroupedWindowedStream[K, WK, A]{c, w}
}

// CogroupedWindowedStream is several grouped streams in time or sliding windows. A record that comes when stream time, the highest record time of its own
// stream in its task, has passed the window's end by the grace is dropped and counted.
type CogroupedWindowedStream[K, WK, A any] struct {
	c CogroupedStream[K, A]
	w window.Windows[K, WK]
}

// Aggregate is the table of the aggregates of each key and window: init makes an empty one. It has a window store, which keeps windows for their size
// and grace, or as long as Retention says, and emits a window whenever it changes; Suppress holds it back until it closes.
func (w CogroupedWindowedStream[K, WK, A]) Aggregate(init func() A, o ...StoreOption) Table[WK, A] {
	b := w.c.b
	opts := storeConfigOf(o)
	store := b.storeName(&opts.store, cogroupPrefix)
	win, err := windowingOf(w.w, false)
	if err != nil {
		return missing[WK, A](b, fmt.Errorf("the cogroup with store %s: %w", store, err))
	}
	st := &windowStore[K, A]{storeConfig: opts.store, windows: win, key: w.c.key, value: &slot[A]{}}
	st.name = store
	t := windowTable(b, w.w, st)
	t.t.view = unreadable[WK, A](b, store)
	t.t.plan = w.c.plan(&opts, store, init != nil, mergeWindows[K, WK, A](w.w), func(m cogroupMember[K, A], name string) *planNode {
		return m.windows(name, &opts, st, func() bool { return t.t.olds }, init)
	})
	t.t.plan.window = &win
	b.checkWindowed(t.t.plan.name, store, &opts, &win)
	return t
}

// unreadable is the view of a cogroup's windows: Kafka Streams cannot read them for a join either.
func unreadable[K, V any](b *Builder, store string) func() view[K, V] {
	return func() view[K, V] {
		b.fail(fmt.Errorf("store %s: a join cannot read the windows of a cogroup: join a table that has them in a store of its own: MapValues with streams.As", store))
		return view[K, V]{}
	}
}

// WindowedBySession groups further by sessions: see GroupedStream.WindowedBySession. Each stream has a stream time of its own.
func (c CogroupedStream[K, A]) WindowedBySession[WK any](w window.Sessions[K, WK]) CogroupedSessionWindowedStream[K, WK, A] {
	return CogroupedSessionWindowedStream[K, WK, A]{c, w}
}

// CogroupedSessionWindowedStream is several grouped streams in sessions, which hold the records of all of them. A record that comes when stream time, the
// highest record time of its own stream in its task, has passed its session's end by more than gap and grace is dropped and counted.
type CogroupedSessionWindowedStream[K, WK, A any] struct {
	c CogroupedStream[K, A]
	w window.Sessions[K, WK]
}

// Aggregate is the table of the aggregates of each session: init makes an empty one, merge puts those of two sessions together. It has a
// session store, which keeps sessions for their gap and grace, or as long as Retention says, and emits a session whenever it changes; Suppress holds it
// back until it closes.
func (w CogroupedSessionWindowedStream[K, WK, A]) Aggregate(init func() A, merge func(k K, a, b A) A, o ...StoreOption) Table[WK, A] {
	return w.aggregate(init, plainMerge(merge), init != nil && merge != nil, o)
}

// TryAggregate is Aggregate with a merge that may fail. Null goes on from init, Skip drops the record.
func (w CogroupedSessionWindowedStream[K, WK, A]) TryAggregate(init func() A, merge func(ctx context.Context, k K, a, b A) (A, error), o ...StoreOption) Table[WK, A] {
	return w.aggregate(init, tryMerge(merge), init != nil && merge != nil, o)
}

func (w CogroupedSessionWindowedStream[K, WK, A]) aggregate(init func() A, merge openMerger[K, A], given bool, o []StoreOption) Table[WK, A] {
	b := w.c.b
	opts := storeConfigOf(o)
	store := b.storeName(&opts.store, cogroupPrefix)
	win, err := sessionWindowing(w.w, false)
	if err != nil {
		return missing[WK, A](b, fmt.Errorf("the cogroup with store %s: %w", store, err))
	}
	st := &sessionStore[K, A]{storeConfig: opts.store, windows: win, key: w.c.key, value: &slot[A]{}}
	st.name = store
	t := sessionTable(b, w.w, st)
	t.t.view = unreadable[WK, A](b, store)
	t.t.plan = w.c.plan(&opts, store, given, mergeWindows[K, WK, A](w.w), func(m cogroupMember[K, A], name string) *planNode {
		return m.sessions(name, &opts, st, func() bool { return t.t.olds }, init, merge)
	})
	t.t.plan.window = &win
	b.checkWindowed(t.t.plan.name, store, &opts, &win)
	return t
}
