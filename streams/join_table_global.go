package streams

import (
	"context"
	"fmt"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
)

// A table's join with a global table goes beyond Java. The table triggers it: a row is joined when it changes, with the global row that the instance has at
// that moment. What a row has made before cannot be made again, since the global table goes on: old values come from the result's own store.

// JoinGlobal is the table of t's rows, each with the global table's row of the key that a function makes; a row without one has no result (beyond
// Java). A change of t makes a new row; one of the global table makes none, and is seen at the row's next change. The result has a store of its own if
// an option asks for one or a verb has to read it. Where it has none, deletes are forwarded of rows that never were, too.
func (t Table[K, V]) JoinGlobal[GK, GV, R any](g GlobalTable[GK, GV], key func(K, V) GK, f func(V, GV) R, o ...StoreOption) Table[K, R] {
	return joinTableGlobal(t, g, innerJoin, key != nil && f != nil, plainRowKey(key), func(*topology.Context) globalRowJoiner[K, V, GK, GV, R] {
		return func(_ K, l V, _ GK, r GV, _ bool) (R, error) { return f(l, r), nil }
	}, o)
}

// LeftJoinGlobal is JoinGlobal with a result for every row of t: what the global table has is nil where it has nothing.
func (t Table[K, V]) LeftJoinGlobal[GK, GV, R any](g GlobalTable[GK, GV], key func(K, V) GK, f func(V, *GV) R, o ...StoreOption) Table[K, R] {
	return joinTableGlobal(t, g, leftJoin, key != nil && f != nil, plainRowKey(key), func(*topology.Context) globalRowJoiner[K, V, GK, GV, R] {
		return func(_ K, l V, _ GK, r GV, has bool) (R, error) { return f(l, optional(r, has)), nil }
	}, o)
}

// TryJoinGlobal is JoinGlobal with functions that may fail. Null of key finds nothing, Null of f makes no row; Skip of both drops the change and
// counts it.
func (t Table[K, V]) TryJoinGlobal[GK, GV, R any](g GlobalTable[GK, GV], key func(context.Context, K, V) (GK, error), f func(context.Context, K, V, GK, GV) (R, error), o ...StoreOption) Table[K, R] {
	return joinTableGlobal(t, g, innerJoin, key != nil && f != nil, tryRowKey(key), func(ctx *topology.Context) globalRowJoiner[K, V, GK, GV, R] {
		run := ctx.Run()
		return func(k K, l V, gk GK, r GV, _ bool) (R, error) { return f(run, k, l, gk, r) }
	}, o)
}

// TryLeftJoinGlobal is LeftJoinGlobal with functions that may fail, as TryJoinGlobal. After a Null of key, f gets the zero GK and nil.
func (t Table[K, V]) TryLeftJoinGlobal[GK, GV, R any](g GlobalTable[GK, GV], key func(context.Context, K, V) (GK, error), f func(context.Context, K, V, GK, *GV) (R, error), o ...StoreOption) Table[K, R] {
	return joinTableGlobal(t, g, leftJoin, key != nil && f != nil, tryRowKey(key), func(ctx *topology.Context) globalRowJoiner[K, V, GK, GV, R] {
		run := ctx.Run()
		return func(k K, l V, gk GK, r GV, has bool) (R, error) { return f(run, k, l, gk, optional(r, has)) }
	}, o)
}

// globalRowJoiner makes a row of a table's row and a global table's. Null and Skip are errors here.
type globalRowJoiner[K, V, GK, GV, R any] = func(k K, l V, gk GK, r GV, has bool) (R, error)

// rowKey makes the global table's key of a row. Null and Skip are errors here.
type rowKey[K, V, GK any] = func(K, V) (GK, error)

func plainRowKey[K, V, GK any](key func(K, V) GK) func(*topology.Context) rowKey[K, V, GK] {
	f := func(k K, v V) (GK, error) { return key(k, v), nil }
	return func(*topology.Context) rowKey[K, V, GK] { return f }
}

func tryRowKey[K, V, GK any](key func(context.Context, K, V) (GK, error)) func(*topology.Context) rowKey[K, V, GK] {
	return func(ctx *topology.Context) rowKey[K, V, GK] {
		run := ctx.Run()
		return func(k K, v V) (GK, error) { return key(run, k, v) }
	}
}

// joinTableGlobal plans a join of a table and a global table.
func joinTableGlobal[K, V, GK, GV, R any](t Table[K, V], g GlobalTable[GK, GV], kind joinKind, given bool, openKey func(*topology.Context) rowKey[K, V, GK], open func(*topology.Context) globalRowJoiner[K, V, GK, GV, R], o []StoreOption) Table[K, R] {
	b := t.b
	c := storeConfigOf(o)
	prefix := "KTABLE-GLOBALJOIN-"
	name := b.nodeName(c.name, prefix)
	store := b.storeName(&c.store, prefix)
	b.check(name, &c)
	b.require(given, name)
	if b != g.b {
		return missing[K, R](b, fmt.Errorf("node %s: the global table belongs to another Builder: make both with one", name))
	}
	key, value := t.key.carried(), &slot[R]{}
	st := newTableStore(&c, store, key, value)
	st.made = false
	out := &tableNode[K, R]{versioned: st.versioned}
	make := func() {
		if !st.made && c.store.name == "" {
			b.nameGenerated("store", store, "As")
		}
		st.made, out.store = true, store
	}
	if c.store.materialized {
		make()
	}
	out.askOlds = func(force bool) bool {
		if force {
			make()
		}
		return st.made
	}
	out.view = func() view[K, R] {
		make()
		return st.view()
	}
	j := tableGlobalJoin[K, V, GK, GV, R]{left: !kind.needsRight, openKey: openKey, open: open, global: g.view()}
	out.plan = b.plan(&planNode{name: name, write: func(w *writer, in []any) any {
		if !st.write(w, name) {
			return nil
		}
		return topology.Connect(topology.NodeSpec{Name: name, Stores: append(st.names(), c.using...)}, func(ctx *topology.Context, next func(Record[K, change[R]]) error) (func(Record[K, change[V]]) error, error) {
			return j.start(ctx, t.t.versioned, st, out, next)
		}, edgesOf[K, change[V]](in)...)
	}}, t.t.plan)
	return Table[K, R]{b: b, t: out, key: key, value: value, end: t.end}
}

// tableGlobalJoin is a join of a table and a global table.
type tableGlobalJoin[K, V, GK, GV, R any] struct {
	left    bool
	openKey func(*topology.Context) rowKey[K, V, GK]
	open    func(*topology.Context) globalRowJoiner[K, V, GK, GV, R]
	global  view[GK, GV]
}

func (j tableGlobalJoin[K, V, GK, GV, R]) start(ctx *topology.Context, versioned bool, st *tableStore[K, R], out *tableNode[K, R], next func(Record[K, change[R]]) error) (func(Record[K, change[V]]) error, error) {
	keyOf, join := j.openKey(ctx), j.open(ctx)
	global, err := j.global.open(ctx)
	if err != nil {
		return nil, err
	}
	// row is what a row of t makes. ok is false if it makes none, done says that the change is dropped.
	row := func(k K, v V) (_ R, ok, done bool, _ error) {
		var none R
		var r state.Stamped[GV]
		has := false
		gk, err := keyOf(k, v)
		if err == nil {
			r, has, err = lookUp(&global, gk, 0)
			if err != nil {
				return none, false, true, ctx.Fail(err)
			}
		} else if null, err := nullOr(ctx, err); !null {
			return none, false, true, err
		} else {
			gk = *new(GK)
		}
		if !has && !j.left {
			return none, false, false, nil
		}
		joined, err := join(k, v, gk, r.Value, has)
		if err == nil {
			return joined, true, false, nil
		}
		null, err := nullOr(ctx, err)
		return none, false, !null, err
	}
	var rows *rows[K, R]
	if st.made {
		if rows, err = st.openFor(ctx, out.olds, next); err != nil {
			return nil, err
		}
	}
	return func(r Record[K, change[V]]) (err error) {
		if versioned && r.Value.Stale {
			ctx.Drop(droppedStale)
			return nil
		}
		var c change[R]
		if r.Value.HasNew {
			done := false
			if c.New, c.HasNew, done, err = row(r.Key, r.Value.New); done || err != nil {
				return err
			}
		}
		if rows == nil {
			return next(withChange(r, c))
		}
		old, had, err := rows.get(r.Key)
		if err != nil {
			return ctx.Fail(err)
		}
		if !had && !c.HasNew {
			return nil // it never was
		}
		c.Old, c.HasOld = old.Value, had
		return rows.update(withChange(r, c), r.Time)
	}, nil
}
