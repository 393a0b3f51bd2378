package streams

import (
	"context"

	"github.com/millrace-go/millrace/topology"
)

// rowStep puts a row into an aggregate or takes one out. Null and Skip are errors here.
type rowStep[K, V, A any] = func(k K, v V, agg A) (A, error)

// openRowStep makes a rowStep for one node of a task.
type openRowStep[K, V, A any] = func(ctx *topology.Context) rowStep[K, V, A]

func plainRowStep[K, V, A any](f func(K, V, A) A) openRowStep[K, V, A] {
	s := func(k K, v V, a A) (A, error) { return f(k, v, a), nil }
	return func(*topology.Context) rowStep[K, V, A] { return s }
}

func tryRowStep[K, V, A any](f func(context.Context, K, V, A) (A, error)) openRowStep[K, V, A] {
	return func(ctx *topology.Context) rowStep[K, V, A] {
		run := ctx.Run()
		return func(k K, v V, a A) (A, error) { return f(run, k, v, a) }
	}
}

// rowAggregation is how the rows of a group become an aggregate.
type rowAggregation[K, V, A any] struct {
	given bool // the verb's functions
	// An aggregate begins with first, to which the first row is added, or, if that is nil, with what from makes of the first row.
	first         func() A
	from          func(V) A
	add, subtract openRowStep[K, V, A]
}

// aggregateRows plans the internal topic and the one node behind Count, Reduce and Aggregate of a grouped table.
func aggregateRows[K, V, A any](g GroupedTable[K, V], prefix string, value *slot[A], a rowAggregation[K, V, A], o []StoreOption) Table[K, A] {
	c := storeConfigOf(o)
	b := g.b
	store := b.storeName(&c.store, "KTABLE-AGGREGATE-")
	sink := b.suffixedName(c.name, "-sink", "KSTREAM-SINK-")
	source := b.suffixedName(c.name, "-source", "KSTREAM-SOURCE-")
	name := b.nodeName(c.name, prefix)
	b.require(a.given, name)
	b.checkAggregate(name, store, &c)

	n := *g.repartition
	if n == nil || g.named == "" {
		topic := g.named
		if topic == "" {
			if topic = store; c.store.name == "" {
				b.nameGenerated("internal topic", repartitionTopic(topic), "Named at the grouping")
			}
		}
		n = b.plan(changeRepartition(&repartitionSpec{prefix: topic, sinkName: sink, sourceName: source}, g.key, g.value), g.n)
		*g.repartition = n
	}
	key := g.key.carried()
	st := newTableStore(&c, store, key, value)
	t := &tableNode[K, A]{store: store, versioned: st.versioned, view: st.view}
	t.plan = b.plan(&planNode{name: name, write: func(w *writer, in []any) any {
		if !st.write(w, name) {
			return nil
		}
		return topology.Connect(topology.NodeSpec{Name: name, Stores: append(st.names(), c.using...)}, startRowAggregate(st, t, a), edgesOf[K, change[V]](in)...)
	}}, n)
	return Table[K, A]{b: b, t: t, key: key, value: value}
}

// changeRepartition is the plan node of a grouped table's repartition: no filter, and both rows in one record.
func changeRepartition[K, V any](spec *repartitionSpec, key *slot[K], value *slot[V]) *planNode {
	return &planNode{name: spec.sourceName, repartition: spec, write: func(w *writer, in []any) any {
		k, v := key.resolve(w.b, spec.sinkName, "key"), value.resolve(w.b, spec.sinkName, "value")
		if k == nil || v == nil || !w.claim(spec.topic()) {
			return nil
		}
		return writeRepartition(w, spec, edgesOf[K, change[V]](in)[0], k, changeSerde[V]{v: v}, nil)
	}}
}

// startRowAggregate makes the node: the old row leaves, if there is an aggregate to take it from, then the new one comes. A result that is
// Null in between makes the new row the first one again.
func startRowAggregate[K, V, A any](st *tableStore[K, A], t *tableNode[K, A], a rowAggregation[K, V, A]) start[K, change[V], K, change[A]] {
	return func(ctx *topology.Context, next func(Record[K, change[A]]) error) (func(Record[K, change[V]]) error, error) {
		add, subtract := a.add(ctx), a.subtract(ctx)
		rows, err := st.openFor(ctx, t.olds, next)
		if err != nil {
			return nil, err
		}
		// do answers the aggregate behind a step, false if it is deleted; done says that the record is dropped.
		do := func(f rowStep[K, V, A], k K, v V, agg A) (_ A, there, done bool, _ error) {
			agg, err := f(k, v, agg)
			if err == nil {
				return agg, true, false, nil
			}
			null, err := nullOr(ctx, err)
			return agg, false, !null, err
		}
		return func(r Record[K, change[V]]) error {
			row, had, err := rows.get(r.Key)
			if err != nil {
				return ctx.Fail(err)
			}
			agg, there, done := row.Value, had, false
			if r.Value.HasOld && had {
				if agg, there, done, err = do(subtract, r.Key, r.Value.Old, agg); done || err != nil {
					return err
				}
			}
			if r.Value.HasNew {
				if !there && a.first == nil {
					agg, there = a.from(r.Value.New), true
				} else {
					if !there {
						agg = a.first()
					}
					if agg, there, done, err = do(add, r.Key, r.Value.New, agg); done || err != nil {
						return err
					}
				}
			}
			at := r.Time
			if had {
				at = max(at, row.Time)
			}
			c := change[A]{Old: row.Value, HasOld: had, HasNew: there}
			if there {
				c.New = agg
			}
			return rows.update(withChange(r, c), at)
		}, nil
	}
}
