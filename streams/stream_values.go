package streams

import (
	"context"

	"github.com/millrace-go/millrace/topology"
)

// MapValues makes a value from each value; tombstones pass. The new value's serde is not known: see WithValueSerde.
func (s Stream[K, V]) MapValues[V2 any](f func(V) V2, o ...NodeOption) Stream[K, V2] {
	return mapValues(s, o, f != nil, func(_ *topology.Context, next func(Record[K, V2]) error) (func(Record[K, V]) error, error) {
		return func(r Record[K, V]) error {
			if r.Tombstone {
				return next(r.WithoutValue[V2]())
			}
			return next(r.WithValue(f(r.Value)))
		}, nil
	})
}

// MapValuesWithKey makes a value from key and value; tombstones pass.
func (s Stream[K, V]) MapValuesWithKey[V2 any](f func(K, V) V2, o ...NodeOption) Stream[K, V2] {
	return mapValues(s, o, f != nil, func(_ *topology.Context, next func(Record[K, V2]) error) (func(Record[K, V]) error, error) {
		return func(r Record[K, V]) error {
			if r.Tombstone {
				return next(r.WithoutValue[V2]())
			}
			return next(r.WithValue(f(r.Key, r.Value)))
		}, nil
	})
}

// TryMapValues makes a value from each record, tombstones included. Null makes a tombstone, Skip drops the record.
func (s Stream[K, V]) TryMapValues[V2 any](f func(context.Context, Record[K, V]) (V2, error), o ...NodeOption) Stream[K, V2] {
	return mapValues(s, o, f != nil, func(ctx *topology.Context, next func(Record[K, V2]) error) (func(Record[K, V]) error, error) {
		run := ctx.Run()
		return func(r Record[K, V]) error {
			v, err := f(run, r)
			if err == nil {
				return next(r.WithValue(v))
			}
			if null, err := nullOr(ctx, err); !null {
				return err
			}
			return next(r.WithoutValue[V2]())
		}, nil
	})
}

func mapValues[K, V, V2 any](s Stream[K, V], o []NodeOption, given bool, f start[K, V, K, V2]) Stream[K, V2] {
	name := s.b.name(o, "KSTREAM-MAPVALUES-")
	s.b.require(given, name)
	n := operator(name, nil, f)
	n.valueChanging = true
	return then(s, n, &slot[V2]{})
}

// Peek shows each record to f, but for tombstones, which pass unseen, and passes it on unchanged.
func (s Stream[K, V]) Peek(f func(K, V), o ...NodeOption) Stream[K, V] {
	return s.peek(o, f != nil, func(_ *topology.Context, next func(Record[K, V]) error) (func(Record[K, V]) error, error) {
		return func(r Record[K, V]) error {
			if !r.Tombstone {
				f(r.Key, r.Value)
			}
			return next(r)
		}, nil
	})
}

// TryPeek shows every record to f and passes it on unchanged. Skip drops it.
func (s Stream[K, V]) TryPeek(f func(context.Context, Record[K, V]) error, o ...NodeOption) Stream[K, V] {
	return s.peek(o, f != nil, func(ctx *topology.Context, next func(Record[K, V]) error) (func(Record[K, V]) error, error) {
		run := ctx.Run()
		return func(r Record[K, V]) error {
			if err := f(run, r); err != nil {
				return failed(ctx, err)
			}
			return next(r)
		}, nil
	})
}

func (s Stream[K, V]) peek(o []NodeOption, given bool, f start[K, V, K, V]) Stream[K, V] {
	name := s.b.name(o, "KSTREAM-PEEK-")
	s.b.require(given, name)
	n := operator(name, nil, f)
	n.usesNullKeys = true
	return then(s, n, s.value)
}
