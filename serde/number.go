package serde

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Numbers are big-endian, integers in two's complement, floats in IEEE 754, as Kafka writes them. The byte order of signed integers
// is therefore not their numeric order: negative numbers come after the positive ones in a range of a store.
var (
	Int16   Serde[int16]   = i16{}        // Int16 is Kafka's short: 2 bytes.
	Int32   Serde[int32]   = i32{}        // Int32 is Kafka's integer: 4 bytes.
	Int64   Serde[int64]   = i64[int64]{} // Int64 is Kafka's long: 8 bytes. Use [Int64Of] for named types.
	Int     Serde[int]     = integer{}    // Int writes an int as Kafka's long: 8 bytes on every machine.
	Float32 Serde[float32] = f32{}        // Float32 is Kafka's float: 4 bytes.
	Float64 Serde[float64] = f64{}        // Float64 is Kafka's double: 8 bytes.
	Bool    Serde[bool]    = boolean{}    // Bool is Kafka's boolean: one byte, 0 or 1; others are refused.
)

// Int64Of is [Int64] for a type derived from int64.
func Int64Of[T ~int64]() Serde[T] { return i64[T]{} }

// A FixedSize serde writes every value in the same number of bytes. [List] then uses the constant-size format of Kafka's list
// serde, which has no lengths; as Kafka does so for exactly its short, integer, long, float, double and UUID, the bytes of a list of
// anything else are readable by Kafka's list serde only if the inner serde is not a FixedSize.
type FixedSize interface{ FixedSize() int }

type i16 struct{}

func (i16) FixedSize() int { return 2 }
func (i16) Append(dst []byte, v int16) ([]byte, error) {
	return binary.BigEndian.AppendUint16(dst, uint16(v)), nil
}
func (i16) Decode(src []byte) (int16, error) {
	if len(src) != 2 {
		return 0, wrongLength("int16", 2, len(src))
	}
	return int16(binary.BigEndian.Uint16(src)), nil
}

type i32 struct{}

func (i32) FixedSize() int { return 4 }
func (i32) Append(dst []byte, v int32) ([]byte, error) {
	return binary.BigEndian.AppendUint32(dst, uint32(v)), nil
}
func (i32) Decode(src []byte) (int32, error) {
	if len(src) != 4 {
		return 0, wrongLength("int32", 4, len(src))
	}
	return int32(binary.BigEndian.Uint32(src)), nil
}

type i64[T ~int64] struct{}

func (i64[T]) FixedSize() int { return 8 }
func (i64[T]) Append(dst []byte, v T) ([]byte, error) {
	return binary.BigEndian.AppendUint64(dst, uint64(v)), nil
}
func (i64[T]) Decode(src []byte) (T, error) {
	if len(src) != 8 {
		return 0, wrongLength("int64", 8, len(src))
	}
	return T(binary.BigEndian.Uint64(src)), nil
}

type integer struct{}

func (integer) FixedSize() int { return 8 }
func (integer) Append(dst []byte, v int) ([]byte, error) {
	return binary.BigEndian.AppendUint64(dst, uint64(v)), nil
}
func (integer) Decode(src []byte) (int, error) {
	if len(src) != 8 {
		return 0, wrongLength("int", 8, len(src))
	}
	v := int64(binary.BigEndian.Uint64(src))
	if int64(int(v)) != v {
		return 0, fmt.Errorf("serde: %d does not fit an int of this machine; use serde.Int64", v)
	}
	return int(v), nil
}

type f32 struct{}

func (f32) FixedSize() int { return 4 }
func (f32) Append(dst []byte, v float32) ([]byte, error) {
	return binary.BigEndian.AppendUint32(dst, math.Float32bits(v)), nil
}
func (f32) Decode(src []byte) (float32, error) {
	if len(src) != 4 {
		return 0, wrongLength("float32", 4, len(src))
	}
	return math.Float32frombits(binary.BigEndian.Uint32(src)), nil
}

type f64 struct{}

func (f64) FixedSize() int { return 8 }
func (f64) Append(dst []byte, v float64) ([]byte, error) {
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(v)), nil
}
func (f64) Decode(src []byte) (float64, error) {
	if len(src) != 8 {
		return 0, wrongLength("float64", 8, len(src))
	}
	return math.Float64frombits(binary.BigEndian.Uint64(src)), nil
}

type boolean struct{}

func (boolean) Append(dst []byte, v bool) ([]byte, error) {
	if v {
		return append(dst, 1), nil
	}
	return append(dst, 0), nil
}

func (boolean) Decode(src []byte) (bool, error) {
	if len(src) != 1 {
		return false, wrongLength("bool", 1, len(src))
	}
	if src[0] > 1 {
		return false, fmt.Errorf("serde: bool needs a byte 0 or 1, got %d", src[0])
	}
	return src[0] == 1, nil
}
