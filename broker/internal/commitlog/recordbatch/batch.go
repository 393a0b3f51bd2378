// Package recordbatch reads and writes Kafka's record batches (message format 2)
// as bytes: the header's fields in place, the records one by one, and the
// batches that a broker makes itself. It is pure: no I/O, no clock.
package recordbatch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/millrace-go/millrace/broker/internal/commitlog/codec"
)

// HeaderSize is the size of a batch without records.
const HeaderSize = 61

// Positions of the header's fields. The checksum covers the bytes from
// attributes on: base offset and leader epoch can be set without touching it.
const (
	posBaseOffset      = 0
	posLength          = 8
	posLeaderEpoch     = 12
	posMagic           = 16
	posCRC             = 17
	posAttributes      = 21
	posLastOffsetDelta = 23
	posBaseTimestamp   = 27
	posMaxTimestamp    = 35
	posProducerID      = 43
	posProducerEpoch   = 51
	posBaseSequence    = 53
	posRecordCount     = 57

	// lengthOverhead is what the length field does not count.
	lengthOverhead = 12
	magic          = 2
)

// Bits of the attributes.
const (
	attrCodec         = 0x07
	attrLogAppendTime = 0x08
	attrTransactional = 0x10
	attrControl       = 0x20
	attrDeleteHorizon = 0x40
	attrKnown         = attrCodec | attrLogAppendTime | attrTransactional | attrControl | attrDeleteHorizon
)

// NoSequence is the base sequence of a batch that has none.
const NoSequence int32 = -1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrShort is returned for bytes that end before the batch does.
var ErrShort = errors.New("batch is cut short")

// Batch is the bytes of one batch. The methods that read header fields need only
// the first HeaderSize bytes.
type Batch []byte

// Size returns the size of the batch at the beginning of b, from its length field, or an
// error if that cannot be the beginning of a batch. It needs HeaderSize bytes.
func Size(b []byte) (int, error) {
	if len(b) < HeaderSize {
		return 0, ErrShort
	}
	if b[posMagic] != magic {
		return 0, fmt.Errorf("message format %d, want 2", int8(b[posMagic]))
	}
	n := int32(binary.BigEndian.Uint32(b[posLength:]))
	if n < HeaderSize-lengthOverhead || n > 1<<31-1-lengthOverhead {
		return 0, fmt.Errorf("batch length %d", n)
	}
	return int(n) + lengthOverhead, nil
}

// Next splits the first batch off b.
func Next(b []byte) (first Batch, rest []byte, err error) {
	n, err := Size(b)
	if err != nil {
		return nil, b, err
	}
	if n > len(b) {
		return nil, b, ErrShort
	}
	return Batch(b[:n:n]), b[n:], nil
}

// Magic returns the message format.
func (b Batch) Magic() int8 { return int8(b[posMagic]) }

// Length returns the size that the length field claims for the whole batch.
func (b Batch) Length() int { return int(b.i32(posLength)) + lengthOverhead }

// BaseOffset returns the offset of the first record that the batch ever had.
func (b Batch) BaseOffset() int64 { return b.i64(posBaseOffset) }

// LastOffset returns the offset of the last record that the batch ever had.
func (b Batch) LastOffset() int64 { return b.BaseOffset() + int64(b.LastOffsetDelta()) }

// LastOffsetDelta returns LastOffset minus BaseOffset.
func (b Batch) LastOffsetDelta() int32 { return b.i32(posLastOffsetDelta) }

// LeaderEpoch returns the leader epoch.
func (b Batch) LeaderEpoch() int32 { return b.i32(posLeaderEpoch) }

// Codec returns the codec of the records; it may be an unknown one.
func (b Batch) Codec() codec.Codec { return codec.Codec(b.attributes() & attrCodec) }

// LogAppendTime reports whether MaxTimestamp is the time of every record.
func (b Batch) LogAppendTime() bool { return b.attributes()&attrLogAppendTime != 0 }

// Transactional reports whether the batch is part of a transaction.
func (b Batch) Transactional() bool { return b.attributes()&attrTransactional != 0 }

// Control reports whether the batch holds a control record.
func (b Batch) Control() bool { return b.attributes()&attrControl != 0 }

// UnknownAttributes reports whether a bit without a meaning is set.
func (b Batch) UnknownAttributes() bool { return b.attributes()&^attrKnown != 0 }

// DeleteHorizon returns the time in ms from which compaction may drop the batch's
// tombstones or marker; ok is false if none was set.
func (b Batch) DeleteHorizon() (ms int64, ok bool) {
	return b.BaseTimestamp(), b.attributes()&attrDeleteHorizon != 0
}

// BaseTimestamp returns what the records' timestamp deltas count from.
func (b Batch) BaseTimestamp() int64 { return b.i64(posBaseTimestamp) }

// MaxTimestamp returns the largest timestamp of the batch.
func (b Batch) MaxTimestamp() int64 { return b.i64(posMaxTimestamp) }

// ProducerID returns the producer id, -1 if there is none.
func (b Batch) ProducerID() int64 { return b.i64(posProducerID) }

// ProducerEpoch returns the producer's epoch.
func (b Batch) ProducerEpoch() int16 {
	return int16(binary.BigEndian.Uint16(b[posProducerEpoch:]))
}

// BaseSequence returns the sequence of the first record.
func (b Batch) BaseSequence() int32 { return b.i32(posBaseSequence) }

// LastSequence returns the sequence of the last record; it wraps to 0 after 2^31-1.
func (b Batch) LastSequence() int32 { return AddSequence(b.BaseSequence(), b.LastOffsetDelta()) }

// RecordCount returns the number of records.
func (b Batch) RecordCount() int32 { return b.i32(posRecordCount) }

// SetPosition sets base offset and leader epoch; the checksum stays valid.
func (b Batch) SetPosition(baseOffset int64, leaderEpoch int32) {
	binary.BigEndian.PutUint64(b[posBaseOffset:], uint64(baseOffset))
	binary.BigEndian.PutUint32(b[posLeaderEpoch:], uint32(leaderEpoch))
}

// SetLogAppendTime gives all records the timestamp ms and seals the batch.
func (b Batch) SetLogAppendTime(ms int64) {
	binary.BigEndian.PutUint16(b[posAttributes:], b.attributes()|attrLogAppendTime)
	binary.BigEndian.PutUint64(b[posMaxTimestamp:], uint64(ms))
	b.seal()
}

// ChecksumStart is the position from which on the checksum covers the batch.
const ChecksumStart = posAttributes

// Checksum returns the stored checksum: CRC-32C of what follows ChecksumStart.
func (b Batch) Checksum() uint32 { return binary.BigEndian.Uint32(b[posCRC:]) }

// CRCValid reports whether the checksum fits the bytes.
func (b Batch) CRCValid() bool {
	return b.Checksum() == crc32.Checksum(b[posAttributes:], castagnoli)
}

// seal sets length and checksum.
func (b Batch) seal() {
	binary.BigEndian.PutUint32(b[posLength:], uint32(len(b)-lengthOverhead))
	binary.BigEndian.PutUint32(b[posCRC:], crc32.Checksum(b[posAttributes:], castagnoli))
}

// Payload returns the records, decompressed: a part of b if they are not compressed, else
// in buf's memory if that suffices. The result is bounded as package codec says.
func (b Batch) Payload(buf []byte) ([]byte, error) {
	return codec.Decompress(buf, b.Codec(), b[HeaderSize:])
}

// String describes the batch in one line.
func (b Batch) String() string {
	if len(b) < HeaderSize {
		return "batch cut short"
	}
	return fmt.Sprintf("batch %d-%d (%d records, %d bytes, producer %d epoch %d sequence %d, attributes %#x)",
		b.BaseOffset(), b.LastOffset(), b.RecordCount(), len(b), b.ProducerID(), b.ProducerEpoch(),
		b.BaseSequence(), b.attributes())
}

func (b Batch) attributes() uint16 { return binary.BigEndian.Uint16(b[posAttributes:]) }
func (b Batch) i32(pos int) int32  { return int32(binary.BigEndian.Uint32(b[pos:])) }
func (b Batch) i64(pos int) int64  { return int64(binary.BigEndian.Uint64(b[pos:])) }

// AddSequence returns the sequence n records after seq: 0 follows 2^31-1.
func AddSequence(seq, n int32) int32 {
	return int32((uint32(seq) + uint32(n)) & (1<<31 - 1))
}
