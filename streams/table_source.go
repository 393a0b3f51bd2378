package streams

import (
	"errors"
	"fmt"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
)

// Table reads a topic as a table: the last value of each key counts, whatever its time, and a tombstone deletes. A null key is dropped and counted. The
// store is made if it is named or if a verb has to read the table; WithoutLogging and the like ask for none.
//
// With Versioned, rows have a history, and what is older than it is dropped and counted.
func (b *Builder) Table[K, V any](topic string, k serde.Serde[K], v serde.Serde[V], o ...TableOption) Table[K, V] {
	c, store, source, name := b.drawTable(topic, o)
	key, value := slotOf(k), slotOf(v)
	n := b.plan(sourceNode(b, source, "table", []string{topic}, nil, key, value, c))
	if topic == "" {
		b.fail(fmt.Errorf("node %s reads no topic: name one", name))
		n.write = unwritten
	}
	return newTable(b, name, "Table", store, c, n, key, value, topic)
}

// drawTable is the start of every table of a topic: its options, and the names of its parts, drawn in Kafka's order.
func (b *Builder) drawTable(topic string, o []TableOption) (c *nodeConfig, store, source, name string) {
	c = new(nodeConfig)
	for _, opt := range o {
		opt.table(c)
	}
	store = b.storeName(&c.store, topic+"-")
	source = b.suffixedName(c.name, "-source", "KSTREAM-SOURCE-")
	name = b.nodeName(c.name, "KTABLE-SOURCE-")
	b.check(name, c)
	return c, store, source, name
}

// ToTable reads the stream as a table: a record is the new value of its key, a tombstone deletes, a null key is dropped and counted. A stream whose
// key may have changed goes through an internal topic first.
func (s Stream[K, V]) ToTable(o ...StoreOption) Table[K, V] {
	c := storeConfigOf(o)
	name := s.b.nodeName(c.name, "KSTREAM-TOTABLE-")
	store := s.b.storeName(&c.store, "KSTREAM-TOTABLE-")
	s.b.check(name, &c)
	if s.rekeyed {
		if c.name == "" {
			s.b.nameGenerated("internal topic", repartitionTopic(name), "Named")
		}
		s = s.through(s.b.newRepartition(name), nil)
	}
	t := newTable(s.b, name, "ToTable", store, &c, s.n, s.key.carried(), s.value.carried(), "")
	t.end = s.end
	return t
}

// newTable is the table behind a stream's node.
func newTable[K, V any](b *Builder, name, verb, store string, c *nodeConfig, parent *planNode, key *slot[K], value *slot[V], topic string) Table[K, V] {
	st := newTableStore(c, store, key, value)
	// What a store does beyond keeping rows is wanted even if nobody reads it.
	st.topic, st.made = topic, c.store.name != "" || c.store.ttl > 0 || c.store.versioned
	t := &tableNode[K, V]{versioned: st.versioned}
	make := func() { st.made, t.store = true, store }
	if st.made {
		make()
	}
	if c.store.name == "" { // if the store is not made, the next verb may make it
		b.nameGenerated("store", store, "As")
	}
	t.askOlds = func(force bool) bool {
		if !force && !st.made {
			return false
		}
		make()
		return true
	}
	t.view = func() view[K, V] {
		make()
		return st.view()
	}
	t.plan = b.plan(&planNode{name: name, dropsNullKeys: true, write: func(w *writer, in []any) any {
		if !st.write(w, name) {
			return nil
		}
		return topology.Connect(topology.NodeSpec{Name: name, Stores: st.names()}, startTable(st, t), edgesOf[K, V](in)...)
	}}, parent)
	return Table[K, V]{b: b, t: t, key: key, value: value}
}

func startTable[K, V any](st *tableStore[K, V], t *tableNode[K, V]) start[K, V, K, change[V]] {
	return func(ctx *topology.Context, next func(Record[K, change[V]]) error) (func(Record[K, V]) error, error) {
		if !st.made {
			return func(r Record[K, V]) error {
				if r.NoKey {
					ctx.Drop(droppedNullKey)
					return nil
				}
				return next(changed(r))
			}, nil
		}
		rows, err := st.openFor(ctx, t.olds, next)
		if err != nil {
			return nil, err
		}
		// The old value is read only where it is needed.
		read := t.olds && rows.forwards
		return func(r Record[K, V]) error {
			if r.NoKey {
				ctx.Drop(droppedNullKey)
				return nil
			}
			out := changed(r)
			if read {
				old, ok, err := rows.get(r.Key)
				if err != nil {
					return ctx.Fail(err)
				}
				out.Value.Old, out.Value.HasOld = old.Value, ok
			}
			return rows.update(out, r.Time)
		}, nil
	}
}

// changed is a stream's record as a table's change.
func changed[K, V any](r Record[K, V]) Record[K, change[V]] {
	return Record[K, change[V]]{Key: r.Key, Time: r.Time, Headers: r.Headers, Value: change[V]{New: r.Value, HasNew: !r.Tombstone}}
}

// GlobalTable reads a topic as a table that every instance holds completely: all partitions, before the first record is processed. Streams join it by
// any key, without a repartition. A null key is dropped. It is kept up to date in the background, without regard to time.
func (b *Builder) GlobalTable[K, V any](topic string, k serde.Serde[K], v serde.Serde[V], o ...TableOption) GlobalTable[K, V] {
	c, store, source, name := b.drawTable(topic, o)
	key, value := slotOf(k), slotOf(v)
	switch {
	case c.store.materialized && c.store.name == "":
		b.fail(fmt.Errorf("node %s: a global table with store options needs a name for its store: add As", name))
	case c.store.versioned:
		b.fail(fmt.Errorf("node %s: a global table cannot be Versioned: leave the option out", name))
	}
	if c.store.name == "" {
		b.nameGenerated("store", store, "As")
	}
	off := false
	c.store.caching = &off
	st := newTableStore(c, store, key, value)
	b.planGlobal(source, name, topic, key, value, c, func(w *writer, g topology.GlobalSpec[K, V]) {
		w.place(&st.storeConfig)
		w.t.AddGlobalStore(g, state.TimestampedKeyValue(store, g.Key, g.Value, st.options()...), func(ctx *topology.Context) (func(Record[K, V]) error, error) {
			rows, err := st.openFor(ctx, false, func(Record[K, change[V]]) error { return nil })
			if err != nil {
				return nil, err
			}
			return func(r Record[K, V]) error {
				if r.NoKey {
					ctx.Drop(droppedNullKey)
					return nil
				}
				return rows.update(changed(r), r.Time)
			}, nil
		})
	})
	return GlobalTable[K, V]{b: b, name: name, store: store, key: key, value: value, view: st.view}
}

// GlobalTable is a handle of a table that every instance holds completely.
type GlobalTable[K, V any] struct {
	b     *Builder
	name  string
	store string
	key   *slot[K]
	value *slot[V]
	// view reads the rows. A node needs not be connected to a global store: view.stores is for nodes of tables only.
	view func() view[K, V]
}

// StoreName is the name of the table's store.
func (g GlobalTable[K, V]) StoreName() string { return g.store }

// AddGlobalStore adds a store that every instance holds completely and that a processor keeps up to date from a topic. All processors may read it,
// without Using.
func (b *Builder) AddGlobalStore[S, K, V any](d state.Definition[S], topic string, k serde.Serde[K], v serde.Serde[V],
	f func(*topology.Context) (topology.Processor[K, V], error)) topology.StoreRef[S] {
	source, name := b.generate("KSTREAM-SOURCE-"), b.generate("KTABLE-SOURCE-")
	b.require(f != nil, name)
	b.planGlobal(source, name, topic, slotOf(k), slotOf(v), &nodeConfig{}, func(w *writer, g topology.GlobalSpec[K, V]) {
		w.t.AddGlobalStore(g, d, func(ctx *topology.Context) (func(Record[K, V]) error, error) {
			p, err := f(ctx)
			if err != nil {
				return nil, err
			}
			if p == nil {
				return nil, errors.New("its function answered no processor and no error: return one of the two")
			}
			run := ctx.Run()
			return func(r Record[K, V]) error {
				if err := p.Process(run, r); err != nil {
					return ctx.Fail(err)
				}
				return nil
			}, nil
		})
	})
	return topology.NamedStore[S](d.Name())
}

// planGlobal plans the source and processor of a global store: one node of the plan, because the topology has one verb for both.
func (b *Builder) planGlobal[K, V any](source, name, topic string, key *slot[K], value *slot[V], c *nodeConfig, write func(*writer, topology.GlobalSpec[K, V])) {
	g := topology.GlobalSpec[K, V]{SourceName: source, ProcessorName: name, Topic: topic, Timestamps: timestampsOf[K, V](b, source, c)}
	g.WallClock = c.wallClock
	n := b.plan(&planNode{name: source, source: &sourcePlan{topics: []string{topic}, kind: "global table", global: true}, write: func(w *writer, _ []any) any {
		g.Key, g.Value = key.resolve(w.b, source, "key"), value.resolve(w.b, source, "value")
		if g.Key != nil && g.Value != nil {
			write(w, g)
		}
		return nil
	}})
	if topic == "" {
		b.fail(fmt.Errorf("node %s reads no topic: name one", name))
		n.write = unwritten
	}
}
