// Cogroups are being written by "DSL part 3": do not start them.
package streams

import (
	"context"
	"errors"

	"github.com/millrace-go/millrace/window"
)

// Cogroup begins an aggregate of several grouped streams.
func (g GroupedStream[K, V]) Cogroup[A any](add func(K, V, A) A) CogroupedStream[K, A] {
	return CogroupedStream[K, A]{b: g.s.b}
}

// TryCogroup is Cogroup with a function that gets the record and may fail.
func (g GroupedStream[K, V]) TryCogroup[A any](add func(context.Context, Record[K, V], A) (A, error)) CogroupedStream[K, A] {
	return CogroupedStream[K, A]{b: g.s.b}
}

// CogroupedStream is several grouped streams with one aggregate.
type CogroupedStream[K, A any] struct{ b *Builder }

// Cogroup adds a grouped stream.
func (c CogroupedStream[K, A]) Cogroup[V any](g GroupedStream[K, V], add func(K, V, A) A) CogroupedStream[K, A] {
	return c
}

// TryCogroup adds a grouped stream with a function that gets the record and may fail.
func (c CogroupedStream[K, A]) TryCogroup[V any](g GroupedStream[K, V], add func(context.Context, Record[K, V], A) (A, error)) CogroupedStream[K, A] {
	return c
}

// Aggregate is the table of the aggregates.
func (c CogroupedStream[K, A]) Aggregate(init func() A, o ...StoreOption) Table[K, A] {
	return missing[K, A](c.b, errors.New("cogrouped Aggregate is not there yet"))
}

// WindowedBy groups further by windows of time.
func (c CogroupedStream[K, A]) WindowedBy[WK any](w window.Windows[K, WK]) CogroupedWindowedStream[K, WK, A] {
	return CogroupedWindowedStream[K, WK, A]{c.b}
}

// WindowedBySession groups further by sessions.
func (c CogroupedStream[K, A]) WindowedBySession[WK any](w window.Sessions[K, WK]) CogroupedSessionWindowedStream[K, WK, A] {
	return CogroupedSessionWindowedStream[K, WK, A]{c.b}
}

// CogroupedWindowedStream is several grouped streams in time windows.
type CogroupedWindowedStream[K, WK, A any] struct{ b *Builder }

// Aggregate is the table of the aggregates of each key and window.
func (c CogroupedWindowedStream[K, WK, A]) Aggregate(init func() A, o ...StoreOption) Table[WK, A] {
	return missing[WK, A](c.b, errors.New("cogrouped windowed Aggregate is not there yet"))
}

// CogroupedSessionWindowedStream is several grouped streams in sessions.
type CogroupedSessionWindowedStream[K, WK, A any] struct{ b *Builder }

// Aggregate is the table of the aggregates of each session.
func (c CogroupedSessionWindowedStream[K, WK, A]) Aggregate(init func() A, merge func(k K, a, b A) A, o ...StoreOption) Table[WK, A] {
	return missing[WK, A](c.b, errors.New("cogrouped session Aggregate is not there yet"))
}

// TryAggregate is Aggregate with a function that may fail.
func (c CogroupedSessionWindowedStream[K, WK, A]) TryAggregate(init func() A, merge func(ctx context.Context, k K, a, b A) (A, error), o ...StoreOption) Table[WK, A] {
	return missing[WK, A](c.b, errors.New("cogrouped session TryAggregate is not there yet"))
}
