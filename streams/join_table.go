package streams

import (
	"context"
	"errors"
)

// With a table: the verbs' plain names, as in Kafka.

// Join joins each record with the table's row of its key.
func (s Stream[K, V]) Join[VT, R any](t Table[K, VT], f func(V, VT) R, o ...JoinOption) Stream[K, R] {
	return missingStream[K, R](s.b, errors.New("Join is not there yet"))
}

// LeftJoin joins each record with the table's row of its key.
func (s Stream[K, V]) LeftJoin[VT, R any](t Table[K, VT], f func(V, *VT) R, o ...JoinOption) Stream[K, R] {
	return missingStream[K, R](s.b, errors.New("LeftJoin is not there yet"))
}

// TryJoin is Join with a function that gets the record and may fail.
func (s Stream[K, V]) TryJoin[VT, R any](t Table[K, VT], f func(context.Context, Record[K, V], VT) (R, error), o ...JoinOption) Stream[K, R] {
	return missingStream[K, R](s.b, errors.New("TryJoin is not there yet"))
}

// TryLeftJoin is LeftJoin with a function that gets the record and may fail.
func (s Stream[K, V]) TryLeftJoin[VT, R any](t Table[K, VT], f func(context.Context, Record[K, V], *VT) (R, error), o ...JoinOption) Stream[K, R] {
	return missingStream[K, R](s.b, errors.New("TryLeftJoin is not there yet"))
}
