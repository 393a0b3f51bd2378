// Foreign-key joins are being written by the lead: do not start them.
package streams

import (
	"context"
	"errors"
)

// JoinForeignKey joins each row with the other table's row of a key that it holds; ok == false is a null foreign key.
func (t Table[K, V]) JoinForeignKey[FK, VO, R any](other Table[FK, VO], foreignKey func(K, V) (fk FK, ok bool), f func(V, VO) R, o ...ForeignKeyOption) Table[K, R] {
	return missing[K, R](t.b, errors.New("JoinForeignKey is not there yet"))
}

// LeftJoinForeignKey joins each row with the other table's row of a key that it holds; ok == false is a null foreign key.
func (t Table[K, V]) LeftJoinForeignKey[FK, VO, R any](other Table[FK, VO], foreignKey func(K, V) (fk FK, ok bool), f func(V, *VO) R, o ...ForeignKeyOption) Table[K, R] {
	return missing[K, R](t.b, errors.New("LeftJoinForeignKey is not there yet"))
}

// TryJoinForeignKey is JoinForeignKey with a function that gets the key and may fail.
func (t Table[K, V]) TryJoinForeignKey[FK, VO, R any](other Table[FK, VO], foreignKey func(K, V) (fk FK, ok bool), f func(context.Context, K, V, VO) (R, error), o ...ForeignKeyOption) Table[K, R] {
	return missing[K, R](t.b, errors.New("TryJoinForeignKey is not there yet"))
}

// TryLeftJoinForeignKey is LeftJoinForeignKey with a function that gets the key and may fail.
func (t Table[K, V]) TryLeftJoinForeignKey[FK, VO, R any](other Table[FK, VO], foreignKey func(K, V) (fk FK, ok bool), f func(context.Context, K, V, *VO) (R, error), o ...ForeignKeyOption) Table[K, R] {
	return missing[K, R](t.b, errors.New("TryLeftJoinForeignKey is not there yet"))
}
