package streams

import (
	"bytes"
	"context"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/topology"
)

// GroupedTable is a table whose rows are put together by another key. Each change takes the old row out of its group and puts the new one in, by an
// internal topic.
type GroupedTable[K, V any] struct {
	b     *Builder
	n     *planNode
	key   *slot[K]
	value *slot[V]
	named string
	// repartition is what the aggregates of a named group share.
	repartition **planNode
}

// WithKeySerde sets the key's serde from here on.
func (g GroupedTable[K, V]) WithKeySerde(k serde.Serde[K]) GroupedTable[K, V] {
	g.key = g.key.with(k)
	return g
}

// WithValueSerde sets the value's serde from here on.
func (g GroupedTable[K, V]) WithValueSerde(v serde.Serde[V]) GroupedTable[K, V] {
	g.value = g.value.with(v)
	return g
}

// GroupBy makes a group key and a value of each row. Where old and new row have the same key (the same bytes: K2 need not be comparable), one record
// carries both (KIP-904); else the old row is taken out before the new one is put in.
func (t Table[K, V]) GroupBy[K2, V2 any](f func(K, V) (K2, V2), o ...GroupOption) GroupedTable[K2, V2] {
	return groupTable(t, f != nil, func(*topology.Context) pairFunc[K, V, K2, V2] {
		return func(k K, v V) (K2, V2, error) {
			k2, v2 := f(k, v)
			return k2, v2, nil
		}
	}, o)
}

// TryGroupBy is GroupBy with a function that may fail. Null leaves the row out, Skip drops the change and counts it.
func (t Table[K, V]) TryGroupBy[K2, V2 any](f func(context.Context, K, V) (K2, V2, error), o ...GroupOption) GroupedTable[K2, V2] {
	return groupTable(t, f != nil, func(ctx *topology.Context) pairFunc[K, V, K2, V2] {
		run := ctx.Run()
		return func(k K, v V) (K2, V2, error) { return f(run, k, v) }
	}, o)
}

// pairFunc makes a row's group key and value.
type pairFunc[K, V, K2, V2 any] = func(K, V) (K2, V2, error)

func groupTable[K, V, K2, V2 any](t Table[K, V], given bool, open func(*topology.Context) pairFunc[K, V, K2, V2], o []GroupOption) GroupedTable[K2, V2] {
	c := groupConfigOf(o)
	b := t.b
	name := b.nodeName(c.name, "KTABLE-SELECT-")
	b.check(name, &c)
	b.require(given, name)
	g := GroupedTable[K2, V2]{b: b, key: &slot[K2]{}, value: &slot[V2]{}, named: c.name, repartition: new(*planNode)}
	g.n = &planNode{name: name, keyChanging: true, write: func(w *writer, in []any) any {
		keys := g.key.resolve(w.b, name, "key")
		if keys == nil {
			return nil
		}
		return topology.Connect(topology.NodeSpec{Name: name}, startGroup(t.t, open, keys, g.n.firstTopic()), edgesOf[K, change[V]](in)...)
	}}
	b.plan(g.n, t.t.plan)
	t.t.sendOlds(true)
	return g
}

func startGroup[K, V, K2, V2 any](parent *tableNode[K, V], open func(*topology.Context) pairFunc[K, V, K2, V2], keys serde.Serde[K2], topic string) start[K, change[V], K2, change[V2]] {
	return func(ctx *topology.Context, next func(Record[K2, change[V2]]) error) (func(Record[K, change[V]]) error, error) {
		pair := open(ctx)
		keys, err := bind(ctx, keys, topic, true)
		if err != nil {
			return nil, err
		}
		same := sameKey(keys)
		// make answers the pair of a row; false if it is left out. done says that the record is.
		make := func(k K, v V, has bool) (k2 K2, v2 V2, ok, done bool, err error) {
			if !has {
				return k2, v2, false, false, nil
			}
			if k2, v2, err = pair(k, v); err == nil {
				return k2, v2, true, false, nil
			}
			null, err := nullOr(ctx, err)
			return k2, v2, false, !null, err
		}
		return func(r Record[K, change[V]]) error {
			if parent.versioned && r.Value.Stale {
				return nil
			}
			kn, vn, hasNew, done, err := make(r.Key, r.Value.New, r.Value.HasNew)
			if done || err != nil {
				return err
			}
			ko, vo, hasOld, done, err := make(r.Key, r.Value.Old, r.Value.HasOld)
			if done || err != nil {
				return err
			}
			out := Record[K2, change[V2]]{Time: r.Time, Headers: r.Headers}
			if hasNew && hasOld {
				eq, err := same(ko, kn)
				if err != nil {
					return ctx.Fail(err)
				}
				if eq {
					out.Key, out.Value = kn, change[V2]{New: vn, HasNew: true, Old: vo, HasOld: true}
					return next(out)
				}
			}
			if hasOld {
				out.Key, out.Value = ko, change[V2]{Old: vo, HasOld: true}
				if err := next(out); err != nil {
					return err
				}
			}
			if hasNew {
				out.Key, out.Value = kn, change[V2]{New: vn, HasNew: true}
				return next(out)
			}
			return nil
		}, nil
	}
}

// firstTopic is the first internal topic behind the node, to which serdes are bound that compare keys.
func (n *planNode) firstTopic() string {
	for _, c := range n.children {
		if c.repartition != nil {
			return c.repartition.topic()
		}
	}
	return n.name
}

// sameKey compares keys by their bytes.
func sameKey[K any](s serde.Serde[K]) func(a, b K) (bool, error) {
	var x, y []byte
	return func(a, b K) (_ bool, err error) {
		if x, err = s.Append(x[:0], a); err != nil {
			return false, err
		}
		if y, err = s.Append(y[:0], b); err != nil {
			return false, err
		}
		return bytes.Equal(x, y), nil
	}
}

// Count counts the rows of each group.
func (g GroupedTable[K, V]) Count(o ...StoreOption) Table[K, int64] {
	return aggregateRows(g, "KTABLE-AGGREGATE-", &slot[int64]{}, rowAggregation[K, V, int64]{
		given:    true,
		first:    func() int64 { return 0 },
		add:      plainRowStep(func(_ K, _ V, n int64) int64 { return n + 1 }),
		subtract: plainRowStep(func(_ K, _ V, n int64) int64 { return n - 1 }),
	}, o)
}

// Reduce combines the rows of each group: the first one is the aggregate, add puts others in, subtract takes them out.
func (g GroupedTable[K, V]) Reduce(add, subtract func(agg, v V) V, o ...StoreOption) Table[K, V] {
	return aggregateRows(g, "KTABLE-REDUCE-", g.value.carried(), rowAggregation[K, V, V]{
		given:    add != nil && subtract != nil,
		from:     func(v V) V { return v },
		add:      plainRowStep(func(_ K, v, agg V) V { return add(agg, v) }),
		subtract: plainRowStep(func(_ K, v, agg V) V { return subtract(agg, v) }),
	}, o)
}

// TryReduce is Reduce with functions that may fail. Null deletes the aggregate, Skip drops the change.
func (g GroupedTable[K, V]) TryReduce(add, subtract func(ctx context.Context, agg, v V) (V, error), o ...StoreOption) Table[K, V] {
	return aggregateRows(g, "KTABLE-REDUCE-", g.value.carried(), rowAggregation[K, V, V]{
		given:    add != nil && subtract != nil,
		from:     func(v V) V { return v },
		add:      tryRowStep(func(ctx context.Context, _ K, v, agg V) (V, error) { return add(ctx, agg, v) }),
		subtract: tryRowStep(func(ctx context.Context, _ K, v, agg V) (V, error) { return subtract(ctx, agg, v) }),
	}, o)
}

// Aggregate combines the rows of each group: init makes an empty aggregate, add puts a row in, subtract takes one out.
func (g GroupedTable[K, V]) Aggregate[A any](init func() A, add, subtract func(K, V, A) A, o ...StoreOption) Table[K, A] {
	return aggregateRows(g, "KTABLE-AGGREGATE-", &slot[A]{}, rowAggregation[K, V, A]{
		given: init != nil && add != nil && subtract != nil, first: init, add: plainRowStep(add), subtract: plainRowStep(subtract)}, o)
}

// TryAggregate is Aggregate with functions that may fail. Null deletes the aggregate, Skip drops the change.
func (g GroupedTable[K, V]) TryAggregate[A any](init func() A, add, subtract func(context.Context, K, V, A) (A, error), o ...StoreOption) Table[K, A] {
	return aggregateRows(g, "KTABLE-AGGREGATE-", &slot[A]{}, rowAggregation[K, V, A]{
		given: init != nil && add != nil && subtract != nil, first: init, add: tryRowStep(add), subtract: tryRowStep(subtract)}, o)
}
