package commitlog

import (
	"sort"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/millrace-go/millrace/broker/internal/commitlog/recordbatch"
)

// Span is a run of whole batches in a segment's file, for a reader that passes them on without looking at them. The file
// stays open, and its bytes as they are, until Release.
type Span struct {
	handle   *handle
	Pos, Len int64
}

// Fd returns the file's descriptor, to be used with positions only: other readers use it, too.
func (s Span) Fd() uintptr { return s.handle.file.Fd() }

// File returns the file's name.
func (s Span) File() string {
	info, err := s.handle.file.Stat()
	if err != nil {
		return err.Error()
	}
	return info.Name()
}

// Distrust makes readers of the file read it: no more spans of it are handed out while it is open.
func (s Span) Distrust() { s.handle.distrusted.Store(true) }

// Release gives the file back.
func (s Span) Release() error { return s.handle.release() }

// headerWindow is how much is read at once where only headers matter.
const headerWindow = 4 << 10

// span finds what read would return, and reads no more than the headers at its beginning and near its end: in between
// the index says where batches begin. It moves c.pos to where the records begin. n is 0 if there are none, or if they
// have to be read to tell.
func (c *segmentReader) span(req ReadRequest, x index, base, limit int64) (n, last int64, err error) {
	w := headerReader{c: c}
	var first int64
	for {
		h, size, err := w.at(c.pos)
		if err != nil || h == nil {
			return 0, 0, err
		}
		if h.LastOffset() >= req.Offset {
			first = size
			break
		}
		c.pos += size
	}
	end := min(c.pos+int64(req.MaxBytes), c.end)
	if req.MinOneBatch {
		end = max(end, min(c.pos+first, c.end))
	}
	// The entries below i are of batches that begin below both limits.
	i := sort.Search(len(x), func(i int) bool { return int64(x[i].pos) >= end || base+int64(x[i].rel) >= limit })
	for {
		from := c.pos
		if i--; i >= 0 {
			from = max(from, int64(x[i].pos))
		}
		to, last, err := w.walk(from, end, limit)
		if err != nil || to > from || from == c.pos {
			return to - c.pos, last, err
		}
	}
}

// headerReader reads headers of batches through a small window.
type headerReader struct {
	c      *segmentReader
	pos    int64
	window []byte
}

// at returns the header of the batch at pos and the batch's size, nil if there is no whole header, or one of no batch.
func (w *headerReader) at(pos int64) (recordbatch.Batch, int64, error) {
	if pos < w.pos || pos+recordbatch.HeaderSize > w.pos+int64(len(w.window)) {
		if pos+recordbatch.HeaderSize > w.c.end {
			return nil, 0, nil
		}
		c := segmentReader{file: w.c.file, end: w.c.end, pos: pos, buf: w.c.buf}
		b, err := c.fill(headerWindow)
		if err != nil {
			return nil, 0, err
		}
		w.c.buf, w.pos, w.window = c.buf, pos, b
	}
	h := recordbatch.Batch(w.window[pos-w.pos:])
	size, err := recordbatch.Size(h)
	if err != nil {
		return nil, 0, nil // read says what is wrong
	}
	return h, int64(size), nil
}

// walk goes from batch to batch, from pos on, while they end within end and begin below limit. It returns where the last
// one ends, and its last offset.
func (w *headerReader) walk(pos, end, limit int64) (to, last int64, err error) {
	for {
		if pos+recordbatch.HeaderSize > end {
			return pos, last, nil
		}
		h, size, err := w.at(pos)
		if err != nil || h == nil || pos+size > end || h.BaseOffset() >= limit {
			return pos, last, err
		}
		pos += size
		last = h.LastOffset()
	}
}

// hasDescriptor reports whether the operating system knows the file.
func hasDescriptor(f vfs.File) bool { return f.Fd() != vfs.InvalidFd }
