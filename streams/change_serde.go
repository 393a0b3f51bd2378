package streams

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/millrace-go/millrace/serde"
)

// changeSerde is the format of changes in the internal topic of a grouped table. The last byte says what is there (KIP-904):
//
//	old 0                           a row that goes
//	new 1                           a row that comes
//	varint(len(new)) new old 2      both
//	... latest 3, 4, 5              the same with a byte before that says whether the row is the latest: only read
//
// The length is a zig-zag varint.
type changeSerde[V any] struct{ v serde.Serde[V] }

const (
	oldOnly byte = iota
	newOnly
	oldAndNew
	flagged // added to the others
)

var errNoChange = errors.New("a change without an old and a new row has no bytes")

// Append implements serde.Serde.
func (s changeSerde[V]) Append(dst []byte, c change[V]) (_ []byte, err error) {
	n := len(dst)
	switch {
	case c.HasNew && c.HasOld:
		// The length goes in front of what it measures: one byte is left for it, and the rare longer one moves the bytes.
		dst = append(dst, 0)
		if dst, err = s.v.Append(dst, c.New); err != nil {
			return dst[:n], err
		}
		var length [binary.MaxVarintLen64]byte
		size := len(dst) - n - 1
		m := binary.PutVarint(length[:], int64(size))
		dst = append(dst, length[:m-1]...)
		copy(dst[n+m:], dst[n+1:n+1+size])
		copy(dst[n:], length[:m])
		if dst, err = s.v.Append(dst, c.Old); err != nil {
			return dst[:n], err
		}
		return append(dst, oldAndNew), nil
	case c.HasNew:
		if dst, err = s.v.Append(dst, c.New); err != nil {
			return dst[:n], err
		}
		return append(dst, newOnly), nil
	case c.HasOld:
		if dst, err = s.v.Append(dst, c.Old); err != nil {
			return dst[:n], err
		}
		return append(dst, oldOnly), nil
	}
	return dst, errNoChange
}

// Decode implements serde.Serde.
func (s changeSerde[V]) Decode(b []byte) (c change[V], err error) {
	if len(b) == 0 {
		return c, errors.New("a change of 0 bytes")
	}
	kind, b := b[len(b)-1], b[:len(b)-1]
	if kind >= flagged {
		if len(b) == 0 {
			return c, fmt.Errorf("a change of kind %d without its flag", kind)
		}
		kind, b = kind-flagged, b[:len(b)-1]
	}
	switch kind {
	case oldOnly:
		c.HasOld = true
		c.Old, err = s.v.Decode(b)
	case newOnly:
		c.HasNew = true
		c.New, err = s.v.Decode(b)
	case oldAndNew:
		size, n := binary.Varint(b)
		if n <= 0 || size < 0 || size > int64(len(b)-n) {
			return c, fmt.Errorf("a change of two rows with a length of %d in %d bytes", size, len(b))
		}
		c.HasNew, c.HasOld = true, true
		if c.New, err = s.v.Decode(b[n : n+int(size)]); err == nil {
			c.Old, err = s.v.Decode(b[n+int(size):])
		}
	default:
		return c, fmt.Errorf("a change of the unknown kind %d", kind)
	}
	return c, err
}

// Bind implements serde.Binder.
func (s changeSerde[V]) Bind(r serde.Role) (_ serde.Serde[change[V]], err error) {
	if b, ok := s.v.(serde.Binder[V]); ok {
		if s.v, err = b.Bind(r); err != nil {
			return nil, err
		}
	}
	return s, nil
}
