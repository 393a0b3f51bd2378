package conformance_test

import (
	"context"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/topology"
)

// tableOf is a table's handle.
type tableOf[K, V any] struct {
	t   streams.Table[K, V]
	key serde.Serde[K]
}

func (t tableOf[K, V]) with(u streams.Table[K, V]) tableOf[K, V] { return tableOf[K, V]{u, t.key} }

func (t tableOf[K, V]) storeType() storeType { return stampedTypeOf[V]() }

// globalOf is a global table's handle.
type globalOf[V any] struct {
	g streams.GlobalTable[string, V]
}

func (t tableOf[K, V]) filter(o *operation, not bool) tableHandle {
	f := predicate[K, V](o.Fn)
	if not {
		return t.with(t.t.FilterNot(f, storeOptions(o)...))
	}
	return t.with(t.t.Filter(f, storeOptions(o)...))
}

func (t tableOf[K, V]) mapValues(o *operation) tableHandle {
	f := newValueFunction[K, V](o.Fn)
	switch {
	case f.null:
		refuse("mapValues null of a table")
		return nil
	case f.long != nil:
		return mapTableValues(t, f, f.long, o)
	}
	return mapTableValues(t, f, f.text, o)
}

func mapTableValues[K, V, R any](t tableOf[K, V], f valueFunction[K, V], g func(K, V) (R, error), o *operation) tableHandle {
	opts := storeOptions(o)
	switch {
	case f.fails:
		return tableOf[K, R]{t.t.TryMapValues(func(_ context.Context, k K, v V) (R, error) { return g(k, v) }, opts...), t.key}
	case f.usesKey:
		return tableOf[K, R]{t.t.MapValuesWithKey(func(k K, v V) R { r, _ := g(k, v); return r }, opts...), t.key}
	}
	return tableOf[K, R]{t.t.MapValues(func(v V) R { r, _ := g(*new(K), v); return r }, opts...), t.key}
}

// transformValues is called for a delete too, for which the program's functions answer "none" or -1.
func (t tableOf[K, V]) transformValues(o *operation) tableHandle {
	f := newValueFunction[K, V](o.Fn)
	if f.long != nil {
		return transformTableValues(t, f.long, -1, o)
	}
	if f.text == nil {
		refuse("transformValues %s", o.Fn)
	}
	return transformTableValues(t, f.text, "none", o)
}

func transformTableValues[K, V, R any](t tableOf[K, V], f func(K, V) (R, error), none R, o *operation) tableHandle {
	supplier := func(*topology.Context) (func(context.Context, K, *V) (R, error), error) {
		return func(_ context.Context, k K, v *V) (R, error) {
			if v == nil {
				return none, nil
			}
			return f(k, *v)
		}, nil
	}
	return tableOf[K, R]{t.t.TransformValues(supplier, storeOptions(o)...), t.key}
}

func (t tableOf[K, V]) toStream(o *operation) streamHandle {
	s := streamOf[K, V]{t.t.ToStream(named(o.Name)...), t.key}
	if o.Fn == "" {
		return s
	}
	return s.selectKey(o.Fn)
}

func (t tableOf[K, V]) groupBy(o *operation) tableGroupedHandle {
	f := newKeyFunction[K, V](o.Fn)
	if f.nulls {
		return tableGroupedOf[V]{t.t.TryGroupBy(func(_ context.Context, k K, v V) (string, V, error) {
			r, ok := f.of(k, v)
			if !ok {
				return "", v, streams.Null
			}
			return r, v, nil
		}, groupOptions(o)...)}
	}
	return tableGroupedOf[V]{t.t.GroupBy(func(k K, v V) (string, V) { r, _ := f.of(k, v); return r, v }, groupOptions(o)...)}
}

func (t tableOf[K, V]) suppress(o *operation) tableHandle {
	var opts []streams.SuppressOption
	if o.Name != nil {
		opts = append(opts, streams.Named(*o.Name))
	}
	if o.Logging != nil && !*o.Logging {
		opts = append(opts, streams.WithoutLogging())
	}
	if o.Until == nil || (o.Full != "" && o.Full != "emitEarly" && o.Full != "shutDown") {
		refuse("suppress until %v, full %s", o.Until, o.Full)
	}
	if o.Until.windowCloses {
		return t.with(t.t.Suppress(streams.UntilWindowCloses{MaxRecords: o.MaxRecords, MaxBytes: o.MaxBytes}, opts...))
	}
	return t.with(t.t.Suppress(streams.UntilTimeLimit{
		Wait:       millis(o.Until.wait),
		MaxRecords: o.MaxRecords,
		MaxBytes:   o.MaxBytes,
		EmitEarly:  o.Full != "shutDown" && (o.MaxRecords != 0 || o.MaxBytes != 0),
	}, opts...))
}

// tableGroupedOf is the handle of a grouped table, whose keys the programs make: strings.
type tableGroupedOf[V any] struct {
	g streams.GroupedTable[string, V]
}

func (g tableGroupedOf[V]) count(o *operation) tableHandle {
	return tableOf[string, int64]{g.g.Count(storeOptions(o)...), serde.String}
}

func (g tableGroupedOf[V]) reduce(o *operation) tableHandle {
	add, subtract := reducers[V](o.Fn)
	return tableOf[string, V]{g.g.Reduce(add, subtract, storeOptions(o)...), serde.String}
}

func (g tableGroupedOf[V]) aggregate(o *operation) tableHandle {
	if aggregatesLong(o.Fn) {
		return aggregateTable(g, longAggregator[V](o.Fn), o)
	}
	return aggregateTable(g, textAggregator[V](o.Fn), o)
}

func aggregateTable[V, A any](g tableGroupedOf[V], a aggregator[V, A], o *operation) tableHandle {
	if a.nulls {
		add := func(_ context.Context, _ string, v V, agg A) (A, error) { return a.add(v, agg) }
		subtract := func(_ context.Context, _ string, v V, agg A) (A, error) { return a.subtract(v, agg), nil }
		return tableOf[string, A]{g.g.TryAggregate(a.init, add, subtract, storeOptions(o)...), serde.String}
	}
	add := func(_ string, v V, agg A) A { r, _ := a.add(v, agg); return r }
	subtract := func(_ string, v V, agg A) A { return a.subtract(v, agg) }
	return tableOf[string, A]{g.g.Aggregate(a.init, add, subtract, storeOptions(o)...), serde.String}
}
