package streams

import (
	"context"
	"fmt"

	"github.com/millrace-go/millrace/window"
)

// WindowedBySession groups further by sessions: records of a key that follow each other by no more than the gap. WK is the key of the aggregates'
// tables: a key within a session.
//
// A session grows and merges with others as records come, in any order: the table deletes the sessions that were merged and has the new one in
// their place. It takes records until stream time, the highest record time that the aggregate has seen in its task, has passed its end by more than
// the gap and the grace; what comes later is dropped and counted. A null key is dropped and counted.
func (g GroupedStream[K, V]) WindowedBySession[WK any](w window.Sessions[K, WK]) SessionWindowedStream[K, WK, V] {
	return SessionWindowedStream[K, WK, V]{g: g, w: w}
}

// SessionWindowedStream is a grouped stream with sessions. Its aggregates have a session store, which keeps sessions for their gap and grace, or as long
// as Retention says, and emit a session whenever it changes, unless EmitOnClose was called. A result's time is the session's end.
type SessionWindowedStream[K, WK, V any] struct {
	g       GroupedStream[K, V]
	w       window.Sessions[K, WK]
	onClose bool
	onLate  func(context.Context, Record[K, V], window.Window) error
}

// EmitOnClose makes the aggregates emit each session once, when it has closed: when a record comes whose time is later than the session's end by more
// than gap and grace. Sessions leave by their end. The store is not cached (KIP-825).
func (w SessionWindowedStream[K, WK, V]) EmitOnClose() SessionWindowedStream[K, WK, V] {
	w.onClose = true
	return w
}

// OnLate makes the aggregates call f with each record that comes after its session has closed, and with the session that it would have made, before it
// is dropped and counted. An error of f goes to the processing handler.
func (w SessionWindowedStream[K, WK, V]) OnLate(f func(context.Context, Record[K, V], window.Window) error) SessionWindowedStream[K, WK, V] {
	if f == nil {
		w.g.s.b.fail(fmt.Errorf("OnLate behind node %s: its function is nil: give it one, or leave OnLate out", w.g.s.n.name))
	}
	w.onLate = f
	return w
}

// Count counts the records of each session. Tombstones count as well, as in Kafka Streams.
func (w SessionWindowedStream[K, WK, V]) Count(o ...StoreOption) Table[WK, int64] {
	c := storeConfigOf(o)
	w.g.s.b.burnForCount(&c)
	return aggregateSessions(w, &c, "KSTREAM-AGGREGATE-", &slot[int64]{}, sessionAggregation[K, V, int64]{
		aggregation: countAggregation[K, V](), nulls: true, merge: plainMerge(func(_ K, a, b int64) int64 { return a + b })})
}

// Reduce combines the values of each session: the first one is the aggregate, f adds the others and merges the aggregates of sessions. Tombstones are
// dropped and counted.
func (w SessionWindowedStream[K, WK, V]) Reduce(f func(agg, v V) V, o ...StoreOption) Table[WK, V] {
	c := storeConfigOf(o)
	return aggregateSessions(w, &c, "KSTREAM-REDUCE-", w.g.s.value.carried(), sessionAggregation[K, V, V]{
		aggregation: reduceAggregation[K](f), merge: plainMerge(func(_ K, a, b V) V { return f(a, b) })})
}

// TryReduce is Reduce with functions that may fail: f gets the record, tombstones included, of which one that comes first makes nothing; merge puts the
// aggregates of two sessions together, where there is no record to pass. Null deletes the session, Skip drops the record.
func (w SessionWindowedStream[K, WK, V]) TryReduce(f func(ctx context.Context, agg V, r Record[K, V]) (V, error), merge func(ctx context.Context, k K, a, b V) (V, error), o ...StoreOption) Table[WK, V] {
	c := storeConfigOf(o)
	a := sessionAggregation[K, V, V]{aggregation: tryReduceAggregation(f), nulls: true, merge: tryMerge(merge)}
	a.given = a.given && merge != nil
	return aggregateSessions(w, &c, "KSTREAM-REDUCE-", w.g.s.value.carried(), a)
}

// Aggregate combines the values of each session: init makes an empty aggregate, add puts a value in, merge puts the aggregates of two sessions together.
// Tombstones are dropped and counted.
func (w SessionWindowedStream[K, WK, V]) Aggregate[A any](init func() A, add func(K, V, A) A, merge func(k K, a, b A) A, o ...StoreOption) Table[WK, A] {
	c := storeConfigOf(o)
	a := sessionAggregation[K, V, A]{aggregation: plainAggregation(init, add), merge: plainMerge(merge)}
	a.given = a.given && merge != nil
	return aggregateSessions(w, &c, "KSTREAM-AGGREGATE-", &slot[A]{}, a)
}

// TryAggregate is Aggregate with functions that may fail; add gets the record, tombstones included. Null of add deletes the session, Null of merge goes
// on from init; Skip drops the record.
func (w SessionWindowedStream[K, WK, V]) TryAggregate[A any](init func() A, add func(context.Context, Record[K, V], A) (A, error), merge func(ctx context.Context, k K, a, b A) (A, error), o ...StoreOption) Table[WK, A] {
	c := storeConfigOf(o)
	a := sessionAggregation[K, V, A]{aggregation: tryAggregation(init, add), nulls: true, merge: tryMerge(merge)}
	a.given = a.given && merge != nil
	return aggregateSessions(w, &c, "KSTREAM-AGGREGATE-", &slot[A]{}, a)
}

// aggregateSessions plans the one node behind Count, Reduce and Aggregate of a stream in sessions.
func aggregateSessions[K, WK, V, A any](w SessionWindowedStream[K, WK, V], c *nodeConfig, prefix string, value *slot[A], a sessionAggregation[K, V, A]) Table[WK, A] {
	b := w.g.s.b
	store := b.storeName(&c.store, prefix)
	name := b.nodeName(c.name, prefix)
	b.require(a.given, name)
	win, err := sessionWindowing(w.w, w.onClose)
	if err != nil {
		return missing[WK, A](b, inNode(name, err))
	}
	b.checkWindowed(name, store, c, &win)
	s := w.g.forAggregate(store, c.store.name != "")
	st := &sessionStore[K, A]{storeConfig: c.store, windows: win, key: s.key, value: value}
	st.name = store
	t := sessionTable(b, w.w, st)
	a.store, a.onLate = st, w.onLate
	n := windowOperator(name, c, st, a.start, func() bool { return t.t.olds }, forwardKeyed[K, WK, A](w.w))
	n.window = &win
	t.t.plan = b.plan(n, s.n)
	return t
}
