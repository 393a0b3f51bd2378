package conformance_test

import (
	"context"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/window"
)

// groupedOf is a grouped stream's handle.
type groupedOf[K, V any] struct {
	g   streams.GroupedStream[K, V]
	key serde.Serde[K]
}

// A tombstone never reaches the aggregate of an unwindowed group, in Java as here: plain forms do.
func (g groupedOf[K, V]) count(o *operation) tableHandle {
	return tableOf[K, int64]{g.g.Count(storeOptions(o)...), g.key}
}

func (g groupedOf[K, V]) reduce(o *operation) tableHandle {
	f, _ := reducers[V](o.Fn)
	return tableOf[K, V]{g.g.Reduce(f, storeOptions(o)...), g.key}
}

func (g groupedOf[K, V]) aggregate(o *operation) tableHandle {
	if aggregatesLong(o.Fn) {
		return aggregateGroup(g, longAggregator[V](o.Fn), o)
	}
	return aggregateGroup(g, textAggregator[V](o.Fn), o)
}

func aggregateGroup[K, V, A any](g groupedOf[K, V], a aggregator[V, A], o *operation) tableHandle {
	if a.nulls {
		return tableOf[K, A]{g.g.TryAggregate(a.init, tryAdd[K](a), storeOptions(o)...), g.key}
	}
	return tableOf[K, A]{g.g.Aggregate(a.init, plainAdd[K](a), storeOptions(o)...), g.key}
}

func tryAdd[K, V, A any](a aggregator[V, A]) func(context.Context, streams.Record[K, V], A) (A, error) {
	return func(_ context.Context, r streams.Record[K, V], agg A) (A, error) { return a.add(r.Value, agg) }
}

func plainAdd[K, V, A any](a aggregator[V, A]) func(K, V, A) A {
	return func(_ K, v V, agg A) A { r, _ := a.add(v, agg); return r }
}

// windowedBy leaves the generic code: the key of its result is a window of K, and a generic method that makes handles of Windowed[K] from
// K would never end. Windows can be nested once.
func (g groupedOf[K, V]) windowedBy(o *operation) windowedHandle {
	switch g := any(g).(type) {
	case groupedOf[string, string]:
		return windowGroup(g, o)
	case groupedOf[string, int64]:
		return windowGroup(g, o)
	case groupedOf[window.Windowed[string], string]:
		return windowGroup(g, o)
	case groupedOf[window.Windowed[string], int64]:
		return windowGroup(g, o)
	}
	panic(unsupported("windows nested more than once"))
}

func windowGroup[K, V any](g groupedOf[K, V], o *operation) windowedHandle {
	if o.Window.Type == "session" {
		def := window.Session[K]{Gap: millis(o.Window.Gap), Grace: millis(o.Window.Grace)}
		w := g.g.WindowedBySession(def)
		if closing(o) {
			w = w.EmitOnClose()
		}
		return sessionOf[K, window.Windowed[K], V]{w, def.Serde(g.key)}
	}
	def := windowsOf[K](o.Window)
	w := g.g.WindowedBy(def)
	if closing(o) {
		w = w.EmitOnClose()
	}
	return windowedOf[K, window.Windowed[K], V]{w, def.Serde(g.key)}
}

func closing(o *operation) bool {
	if o.Emit != "" && o.Emit != "close" {
		refuse("emit %s", o.Emit)
	}
	return o.Emit == "close"
}

// windowedOf is the handle of a grouped stream in time or sliding windows. Java's time windows hand tombstones to the aggregator: an
// aggregator that is defined for them takes the Try form.
type windowedOf[K, WK, V any] struct {
	w   streams.WindowedStream[K, WK, V]
	key serde.Serde[WK]
}

func (w windowedOf[K, WK, V]) count(o *operation) tableHandle {
	return tableOf[WK, int64]{w.w.Count(storeOptions(o)...), w.key}
}

func (w windowedOf[K, WK, V]) reduce(o *operation) tableHandle {
	f, _ := reducers[V](o.Fn)
	return tableOf[WK, V]{w.w.Reduce(f, storeOptions(o)...), w.key}
}

func (w windowedOf[K, WK, V]) aggregate(o *operation) tableHandle {
	if aggregatesLong(o.Fn) {
		return aggregateWindows(w, longAggregator[V](o.Fn), o)
	}
	return aggregateWindows(w, textAggregator[V](o.Fn), o)
}

func aggregateWindows[K, WK, V, A any](w windowedOf[K, WK, V], a aggregator[V, A], o *operation) tableHandle {
	if a.nulls || a.onNull {
		return tableOf[WK, A]{w.w.TryAggregate(a.init, tryAdd[K](a), storeOptions(o)...), w.key}
	}
	return tableOf[WK, A]{w.w.Aggregate(a.init, plainAdd[K](a), storeOptions(o)...), w.key}
}

// sessionOf is the handle of a grouped stream in sessions.
type sessionOf[K, WK, V any] struct {
	w   streams.SessionWindowedStream[K, WK, V]
	key serde.Serde[WK]
}

func (w sessionOf[K, WK, V]) count(o *operation) tableHandle {
	return tableOf[WK, int64]{w.w.Count(storeOptions(o)...), w.key}
}

func (w sessionOf[K, WK, V]) reduce(o *operation) tableHandle {
	f, _ := reducers[V](o.Fn)
	return tableOf[WK, V]{w.w.Reduce(f, storeOptions(o)...), w.key}
}

func (w sessionOf[K, WK, V]) aggregate(o *operation) tableHandle {
	if aggregatesLong(o.Fn) {
		return aggregateSessions(w, longAggregator[V](o.Fn), o)
	}
	return aggregateSessions(w, textAggregator[V](o.Fn), o)
}

func aggregateSessions[K, WK, V, A any](w sessionOf[K, WK, V], a aggregator[V, A], o *operation) tableHandle {
	if a.nulls || a.onNull {
		return tableOf[WK, A]{w.w.TryAggregate(a.init, tryAdd[K](a), tryMerge[K](a), storeOptions(o)...), w.key}
	}
	return tableOf[WK, A]{w.w.Aggregate(a.init, plainAdd[K](a), plainMerge[K](a), storeOptions(o)...), w.key}
}

func tryMerge[K, V, A any](a aggregator[V, A]) func(context.Context, K, A, A) (A, error) {
	return func(_ context.Context, _ K, x, y A) (A, error) { return a.merge(x, y), nil }
}

func plainMerge[K, V, A any](a aggregator[V, A]) func(K, A, A) A {
	return func(_ K, x, y A) A { return a.merge(x, y) }
}

// --- cogroups ---------------------------------------------------------------------------------------------------------

func (g groupedOf[K, V]) cogroup(o *operation) cogroupedHandle {
	if aggregatesLong(o.Fn) {
		return startCogroup(g, longAggregator[V](o.Fn))
	}
	return startCogroup(g, textAggregator[V](o.Fn))
}

// Windows may follow, and hand over tombstones: aggregators that are defined for them take the Try form.
func startCogroup[K, V, A any](g groupedOf[K, V], a aggregator[V, A]) cogroupedHandle {
	if a.nulls || a.onNull {
		return cogroupedOf[K, A]{g.g.TryCogroup(tryAdd[K](a)), g.key}
	}
	return cogroupedOf[K, A]{g.g.Cogroup(plainAdd[K](a)), g.key}
}

// cogroupedOf is a cogroup's handle.
type cogroupedOf[K, A any] struct {
	c   streams.CogroupedStream[K, A]
	key serde.Serde[K]
}

func (c cogroupedOf[K, A]) cogroup(o *operation, with groupedHandle) cogroupedHandle {
	switch g := with.(type) {
	case groupedOf[K, string]:
		return joinCogroup(c, g, aggregatorOf[string, A](o.Fn))
	case groupedOf[K, int64]:
		return joinCogroup(c, g, aggregatorOf[int64, A](o.Fn))
	}
	panic(unsupported("cogroup of streams with different keys"))
}

func joinCogroup[K, V, A any](c cogroupedOf[K, A], g groupedOf[K, V], a aggregator[V, A]) cogroupedHandle {
	if a.nulls || a.onNull {
		return cogroupedOf[K, A]{c.c.TryCogroup(g.g, tryAdd[K](a)), c.key}
	}
	return cogroupedOf[K, A]{c.c.Cogroup(g.g, plainAdd[K](a)), c.key}
}

// aggregatorOf is the aggregator of a known result type.
func aggregatorOf[V, A any](fn string) aggregator[V, A] {
	var a any
	if aggregatesLong(fn) {
		a = longAggregator[V](fn)
	} else {
		a = textAggregator[V](fn)
	}
	typed, ok := a.(aggregator[V, A])
	if !ok {
		refuse("aggregator %s does not make what its cogroup makes", fn)
	}
	return typed
}

func (c cogroupedOf[K, A]) aggregate(o *operation) tableHandle {
	return tableOf[K, A]{c.c.Aggregate(aggregatorOf[string, A](o.Fn).init, storeOptions(o)...), c.key}
}

func (c cogroupedOf[K, A]) windowedBy(o *operation) windowedHandle {
	switch c := any(c).(type) {
	case cogroupedOf[string, string]:
		return windowCogroup(c, o)
	case cogroupedOf[string, int64]:
		return windowCogroup(c, o)
	case cogroupedOf[window.Windowed[string], string]:
		return windowCogroup(c, o)
	case cogroupedOf[window.Windowed[string], int64]:
		return windowCogroup(c, o)
	}
	panic(unsupported("windows nested more than once"))
}

func windowCogroup[K, A any](c cogroupedOf[K, A], o *operation) windowedHandle {
	if closing(o) {
		refuse("emit on close of a cogroup")
	}
	if o.Window.Type == "session" {
		def := window.Session[K]{Gap: millis(o.Window.Gap), Grace: millis(o.Window.Grace)}
		return cogroupedSessionOf[K, window.Windowed[K], A]{c: c.c.WindowedBySession(def), key: def.Serde(c.key)}
	}
	def := windowsOf[K](o.Window)
	return cogroupedWindowedOf[K, window.Windowed[K], A]{c: c.c.WindowedBy(def), key: def.Serde(c.key)}
}

// onlyAggregate is what a cogroup cannot do.
type onlyAggregate struct{}

func (onlyAggregate) count(*operation) tableHandle  { panic(unsupported("count of a cogroup")) }
func (onlyAggregate) reduce(*operation) tableHandle { panic(unsupported("reduce of a cogroup")) }

type cogroupedWindowedOf[K, WK, A any] struct {
	onlyAggregate
	c   streams.CogroupedWindowedStream[K, WK, A]
	key serde.Serde[WK]
}

func (c cogroupedWindowedOf[K, WK, A]) aggregate(o *operation) tableHandle {
	return tableOf[WK, A]{c.c.Aggregate(aggregatorOf[string, A](o.Fn).init, storeOptions(o)...), c.key}
}

type cogroupedSessionOf[K, WK, A any] struct {
	onlyAggregate
	c   streams.CogroupedSessionWindowedStream[K, WK, A]
	key serde.Serde[WK]
}

func (c cogroupedSessionOf[K, WK, A]) aggregate(o *operation) tableHandle {
	a := aggregatorOf[string, A](o.Fn)
	return tableOf[WK, A]{c.c.Aggregate(a.init, plainMerge[K](a), storeOptions(o)...), c.key}
}
