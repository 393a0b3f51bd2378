package streams

import (
	"context"
	"errors"

	"github.com/millrace-go/millrace/window"
)

// WindowedBy groups further by windows of time: tumbling, hopping, unlimited, sliding, or a definition of the user's. The windows' key is the key of
// the aggregates' tables.
func (g GroupedStream[K, V]) WindowedBy[WK any](w window.Windows[K, WK]) WindowedStream[K, WK, V] {
	return WindowedStream[K, WK, V]{g: g, w: w}
}

// WindowedStream is a grouped stream with time or sliding windows.
type WindowedStream[K, WK, V any] struct {
	g       GroupedStream[K, V]
	w       window.Windows[K, WK]
	onClose bool
	onLate  func(context.Context, Record[K, V], window.Window) error
}

// EmitOnClose emits each window once, when it has closed (KIP-825).
func (w WindowedStream[K, WK, V]) EmitOnClose() WindowedStream[K, WK, V] { w.onClose = true; return w }

// OnLate is called with each record that came after its window had closed (beyond Java).
func (w WindowedStream[K, WK, V]) OnLate(f func(context.Context, Record[K, V], window.Window) error) WindowedStream[K, WK, V] {
	w.onLate = f
	return w
}

// Count counts the records of each key and window, tombstones included.
func (w WindowedStream[K, WK, V]) Count(o ...StoreOption) Table[WK, int64] {
	return missing[WK, int64](w.g.s.b, errors.New("windowed Count is not there yet"))
}

// Reduce combines the values of each key and window.
func (w WindowedStream[K, WK, V]) Reduce(f func(agg, v V) V, o ...StoreOption) Table[WK, V] {
	return missing[WK, V](w.g.s.b, errors.New("windowed Reduce is not there yet"))
}

// TryReduce is asked about tombstones too.
func (w WindowedStream[K, WK, V]) TryReduce(f func(ctx context.Context, agg V, r Record[K, V]) (V, error), o ...StoreOption) Table[WK, V] {
	return missing[WK, V](w.g.s.b, errors.New("windowed TryReduce is not there yet"))
}

// Aggregate combines the values of each key and window.
func (w WindowedStream[K, WK, V]) Aggregate[A any](init func() A, add func(K, V, A) A, o ...StoreOption) Table[WK, A] {
	return missing[WK, A](w.g.s.b, errors.New("windowed Aggregate is not there yet"))
}

// TryAggregate is Aggregate with a function that gets the record, tombstones included, and may fail.
func (w WindowedStream[K, WK, V]) TryAggregate[A any](init func() A, add func(context.Context, Record[K, V], A) (A, error), o ...StoreOption) Table[WK, A] {
	return missing[WK, A](w.g.s.b, errors.New("windowed TryAggregate is not there yet"))
}

// endOf is what Suppress(UntilWindowCloses{}) needs of a windowed key, from the definition that made it: no assertion on the
// record path. Handles carry it through verbs that keep the key; verbs that make a key drop it.
func endOf[K, WK any](w window.Windows[K, WK]) func(WK) Time {
	return func(k WK) Time { _, win := w.Unwrap(k); return win.End }
}
