package serde

import (
	"encoding/hex"
	"errors"
	"fmt"
	"unsafe"
)

var (
	// String is Kafka's string: the bytes of the string and nothing else, UTF-8 by convention. Bytes that are not UTF-8 stay as they
	// are in both directions, so that no two keys become one and no value changes by passing through.
	String Serde[string] = text[string]{}

	// Bytes is Kafka's byte array. A decoded slice is never nil; a shared one has no spare capacity, so appending to it copies.
	Bytes Serde[[]byte] = raw{}

	// UUID is Kafka's UUID: its text form of 36 bytes, written in lower case, read in either. Use [UUIDOf] for named types.
	UUID Serde[[16]byte] = uuid[[16]byte]{}

	// Void is Kafka's void, for a side that is always null: the key of a topic without keys. It is an error if something is there after all.
	Void Serde[struct{}] = void{}
)

// StringOf is [String] for a type derived from string.
func StringOf[T ~string]() Serde[T] { return text[T]{} }

// UUIDOf is [UUID] for a type derived from [16]byte, as the usual UUID packages have.
func UUIDOf[T ~[16]byte]() Serde[T] { return uuid[T]{} }

type text[T ~string] struct{}

func (text[T]) Append(dst []byte, v T) ([]byte, error) { return append(dst, v...), nil }
func (text[T]) Decode(src []byte) (T, error)           { return T(src), nil }

// DecodeShared makes a string over the caller's bytes. That is sound because Sharer's contract forbids changing them while the
// string lives. SliceData of an empty slice may be nil or point past the end; String accepts either with length 0.
func (text[T]) DecodeShared(src []byte) (T, error) {
	return T(unsafe.String(unsafe.SliceData(src), len(src))), nil
}

type raw struct{}

func (raw) Append(dst []byte, v []byte) ([]byte, error) { return append(dst, v...), nil }
func (raw) Decode(src []byte) ([]byte, error)           { return append([]byte{}, src...), nil }

func (raw) DecodeShared(src []byte) ([]byte, error) {
	if len(src) == 0 {
		return []byte{}, nil
	}
	return src[:len(src):len(src)], nil
}

type void struct{}

func (void) Append(dst []byte, _ struct{}) ([]byte, error) {
	return dst, errors.New("serde: Void writes nothing but nulls: leave the key or value out")
}

func (void) Decode(src []byte) (struct{}, error) {
	return struct{}{}, fmt.Errorf("serde: Void reads nothing but nulls, and here are %d bytes", len(src))
}

const uuidSize = 36

type uuid[T ~[16]byte] struct{}

// FixedSize is 36: Kafka's list format counts UUIDs among the types of constant size.
func (uuid[T]) FixedSize() int { return uuidSize }

func (uuid[T]) Append(dst []byte, v T) ([]byte, error) {
	b := [16]byte(v)
	for i := range b {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, b[i:i+1])
	}
	return dst, nil
}

func (uuid[T]) Decode(src []byte) (T, error) {
	var v [16]byte
	if len(src) != uuidSize {
		return T(v), wrongLength("UUID", uuidSize, len(src))
	}
	for i, at := 0, 0; i < len(v); i, at = i+1, at+2 {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			if src[at] != '-' {
				return T{}, fmt.Errorf("serde: UUID needs '-' at position %d, got %q", at, src[at])
			}
			at++
		}
		if _, err := hex.Decode(v[i:i+1], src[at:at+2]); err != nil {
			return T{}, fmt.Errorf("serde: UUID needs hexadecimal digits at position %d, got %q", at, src[at:at+2])
		}
	}
	return T(v), nil
}

func wrongLength(kind string, want, got int) error {
	return fmt.Errorf("serde: %s needs %d bytes, got %d", kind, want, got)
}
