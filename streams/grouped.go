package streams

import (
	"context"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

type GroupedStream[K, V any] struct{ s Stream[K, V] }

func (g GroupedStream[K, V]) WithKeySerde(k serde.Serde[K]) GroupedStream[K, V]   { return g }
func (g GroupedStream[K, V]) WithValueSerde(v serde.Serde[V]) GroupedStream[K, V] { return g }

// aggregate is the one node behind Count, Reduce and Aggregate, of grouped streams: typed store, typed change.
func aggregate[K, V, A any](s Stream[K, V], init func() A, add func(Record[K, V], A) (A, error)) Table[K, A] {
	var st state.KeyValueStore[K, state.Stamped[A]]
	return Table[K, A]{b: s.b, e: topology.Connect(s.e, func(out *topology.Edge[K, change[A]]) func(Record[K, V]) error {
		return func(r Record[K, V]) error {
			old, ok, err := st.Get(r.Key)
			if err != nil {
				return err
			}
			if !ok {
				old.Value = init()
			}
			a, err := add(r, old.Value)
			if err != nil {
				return err
			}
			if err := st.Put(r.Key, state.Stamped[A]{Value: a, Time: max(r.Time, old.Time)}); err != nil {
				return err
			}
			return out.Forward(r.WithValue(change[A]{New: a, HasNew: true, Old: old.Value, HasOld: ok}))
		}
	})}
}

func (g GroupedStream[K, V]) Count(o ...StoreOption) Table[K, int64] {
	return aggregate(g.s, func() int64 { return 0 }, func(_ Record[K, V], n int64) (int64, error) { return n + 1, nil })
}
func (g GroupedStream[K, V]) Reduce(f func(agg, v V) V, o ...StoreOption) Table[K, V] {
	return Table[K, V]{b: g.s.b}
}
func (g GroupedStream[K, V]) TryReduce(f func(ctx context.Context, agg V, r Record[K, V]) (V, error), o ...StoreOption) Table[K, V] {
	return Table[K, V]{b: g.s.b}
}
func (g GroupedStream[K, V]) Aggregate[A any](init func() A, add func(K, V, A) A, o ...StoreOption) Table[K, A] {
	return aggregate(g.s, init, func(r Record[K, V], a A) (A, error) { return add(r.Key, r.Value, a), nil })
}
func (g GroupedStream[K, V]) TryAggregate[A any](init func() A, add func(context.Context, Record[K, V], A) (A, error), o ...StoreOption) Table[K, A] {
	return Table[K, A]{b: g.s.b}
}
func (g GroupedStream[K, V]) WindowedBy[WK any](w window.Windows[K, WK]) WindowedStream[K, WK, V] {
	return WindowedStream[K, WK, V]{g.s, w}
}
func (g GroupedStream[K, V]) WindowedBySession[WK any](w window.Sessions[K, WK]) SessionWindowedStream[K, WK, V] {
	return SessionWindowedStream[K, WK, V]{g.s, w}
}
func (g GroupedStream[K, V]) Cogroup[A any](add func(K, V, A) A) CogroupedStream[K, A] {
	return CogroupedStream[K, A]{b: g.s.b}
}
func (g GroupedStream[K, V]) TryCogroup[A any](add func(context.Context, Record[K, V], A) (A, error)) CogroupedStream[K, A] {
	return CogroupedStream[K, A]{b: g.s.b}
}

// WindowedStream is a grouped stream with time or sliding windows.
type WindowedStream[K, WK, V any] struct {
	s Stream[K, V]
	w window.Windows[K, WK]
}

// EmitOnClose emits each window once, when it has closed (KIP-825).
func (w WindowedStream[K, WK, V]) EmitOnClose() WindowedStream[K, WK, V] { return w }

// OnLate is called with each record that came after its window had closed (beyond Java).
func (w WindowedStream[K, WK, V]) OnLate(f func(context.Context, Record[K, V], window.Window) error) WindowedStream[K, WK, V] {
	return w
}

func (w WindowedStream[K, WK, V]) Count(o ...StoreOption) Table[WK, int64] {
	var st state.WindowStore[K, state.Stamped[int64]]
	return Table[WK, int64]{b: w.s.b, end: endOf(w.w), e: topology.Connect(w.s.e, func(out *topology.Edge[WK, change[int64]]) func(Record[K, V]) error {
		var ws []window.Window
		return func(r Record[K, V]) error {
			for _, win := range ws {
				old, _, err := st.Get(r.Key, win.Start)
				if err != nil {
					return err
				}
				if err := out.Forward(r.WithKey(w.w.Key(r.Key, win)).WithValue(change[int64]{New: old.Value + 1, HasNew: true})); err != nil {
					return err
				}
			}
			return nil
		}
	})}
}
func (w WindowedStream[K, WK, V]) Reduce(f func(agg, v V) V, o ...StoreOption) Table[WK, V] {
	return Table[WK, V]{b: w.s.b}
}

// TryReduce is asked about tombstones too (Java's windowed reduce is).
func (w WindowedStream[K, WK, V]) TryReduce(f func(ctx context.Context, agg V, r Record[K, V]) (V, error), o ...StoreOption) Table[WK, V] {
	return Table[WK, V]{b: w.s.b}
}
func (w WindowedStream[K, WK, V]) Aggregate[A any](init func() A, add func(K, V, A) A, o ...StoreOption) Table[WK, A] {
	return Table[WK, A]{b: w.s.b}
}
func (w WindowedStream[K, WK, V]) TryAggregate[A any](init func() A, add func(context.Context, Record[K, V], A) (A, error), o ...StoreOption) Table[WK, A] {
	return Table[WK, A]{b: w.s.b}
}

// SessionWindowedStream is a grouped stream with sessions: its aggregates merge.
type SessionWindowedStream[K, WK, V any] struct {
	s Stream[K, V]
	w window.Sessions[K, WK]
}

func (w SessionWindowedStream[K, WK, V]) EmitOnClose() SessionWindowedStream[K, WK, V] { return w }
func (w SessionWindowedStream[K, WK, V]) Count(o ...StoreOption) Table[WK, int64] {
	return Table[WK, int64]{b: w.s.b}
}
func (w SessionWindowedStream[K, WK, V]) Reduce(f func(agg, v V) V, o ...StoreOption) Table[WK, V] {
	return Table[WK, V]{b: w.s.b}
}

// TryReduce merges sessions with merge: there is no record to pass then.
func (w SessionWindowedStream[K, WK, V]) TryReduce(f func(ctx context.Context, agg V, r Record[K, V]) (V, error), merge func(ctx context.Context, k K, a, b V) (V, error), o ...StoreOption) Table[WK, V] {
	return Table[WK, V]{b: w.s.b}
}
func (w SessionWindowedStream[K, WK, V]) Aggregate[A any](init func() A, add func(K, V, A) A, merge func(k K, a, b A) A, o ...StoreOption) Table[WK, A] {
	return Table[WK, A]{b: w.s.b}
}
func (w SessionWindowedStream[K, WK, V]) TryAggregate[A any](init func() A, add func(context.Context, Record[K, V], A) (A, error), merge func(ctx context.Context, k K, a, b A) (A, error), o ...StoreOption) Table[WK, A] {
	return Table[WK, A]{b: w.s.b}
}

// endOf is what Suppress(UntilWindowCloses{}) needs of a windowed key, from the definition that made it: no assertion on the
// record path. Handles carry it through verbs that keep the key; verbs that make a key drop it.
func endOf[K, WK any](w window.Windows[K, WK]) func(WK) Time {
	return func(k WK) Time { _, win := w.Unwrap(k); return win.End }
}

type CogroupedStream[K, A any] struct{ b *Builder }

func (c CogroupedStream[K, A]) Cogroup[V any](g GroupedStream[K, V], add func(K, V, A) A) CogroupedStream[K, A] {
	return c
}
func (c CogroupedStream[K, A]) TryCogroup[V any](g GroupedStream[K, V], add func(context.Context, Record[K, V], A) (A, error)) CogroupedStream[K, A] {
	return c
}
func (c CogroupedStream[K, A]) Aggregate(init func() A, o ...StoreOption) Table[K, A] {
	return Table[K, A]{b: c.b}
}
func (c CogroupedStream[K, A]) WindowedBy[WK any](w window.Windows[K, WK]) CogroupedWindowedStream[K, WK, A] {
	return CogroupedWindowedStream[K, WK, A]{c.b}
}
func (c CogroupedStream[K, A]) WindowedBySession[WK any](w window.Sessions[K, WK]) CogroupedSessionWindowedStream[K, WK, A] {
	return CogroupedSessionWindowedStream[K, WK, A]{c.b}
}

type CogroupedWindowedStream[K, WK, A any] struct{ b *Builder }

func (c CogroupedWindowedStream[K, WK, A]) Aggregate(init func() A, o ...StoreOption) Table[WK, A] {
	return Table[WK, A]{b: c.b}
}

type CogroupedSessionWindowedStream[K, WK, A any] struct{ b *Builder }

func (c CogroupedSessionWindowedStream[K, WK, A]) TryAggregate(init func() A, merge func(ctx context.Context, k K, a, b A) (A, error), o ...StoreOption) Table[WK, A] {
	return Table[WK, A]{b: c.b}
}

func (c CogroupedSessionWindowedStream[K, WK, A]) Aggregate(init func() A, merge func(k K, a, b A) A, o ...StoreOption) Table[WK, A] {
	return Table[WK, A]{b: c.b}
}
