package streams

import (
	"context"
	"errors"
	"fmt"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
)

// Filter keeps the rows that f wants; a row that it no longer wants is deleted. Where t has no store, deletes are forwarded of rows that were
// never kept, too: name t's store with As if that matters.
func (t Table[K, V]) Filter(f func(K, V) bool, o ...StoreOption) Table[K, V] {
	return t.filter(f != nil, plainRows(func(k K, v V) (V, bool) { return v, f(k, v) }), o)
}

// FilterNot keeps the rows that f does not want, as Filter does those that it wants.
func (t Table[K, V]) FilterNot(f func(K, V) bool, o ...StoreOption) Table[K, V] {
	return t.filter(f != nil, plainRows(func(k K, v V) (V, bool) { return v, !f(k, v) }), o)
}

// TryFilter is Filter with a function that may fail. Skip drops the change and counts it: see TryMapValues.
func (t Table[K, V]) TryFilter(f func(context.Context, K, V) (bool, error), o ...StoreOption) Table[K, V] {
	return t.filter(f != nil, tryRows(func(ctx context.Context, k K, v V) (V, bool, error) {
		ok, err := f(ctx, k, v)
		return v, ok, err
	}), o)
}

// TryFilterNot is FilterNot with a function that may fail.
func (t Table[K, V]) TryFilterNot(f func(context.Context, K, V) (bool, error), o ...StoreOption) Table[K, V] {
	return t.filter(f != nil, tryRows(func(ctx context.Context, k K, v V) (V, bool, error) {
		ok, err := f(ctx, k, v)
		return v, !ok, err
	}), o)
}

// MapValues makes a row's value from its value. It has a store of its own if As names one.
func (t Table[K, V]) MapValues[V2 any](f func(V) V2, o ...StoreOption) Table[K, V2] {
	return tableMapValues(t, f != nil, plainRows(func(_ K, v V) (V2, bool) { return f(v), true }), o)
}

// MapValuesWithKey makes a row's value from its key and value.
func (t Table[K, V]) MapValuesWithKey[V2 any](f func(K, V) V2, o ...StoreOption) Table[K, V2] {
	return tableMapValues(t, f != nil, plainRows(func(k K, v V) (V2, bool) { return f(k, v), true }), o)
}

// TryMapValues makes a row's value from its key and value. Null deletes the row. Skip drops the change and counts it: what is behind keeps the row that it had,
// also when this one is deleted later, so a row that cannot be made is better a Null.
func (t Table[K, V]) TryMapValues[V2 any](f func(context.Context, K, V) (V2, error), o ...StoreOption) Table[K, V2] {
	return tableMapValues(t, f != nil, tryRows(func(ctx context.Context, k K, v V) (V2, bool, error) {
		v2, err := f(ctx, k, v)
		return v2, true, err
	}), o)
}

// TransformValues makes a row's value by a function with access to the task and to stores (streams.Using). It is called for deletes as well: v is nil
// then. Null deletes, Skip drops the change and counts it. f runs once per task, and once more for each node that reads the table while it has no
// store of its own.
func (t Table[K, V]) TransformValues[V2 any](f func(*topology.Context) (func(ctx context.Context, k K, v *V) (V2, error), error), o ...StoreOption) Table[K, V2] {
	c := storeConfigOf(o)
	return mapRows(t, &c, "KTABLE-TRANSFORMVALUES-", rowMapping[K, V, V2]{given: f != nil, quiet: true, value: &slot[V2]{}, open: func(ctx *topology.Context) (rowFunc[K, V, V2], error) {
		transform, err := f(ctx)
		if err != nil {
			return nil, err
		}
		if transform == nil {
			return nil, errors.New("its function answered no function and no error: return one of the two")
		}
		run := ctx.Run()
		return func(k K, v V, has bool) (V2, bool, error) {
			var p *V
			if has {
				p = &v
			}
			v2, err := transform(run, k, p)
			return v2, err == nil, err
		}, nil
	}})
}

func (t Table[K, V]) filter(given bool, f openRow[K, V, V], o []StoreOption) Table[K, V] {
	c := storeConfigOf(o)
	return mapRows(t, &c, "KTABLE-FILTER-", rowMapping[K, V, V]{given: given, filter: true, value: t.value.carried(), open: f})
}

func tableMapValues[K, V, V2 any](t Table[K, V], given bool, f openRow[K, V, V2], o []StoreOption) Table[K, V2] {
	c := storeConfigOf(o)
	return mapRows(t, &c, "KTABLE-MAPVALUES-", rowMapping[K, V, V2]{given: given, value: &slot[V2]{}, open: f})
}

// rowFunc makes the new table's row from the old one's; has and the answer's bool say whether it is there. Null and Skip are errors here.
type rowFunc[K, V, V2 any] = func(k K, v V, has bool) (V2, bool, error)

// openRow makes a rowFunc for one node of a task.
type openRow[K, V, V2 any] = func(ctx *topology.Context) (rowFunc[K, V, V2], error)

func plainRows[K, V, V2 any](f func(K, V) (V2, bool)) openRow[K, V, V2] {
	row := func(k K, v V, has bool) (v2 V2, ok bool, _ error) {
		if has {
			v2, ok = f(k, v)
		}
		return v2, ok, nil
	}
	return func(*topology.Context) (rowFunc[K, V, V2], error) { return row, nil }
}

func tryRows[K, V, V2 any](f func(context.Context, K, V) (V2, bool, error)) openRow[K, V, V2] {
	return func(ctx *topology.Context) (rowFunc[K, V, V2], error) {
		run := ctx.Run()
		return func(k K, v V, has bool) (v2 V2, ok bool, err error) {
			if has {
				v2, ok, err = f(run, k, v)
			}
			return v2, ok, err
		}, nil
	}
}

// rowMapping is one verb of those that make a table row by row.
type rowMapping[K, V, V2 any] struct {
	given  bool // the verb's function
	filter bool // what it never had is not deleted, where old values tell
	quiet  bool // options without a name draw no number
	value  *slot[V2]
	open   openRow[K, V, V2]
}

// mapRows is the one node behind filters, MapValues and TransformValues.
func mapRows[K, V, V2 any](t Table[K, V], c *nodeConfig, prefix string, m rowMapping[K, V, V2]) Table[K, V2] {
	b := t.b
	if c.store.materialized && c.store.name == "" && !m.quiet {
		b.generateStore(prefix) // drawn, though no store is made: Kafka Streams' rule
	}
	name := b.nodeName(c.name, prefix)
	b.check(name, c)
	b.require(m.given, name)
	if c.store.name == "" && (c.store.versioned || c.store.ttl > 0) {
		b.fail(fmt.Errorf("node %s: Versioned and TTL are for a store, and it has none of its own: name one with As", name))
	}
	key := t.key.carried()
	var st *tableStore[K, V2]
	// Store options without a name make no store, but end the order of versions: Kafka Streams' rule.
	out := &tableNode[K, V2]{versioned: t.t.versioned && !c.store.materialized}
	if c.store.name != "" {
		st = newTableStore(c, c.store.name, key, m.value)
		out.store, out.versioned, out.view = st.name, st.versioned, st.view
	} else {
		out.askOlds = t.t.sendOlds
		out.view = func() view[K, V2] { return viewThrough(t.t.view(), m.open, c.using) }
	}
	if m.filter {
		// A parent that has its old values anyway saves deletes of what was never there.
		out.olds = t.t.sendOlds(false)
	}
	n := &planNode{name: name, write: func(w *writer, in []any) any {
		if !st.write(w, name) {
			return nil
		}
		return topology.Connect(topology.NodeSpec{Name: name, Stores: append(st.names(), c.using...)}, startRows(m, st, t.t, out), edgesOf[K, change[V]](in)...)
	}}
	out.plan = b.plan(n, t.t.plan)
	return Table[K, V2]{b: b, t: out, key: key, value: m.value, end: t.end}
}

func startRows[K, V, V2 any](m rowMapping[K, V, V2], st *tableStore[K, V2], parent *tableNode[K, V], t *tableNode[K, V2]) start[K, change[V], K, change[V2]] {
	return func(ctx *topology.Context, next func(Record[K, change[V2]]) error) (func(Record[K, change[V]]) error, error) {
		row, err := m.open(ctx)
		if err != nil {
			return nil, err
		}
		var rows *rows[K, V2]
		if st != nil {
			if rows, err = st.openFor(ctx, t.olds, next); err != nil {
				return nil, err
			}
		}
		olds := t.olds
		quietly := m.filter && olds && !parent.versioned
		return func(r Record[K, change[V]]) (err error) {
			c := change[V2]{Stale: r.Value.Stale}
			if c.New, c.HasNew, err = row(r.Key, r.Value.New, r.Value.HasNew); err != nil {
				if null, err := nullOr(ctx, err); !null {
					return err
				}
				c.HasNew = false
			}
			switch {
			case !olds:
			case rows != nil && !rows.forwards && !quietly: // the cache finds it
			case rows != nil:
				var old state.Stamped[V2]
				if old, c.HasOld, err = rows.get(r.Key); err != nil {
					return ctx.Fail(err)
				}
				c.Old = old.Value
			default:
				if c.Old, c.HasOld, err = row(r.Key, r.Value.Old, r.Value.HasOld); err != nil {
					if null, err := nullOr(ctx, err); !null {
						return err
					}
					c.HasOld = false
				}
			}
			if quietly && !c.HasNew && !c.HasOld {
				return nil
			}
			if rows != nil {
				return rows.update(withChange(r, c), r.Time)
			}
			return next(withChange(r, c))
		}, nil
	}
}

// withChange is a table's record with another change.
func withChange[K, V, V2 any](r Record[K, change[V]], c change[V2]) Record[K, change[V2]] {
	return Record[K, change[V2]]{Key: r.Key, Value: c, Time: r.Time, Headers: r.Headers}
}

// viewThrough reads a table that has no store: the parent's row, through the function.
func viewThrough[K, V, V2 any](parent view[K, V], open openRow[K, V, V2], using []string) view[K, V2] {
	return view[K, V2]{
		stores:  append(append([]string(nil), parent.stores...), using...),
		history: parent.history,
		open: func(ctx *topology.Context) (getter[K, V2], error) {
			rows, err := parent.open(ctx)
			if err != nil {
				return getter[K, V2]{}, err
			}
			f, err := open(ctx)
			if err != nil {
				return getter[K, V2]{}, err
			}
			rc := ctx.RecordContext()
			// What the function sees of a record is the row's time only.
			through := func(k K, v state.Stamped[V], ok bool) (state.Stamped[V2], bool, error) {
				saved := *rc
				at := Time(-1)
				if ok {
					at = v.Time
				}
				*rc = state.RecordContext{Partition: -1, Offset: -1, Time: at}
				v2, ok, err := f(k, v.Value, ok)
				*rc = saved
				if err != nil {
					if _, answer := answerOf(err); answer {
						err = nil
					}
					return state.Stamped[V2]{}, false, err
				}
				return state.Stamped[V2]{Value: v2, Time: at}, ok, nil
			}
			g := getter[K, V2]{get: func(k K) (state.Stamped[V2], bool, error) {
				v, ok, err := rows.get(k)
				if err != nil {
					return state.Stamped[V2]{}, false, err
				}
				return through(k, v, ok)
			}}
			if rows.asOf != nil {
				g.asOf = func(k K, at Time) (state.Stamped[V2], bool, error) {
					v, ok, err := rows.asOf(k, at)
					if err != nil {
						return state.Stamped[V2]{}, false, err
					}
					return through(k, v, ok)
				}
			}
			return g, nil
		},
	}
}
