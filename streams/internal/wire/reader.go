package wire

import (
	"encoding/binary"
	"errors"
)

var (
	errShort  = errors.New("wire: the bytes end too early")
	errLength = errors.New("wire: a length is negative")
	errRest   = errors.New("wire: there are bytes behind the end")
)

// reader takes numbers and fields off the front of bytes. The first error stays; what is read after it is zero.
type reader struct {
	b   []byte
	err error
}

func (r *reader) take(n int) []byte {
	if r.err == nil && n > len(r.b) {
		r.err = errShort
	}
	if r.err != nil {
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) uint8() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) int32() int32 {
	if b := r.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (r *reader) int64() int64 {
	if b := r.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

// bytes takes a field behind its length.
func (r *reader) bytes() []byte {
	n := r.int32()
	if n < 0 && r.err == nil {
		r.err = errLength
	}
	return r.take(int(n))
}

// nullable takes a field behind its length; nil for a length of -1.
func (r *reader) nullable() []byte {
	n := r.int32()
	switch {
	case n == -1:
		return nil
	case n < 0 && r.err == nil:
		r.err = errLength
	}
	b := r.take(int(n))
	if b == nil && r.err == nil {
		b = []byte{}
	}
	return b
}

// end is the error, if any; nothing may be left.
func (r *reader) end() error {
	if r.err == nil && len(r.b) > 0 {
		return errRest
	}
	return r.err
}

func appendInt32(dst []byte, n int) []byte {
	return binary.BigEndian.AppendUint32(dst, uint32(int32(n)))
}

func appendInt64(dst []byte, n int64) []byte { return binary.BigEndian.AppendUint64(dst, uint64(n)) }

// appendBytes appends a field behind its length.
func appendBytes(dst, b []byte) []byte { return append(appendInt32(dst, len(b)), b...) }

// appendNullable appends a field behind its length, -1 for nil.
func appendNullable(dst, b []byte) []byte {
	if b == nil {
		return appendInt32(dst, -1)
	}
	return appendBytes(dst, b)
}
