package streams

import (
	"context"
	"fmt"

	"github.com/millrace-go/millrace/window"
)

// WindowedBy groups further by windows of time: tumbling, hopping, unlimited, sliding, or a definition of the user's. WK is the key of the aggregates'
// tables: a key within a window.
//
// A window takes records until stream time, the highest record time that the aggregate has seen in its task, has passed its end by the grace;
// what comes later is dropped and counted, window by window. There is no grace unless the definition gives one. A null key is dropped and counted.
//
// Windows nest by name only: generic code that windows a windowed stream again in a recursion does not compile.
func (g GroupedStream[K, V]) WindowedBy[WK any](w window.Windows[K, WK]) WindowedStream[K, WK, V] {
	return WindowedStream[K, WK, V]{g: g, w: w}
}

// WindowedStream is a grouped stream with time or sliding windows. Its aggregates have a window store, which keeps windows for their size and grace,
// or as long as Retention says, and emit a window whenever it changes, unless EmitOnClose was called. A result's time is the highest
// time of the records in its window.
type WindowedStream[K, WK, V any] struct {
	g       GroupedStream[K, V]
	w       window.Windows[K, WK]
	onClose bool
	onLate  func(context.Context, Record[K, V], window.Window) error
}

// EmitOnClose makes the aggregates emit each window once, when it has closed: when a record comes whose time is the window's end plus the grace or
// more (for sliding windows: more). Windows leave by their start, then key. A record cache holds updates back from the store and the changelog, not
// what is emitted; sliding windows have none, as in Kafka Streams. It is for windows that end, so not for [window.Unlimited] (KIP-825).
func (w WindowedStream[K, WK, V]) EmitOnClose() WindowedStream[K, WK, V] { w.onClose = true; return w }

// OnLate makes the aggregates call f with each record that comes after a window of it has closed, and with that window, before it is dropped and
// counted. An error of f goes to the processing handler.
func (w WindowedStream[K, WK, V]) OnLate(f func(context.Context, Record[K, V], window.Window) error) WindowedStream[K, WK, V] {
	if f == nil {
		w.g.s.b.fail(fmt.Errorf("OnLate behind node %s: its function is nil: give it one, or leave OnLate out", w.g.s.n.name))
	}
	w.onLate = f
	return w
}

// Count counts the records of each key and window. Tombstones count as well, as in Kafka Streams; not for sliding windows, which drop and count them.
func (w WindowedStream[K, WK, V]) Count(o ...StoreOption) Table[WK, int64] {
	c := storeConfigOf(o)
	if _, sliding := w.w.(window.Slider[K, WK]); !sliding {
		w.g.s.b.burnForCount(&c)
	}
	return aggregateWindows(w, &c, "KSTREAM-AGGREGATE-", &slot[int64]{}, true, countAggregation[K, V]())
}

// Reduce combines the values of each key and window: the first one is the aggregate, f adds the others. Tombstones are dropped and counted.
func (w WindowedStream[K, WK, V]) Reduce(f func(agg, v V) V, o ...StoreOption) Table[WK, V] {
	c := storeConfigOf(o)
	return aggregateWindows(w, &c, "KSTREAM-REDUCE-", w.g.s.value.carried(), false, reduceAggregation[K](f))
}

// TryReduce is Reduce with a function that gets the record and may fail. It is asked about tombstones too (but for sliding windows); one that comes
// first makes nothing. Null deletes the window, Skip drops the record.
func (w WindowedStream[K, WK, V]) TryReduce(f func(ctx context.Context, agg V, r Record[K, V]) (V, error), o ...StoreOption) Table[WK, V] {
	c := storeConfigOf(o)
	return aggregateWindows(w, &c, "KSTREAM-REDUCE-", w.g.s.value.carried(), true, tryReduceAggregation(f))
}

// Aggregate combines the values of each key and window: init makes an empty aggregate, add puts a value in. Tombstones are dropped and counted.
func (w WindowedStream[K, WK, V]) Aggregate[A any](init func() A, add func(K, V, A) A, o ...StoreOption) Table[WK, A] {
	c := storeConfigOf(o)
	return aggregateWindows(w, &c, "KSTREAM-AGGREGATE-", &slot[A]{}, false, plainAggregation(init, add))
}

// TryAggregate is Aggregate with a function that gets the record, tombstones included (but for sliding windows), and may fail. Null deletes the window,
// so that its next record starts from init again; Skip drops the record.
func (w WindowedStream[K, WK, V]) TryAggregate[A any](init func() A, add func(context.Context, Record[K, V], A) (A, error), o ...StoreOption) Table[WK, A] {
	c := storeConfigOf(o)
	return aggregateWindows(w, &c, "KSTREAM-AGGREGATE-", &slot[A]{}, true, tryAggregation(init, add))
}

// endOf is what Suppress(UntilWindowCloses{}) needs of a windowed key, from the definition that made it: no assertion on the
// record path. Handles carry it through verbs that keep the key; verbs that make a key drop it.
func endOf[K, WK any](w window.Windows[K, WK]) func(WK) Time {
	return func(k WK) Time { _, win := w.Unwrap(k); return win.End }
}

// aggregateWindows plans the one node behind Count, Reduce and Aggregate of a windowed stream. nulls says that the aggregation is asked about tombstones.
func aggregateWindows[K, WK, V, A any](w WindowedStream[K, WK, V], c *nodeConfig, prefix string, value *slot[A], nulls bool, a aggregation[K, V, A]) Table[WK, A] {
	b := w.g.s.b
	store := b.storeName(&c.store, prefix)
	name := b.nodeName(c.name, prefix)
	b.require(a.given, name)
	win, err := windowingOf(w.w, w.onClose)
	if err != nil {
		return missing[WK, A](b, inNode(name, err))
	}
	b.checkWindowed(name, store, c, &win)
	s := w.g.forAggregate(store, c.store.name != "")
	st := &windowStore[K, A]{storeConfig: c.store, windows: win, key: s.key, value: value}
	st.name = store
	t := windowTable(b, w.w, st)
	agg := windowAggregation[K, V, A]{aggregation: a, nulls: nulls, onLate: w.onLate, store: st}
	n := windowOperator(name, c, st, agg.start, func() bool { return t.t.olds }, forwardKeyed[K, WK, A](w.w))
	n.window = &win
	t.t.plan = b.plan(n, s.n)
	return t
}
