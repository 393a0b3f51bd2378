package streams

import (
	"context"

	"github.com/millrace-go/millrace/serde"
)

// GroupedStream is a stream whose records of one key are handled together: by aggregates, windows or a cogroup. An aggregate of a stream whose key may
// have changed goes through an internal topic, called after Named if the grouping has a name, else after the aggregate's store.
type GroupedStream[K, V any] struct {
	s     Stream[K, V]
	named string
	// repartition is what the aggregates of a named group share. It belongs to the grouping, not to its handles.
	repartition **planNode
}

// GroupByKey groups by the key as it is.
func (s Stream[K, V]) GroupByKey(o ...GroupOption) GroupedStream[K, V] {
	c := groupConfigOf(o)
	s.b.check("GroupByKey behind "+s.n.name, &c)
	return newGroup(s, c.name)
}

// GroupBy groups by a key that f makes. Tombstones are dropped and counted; ahead of a windowed Count, TryGroupBy keeps them.
func (s Stream[K, V]) GroupBy[K2 any](f func(K, V) K2, o ...GroupOption) GroupedStream[K2, V] {
	c := groupConfigOf(o)
	return newGroup(selectKey(s, c, f != nil, plainKey(f)), c.name)
}

// TryGroupBy groups by a key that f makes from each record, tombstones included. A record whose key is Null is lost at the aggregate.
func (s Stream[K, V]) TryGroupBy[K2 any](f func(context.Context, Record[K, V]) (K2, error), o ...GroupOption) GroupedStream[K2, V] {
	c := groupConfigOf(o)
	return newGroup(selectKey(s, c, f != nil, tryKey(f)), c.name)
}

func groupConfigOf(opts []GroupOption) (c nodeConfig) {
	for _, o := range opts {
		o.group(&c)
	}
	return c
}

func newGroup[K, V any](s Stream[K, V], named string) GroupedStream[K, V] {
	return GroupedStream[K, V]{s: s, named: named, repartition: new(*planNode)}
}

// WithKeySerde sets the key's serde from here on.
func (g GroupedStream[K, V]) WithKeySerde(k serde.Serde[K]) GroupedStream[K, V] {
	g.s = g.s.WithKeySerde(k)
	return g
}

// WithValueSerde sets the value's serde from here on.
func (g GroupedStream[K, V]) WithValueSerde(v serde.Serde[V]) GroupedStream[K, V] {
	g.s = g.s.WithValueSerde(v)
	return g
}

// forAggregate is the stream as an aggregate needs it: repartitioned if the key may have changed. store is the aggregate's store, after which the internal
// topic is called if the grouping has no name; storeNamed says that the user named it.
func (g GroupedStream[K, V]) forAggregate(store string, storeNamed bool) Stream[K, V] {
	if !g.s.rekeyed {
		return g.s
	}
	prefix := g.named
	if prefix == "" {
		prefix = store
	}
	spec := g.s.b.newRepartition(prefix)
	if *g.repartition != nil && g.named != "" {
		out := g.s
		out.n, out.rekeyed = *g.repartition, false
		return out
	}
	if g.named == "" && !storeNamed {
		g.s.b.nameGenerated("internal topic", spec.topic(), "Named at the grouping")
	}
	out := g.s.through(spec, nil)
	*g.repartition = out.n
	return out
}

// Count counts the records of each key that have a value.
func (g GroupedStream[K, V]) Count(o ...StoreOption) Table[K, int64] {
	c := storeConfigOf(o)
	g.s.b.burnForCount(&c)
	return aggregate(g, &c, "KSTREAM-AGGREGATE-", &slot[int64]{}, aggregation[K, V, int64]{
		given: true,
		first: func() int64 { return 0 },
		open:  plainStep(func(_ Record[K, V], n int64) int64 { return n + 1 }),
	})
}

// burnForCount draws the extra number of a count whose store options give no name.
func (b *Builder) burnForCount(c *nodeConfig) {
	if c.store.materialized && c.store.name == "" {
		b.generateStore("KSTREAM-AGGREGATE-")
	}
}

// Reduce combines the values of each key: the first one is the aggregate, f adds the others. Tombstones and null keys are dropped and counted.
func (g GroupedStream[K, V]) Reduce(f func(agg, v V) V, o ...StoreOption) Table[K, V] {
	c := storeConfigOf(o)
	return aggregate(g, &c, "KSTREAM-REDUCE-", g.s.value.carried(), aggregation[K, V, V]{
		given: f != nil,
		from:  func(r Record[K, V]) V { return r.Value },
		open:  plainStep(func(r Record[K, V], agg V) V { return f(agg, r.Value) }),
	})
}

// TryReduce is Reduce with a function that gets the record and may fail. Null deletes the aggregate, Skip drops the record.
func (g GroupedStream[K, V]) TryReduce(f func(ctx context.Context, agg V, r Record[K, V]) (V, error), o ...StoreOption) Table[K, V] {
	c := storeConfigOf(o)
	return aggregate(g, &c, "KSTREAM-REDUCE-", g.s.value.carried(), aggregation[K, V, V]{
		given: f != nil,
		from:  func(r Record[K, V]) V { return r.Value },
		open: tryStep(func(ctx context.Context, r Record[K, V], agg V) (V, error) {
			return f(ctx, agg, r)
		}),
	})
}

// Aggregate combines the values of each key: init makes an empty aggregate, add puts a value in. Tombstones and null keys are dropped and counted.
func (g GroupedStream[K, V]) Aggregate[A any](init func() A, add func(K, V, A) A, o ...StoreOption) Table[K, A] {
	c := storeConfigOf(o)
	return aggregate(g, &c, "KSTREAM-AGGREGATE-", &slot[A]{}, aggregation[K, V, A]{
		given: init != nil && add != nil,
		first: init,
		open:  plainStep(func(r Record[K, V], a A) A { return add(r.Key, r.Value, a) }),
	})
}

// TryAggregate is Aggregate with a function that gets the record and may fail. Null deletes the aggregate, so that the next record starts from init
// again; Skip drops the record.
func (g GroupedStream[K, V]) TryAggregate[A any](init func() A, add func(context.Context, Record[K, V], A) (A, error), o ...StoreOption) Table[K, A] {
	c := storeConfigOf(o)
	return aggregate(g, &c, "KSTREAM-AGGREGATE-", &slot[A]{}, aggregation[K, V, A]{given: init != nil && add != nil, first: init, open: tryStep(add)})
}
