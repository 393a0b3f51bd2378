package serde

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
)

// List is Kafka's list serde over an inner serde.
//
// A list starts with a byte that says how its entries are stored. Where all have one size (the inner serde is a [FixedSize]):
//
//	0, number of nulls (4), their indexes (4 each), number of entries (4), the entries that are not null
//
// and otherwise
//
//	1, number of entries (4), each entry's length (4, -1 for null) and bytes
//
// with all numbers big-endian. Either form is read whatever the inner serde. A list that holds nulls, which Kafka's may, is refused:
// a T cannot say null, and dropping the entry would lose data. A decoded list is never nil.
func List[T any](inner Serde[T]) Serde[[]T] {
	l := list[T]{inner: Shared(inner), plain: inner}
	if f, ok := inner.(FixedSize); ok {
		l.size = f.FixedSize()
	}
	return l
}

const (
	listConstant = 0
	listVariable = 1
)

type list[T any] struct {
	inner Sharer[T]
	plain Serde[T]
	size  int // bytes of each entry; 0 if they differ
}

// Bind binds the inner serde.
func (l list[T]) Bind(r Role) (Serde[[]T], error) {
	inner, err := Bind(l.plain, r)
	if err != nil {
		return nil, err
	}
	return List(inner), nil
}

func (l list[T]) Append(dst []byte, v []T) ([]byte, error) {
	if len(v) > math.MaxInt32 {
		return dst, fmt.Errorf("serde: list of %d entries does not fit its format", len(v))
	}
	out := dst
	if l.size > 0 {
		out = append(out, listConstant, 0, 0, 0, 0) // no nulls
	} else {
		out = append(out, listVariable)
	}
	out = binary.BigEndian.AppendUint32(out, uint32(len(v)))
	var err error
	for i := range v {
		start := len(out)
		if l.size == 0 {
			out = append(out, 0, 0, 0, 0) // the length, when it is known
		}
		from := len(out)
		if out, err = l.inner.Append(out, v[i]); err != nil {
			return dst, fmt.Errorf("serde: list entry %d: %w", i, err)
		}
		n := len(out) - from
		switch {
		case l.size > 0 && n != l.size:
			return dst, fmt.Errorf("serde: list entry %d has %d bytes, its serde said that all have %d", i, n, l.size)
		case n > math.MaxInt32:
			return dst, fmt.Errorf("serde: list entry %d has %d bytes, which do not fit the format", i, n)
		case l.size == 0:
			binary.BigEndian.PutUint32(out[start:], uint32(n))
		}
	}
	return out, nil
}

func (l list[T]) Decode(src []byte) ([]T, error)       { return l.decode(src, false) }
func (l list[T]) DecodeShared(src []byte) ([]T, error) { return l.decode(src, true) }

func (l list[T]) decode(src []byte, shared bool) ([]T, error) {
	if len(src) == 0 {
		return nil, fmt.Errorf("serde: list is empty, it needs at least 5 bytes")
	}
	switch src[0] {
	case listConstant:
		return l.decodeConstant(src[1:], shared)
	case listVariable:
		return l.decodeVariable(src[1:], shared)
	}
	return nil, fmt.Errorf("serde: list starts with byte %d, which is neither of its formats 0 and 1", src[0])
}

// decodeConstant reads the form without lengths. The size of the entries is the inner serde's; if it has none, it follows from the
// number of entries.
func (l list[T]) decodeConstant(src []byte, shared bool) ([]T, error) {
	nulls, src, err := listCount(src, "nulls", 4)
	if err != nil {
		return nil, err
	}
	if nulls > 0 {
		return nil, fmt.Errorf("serde: list holds %d nulls, which %v cannot", nulls, reflect.TypeFor[T]())
	}
	size := max(l.size, 1)
	n, src, err := listCount(src, "entries", size)
	if err != nil {
		return nil, err
	}
	if l.size == 0 && n > 0 {
		size = len(src) / n
	}
	if n*size != len(src) {
		return nil, fmt.Errorf("serde: list of %d entries of %d bytes each needs %d bytes, got %d", n, size, n*size, len(src))
	}
	out := make([]T, n)
	for i := range out {
		if out[i], err = l.entry(src[i*size:(i+1)*size:(i+1)*size], shared); err != nil {
			return nil, fmt.Errorf("serde: list entry %d: %w", i, err)
		}
	}
	return out, nil
}

func (l list[T]) decodeVariable(src []byte, shared bool) ([]T, error) {
	n, src, err := listCount(src, "entries", 4)
	if err != nil {
		return nil, err
	}
	out := make([]T, n)
	for i := range out {
		if len(src) < 4 {
			return nil, fmt.Errorf("serde: list ends before entry %d of %d", i, n)
		}
		size := int32(binary.BigEndian.Uint32(src))
		src = src[4:]
		switch {
		case size == -1:
			return nil, fmt.Errorf("serde: list entry %d is null, which %v cannot be", i, reflect.TypeFor[T]())
		case size < 0 || int64(size) > int64(len(src)):
			return nil, fmt.Errorf("serde: list entry %d says it has %d bytes, %d are left", i, size, len(src))
		}
		if out[i], err = l.entry(src[:size:size], shared); err != nil {
			return nil, fmt.Errorf("serde: list entry %d: %w", i, err)
		}
		src = src[size:]
	}
	if len(src) > 0 {
		return nil, fmt.Errorf("serde: %d bytes after the last of %d list entries", len(src), n)
	}
	return out, nil
}

func (l list[T]) entry(src []byte, shared bool) (T, error) {
	if shared {
		return l.inner.DecodeShared(src)
	}
	return l.inner.Decode(src)
}

// listCount reads a count of things that take at least size bytes each, and refuses one that the rest cannot hold: memory is taken
// for what is there, never for what is said to be.
func listCount(src []byte, what string, size int) (n int, rest []byte, err error) {
	if len(src) < 4 {
		return 0, nil, fmt.Errorf("serde: list needs 4 bytes for its number of %s, got %d", what, len(src))
	}
	c := int32(binary.BigEndian.Uint32(src))
	rest = src[4:]
	if c < 0 || int64(c) > int64(len(rest)/size) {
		return 0, nil, fmt.Errorf("serde: list says it has %d %s, %d bytes are left", c, what, len(rest))
	}
	return int(c), rest, nil
}
