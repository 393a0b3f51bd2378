package streams

import (
	"context"
	"encoding/binary"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
)

// Table: every value it holds is there; a delete is a delete. Functions are called for values only (TransformValues aside).
// A Try function that answers Null deletes.
type Table[K, V any] struct {
	b   *Builder
	e   *topology.Edge[K, change[V]]
	end func(K) Time // the end of a windowed key, or nil: see endOf
}

// change is what flows between tables. It is never part of a DSL type, only of an edge: Table[K, change[V]] would be an
// instantiation cycle.
type change[V any] struct {
	New, Old       V
	HasNew, HasOld bool
	Stale          bool // an out-of-order update of a versioned table
}

// changeSerde is Kafka's repartition format for table GroupBy.
type changeSerde[V any] struct{ v serde.Serde[V] }

func (c changeSerde[V]) Append(dst []byte, x change[V]) ([]byte, error) {
	if x.HasNew && x.HasOld {
		b, err := c.v.Append(nil, x.New)
		if err != nil {
			return nil, err
		}
		dst = append(binary.AppendVarint(dst, int64(len(b))), b...)
		dst, err = c.v.Append(dst, x.Old)
		return append(dst, 2), err
	}
	return dst, nil
}
func (c changeSerde[V]) Decode(b []byte) (change[V], error) {
	v, err := c.v.Decode(b)
	return change[V]{New: v}, err
}

func (t Table[K, V]) WithKeySerde(k serde.Serde[K]) Table[K, V]   { return t }
func (t Table[K, V]) WithValueSerde(v serde.Serde[V]) Table[K, V] { return t }

func connectTable[K, V, K2, V2 any](t Table[K, V], f func(*topology.Edge[K2, change[V2]]) func(Record[K, change[V]]) error) Table[K2, V2] {
	return Table[K2, V2]{b: t.b, e: topology.Connect(t.e, f)}
}

func (t Table[K, V]) Filter(f func(K, V) bool, o ...StoreOption) Table[K, V] {
	return connectTable(t, func(out *topology.Edge[K, change[V]]) func(Record[K, change[V]]) error {
		return func(r Record[K, change[V]]) error {
			c := r.Value
			c.HasNew = c.HasNew && f(r.Key, c.New)
			c.HasOld = c.HasOld && f(r.Key, c.Old)
			return out.Forward(r.WithValue(c))
		}
	})
}
func (t Table[K, V]) FilterNot(f func(K, V) bool, o ...StoreOption) Table[K, V] { return t }
func (t Table[K, V]) TryFilter(f func(context.Context, K, V) (bool, error), o ...StoreOption) Table[K, V] {
	return t
}
func (t Table[K, V]) TryFilterNot(f func(context.Context, K, V) (bool, error), o ...StoreOption) Table[K, V] {
	return t
}
func (t Table[K, V]) MapValues[V2 any](f func(V) V2, o ...StoreOption) Table[K, V2] {
	return connectTable(t, func(out *topology.Edge[K, change[V2]]) func(Record[K, change[V]]) error {
		return func(r Record[K, change[V]]) error {
			var c change[V2]
			if c.HasNew = r.Value.HasNew; c.HasNew {
				c.New = f(r.Value.New)
			}
			return out.Forward(r.WithValue(c))
		}
	})
}
func (t Table[K, V]) MapValuesWithKey[V2 any](f func(K, V) V2, o ...StoreOption) Table[K, V2] {
	return Table[K, V2]{b: t.b}
}
func (t Table[K, V]) TryMapValues[V2 any](f func(context.Context, K, V) (V2, error), o ...StoreOption) Table[K, V2] {
	return Table[K, V2]{b: t.b}
}

// TransformValues is called for deletes as well: v is nil then. Null deletes.
func (t Table[K, V]) TransformValues[V2 any](f func(*topology.Context) (func(ctx context.Context, k K, v *V) (V2, error), error), o ...StoreOption) Table[K, V2] {
	return Table[K, V2]{b: t.b}
}

// ToStream forwards deletes as tombstones.
func (t Table[K, V]) ToStream(o ...NodeOption) Stream[K, V] {
	return Stream[K, V]{b: t.b, end: t.end, e: topology.Connect(t.e, func(out *topology.Edge[K, V]) func(Record[K, change[V]]) error {
		return func(r Record[K, change[V]]) error {
			n := r.WithValue(r.Value.New)
			n.Tombstone = !r.Value.HasNew
			return out.Forward(n)
		}
	})}
}

// GroupBy: old and new key are the same when their serialised bytes are (K2 need not be comparable); then one record carries both.
func (t Table[K, V]) GroupBy[K2, V2 any](f func(K, V) (K2, V2), o ...GroupOption) GroupedTable[K2, V2] {
	e := topology.Connect(t.e, func(out *topology.Edge[K2, change[V2]]) func(Record[K, change[V]]) error {
		return func(r Record[K, change[V]]) error {
			k, v := f(r.Key, r.Value.New)
			return out.Forward(r.WithKey(k).WithValue(change[V2]{New: v, HasNew: true}))
		}
	})
	e.Sink("", "", nil, changeSerde[V2]{})
	return GroupedTable[K2, V2]{t.b, e}
}

// TryGroupBy: Null leaves the row out.
func (t Table[K, V]) TryGroupBy[K2, V2 any](f func(context.Context, K, V) (K2, V2, error), o ...GroupOption) GroupedTable[K2, V2] {
	return GroupedTable[K2, V2]{b: t.b}
}

// Suppress: UntilWindowCloses only on tables of windowed aggregates (Build checks).
func (t Table[K, V]) Suppress(s Suppression, o ...SuppressOption) Table[K, V] { return t }

func (t Table[K, V]) Join[VO, R any](other Table[K, VO], f func(V, VO) R, o ...StoreOption) Table[K, R] {
	return Table[K, R]{b: t.b}
}
func (t Table[K, V]) LeftJoin[VO, R any](other Table[K, VO], f func(V, *VO) R, o ...StoreOption) Table[K, R] {
	return Table[K, R]{b: t.b}
}
func (t Table[K, V]) OuterJoin[VO, R any](other Table[K, VO], f func(*V, *VO) R, o ...StoreOption) Table[K, R] {
	return Table[K, R]{b: t.b}
}
func (t Table[K, V]) TryJoin[VO, R any](other Table[K, VO], f func(context.Context, K, V, VO) (R, error), o ...StoreOption) Table[K, R] {
	return Table[K, R]{b: t.b}
}
func (t Table[K, V]) TryLeftJoin[VO, R any](other Table[K, VO], f func(context.Context, K, V, *VO) (R, error), o ...StoreOption) Table[K, R] {
	return Table[K, R]{b: t.b}
}
func (t Table[K, V]) TryOuterJoin[VO, R any](other Table[K, VO], f func(context.Context, K, *V, *VO) (R, error), o ...StoreOption) Table[K, R] {
	return Table[K, R]{b: t.b}
}

type subscription[K any] struct {
	key  K
	hash [2]uint64
}
type combinedKey[FK, K any] struct {
	fk FK
	k  K
}

// JoinForeignKey: ok == false is a null foreign key.
func (t Table[K, V]) JoinForeignKey[FK, VO, R any](other Table[FK, VO], foreignKey func(K, V) (fk FK, ok bool), f func(V, VO) R, o ...ForeignKeyOption) Table[K, R] {
	var subs state.KeyValueStore[combinedKey[FK, K], state.Stamped[subscription[K]]]
	reg := topology.Connect(t.e, func(out *topology.Edge[FK, subscription[K]]) func(Record[K, change[V]]) error {
		return func(r Record[K, change[V]]) error {
			fk, ok := foreignKey(r.Key, r.Value.New)
			if !ok {
				return nil
			}
			return out.Forward(r.WithKey(fk).WithValue(subscription[K]{key: r.Key}))
		}
	})
	resp := topology.Connect(reg, func(out *topology.Edge[K, change[R]]) func(Record[FK, subscription[K]]) error {
		return func(r Record[FK, subscription[K]]) error {
			_, _, err := subs.Get(combinedKey[FK, K]{r.Key, r.Value.key})
			return err
		}
	})
	_ = topology.Connect(other.e, func(out *topology.Edge[K, VO]) func(Record[FK, change[VO]]) error { return nil })
	return Table[K, R]{b: t.b, e: resp}
}
func (t Table[K, V]) LeftJoinForeignKey[FK, VO, R any](other Table[FK, VO], foreignKey func(K, V) (fk FK, ok bool), f func(V, *VO) R, o ...ForeignKeyOption) Table[K, R] {
	return Table[K, R]{b: t.b}
}
func (t Table[K, V]) TryJoinForeignKey[FK, VO, R any](other Table[FK, VO], foreignKey func(K, V) (fk FK, ok bool), f func(context.Context, K, V, VO) (R, error), o ...ForeignKeyOption) Table[K, R] {
	return Table[K, R]{b: t.b}
}
func (t Table[K, V]) TryLeftJoinForeignKey[FK, VO, R any](other Table[FK, VO], foreignKey func(K, V) (fk FK, ok bool), f func(context.Context, K, V, *VO) (R, error), o ...ForeignKeyOption) Table[K, R] {
	return Table[K, R]{b: t.b}
}

// Beyond Java: a table with a global table.
func (t Table[K, V]) JoinGlobal[GK, GV, R any](g GlobalTable[GK, GV], key func(K, V) GK, f func(V, GV) R, o ...StoreOption) Table[K, R] {
	return Table[K, R]{b: t.b}
}

type GroupedTable[K, V any] struct {
	b *Builder
	e *topology.Edge[K, change[V]]
}

func (g GroupedTable[K, V]) WithKeySerde(k serde.Serde[K]) GroupedTable[K, V]   { return g }
func (g GroupedTable[K, V]) WithValueSerde(v serde.Serde[V]) GroupedTable[K, V] { return g }
func (g GroupedTable[K, V]) Count(o ...StoreOption) Table[K, int64]             { return Table[K, int64]{b: g.b} }
func (g GroupedTable[K, V]) Reduce(add, subtract func(agg, v V) V, o ...StoreOption) Table[K, V] {
	return Table[K, V]{b: g.b}
}
func (g GroupedTable[K, V]) TryReduce(add, subtract func(ctx context.Context, agg, v V) (V, error), o ...StoreOption) Table[K, V] {
	return Table[K, V]{b: g.b}
}
func (g GroupedTable[K, V]) Aggregate[A any](init func() A, add, subtract func(K, V, A) A, o ...StoreOption) Table[K, A] {
	return Table[K, A]{b: g.b}
}
func (g GroupedTable[K, V]) TryAggregate[A any](init func() A, add, subtract func(context.Context, K, V, A) (A, error), o ...StoreOption) Table[K, A] {
	return Table[K, A]{b: g.b}
}
