package streams

import (
	"context"
	"slices"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
)

// Join is the table of the keys that both tables have. A change on either side makes a new row. The result has a store of its own if an option
// asks for one, else a verb that reads it joins again.
func (t Table[K, V]) Join[VO, R any](other Table[K, VO], f func(V, VO) R, o ...StoreOption) Table[K, R] {
	return joinTables(t, other, innerJoin, f != nil, func(*topology.Context) rowJoiner[K, V, VO, R] {
		return func(_ K, l V, _ bool, r VO, _ bool) (R, error) { return f(l, r), nil }
	}, o)
}

// LeftJoin is the table of the keys that t has; what other has is nil where it has nothing.
func (t Table[K, V]) LeftJoin[VO, R any](other Table[K, VO], f func(V, *VO) R, o ...StoreOption) Table[K, R] {
	return joinTables(t, other, leftJoin, f != nil, func(*topology.Context) rowJoiner[K, V, VO, R] {
		return func(_ K, l V, _ bool, r VO, hasR bool) (R, error) { return f(l, optional(r, hasR)), nil }
	}, o)
}

// OuterJoin is the table of the keys that t or other has; the side that has nothing is nil.
func (t Table[K, V]) OuterJoin[VO, R any](other Table[K, VO], f func(*V, *VO) R, o ...StoreOption) Table[K, R] {
	return joinTables(t, other, outerJoin, f != nil, func(*topology.Context) rowJoiner[K, V, VO, R] {
		return func(_ K, l V, hasL bool, r VO, hasR bool) (R, error) {
			return f(optional(l, hasL), optional(r, hasR)), nil
		}
	}, o)
}

// TryJoin is Join with a function that may fail. Null makes no row, Skip drops the change and counts it.
func (t Table[K, V]) TryJoin[VO, R any](other Table[K, VO], f func(context.Context, K, V, VO) (R, error), o ...StoreOption) Table[K, R] {
	return joinTables(t, other, innerJoin, f != nil, func(ctx *topology.Context) rowJoiner[K, V, VO, R] {
		run := ctx.Run()
		return func(k K, l V, _ bool, r VO, _ bool) (R, error) { return f(run, k, l, r) }
	}, o)
}

// TryLeftJoin is LeftJoin with a function that may fail.
func (t Table[K, V]) TryLeftJoin[VO, R any](other Table[K, VO], f func(context.Context, K, V, *VO) (R, error), o ...StoreOption) Table[K, R] {
	return joinTables(t, other, leftJoin, f != nil, func(ctx *topology.Context) rowJoiner[K, V, VO, R] {
		run := ctx.Run()
		return func(k K, l V, _ bool, r VO, hasR bool) (R, error) { return f(run, k, l, optional(r, hasR)) }
	}, o)
}

// TryOuterJoin is OuterJoin with a function that may fail.
func (t Table[K, V]) TryOuterJoin[VO, R any](other Table[K, VO], f func(context.Context, K, *V, *VO) (R, error), o ...StoreOption) Table[K, R] {
	return joinTables(t, other, outerJoin, f != nil, func(ctx *topology.Context) rowJoiner[K, V, VO, R] {
		run := ctx.Run()
		return func(k K, l V, hasL bool, r VO, hasR bool) (R, error) {
			return f(run, k, optional(l, hasL), optional(r, hasR))
		}
	}, o)
}

// optional is a pointer to v, or nil if it is not there.
func optional[T any](v T, there bool) *T {
	if !there {
		return nil
	}
	return &v
}

// rowJoiner makes a row of two; the bools say which are there. Null and Skip are errors here.
type rowJoiner[K, V, VO, R any] = func(k K, l V, hasL bool, r VO, hasR bool) (R, error)

// joinKind says which sides must be there for a result.
type joinKind struct{ needsLeft, needsRight bool }

var (
	innerJoin = joinKind{true, true}
	leftJoin  = joinKind{needsLeft: true}
	outerJoin = joinKind{}
)

// joinTables plans the three nodes of a join of two tables: one for each side's changes, and one that brings their results together and has the
// store, if there is one.
func joinTables[K, V, VO, R any](t Table[K, V], other Table[K, VO], kind joinKind, given bool, open func(*topology.Context) rowJoiner[K, V, VO, R], o []StoreOption) Table[K, R] {
	b := t.b
	c := storeConfigOf(o)
	store := ""
	if c.store.materialized {
		if store = b.storeName(&c.store, "KTABLE-MERGE-"); c.store.name == "" {
			b.nameGenerated("store", store, "As")
		}
	}
	name := b.nodeName(c.name, "KTABLE-MERGE-")
	b.check(name, &c)
	b.require(given, name)
	if b.foreign(other.b, name) {
		return Table[K, R]{b: b, t: &tableNode[K, R]{plan: t.t.plan}, key: t.key, value: &slot[R]{}}
	}
	// An outer side must see that a row was deleted that never made a result.
	if !kind.needsRight {
		t.t.sendOlds(true)
	}
	if !kind.needsLeft {
		other.t.sendOlds(true)
	}
	left, right := t.t.view(), other.t.view()
	thisName := b.suffixedName(c.name, "-join-this", "KTABLE-JOINTHIS-")
	otherName := b.suffixedName(c.name, "-join-other", "KTABLE-JOINOTHER-")

	key, value := t.key.carried(), &slot[R]{}
	var st *tableStore[K, R]
	out := &tableNode[K, R]{store: store}
	out.view = func() view[K, R] { return viewJoin(left, right, kind, open) }
	if store != "" {
		st = newTableStore(&c, store, key, value)
		out.versioned, out.view = st.versioned, st.view
	}
	out.askOlds = func(bool) bool { return t.t.sendOlds(true) && other.t.sendOlds(true) }
	reversed := func(ctx *topology.Context) rowJoiner[K, VO, V, R] {
		f := open(ctx)
		return func(k K, r VO, hasR bool, l V, hasL bool) (R, error) { return f(k, l, hasL, r, hasR) }
	}
	n := &planNode{name: name, copartitioned: true, write: func(w *writer, in []any) any {
		if !st.write(w, name) {
			return nil
		}
		this := startJoinSide(t.t.versioned, kind.needsLeft, kind.needsRight, right, open, out)
		that := startJoinSide(other.t.versioned, kind.needsRight, kind.needsLeft, left, reversed, out)
		if any(t.t) == any(other.t) && kind == innerJoin {
			this, that = startSelfSide(t.t, any(open).(selfJoiner[K, V, R]), out, true), any(startSelfSide(t.t, any(open).(selfJoiner[K, V, R]), out, false)).(start[K, change[VO], K, change[R]])
		}
		fromLeft := topology.Connect(topology.NodeSpec{Name: thisName, Stores: right.stores}, this, in[0].(*topology.Edge[K, change[V]]))
		fromRight := topology.Connect(topology.NodeSpec{Name: otherName, Stores: left.stores}, that, in[1].(*topology.Edge[K, change[VO]]))
		return topology.Connect(topology.NodeSpec{Name: name, Stores: append(st.names(), c.using...)}, startJoinMerge(st, out), fromLeft, fromRight)
	}}
	out.plan = b.plan(n, t.t.plan, other.t.plan)
	end := t.end
	if end == nil {
		end = other.end
	}
	return Table[K, R]{b: b, t: out, key: key, value: value, end: end}
}

// startJoinSide makes the node for one side's changes, which looks into the other side.
func startJoinSide[K, V, VO, R any](versioned, needsMine, needsOther bool, other view[K, VO], open func(*topology.Context) rowJoiner[K, V, VO, R], out *tableNode[K, R]) start[K, change[V], K, change[R]] {
	return func(ctx *topology.Context, next func(Record[K, change[R]]) error) (func(Record[K, change[V]]) error, error) {
		f := open(ctx)
		others, err := other.open(ctx)
		if err != nil {
			return nil, err
		}
		olds := out.olds
		// join answers the row that one of mine makes with the other side's: there is false if it makes none, done says that the change is dropped.
		join := func(k K, mine V, has bool, o state.Stamped[VO], hasO bool) (_ R, there, done bool, _ error) {
			if !has && (needsMine || !hasO) {
				return *new(R), false, false, nil
			}
			row, err := f(k, mine, has, o.Value, hasO)
			if err == nil {
				return row, true, false, nil
			}
			null, err := nullOr(ctx, err)
			return row, false, !null, err
		}
		return func(r Record[K, change[V]]) error {
			if versioned && r.Value.Stale {
				ctx.Drop(droppedStale)
				return nil
			}
			o, hasO, err := others.get(r.Key)
			if err != nil {
				return ctx.Fail(err)
			}
			at := r.Time
			switch {
			case hasO:
				at = max(at, o.Time)
			case needsOther || !r.Value.HasNew && !r.Value.HasOld:
				return nil
			}
			c := change[R]{Stale: r.Value.Stale}
			done := false
			if c.New, c.HasNew, done, err = join(r.Key, r.Value.New, r.Value.HasNew, o, hasO); done || err != nil {
				return err
			}
			if olds {
				if c.Old, c.HasOld, done, err = join(r.Key, r.Value.Old, r.Value.HasOld, o, hasO); done || err != nil {
					return err
				}
			}
			if !c.HasNew {
				c.New = *new(R)
			}
			out := withChange(r, c)
			out.Time = at
			return next(out)
		}, nil
	}
}

// selfJoiner opens the function of a join of a table with itself.
type selfJoiner[K, V, R any] = func(*topology.Context) rowJoiner[K, V, V, R]

// startSelfSide makes the node for one side of an inner join of a table with itself: both sides of a row are the row, before a change and after. The second side
// tells each new row again, as Kafka Streams does, but not a delete; Kafka Streams tells of no delete at all, because the other side has none to join any more.
func startSelfSide[K, V, R any](t *tableNode[K, V], open selfJoiner[K, V, R], out *tableNode[K, R], first bool) start[K, change[V], K, change[R]] {
	return func(ctx *topology.Context, next func(Record[K, change[R]]) error) (func(Record[K, change[V]]) error, error) {
		f := open(ctx)
		olds := out.olds
		join := func(k K, v V, has bool) (_ R, there, done bool, _ error) {
			if !has {
				return *new(R), false, false, nil
			}
			row, err := f(k, v, true, v, true)
			if err == nil {
				return row, true, false, nil
			}
			null, err := nullOr(ctx, err)
			return *new(R), false, !null, err
		}
		return func(r Record[K, change[V]]) error {
			if t.versioned && r.Value.Stale {
				ctx.Drop(droppedStale)
				return nil
			}
			if !r.Value.HasNew && (!first || t.olds && !r.Value.HasOld) {
				return nil
			}
			c := change[R]{Stale: r.Value.Stale}
			done := false
			var err error
			if c.New, c.HasNew, done, err = join(r.Key, r.Value.New, r.Value.HasNew); done || err != nil {
				return err
			}
			switch {
			case olds && first:
				if c.Old, c.HasOld, done, err = join(r.Key, r.Value.Old, r.Value.HasOld); done || err != nil {
					return err
				}
			case olds:
				c.Old, c.HasOld = c.New, c.HasNew
			}
			return next(withChange(r, c))
		}, nil
	}
}

// startJoinMerge makes the node behind both sides.
func startJoinMerge[K, R any](st *tableStore[K, R], t *tableNode[K, R]) start[K, change[R], K, change[R]] {
	return func(ctx *topology.Context, next func(Record[K, change[R]]) error) (func(Record[K, change[R]]) error, error) {
		if st == nil {
			return next, nil
		}
		rows, err := st.openFor(ctx, t.olds, next)
		if err != nil {
			return nil, err
		}
		return func(r Record[K, change[R]]) error { return rows.update(r, r.Time) }, nil
	}
}

// viewJoin reads a join that has no store: both tables' rows, joined.
func viewJoin[K, V, VO, R any](left view[K, V], right view[K, VO], kind joinKind, open func(*topology.Context) rowJoiner[K, V, VO, R]) view[K, R] {
	return view[K, R]{
		stores: append(slices.Clone(left.stores), right.stores...),
		open: func(ctx *topology.Context) (g getter[K, R], err error) {
			ls, err := left.open(ctx)
			if err != nil {
				return g, err
			}
			rs, err := right.open(ctx)
			if err != nil {
				return g, err
			}
			f := open(ctx)
			g.get = func(k K) (row state.Stamped[R], ok bool, err error) {
				l, hasL, err := ls.get(k)
				if err != nil || !hasL && kind.needsLeft {
					return row, false, err
				}
				r, hasR, err := rs.get(k)
				if err != nil || !hasR && (kind.needsRight || !hasL) {
					return row, false, err
				}
				row.Value, err = f(k, l.Value, hasL, r.Value, hasR)
				if err != nil {
					if _, answer := answerOf(err); answer {
						err = nil
					}
					return row, false, err
				}
				switch {
				case !hasL:
					row.Time = r.Time
				case !hasR:
					row.Time = l.Time
				default:
					row.Time = max(l.Time, r.Time)
				}
				return row, true, nil
			}
			return g, nil
		},
	}
}
