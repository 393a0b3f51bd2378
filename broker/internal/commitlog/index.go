package commitlog

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"sort"
)

// minIndexInterval bounds the size of an index: 16 bytes for each 16 KiB of log
// are 1 MiB for each GiB.
const minIndexInterval = 16 << 10

// indexEntry says where a batch begins.
type indexEntry struct {
	// rel is the batch's base offset minus the segment's.
	rel uint32
	pos uint32
	// maxTimestamp is the largest timestamp of all batches before pos.
	maxTimestamp int64
}

// index finds positions in a segment by offset and by time. It is sparse and a
// cache: it can always be built from the batch headers. Entries ascend in all
// three fields; since the timestamps are running maxima, one structure serves both look-ups.
type index []indexEntry

// floor returns the position of a batch at or before the one that contains the
// offset base+rel.
func (x index) floor(rel int64) int64 {
	i := sort.Search(len(x), func(i int) bool { return int64(x[i].rel) > rel })
	if i == 0 {
		return 0
	}
	return int64(x[i-1].pos)
}

// timeFloor returns a position before which all timestamps are smaller than ts, close to
// the first one that is not.
func (x index) timeFloor(ts int64) int64 {
	i := sort.Search(len(x), func(i int) bool { return x[i].maxTimestamp >= ts })
	if i == 0 {
		return 0
	}
	return int64(x[i-1].pos)
}

// indexBuilder makes an index batch by batch.
type indexBuilder struct {
	index        index
	interval     int64
	last         int64 // position of the last entry
	maxTimestamp int64 // of all batches so far
}

func newIndexBuilder(interval int64) indexBuilder {
	return indexBuilder{interval: max(interval, minIndexInterval), maxTimestamp: -1}
}

// add takes note of the batch at pos.
func (x *indexBuilder) add(rel, pos, maxTimestamp int64) {
	if pos-x.last >= x.interval {
		x.index = append(x.index, indexEntry{rel: uint32(rel), pos: uint32(pos), maxTimestamp: x.maxTimestamp})
		x.last = pos
	}
	x.maxTimestamp = max(x.maxTimestamp, maxTimestamp)
}

// Index file: magic, version, the length of the log that it covers, the largest timestamp
// therein, entries, checksum of all before.
const (
	indexMagic      = "mlix"
	indexVersion    = 1
	indexHeaderSize = 4 + 1 + 8 + 8
	indexEntrySize  = 16
)

var errIndexFile = errors.New("index file is damaged or cut short")

// encodeIndex returns the content of the file for a log of which covered bytes are indexed.
func encodeIndex(x index, covered, maxTimestamp int64) []byte {
	b := make([]byte, 0, indexHeaderSize+len(x)*indexEntrySize+4)
	b = append(b, indexMagic...)
	b = append(b, indexVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(covered))
	b = binary.BigEndian.AppendUint64(b, uint64(maxTimestamp))
	for _, e := range x {
		b = binary.BigEndian.AppendUint32(b, e.rel)
		b = binary.BigEndian.AppendUint32(b, e.pos)
		b = binary.BigEndian.AppendUint64(b, uint64(e.maxTimestamp))
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// decodeIndex is the reverse. The entries ascend; whether they fit the log is up to the caller.
func decodeIndex(b []byte) (x index, covered, maxTimestamp int64, err error) {
	n := len(b) - indexHeaderSize - 4
	if n < 0 || n%indexEntrySize != 0 || string(b[:4]) != indexMagic || b[4] != indexVersion {
		return nil, 0, 0, errIndexFile
	}
	body, sum := b[:len(b)-4], b[len(b)-4:]
	if binary.BigEndian.Uint32(sum) != crc32.Checksum(body, castagnoli) {
		return nil, 0, 0, errIndexFile
	}
	covered = int64(binary.BigEndian.Uint64(b[5:]))
	maxTimestamp = int64(binary.BigEndian.Uint64(b[13:]))
	x = make(index, 0, n/indexEntrySize)
	for e := body[indexHeaderSize:]; len(e) > 0; e = e[indexEntrySize:] {
		x = append(x, indexEntry{
			rel:          binary.BigEndian.Uint32(e),
			pos:          binary.BigEndian.Uint32(e[4:]),
			maxTimestamp: int64(binary.BigEndian.Uint64(e[8:])),
		})
	}
	return x, covered, maxTimestamp, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)
