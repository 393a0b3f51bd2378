package streams

import (
	"context"
	"fmt"

	"github.com/millrace-go/millrace/topology"
)

// With a global table the verbs end in Global, and a function chooses the global table's key: no partitions have to agree, and a stream whose key
// has changed needs no internal topic. A record is joined with the row that the instance has at that moment, whatever their times.
// Results have the stream record's key, time and headers.

// JoinGlobal joins each record with the global table's row of the key that a function makes; a record without one makes nothing. Tombstones are dropped
// and counted; a null key reads as the zero K.
func (s Stream[K, V]) JoinGlobal[GK, GV, R any](g GlobalTable[GK, GV], key func(K, V) GK, f func(V, GV) R, o ...JoinOption) Stream[K, R] {
	return joinGlobal(s, g, innerJoin, key != nil && f != nil, plainGlobalKey(key), func(*topology.Context) globalJoiner[K, V, GK, GV, R] {
		return func(l Record[K, V], _ GK, r GV, _ bool) (R, error) { return f(l.Value, r), nil }
	}, o)
}

// LeftJoinGlobal joins each record with the global table's row of the key that a function makes, nil if there is none. Tombstones are dropped and
// counted; a null key reads as the zero K.
func (s Stream[K, V]) LeftJoinGlobal[GK, GV, R any](g GlobalTable[GK, GV], key func(K, V) GK, f func(V, *GV) R, o ...JoinOption) Stream[K, R] {
	return joinGlobal(s, g, leftJoin, key != nil && f != nil, plainGlobalKey(key), func(*topology.Context) globalJoiner[K, V, GK, GV, R] {
		return func(l Record[K, V], _ GK, r GV, has bool) (R, error) { return f(l.Value, optional(r, has)), nil }
	}, o)
}

// TryJoinGlobal is JoinGlobal with functions that get the record and may fail. key is asked about tombstones, too, which are dropped all the same. Its
// Null finds nothing: the record is dropped and counted. Null of f makes a tombstone; Skip of both drops the record.
func (s Stream[K, V]) TryJoinGlobal[GK, GV, R any](g GlobalTable[GK, GV], key func(context.Context, Record[K, V]) (GK, error), f func(context.Context, Record[K, V], GK, GV) (R, error), o ...JoinOption) Stream[K, R] {
	return joinGlobal(s, g, innerJoin, key != nil && f != nil, tryGlobalKey(key), func(ctx *topology.Context) globalJoiner[K, V, GK, GV, R] {
		run := ctx.Run()
		return func(l Record[K, V], k GK, r GV, _ bool) (R, error) { return f(run, l, k, r) }
	}, o)
}

// TryLeftJoinGlobal is LeftJoinGlobal with functions that get the record and may fail, as TryJoinGlobal. A record whose key is Null is joined with the zero GK and
// nothing (KIP-962).
func (s Stream[K, V]) TryLeftJoinGlobal[GK, GV, R any](g GlobalTable[GK, GV], key func(context.Context, Record[K, V]) (GK, error), f func(context.Context, Record[K, V], GK, *GV) (R, error), o ...JoinOption) Stream[K, R] {
	return joinGlobal(s, g, leftJoin, key != nil && f != nil, tryGlobalKey(key), func(ctx *topology.Context) globalJoiner[K, V, GK, GV, R] {
		run := ctx.Run()
		return func(l Record[K, V], k GK, r GV, has bool) (R, error) { return f(run, l, k, optional(r, has)) }
	}, o)
}

// globalJoiner makes a value of a record and a global table's row. Null and Skip are errors here.
type globalJoiner[K, V, GK, GV, R any] = func(l Record[K, V], k GK, r GV, has bool) (R, error)

// globalKey makes the global table's key. Null and Skip are errors here.
type globalKey[K, V, GK any] = func(Record[K, V]) (GK, error)

// plainGlobalKey is not asked about tombstones, which are dropped.
func plainGlobalKey[K, V, GK any](key func(K, V) GK) func(*topology.Context) globalKey[K, V, GK] {
	f := func(r Record[K, V]) (k GK, _ error) {
		if !r.Tombstone {
			k = key(r.Key, r.Value)
		}
		return k, nil
	}
	return func(*topology.Context) globalKey[K, V, GK] { return f }
}

func tryGlobalKey[K, V, GK any](key func(context.Context, Record[K, V]) (GK, error)) func(*topology.Context) globalKey[K, V, GK] {
	return func(ctx *topology.Context) globalKey[K, V, GK] {
		run := ctx.Run()
		return func(r Record[K, V]) (GK, error) { return key(run, r) }
	}
}

// joinGlobal plans a join of a stream and a global table.
func joinGlobal[K, V, GK, GV, R any](s Stream[K, V], g GlobalTable[GK, GV], kind joinKind, given bool, openKey func(*topology.Context) globalKey[K, V, GK], open func(*topology.Context) globalJoiner[K, V, GK, GV, R], o []JoinOption) Stream[K, R] {
	b := s.b
	c := joinConfigOf(o)
	name := b.nodeName(c.name, "KSTREAM-LEFTJOIN-")
	b.check(name, &c)
	b.require(given, name)
	if c.hasGrace {
		b.fail(fmt.Errorf("node %s: Grace is for joins with a table: a global table has no history", name))
	}
	if c.tolerance != nil {
		b.fail(fmt.Errorf("node %s: Tolerance is for joins with a table: a global table has no history", name))
	}
	if b != g.b {
		return missingStream[K, R](b, fmt.Errorf("node %s: the global table belongs to another Builder: make both with one", name))
	}
	left := !kind.needsRight
	n := operator(name, nil, func(ctx *topology.Context, next func(Record[K, R]) error) (func(Record[K, V]) error, error) {
		keyOf, join := openKey(ctx), open(ctx)
		rows, err := g.view().open(ctx)
		if err != nil {
			return nil, err
		}
		var key GK // of the record
		f := func(l Record[K, V], r GV, has bool) (R, error) { return join(l, key, r, has) }
		return func(r Record[K, V]) (err error) {
			noKey := false
			if key, err = keyOf(r); err != nil {
				if null, err := nullOr(ctx, err); !null {
					return err
				}
				key, noKey = *new(GK), true
			}
			if r.Tombstone || noKey && !left {
				ctx.Drop(droppedNull(noKey))
				return nil
			}
			var v GV
			has := false
			if !noKey {
				row, ok, err := lookUp(&rows, key, r.Time)
				if err != nil {
					return ctx.Fail(err)
				}
				v, has = row.Value, ok
			}
			if !has && !left {
				return nil
			}
			return forwardJoined(ctx, next, r, v, has, f)
		}, nil
	})
	n.wantsNullKeys = left
	return then(s, n, &slot[R]{})
}
