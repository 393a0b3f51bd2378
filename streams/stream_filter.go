package streams

import (
	"context"

	"github.com/millrace-go/millrace/topology"
)

// Filter keeps the records that f wants, and tombstones.
func (s Stream[K, V]) Filter(f func(K, V) bool, o ...NodeOption) Stream[K, V] {
	return s.filter(o, f != nil, plainFilter(f, true))
}

// FilterNot keeps the records that f does not want, and tombstones.
func (s Stream[K, V]) FilterNot(f func(K, V) bool, o ...NodeOption) Stream[K, V] {
	return s.filter(o, f != nil, plainFilter(f, false))
}

// TryFilter keeps the records that f wants; it is asked about tombstones and null keys too.
func (s Stream[K, V]) TryFilter(f func(context.Context, Record[K, V]) (bool, error), o ...NodeOption) Stream[K, V] {
	return s.filter(o, f != nil, tryFilter(f, true))
}

// TryFilterNot keeps the records that f does not want; it is asked about tombstones and null keys too.
func (s Stream[K, V]) TryFilterNot(f func(context.Context, Record[K, V]) (bool, error), o ...NodeOption) Stream[K, V] {
	return s.filter(o, f != nil, tryFilter(f, false))
}

func (s Stream[K, V]) filter(o []NodeOption, given bool, f start[K, V, K, V]) Stream[K, V] {
	name := s.b.name(o, "KSTREAM-FILTER-")
	s.b.require(given, name)
	return then(s, operator(name, nil, f), s.value)
}

func plainFilter[K, V any](f func(K, V) bool, want bool) start[K, V, K, V] {
	return func(_ *topology.Context, next func(Record[K, V]) error) (func(Record[K, V]) error, error) {
		return func(r Record[K, V]) error {
			if r.Tombstone || f(r.Key, r.Value) == want {
				return next(r)
			}
			return nil
		}, nil
	}
}

func tryFilter[K, V any](f func(context.Context, Record[K, V]) (bool, error), want bool) start[K, V, K, V] {
	return func(ctx *topology.Context, next func(Record[K, V]) error) (func(Record[K, V]) error, error) {
		run := ctx.Run()
		return func(r Record[K, V]) error {
			ok, err := f(run, r)
			if err != nil {
				return failed(ctx, err)
			}
			if ok == want {
				return next(r)
			}
			return nil
		}, nil
	}
}
