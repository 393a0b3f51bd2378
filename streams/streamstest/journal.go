package streamstest

import (
	"encoding/binary"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/window"
)

// journal holds what the tasks have written to a topic, in order, as bytes in pieces: a test that runs long makes millions of records, of which bytes without pointers
// take the least memory and cost the garbage collector nothing. What was written into a piece stays as it is.
type journal struct {
	pieces [][]byte
	freed  int // pieces that nobody needs any more, from the first one on
	n      int // records
	bytes  int
}

// spot is a place in a journal: between two records.
type spot struct {
	piece, at int
	n         int // records before it
}

const (
	firstPiece = 512
	largePiece = 64 << 10
)

// append adds a record, encoded by appendRecord, that has got its offset.
func (j *journal) append(offset int64, record []byte) {
	need := binary.MaxVarintLen64 + len(record)
	last := len(j.pieces) - 1
	if last < 0 || cap(j.pieces[last])-len(j.pieces[last]) < need {
		size := firstPiece
		if last >= 0 {
			size = min(2*cap(j.pieces[last]), largePiece)
		}
		j.pieces = append(j.pieces, make([]byte, 0, max(size, need)))
		last++
	}
	b := j.pieces[last]
	before := len(b)
	b = binary.AppendUvarint(b, uint64(offset))
	b = append(b, record...)
	j.pieces[last] = b
	j.n++
	j.bytes += len(b) - before
}

// end is the place behind the last record.
func (j *journal) end() spot {
	if len(j.pieces) == 0 {
		return spot{}
	}
	last := len(j.pieces) - 1
	return spot{last, len(j.pieces[last]), j.n}
}

// next is the record behind s, which moves behind it; there must be one.
func (j *journal) next(s *spot) (r Raw, offset int64) {
	if s.at == len(j.pieces[s.piece]) {
		s.piece, s.at = s.piece+1, 0
	}
	b := j.pieces[s.piece]
	v, n := binary.Uvarint(b[s.at:])
	s.n++
	s.at = decodeRecord(b, s.at+n, &r)
	return r, int64(v)
}

// newest is the record that was appended last, with the size of its encoding.
func (j *journal) newest(size int) (r Raw) {
	b := j.pieces[len(j.pieces)-1]
	decodeRecord(b, len(b)-size, &r)
	return r
}

// free gives up the pieces before one.
func (j *journal) free(piece int) {
	for ; j.freed < piece; j.freed++ {
		j.pieces[j.freed] = nil
	}
}

// Flags of an encoded record, which stand below its partition.
const (
	nullKey = 1 << iota
	nullValue
	timeless
	withHeaders
	flagBits = 4
)

// appendRecord encodes a record without its topic and offset.
func appendRecord(b []byte, r *Raw) []byte {
	flags := uint64(r.Partition) << flagBits
	if r.Key == nil {
		flags |= nullKey
	}
	if r.Value == nil {
		flags |= nullValue
	}
	if r.NoTime {
		flags |= timeless
	}
	if len(r.Headers) > 0 {
		flags |= withHeaders
	}
	b = binary.AppendUvarint(b, flags)
	b = binary.AppendVarint(b, int64(r.Time))
	b = appendBytes(b, r.Key)
	b = appendBytes(b, r.Value)
	if len(r.Headers) > 0 {
		b = appendHeaders(b, r.Headers)
	}
	return b
}

func appendHeaders(b []byte, hs serde.Headers) []byte {
	b = binary.AppendUvarint(b, uint64(len(hs)))
	for _, h := range hs {
		b = appendBytes(b, []byte(h.Key))
		if h.Value == nil {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
		b = appendBytes(b, h.Value)
	}
	return b
}

func appendBytes(b, v []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

// decodeRecord decodes the record at b[i:] into r, which shares its bytes, and returns where it ends.
func decodeRecord(b []byte, i int, r *Raw) int {
	flags, n := binary.Uvarint(b[i:])
	i += n
	at, n := binary.Varint(b[i:])
	i += n
	r.Partition, r.Time, r.NoTime = int32(flags>>flagBits), window.Time(at), flags&timeless != 0
	r.Key, i = bytesAt(b, i)
	r.Value, i = bytesAt(b, i)
	if flags&nullKey != 0 {
		r.Key = nil
	}
	if flags&nullValue != 0 {
		r.Value = nil
	}
	if flags&withHeaders != 0 {
		r.Headers, i = headersAt(b, i)
	}
	return i
}

func headersAt(b []byte, i int) (serde.Headers, int) {
	count, n := binary.Uvarint(b[i:])
	i += n
	hs := make(serde.Headers, count)
	for h := range hs {
		var key []byte
		key, i = bytesAt(b, i)
		null := b[i] == 1
		hs[h].Key = string(key)
		if hs[h].Value, i = bytesAt(b, i+1); null {
			hs[h].Value = nil
		}
	}
	return hs, i
}

func bytesAt(b []byte, i int) ([]byte, int) {
	size, n := binary.Uvarint(b[i:])
	from, to := i+n, i+n+int(size)
	return b[from:to:to], to
}
