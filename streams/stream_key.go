package streams

import (
	"context"

	"github.com/millrace-go/millrace/topology"
)

// SelectKey makes a key from key and value; a tombstone has no value to make it from and is dropped and counted. MapKey passes them on. A grouping or
// join behind it goes through an internal topic first.
func (s Stream[K, V]) SelectKey[K2 any](f func(K, V) K2, o ...NodeOption) Stream[K2, V] {
	return selectKey(s, nodeConfigOf(o), f != nil, plainKey(f))
}

// MapKey makes a key from the key alone; tombstones pass.
func (s Stream[K, V]) MapKey[K2 any](f func(K) K2, o ...NodeOption) Stream[K2, V] {
	return selectKey(s, nodeConfigOf(o), f != nil, func(_ *topology.Context, next func(Record[K2, V]) error) (func(Record[K, V]) error, error) {
		return func(r Record[K, V]) error { return next(r.WithKey(f(r.Key))) }, nil
	})
}

// TrySelectKey makes a key from each record, tombstones included. Null makes a null key.
func (s Stream[K, V]) TrySelectKey[K2 any](f func(context.Context, Record[K, V]) (K2, error), o ...NodeOption) Stream[K2, V] {
	return selectKey(s, nodeConfigOf(o), f != nil, tryKey(f))
}

func plainKey[K, V, K2 any](f func(K, V) K2) start[K, V, K2, V] {
	return func(ctx *topology.Context, next func(Record[K2, V]) error) (func(Record[K, V]) error, error) {
		return func(r Record[K, V]) error {
			if r.Tombstone {
				ctx.Drop(droppedTombstone)
				return nil
			}
			return next(r.WithKey(f(r.Key, r.Value)))
		}, nil
	}
}

func tryKey[K, V, K2 any](f func(context.Context, Record[K, V]) (K2, error)) start[K, V, K2, V] {
	return func(ctx *topology.Context, next func(Record[K2, V]) error) (func(Record[K, V]) error, error) {
		run := ctx.Run()
		return func(r Record[K, V]) error {
			k, err := f(run, r)
			if err == nil {
				return next(r.WithKey(k))
			}
			if null, err := nullOr(ctx, err); !null {
				return err
			}
			return next(r.WithoutKey[K2]())
		}, nil
	}
}

// selectKey is the node behind SelectKey and GroupBy.
func selectKey[K, V, K2 any](s Stream[K, V], c nodeConfig, given bool, f start[K, V, K2, V]) Stream[K2, V] {
	name := s.b.nodeName(c.name, "KSTREAM-KEY-SELECT-")
	s.b.check(name, &c)
	s.b.require(given, name)
	return rekey[K, V, K2](s, operator(name, nil, f), s.value)
}

// Map makes a record from key and value; tombstones are dropped and counted.
func (s Stream[K, V]) Map[K2, V2 any](f func(K, V) (K2, V2), o ...NodeOption) Stream[K2, V2] {
	name := s.b.name(o, "KSTREAM-MAP-")
	s.b.require(f != nil, name)
	return rekey[K, V, K2](s, operator(name, nil, func(ctx *topology.Context, next func(Record[K2, V2]) error) (func(Record[K, V]) error, error) {
		return func(r Record[K, V]) error {
			if r.Tombstone {
				ctx.Drop(droppedTombstone)
				return nil
			}
			k, v := f(r.Key, r.Value)
			return next(Record[K2, V2]{Key: k, Value: v, Time: r.Time, Headers: r.Headers})
		}, nil
	}), &slot[V2]{})
}

// TryMap makes a record from each record, tombstones included: r.WithKey(k) and r.WithValue(v) keep time and headers. Null keys and tombstones
// are made by the flags of the record.
func (s Stream[K, V]) TryMap[K2, V2 any](f func(context.Context, Record[K, V]) (Record[K2, V2], error), o ...NodeOption) Stream[K2, V2] {
	name := s.b.name(o, "KSTREAM-MAP-")
	s.b.require(f != nil, name)
	return rekey[K, V, K2](s, operator(name, nil, func(ctx *topology.Context, next func(Record[K2, V2]) error) (func(Record[K, V]) error, error) {
		run := ctx.Run()
		return func(r Record[K, V]) error {
			out, err := f(run, r)
			if err != nil {
				return failed(ctx, err)
			}
			return next(out)
		}, nil
	}), &slot[V2]{})
}
