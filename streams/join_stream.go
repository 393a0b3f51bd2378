package streams

import (
	"context"
	"errors"

	"github.com/millrace-go/millrace/window"
)

// With a stream: the verbs end in Stream, and there is a window.

// JoinStream joins two streams within a window.
func (s Stream[K, V]) JoinStream[VO, R any](other Stream[K, VO], w window.Join, f func(V, VO) R, o ...StreamJoinOption) Stream[K, R] {
	return missingStream[K, R](s.b, errors.New("JoinStream is not there yet"))
}

// LeftJoinStream joins two streams within a window.
func (s Stream[K, V]) LeftJoinStream[VO, R any](other Stream[K, VO], w window.Join, f func(V, *VO) R, o ...StreamJoinOption) Stream[K, R] {
	return missingStream[K, R](s.b, errors.New("LeftJoinStream is not there yet"))
}

// OuterJoinStream joins two streams within a window.
func (s Stream[K, V]) OuterJoinStream[VO, R any](other Stream[K, VO], w window.Join, f func(*V, *VO) R, o ...StreamJoinOption) Stream[K, R] {
	return missingStream[K, R](s.b, errors.New("OuterJoinStream is not there yet"))
}

// TryJoinStream is JoinStream with a function that gets the key and may fail.
func (s Stream[K, V]) TryJoinStream[VO, R any](other Stream[K, VO], w window.Join, f func(context.Context, K, V, VO) (R, error), o ...StreamJoinOption) Stream[K, R] {
	return missingStream[K, R](s.b, errors.New("TryJoinStream is not there yet"))
}

// TryLeftJoinStream is LeftJoinStream with a function that gets the key and may fail.
func (s Stream[K, V]) TryLeftJoinStream[VO, R any](other Stream[K, VO], w window.Join, f func(context.Context, K, V, *VO) (R, error), o ...StreamJoinOption) Stream[K, R] {
	return missingStream[K, R](s.b, errors.New("TryLeftJoinStream is not there yet"))
}

// TryOuterJoinStream is OuterJoinStream with a function that gets the key and may fail.
func (s Stream[K, V]) TryOuterJoinStream[VO, R any](other Stream[K, VO], w window.Join, f func(context.Context, K, *V, *VO) (R, error), o ...StreamJoinOption) Stream[K, R] {
	return missingStream[K, R](s.b, errors.New("TryOuterJoinStream is not there yet"))
}

// joinSelves gives each stream that is joined with itself one store in place of two.
func (b *Builder) joinSelves() {}
