package streams

import (
	"context"
	"errors"

	"github.com/millrace-go/millrace/window"
)

// WindowedBySession groups further by sessions: records that follow each other closely.
func (g GroupedStream[K, V]) WindowedBySession[WK any](w window.Sessions[K, WK]) SessionWindowedStream[K, WK, V] {
	return SessionWindowedStream[K, WK, V]{g: g, w: w}
}

// SessionWindowedStream is a grouped stream with sessions: its aggregates merge.
type SessionWindowedStream[K, WK, V any] struct {
	g       GroupedStream[K, V]
	w       window.Sessions[K, WK]
	onClose bool
}

// EmitOnClose emits each session once, when it has closed (KIP-825).
func (w SessionWindowedStream[K, WK, V]) EmitOnClose() SessionWindowedStream[K, WK, V] {
	w.onClose = true
	return w
}

// Count counts the records of each session.
func (w SessionWindowedStream[K, WK, V]) Count(o ...StoreOption) Table[WK, int64] {
	return missing[WK, int64](w.g.s.b, errors.New("session Count is not there yet"))
}

// Reduce combines the values of each session.
func (w SessionWindowedStream[K, WK, V]) Reduce(f func(agg, v V) V, o ...StoreOption) Table[WK, V] {
	return missing[WK, V](w.g.s.b, errors.New("session Reduce is not there yet"))
}

// TryReduce merges sessions with merge: there is no record to pass then.
func (w SessionWindowedStream[K, WK, V]) TryReduce(f func(ctx context.Context, agg V, r Record[K, V]) (V, error), merge func(ctx context.Context, k K, a, b V) (V, error), o ...StoreOption) Table[WK, V] {
	return missing[WK, V](w.g.s.b, errors.New("session TryReduce is not there yet"))
}

// Aggregate combines the values of each session; merge puts two sessions together.
func (w SessionWindowedStream[K, WK, V]) Aggregate[A any](init func() A, add func(K, V, A) A, merge func(k K, a, b A) A, o ...StoreOption) Table[WK, A] {
	return missing[WK, A](w.g.s.b, errors.New("session Aggregate is not there yet"))
}

// TryAggregate is Aggregate with functions that may fail.
func (w SessionWindowedStream[K, WK, V]) TryAggregate[A any](init func() A, add func(context.Context, Record[K, V], A) (A, error), merge func(ctx context.Context, k K, a, b A) (A, error), o ...StoreOption) Table[WK, A] {
	return missing[WK, A](w.g.s.b, errors.New("session TryAggregate is not there yet"))
}
