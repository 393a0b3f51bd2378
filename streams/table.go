package streams

import (
	"fmt"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/topology"
)

// How a table operator is written.
//
// A Table[K, V] is a handle of a tableNode[K, V], which says what other operators may ask of the node; what travels between nodes is a
// Record[K, change[V]]. Its key is always there. An operator
//
//  1. draws its numbers (store before node where Kafka Streams does), checks its options and functions, and, if it has a store, makes a
//     tableStore with newTableStore, whose slots are the new handle's: key.carried(), and value.carried() or a new slot;
//  2. asks its parents: t.view() for a way to read their rows (which materialises a source), t.sendOlds(true) if it needs
//     change.Old; both at once, when the verb is called, because a filter that is made later behaves differently (it asks whether its parent
//     sends old values already);
//  3. plans a node, whose start function opens what it needs (stores by their concrete types, views with view.open) and asks
//     tableNode.olds, final by then, whether change.Old has to be sent;
//  4. with a store, handles changes by a rows: get, put, and forward, which leaves the forwarding to the cache if there is one. The node
//     that has a store, or reads one, must name it among its stores: tableStore.names, view.stores.
//
// mapRows is a short example, joinTables a long one. Wrap changes only into edges: a Table[K, change[V]] or Stream[K, change[V]] would be an
// instantiation cycle.

// Table is the latest value of each key, kept up to date by a stream of changes. Every value that it holds is there: a delete is a delete. Functions are
// called for values only, TransformValues aside; a Try function that answers Null deletes.
//
// A Table is a handle: a value that may be used any number of times, by the goroutine of its Builder. The zero Table is of no use.
type Table[K, V any] struct {
	b     *Builder
	t     *tableNode[K, V]
	key   *slot[K]
	value *slot[V]
	end   func(K) Time // the end of a windowed key, or nil: see endOf
}

// change is what travels between tables: the new row and, where someone asked for it, the one before. A row that is not there may have any value.
type change[V any] struct {
	New, Old       V
	HasNew, HasOld bool
	Stale          bool // an out-of-order update of a versioned table: New is not the latest
}

// tableNode is what other operators may ask of a table's node.
type tableNode[K, V any] struct {
	plan *planNode
	// store is the name of the store that holds the table's rows, "" if there is none (yet).
	store string
	// versioned: rows have a history, and changes may be Stale (KIP-914).
	versioned bool
	// olds: changes carry Old. It only ever becomes true, while verbs are called.
	olds bool
	// askOlds makes the parents provide old values and says whether they do; unless force, only if that costs no store. nil: the node has them.
	askOlds func(force bool) bool
	// view makes the rows readable for another node.
	view func() view[K, V]
}

// sendOlds asks the node to send old values and says whether it does.
func (t *tableNode[K, V]) sendOlds(force bool) bool {
	if !t.olds {
		t.olds = t.askOlds == nil || t.askOlds(force)
	}
	return t.olds
}

// WithKeySerde sets the key's serde from here on, the node's own store included.
func (t Table[K, V]) WithKeySerde(k serde.Serde[K]) Table[K, V] { t.key = t.key.with(k); return t }

// WithValueSerde sets the value's serde from here on, the node's own store included.
func (t Table[K, V]) WithValueSerde(v serde.Serde[V]) Table[K, V] {
	t.value = t.value.with(v)
	return t
}

// StoreName is the name of the store that holds the table's rows; false if the table has none (yet): name one with As.
func (t Table[K, V]) StoreName() (string, bool) { return t.t.store, t.t.store != "" }

// ToStream is the stream of the table's changes; deletes are tombstones.
func (t Table[K, V]) ToStream(o ...NodeOption) Stream[K, V] {
	name := t.b.name(o, "KTABLE-TOSTREAM-")
	n := operator(name, nil, func(_ *topology.Context, next func(Record[K, V]) error) (func(Record[K, change[V]]) error, error) {
		return func(r Record[K, change[V]]) error {
			out := Record[K, V]{Key: r.Key, Time: r.Time, Headers: r.Headers, Tombstone: !r.Value.HasNew}
			if r.Value.HasNew {
				out.Value = r.Value.New
			}
			return next(out)
		}, nil
	})
	return Stream[K, V]{b: t.b, n: t.b.plan(n, t.t.plan), key: t.key.carried(), value: t.value.carried(), end: t.end}
}

// missing is the table of a verb that could not be planned: Build fails, but what follows may go on.
func missing[K, V any](b *Builder, err error) Table[K, V] {
	b.fail(err)
	n := b.plan(&planNode{name: fmt.Sprintf("missing-%d", len(b.nodes)), write: func(*writer, []any) any { return nil }})
	t := &tableNode[K, V]{plan: n}
	t.view = func() view[K, V] { return view[K, V]{} }
	return Table[K, V]{b: b, t: t, key: &slot[K]{}, value: &slot[V]{}}
}

// missingStream is missing for a stream.
func missingStream[K, V any](b *Builder, err error) Stream[K, V] {
	t := missing[K, V](b, err)
	return Stream[K, V]{b: b, n: t.t.plan, key: t.key, value: t.value}
}
