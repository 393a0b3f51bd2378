package wire

import (
	"bytes"

	"github.com/millrace-go/millrace/serde"
)

// Context is where a buffered record came from.
type Context struct {
	Time      int64
	Offset    int64
	Topic     string
	Partition int32
	Headers   serde.Headers
}

func (c *Context) append(dst []byte) []byte {
	dst = appendInt64(appendInt64(dst, c.Time), c.Offset)
	dst = append(appendInt32(dst, len(c.Topic)), c.Topic...)
	dst = appendInt32(appendInt32(dst, int(c.Partition)), len(c.Headers))
	for i := range c.Headers {
		dst = append(appendInt32(dst, len(c.Headers[i].Key)), c.Headers[i].Key...)
		dst = appendNullable(dst, c.Headers[i].Value)
	}
	return dst
}

func (c *Context) read(r *reader) {
	c.Time, c.Offset = r.int64(), r.int64()
	c.Topic, c.Partition = string(r.bytes()), r.int32()
	for n := r.int32(); n > 0 && r.err == nil; n-- { // -1: no headers
		c.Headers = append(c.Headers, serde.Header{Key: string(r.bytes()), Value: bytes.Clone(r.nullable())})
	}
}

// Size is Kafka's estimate of what a context takes in memory.
func (c *Context) Size() int64 {
	n := int64(8 + 8 + 4 + len(c.Topic))
	for i := range c.Headers {
		n += int64(len(c.Headers[i].Key) + len(c.Headers[i].Value))
	}
	return n
}

// Buffered is the value of a buffer's changelog: that of a Suppress, or of a stream-table join with grace, where Prior and Old are nil and BufferTime is 0.
// nil is null.
type Buffered struct {
	Context
	Prior, Old, New []byte // Prior is the table's value before the first change in the buffer
	BufferTime      int64  // when the record leaves the buffer is counted from then
}

// oldIsPrior stands for the length of an Old that equals Prior.
const oldIsPrior = -2

// Append appends v as Kafka's version 3 of the format.
func (v *Buffered) Append(dst []byte) []byte {
	dst = appendNullable(v.append(dst), v.Prior)
	if v.Old != nil && v.Prior != nil && bytes.Equal(v.Old, v.Prior) {
		dst = appendInt32(dst, oldIsPrior)
	} else {
		dst = appendNullable(dst, v.Old)
	}
	return appendInt64(appendNullable(dst, v.New), v.BufferTime)
}

// ParseBuffered takes apart what Append wrote. Prior, Old and New point into b; headers are copied.
func ParseBuffered(b []byte) (v Buffered, err error) {
	r := reader{b: b}
	v.read(&r)
	v.Prior = r.nullable()
	if len(r.b) >= 4 && r.err == nil && bytes.Equal(r.b[:4], []byte{0xff, 0xff, 0xff, 0xfe}) {
		r.take(4)
		v.Old = v.Prior
	} else {
		v.Old = r.nullable()
	}
	v.New = r.nullable()
	v.BufferTime = r.int64()
	return v, r.end()
}

// AppendGraceKey appends the key of an entry of a stream-table join's buffer: entries are in the order of time, key and arrival.
func AppendGraceKey(dst []byte, at int64, key []byte, seq uint32) []byte {
	dst = append(appendInt64(append(dst, 0), at), key...)
	return appendInt32(dst, int(seq))
}

// ParseGraceKey takes apart what AppendGraceKey wrote. The key points into b.
func ParseGraceKey(b []byte) (at int64, key []byte, seq uint32, err error) {
	r := reader{b: b}
	r.take(1)
	at = r.int64()
	key = r.take(max(len(r.b)-4, 0))
	seq = uint32(r.int32())
	return at, key, seq, r.end()
}
