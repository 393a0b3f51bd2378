package streams

import (
	"context"

	"github.com/millrace-go/millrace/topology"
)

// step adds a record to an aggregate. Null and Skip are errors here.
type step[K, V, A any] = func(r Record[K, V], agg A) (A, error)

// aggregation is how records become an aggregate.
type aggregation[K, V, A any] struct {
	given bool // the verb's functions
	// An aggregate begins with first, to which the first record is added, or, if that is nil, with what from makes of the first record.
	first func() A
	from  func(Record[K, V]) A
	open  openStep[K, V, A]
}

// openStep makes a step for one node of a task.
type openStep[K, V, A any] = func(ctx *topology.Context) step[K, V, A]

func plainStep[K, V, A any](f func(Record[K, V], A) A) openStep[K, V, A] {
	s := func(r Record[K, V], a A) (A, error) { return f(r, a), nil }
	return func(*topology.Context) step[K, V, A] { return s }
}

func tryStep[K, V, A any](f func(context.Context, Record[K, V], A) (A, error)) openStep[K, V, A] {
	return func(ctx *topology.Context) step[K, V, A] {
		run := ctx.Run()
		return func(r Record[K, V], a A) (A, error) { return f(run, r, a) }
	}
}

// aggregate plans the one node behind Count, Reduce and Aggregate of a grouped stream without windows.
func aggregate[K, V, A any](g GroupedStream[K, V], c *nodeConfig, prefix string, value *slot[A], a aggregation[K, V, A]) Table[K, A] {
	b := g.s.b
	store := b.storeName(&c.store, prefix)
	name := b.nodeName(c.name, prefix)
	b.require(a.given, name)
	b.checkAggregate(name, store, c)
	s := g.forAggregate(store, c.store.name != "")
	st := newTableStore(c, store, s.key.carried(), value)
	t := &tableNode[K, A]{store: store, versioned: st.versioned, view: st.view}
	t.plan = b.plan(aggregateNode(name, c, st, t, a), s.n)
	return Table[K, A]{b: b, t: t, key: st.key, value: value, end: s.end}
}

// checkAggregate checks the options of an aggregate that is kept as a table.
func (b *Builder) checkAggregate(name, store string, c *nodeConfig) {
	b.check(name, c)
	if c.store.name == "" {
		b.nameGenerated("store", store, "As")
	}
}

// aggregateNode is the plan node that adds records to the aggregates of a table key by key: of a grouped stream, or of one stream of a cogroup.
func aggregateNode[K, V, A any](name string, c *nodeConfig, st *tableStore[K, A], t *tableNode[K, A], a aggregation[K, V, A]) *planNode {
	return &planNode{name: name, dropsNullKeys: true, write: func(w *writer, in []any) any {
		if !st.write(w, name) {
			return nil
		}
		return topology.Connect(topology.NodeSpec{Name: name, Stores: append(st.names(), c.using...)}, startAggregate(st, t, a), edgesOf[K, V](in)...)
	}}
}

// startAggregate makes the node. The result's time is the later of the record's and the aggregate's. Old is what the aggregate was before, also
// where that is the initial one of a key that had none: so Kafka Streams has it, unless a cache forwards.
func startAggregate[K, V, A any](st *tableStore[K, A], t *tableNode[K, A], a aggregation[K, V, A]) start[K, V, K, change[A]] {
	return func(ctx *topology.Context, next func(Record[K, change[A]]) error) (func(Record[K, V]) error, error) {
		add := a.open(ctx)
		rows, err := st.openFor(ctx, t.olds, next)
		if err != nil {
			return nil, err
		}
		return func(r Record[K, V]) error {
			if r.NoKey || r.Tombstone {
				ctx.Drop(droppedNull(r.NoKey))
				return nil
			}
			row, ok, err := rows.get(r.Key)
			if err != nil {
				return ctx.Fail(err)
			}
			at := r.Time
			if ok {
				at = max(at, row.Time)
			}
			c := change[A]{Old: row.Value, HasOld: ok, HasNew: true}
			if !ok && a.first == nil {
				c.New = a.from(r)
			} else {
				if !ok {
					c.Old, c.HasOld = a.first(), true
				}
				if c.New, err = add(r, c.Old); err != nil {
					if null, err := nullOr(ctx, err); !null {
						return err
					}
					c.HasNew = false
				}
			}
			return rows.update(Record[K, change[A]]{Key: r.Key, Value: c, Time: r.Time, Headers: r.Headers}, at)
		}, nil
	}
}

func droppedNull(key bool) string {
	if key {
		return droppedNullKey
	}
	return droppedTombstone
}
