package recordbatch

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Record is one record of a batch. Its slices are parts of the payload.
type Record struct {
	// Raw is the whole record with its length.
	Raw            []byte
	TimestampDelta int64
	OffsetDelta    int32
	// Key and Value are nil if they are null.
	Key, Value []byte
	// Headers is the header count and the headers, as stored.
	Headers []byte
}

// Reader reads the records of a payload, one after the other.
type Reader struct {
	rest      []byte
	remaining int32
}

var errRecord = errors.New("damaged record")

// NewReader returns a reader of the count records in payload.
func NewReader(payload []byte, count int32) Reader {
	return Reader{rest: payload, remaining: count}
}

// Next reads the next record into r; ok is false after the last one. An error
// means that the payload is not exactly count well-formed records.
func (d *Reader) Next(r *Record) (ok bool, err error) {
	if d.remaining <= 0 {
		if len(d.rest) > 0 {
			return false, fmt.Errorf("%d bytes after the last record", len(d.rest))
		}
		return false, nil
	}
	length, n := varint(d.rest)
	if n <= 0 || length < 0 || length > int64(len(d.rest)-n) {
		return false, errRecord
	}
	end := n + int(length)
	r.Raw = d.rest[:end:end]
	if !r.parse(r.Raw[n:]) {
		return false, errRecord
	}
	d.rest = d.rest[end:]
	d.remaining--
	return true, nil
}

// parse reads what follows the length. Header contents are not looked into.
func (r *Record) parse(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	b = b[1:] // attributes, unused
	var n int
	if r.TimestampDelta, n = varint(b); n <= 0 {
		return false
	}
	b = b[n:]
	delta, n := varint(b)
	if n <= 0 || delta < 0 || delta > 1<<31-1 {
		return false
	}
	r.OffsetDelta = int32(delta)
	b = b[n:]
	var ok bool
	if r.Key, b, ok = field(b); !ok {
		return false
	}
	if r.Value, b, ok = field(b); !ok {
		return false
	}
	r.Headers = b
	count, n := varint(b)
	return n > 0 && count >= 0
}

// field splits a length-prefixed, nullable byte string off b.
func field(b []byte) (f, rest []byte, ok bool) {
	length, n := varint(b)
	if n <= 0 || length > int64(len(b)-n) || length < -1 {
		return nil, nil, false
	}
	if length < 0 {
		return nil, b[n:], true
	}
	end := n + int(length)
	return b[n:end:end], b[end:], true
}

// varint reads a zig-zag varint; the one-byte case, which is most of them, is inlined.
func varint(b []byte) (v int64, n int) {
	if len(b) > 0 && b[0] < 0x80 {
		return int64(b[0]>>1) ^ -int64(b[0]&1), 1
	}
	return binary.Varint(b)
}

// CheckRecords reports whether payload is exactly count records, each with the offset delta of its place. It looks no
// further into them: it costs a few nanoseconds for each.
func CheckRecords(payload []byte, count int32) error {
	for i := range count {
		length, n := varint(payload)
		if n <= 0 || length < 1 || length > int64(len(payload)-n) {
			return fmt.Errorf("%w: record %d", errRecord, i)
		}
		b := payload[n+1 : n+int(length)] // after the attributes
		payload = payload[n+int(length):]
		if _, n = varint(b); n <= 0 { // the timestamp's delta
			return fmt.Errorf("%w: record %d", errRecord, i)
		}
		if delta, n := varint(b[n:]); n <= 0 || delta != int64(i) {
			return fmt.Errorf("%w: record %d has offset delta %d", errRecord, i, delta)
		}
	}
	if len(payload) > 0 {
		return fmt.Errorf("%w: %d bytes after the last record", errRecord, len(payload))
	}
	return nil
}

// AppendRecord appends a record with the given deltas and the key, value and headers of r.
func AppendRecord(dst []byte, r *Record, timestampDelta int64, offsetDelta int32) []byte {
	size := 1 + varintLen(timestampDelta) + varintLen(int64(offsetDelta)) +
		fieldLen(r.Key) + fieldLen(r.Value) + len(r.Headers)
	if len(r.Headers) == 0 {
		size++
	}
	dst = binary.AppendVarint(dst, int64(size))
	dst = append(dst, 0)
	dst = binary.AppendVarint(dst, timestampDelta)
	dst = binary.AppendVarint(dst, int64(offsetDelta))
	dst = appendField(dst, r.Key)
	dst = appendField(dst, r.Value)
	if len(r.Headers) == 0 {
		return append(dst, 0)
	}
	return append(dst, r.Headers...)
}

func appendField(dst, f []byte) []byte {
	if f == nil {
		return binary.AppendVarint(dst, -1)
	}
	return append(binary.AppendVarint(dst, int64(len(f))), f...)
}

func fieldLen(f []byte) int {
	if f == nil {
		return 1
	}
	return varintLen(int64(len(f))) + len(f)
}

func varintLen(v int64) int {
	u := uint64(v<<1) ^ uint64(v>>63)
	n := 1
	for u >= 0x80 {
		u >>= 7
		n++
	}
	return n
}
