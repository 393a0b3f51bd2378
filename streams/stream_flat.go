package streams

import (
	"context"
	"iter"

	"github.com/millrace-go/millrace/topology"
)

// FlatMap makes any number of records from key and value: emit forwards one at once. It must not be kept behind the call. Tombstones are dropped
// and counted.
func (s Stream[K, V]) FlatMap[K2, V2 any](f func(k K, v V, emit func(K2, V2)), o ...NodeOption) Stream[K2, V2] {
	name := s.b.name(o, "KSTREAM-FLATMAP-")
	s.b.require(f != nil, name)
	return rekey[K, V, K2](s, operator(name, nil, func(ctx *topology.Context, next func(Record[K2, V2]) error) (func(Record[K, V]) error, error) {
		// One emit for all records, so that none is allocated: what it needs of the record stands beside it.
		var out Record[K2, V2]
		var failure error
		emit := func(k K2, v V2) {
			if failure == nil {
				out.Key, out.Value = k, v
				failure = next(out)
			}
		}
		return func(r Record[K, V]) error {
			if r.Tombstone {
				ctx.Drop(droppedTombstone)
				return nil
			}
			out, failure = Record[K2, V2]{Time: r.Time, Headers: r.Headers}, nil
			f(r.Key, r.Value, emit)
			return failure
		}, nil
	}), &slot[V2]{})
}

// TryFlatMap makes any number of records from each record, tombstones included. An error of f after it has emitted takes nothing back.
func (s Stream[K, V]) TryFlatMap[K2, V2 any](f func(ctx context.Context, r Record[K, V], emit func(Record[K2, V2])) error, o ...NodeOption) Stream[K2, V2] {
	name := s.b.name(o, "KSTREAM-FLATMAP-")
	s.b.require(f != nil, name)
	return rekey[K, V, K2](s, operator(name, nil, func(ctx *topology.Context, next func(Record[K2, V2]) error) (func(Record[K, V]) error, error) {
		run := ctx.Run()
		var failure error
		emit := func(r Record[K2, V2]) {
			if failure == nil {
				failure = next(r)
			}
		}
		return func(r Record[K, V]) error {
			failure = nil
			err := f(run, r, emit)
			if failure != nil {
				return failure
			}
			if err != nil {
				return failed(ctx, err)
			}
			return nil
		}, nil
	}), &slot[V2]{})
}

// FlatMapValues makes any number of values from each value; tombstones are dropped and counted.
func (s Stream[K, V]) FlatMapValues[V2 any](f func(V) []V2, o ...NodeOption) Stream[K, V2] {
	return flatMapValues(s, o, f != nil, func(ctx *topology.Context, next func(Record[K, V2]) error) (func(Record[K, V]) error, error) {
		return func(r Record[K, V]) error {
			if r.Tombstone {
				ctx.Drop(droppedTombstone)
				return nil
			}
			for _, v := range f(r.Value) {
				if err := next(r.WithValue(v)); err != nil {
					return err
				}
			}
			return nil
		}, nil
	})
}

// FlatMapValuesSeq is FlatMapValues for functions that answer an iterator.
func (s Stream[K, V]) FlatMapValuesSeq[V2 any](f func(V) iter.Seq[V2], o ...NodeOption) Stream[K, V2] {
	return flatMapValues(s, o, f != nil, func(ctx *topology.Context, next func(Record[K, V2]) error) (func(Record[K, V]) error, error) {
		return func(r Record[K, V]) error {
			if r.Tombstone {
				ctx.Drop(droppedTombstone)
				return nil
			}
			for v := range f(r.Value) {
				if err := next(r.WithValue(v)); err != nil {
					return err
				}
			}
			return nil
		}, nil
	})
}

// TryFlatMapValues makes any number of values from each record, tombstones included. Null is a failure: no value is an empty slice.
func (s Stream[K, V]) TryFlatMapValues[V2 any](f func(context.Context, Record[K, V]) ([]V2, error), o ...NodeOption) Stream[K, V2] {
	return flatMapValues(s, o, f != nil, func(ctx *topology.Context, next func(Record[K, V2]) error) (func(Record[K, V]) error, error) {
		run := ctx.Run()
		return func(r Record[K, V]) error {
			vs, err := f(run, r)
			if err != nil {
				return failed(ctx, err)
			}
			for _, v := range vs {
				if err := next(r.WithValue(v)); err != nil {
					return err
				}
			}
			return nil
		}, nil
	})
}

func flatMapValues[K, V, V2 any](s Stream[K, V], o []NodeOption, given bool, f start[K, V, K, V2]) Stream[K, V2] {
	name := s.b.name(o, "KSTREAM-FLATMAPVALUES-")
	s.b.require(given, name)
	n := operator(name, nil, f)
	n.valueChanging = true
	return then(s, n, &slot[V2]{})
}
