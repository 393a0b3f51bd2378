package streams

import (
	"context"
	"errors"
)

// With a global table: the verbs end in Global, and a function chooses the global table's key.

// JoinGlobal joins each record with the global table's row of a key that a function makes.
func (s Stream[K, V]) JoinGlobal[GK, GV, R any](g GlobalTable[GK, GV], key func(K, V) GK, f func(V, GV) R, o ...JoinOption) Stream[K, R] {
	return missingStream[K, R](s.b, errors.New("JoinGlobal is not there yet"))
}

// LeftJoinGlobal joins each record with the global table's row of a key that a function makes.
func (s Stream[K, V]) LeftJoinGlobal[GK, GV, R any](g GlobalTable[GK, GV], key func(K, V) GK, f func(V, *GV) R, o ...JoinOption) Stream[K, R] {
	return missingStream[K, R](s.b, errors.New("LeftJoinGlobal is not there yet"))
}

// TryJoinGlobal is JoinGlobal with functions that get the record and may fail.
func (s Stream[K, V]) TryJoinGlobal[GK, GV, R any](g GlobalTable[GK, GV], key func(context.Context, Record[K, V]) (GK, error), f func(context.Context, Record[K, V], GK, GV) (R, error), o ...JoinOption) Stream[K, R] {
	return missingStream[K, R](s.b, errors.New("TryJoinGlobal is not there yet"))
}

// TryLeftJoinGlobal is LeftJoinGlobal with functions that get the record and may fail.
func (s Stream[K, V]) TryLeftJoinGlobal[GK, GV, R any](g GlobalTable[GK, GV], key func(context.Context, Record[K, V]) (GK, error), f func(context.Context, Record[K, V], GK, *GV) (R, error), o ...JoinOption) Stream[K, R] {
	return missingStream[K, R](s.b, errors.New("TryLeftJoinGlobal is not there yet"))
}

// JoinGlobal joins each row with the global table's row of a key that a function makes (beyond Java).
func (t Table[K, V]) JoinGlobal[GK, GV, R any](g GlobalTable[GK, GV], key func(K, V) GK, f func(V, GV) R, o ...StoreOption) Table[K, R] {
	return missing[K, R](t.b, errors.New("JoinGlobal of a table is not there yet"))
}
