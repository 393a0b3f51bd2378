package commitlog

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/millrace-go/millrace/broker/internal/commitlog/recordbatch"
)

// scanWindow is how much a scanner reads at a time.
const scanWindow = 256 << 10

// errBadBatch marks what cannot be a batch of the log: the end of what recovery keeps.
var errBadBatch = errors.New("bad batch")

// scanner walks the batches of a segment file through a window, so that memory
// does not grow with the file. The order of calls is next, then any of body and
// verify, then next.
type scanner struct {
	r        io.ReaderAt
	pos, end int64 // of the current batch; of the part of the file to walk
	size     int64 // of the current batch, 0 before the first next
	buf      []byte
	bufPos   int64 // position of buf[0] in the file
	// read counts the bytes read, for the rate cap of compaction.
	read int64
}

func newScanner(r io.ReaderAt, pos, end int64) *scanner {
	return &scanner{r: r, pos: pos, end: end}
}

// next moves to the next batch and returns its header, valid until the next
// call; io.EOF at the end. A header that is none is errBadBatch, and pos then is where it is.
func (s *scanner) next() (recordbatch.Batch, error) {
	s.pos += s.size
	s.size = 0
	if s.pos >= s.end {
		return nil, io.EOF
	}
	h, err := s.at(s.pos, min(recordbatch.HeaderSize, s.end-s.pos))
	if err != nil {
		return nil, err
	}
	size, err := recordbatch.Size(h)
	if err != nil {
		return nil, fmt.Errorf("%w at position %d: %w", errBadBatch, s.pos, err)
	}
	if int64(size) > s.end-s.pos {
		return nil, fmt.Errorf("%w at position %d: %d bytes in a file that has %d more", errBadBatch, s.pos, size, s.end-s.pos)
	}
	s.size = int64(size)
	return recordbatch.Batch(h), nil
}

// header returns the current batch's header, valid until the next call.
func (s *scanner) header() (recordbatch.Batch, error) {
	h, err := s.at(s.pos, recordbatch.HeaderSize)
	return recordbatch.Batch(h), err
}

// body returns the whole current batch, valid until the next call. It must be
// known to be sound: its length field decides how much memory is taken.
func (s *scanner) body() (recordbatch.Batch, error) {
	b, err := s.at(s.pos, s.size)
	return recordbatch.Batch(b), err
}

// verify checks the checksum of the current batch in bounded memory.
func (s *scanner) verify() error {
	if s.size <= scanWindow {
		b, err := s.at(s.pos, s.size)
		if err != nil {
			return err
		}
		if !recordbatch.Batch(b).CRCValid() {
			return fmt.Errorf("%w at position %d: wrong checksum", errBadBatch, s.pos)
		}
		return nil
	}
	h, err := s.at(s.pos, recordbatch.HeaderSize)
	if err != nil {
		return err
	}
	want, sum := recordbatch.Batch(h).Checksum(), uint32(0)
	for from := s.pos + recordbatch.ChecksumStart; from < s.pos+s.size; {
		b, err := s.at(from, min(scanWindow, s.pos+s.size-from))
		if err != nil {
			return err
		}
		sum = crc32.Update(sum, castagnoli, b)
		from += int64(len(b))
	}
	if sum != want {
		return fmt.Errorf("%w at position %d: wrong checksum", errBadBatch, s.pos)
	}
	return nil
}

// at returns n bytes of the file from pos, out of the window or after moving it.
func (s *scanner) at(pos, n int64) ([]byte, error) {
	if pos >= s.bufPos && pos+n <= s.bufPos+int64(len(s.buf)) {
		return s.buf[pos-s.bufPos:][:n], nil
	}
	want := min(max(n, scanWindow), s.end-pos)
	if int64(cap(s.buf)) < want {
		s.buf = make([]byte, max(want, min(scanWindow, s.end-s.pos)))
	}
	s.buf = s.buf[:want]
	s.bufPos = pos
	m, err := s.r.ReadAt(s.buf, pos)
	s.buf = s.buf[:m]
	s.read += int64(m)
	if int64(m) >= n {
		return s.buf[:n], nil
	}
	if err == io.EOF || err == nil {
		return nil, fmt.Errorf("%w at position %d: the file ends at %d", errBadBatch, pos, pos+int64(m))
	}
	return nil, fmt.Errorf("read at %d: %w", pos, err)
}
