package commitlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
)

// snapshot is the producers' state before an offset, so that recovery need not
// read the log from its start. It is only saved for an offset up to which the log was synced.
type snapshot struct {
	offset int64
	// Where the offset is: in the segment that was active, at a position.
	base int64
	gen  uint32
	pos  int64
	// Of that segment.
	maxTimestamp            int64
	firstAppend, lastAppend int64

	producers *producerTable
}

const (
	snapshotMagic   = "mlps"
	snapshotVersion = 1
	snapshotSuffix  = ".psnap"
	// keptSnapshots is how many are kept: the newest and one to fall back to.
	keptSnapshots = 2
)

func snapshotName(offset int64) string { return fmt.Sprintf("%020d%s", offset, snapshotSuffix) }

// snapshotOffset parses a file name; ok is false for other files.
func snapshotOffset(name string) (offset int64, ok bool) {
	digits, ok := strings.CutSuffix(name, snapshotSuffix)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	offset, err := strconv.ParseInt(digits, 10, 64)
	return offset, err == nil
}

func (s *snapshot) encode() []byte {
	b := append([]byte(snapshotMagic), snapshotVersion)
	b = binary.AppendVarint(b, s.offset)
	b = binary.AppendVarint(b, s.base)
	b = binary.AppendUvarint(b, uint64(s.gen))
	b = binary.AppendVarint(b, s.pos)
	b = binary.AppendVarint(b, s.maxTimestamp)
	b = binary.AppendVarint(b, s.firstAppend)
	b = binary.AppendVarint(b, s.lastAppend)
	b = binary.AppendUvarint(b, uint64(len(s.producers.byID)))
	for _, e := range s.producers.sorted() {
		b = e.append(b)
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func (e *producer) append(b []byte) []byte {
	b = binary.AppendVarint(b, e.id)
	b = binary.AppendVarint(b, int64(e.epoch))
	b = binary.AppendVarint(b, int64(e.coordinatorEpoch))
	b = binary.AppendVarint(b, e.lastAppend)
	b = binary.AppendVarint(b, e.txnFirst)
	b = binary.AppendVarint(b, e.lastData)
	b = binary.AppendUvarint(b, uint64(e.count))
	for _, m := range e.batches[:e.count] {
		b = binary.AppendVarint(b, int64(m.firstSeq))
		b = binary.AppendVarint(b, int64(m.lastSeq))
		b = binary.AppendVarint(b, m.baseOffset)
		b = binary.AppendVarint(b, m.lastOffset)
		b = binary.AppendVarint(b, m.logAppendTime)
	}
	return b
}

var errSnapshot = errors.New("producer snapshot is damaged or cut short")

func decodeSnapshot(b []byte) (*snapshot, error) {
	if len(b) < 9 || string(b[:4]) != snapshotMagic || b[4] != snapshotVersion {
		return nil, errSnapshot
	}
	body, sum := b[:len(b)-4], b[len(b)-4:]
	if binary.BigEndian.Uint32(sum) != crc32.Checksum(body, castagnoli) {
		return nil, errSnapshot
	}
	d := decoder{b: body[5:]}
	s := &snapshot{
		offset:       d.varint(),
		base:         d.varint(),
		gen:          uint32(d.uvarint()),
		pos:          d.varint(),
		maxTimestamp: d.varint(),
		firstAppend:  d.varint(),
		lastAppend:   d.varint(),
		producers:    newProducerTable(),
	}
	t := s.producers
	for range d.count() {
		e := &producer{
			id:               d.varint(),
			epoch:            int16(d.varint()),
			coordinatorEpoch: int32(d.varint()),
			lastAppend:       d.varint(),
			txnFirst:         d.varint(),
			lastData:         d.varint(),
		}
		if n := d.count(); n > rememberedBatches {
			return nil, errSnapshot
		} else {
			e.count = n
		}
		for i := range e.count {
			e.batches[i] = batchMeta{
				firstSeq:      int32(d.varint()),
				lastSeq:       int32(d.varint()),
				baseOffset:    d.varint(),
				lastOffset:    d.varint(),
				logAppendTime: d.varint(),
			}
		}
		t.byID[e.id] = e
		if e.txnFirst >= 0 {
			t.open = append(t.open, e)
		}
	}
	if d.bad || len(d.b) > 0 {
		return nil, errSnapshot
	}
	slices.SortFunc(t.open, func(a, b *producer) int { return int(min(1, max(-1, a.txnFirst-b.txnFirst))) })
	return s, nil
}
