package commitlog

import (
	"errors"
	"fmt"
	"io"
	"sort"

	"github.com/cockroachdb/errors/oserror"

	"github.com/millrace-go/millrace/broker/internal/commitlog/recordbatch"
)

// snapshot returns a copy of what readers see, with a reference to the active segment's handle, if it has one,
// that the caller releases.
func (v *view) snapshot() (viewState, readHint) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.handle != nil {
		v.handle.retain()
	}
	return v.viewState, v.hint
}

func (s *viewState) release() error {
	if s.handle == nil {
		return nil
	}
	return s.handle.release()
}

// limit returns the offset at which a reader has to stop.
func (s *viewState) limit(iso Isolation) int64 {
	if iso == ReadCommitted {
		return s.offsets.LastStable
	}
	return s.offsets.HighWatermark
}

// segment returns the i-th segment; the last one is the active one.
func (s *viewState) segment(i int) segmentMeta {
	if i == len(s.segments)-1 {
		return s.active
	}
	return s.segments[i]
}

// find returns the index of the segment that is responsible for an offset.
func (s *viewState) find(offset int64) int {
	i := sort.Search(len(s.segments), func(i int) bool { return s.segments[i].base > offset })
	return max(0, i-1)
}

// open returns the handle and the index of the i-th segment, with a reference that the caller
// releases. It is nil for an active segment without a file.
func (p *Partition) open(s *viewState, i int) (*handle, index, error) {
	if i == len(s.segments)-1 {
		if s.handle == nil {
			return nil, nil, nil
		}
		return s.handle.retain(), s.index, nil
	}
	h, err := p.openSealed(s.segments[i])
	if err != nil {
		return nil, nil, err
	}
	return h, h.index, nil
}

// Read reads batches.
func (p *Partition) Read(req ReadRequest) (ReadResult, error) {
	for {
		s, hint := p.view.snapshot()
		r, err := p.readView(&s, hint, req)
		err = errors.Join(err, s.release())
		if err == nil && req.Isolation == ReadCommitted && r.Size() > 0 && p.changedSince(&s) {
			// The aborted transactions may be those of a log that was compacted meanwhile.
			if err = r.release(); err == nil {
				continue
			}
		}
		if err == nil || KindOf(err) != KindUnknown {
			return r, err
		}
		if oserror.IsNotExist(err) && p.changedSince(&s) {
			continue // the segment was deleted or compacted while we were looking for its file
		}
		return r, wrap(KindStorage, err, "read %s at offset %d", p.id, req.Offset)
	}
}

// changedSince reports whether segments of s are no longer part of the log.
func (p *Partition) changedSince(s *viewState) bool {
	p.view.mu.Lock()
	defer p.view.mu.Unlock()
	return p.view.removals != s.removals
}

// readView reads from the segments of a view. An error that is no *Error is one of the file system.
func (p *Partition) readView(s *viewState, hint readHint, req ReadRequest) (ReadResult, error) {
	r := ReadResult{
		Records: req.Buffer[:0], Buffer: req.Buffer,
		HighWatermark: s.offsets.HighWatermark, LastStableOffset: s.offsets.LastStable, LogStartOffset: s.offsets.LogStart,
	}
	if r.Records == nil {
		r.Records = []byte{}
	}
	if s.err != nil {
		return r, s.err
	}
	if req.Offset < s.offsets.LogStart || req.Offset > s.offsets.HighWatermark {
		return r, errorf(KindOffsetOutOfRange, "offset %d, %s has %d to %d", req.Offset, p.id, s.offsets.LogStart, s.offsets.HighWatermark)
	}
	limit := s.limit(req.Isolation)
	for i := s.find(req.Offset); i < len(s.segments) && req.Offset < limit; i++ {
		m := s.segment(i)
		if m.next <= req.Offset || m.size == 0 {
			continue // in the gap that compaction left at the end of the segment
		}
		h, x, err := p.open(s, i)
		if err != nil {
			return r, err
		}
		if h == nil {
			break
		}
		c := segmentReader{file: h.file, end: m.size, pos: x.floor(req.Offset - m.base), buf: r.Buffer}
		if hint.base == m.base && hint.gen == m.gen && hint.offset == req.Offset {
			c.pos = hint.pos
		}
		last, err := c.find(&r, req, h, x, m.base, limit)
		if err != nil && KindOf(err) == KindUnknown {
			err = fmt.Errorf("segment %s, position %d: %w", m.logName(), c.pos, err)
		}
		r.Buffer = c.buf
		if err = errors.Join(err, h.release()); err != nil {
			return r, errors.Join(err, r.release())
		}
		if n := r.Size(); n > 0 {
			r.Behind = i+1 < len(s.segments) && s.segments[i+1].base < limit
			p.view.setHint(readHint{base: m.base, gen: m.gen, offset: last + 1, pos: c.pos + int64(n)})
			if req.Isolation == ReadCommitted {
				if r.Aborted, err = p.aborted(s, req.Offset, last+1); err != nil {
					err = errors.Join(err, r.release())
				}
			}
			return r, err
		}
		if !c.exhausted {
			break
		}
	}
	return r, nil
}

// Size returns how many bytes of records were found.
func (r *ReadResult) Size() int { return len(r.Records) + int(r.Span.Len) }

// release gives up the span, if there is one.
func (r *ReadResult) release() error {
	if r.Span.Len == 0 {
		return nil
	}
	s := r.Span
	r.Span = Span{}
	return s.Release()
}

func (v *view) setHint(h readHint) {
	v.mu.Lock()
	v.hint = h
	v.mu.Unlock()
}

// aborted returns the aborted transactions that touch [from, to).
func (p *Partition) aborted(s *viewState, from, to int64) ([]AbortedTxn, error) {
	var rows []abortedTxn
	if from <= s.abortedMax {
		var err error
		if rows, err = p.abortedRows(from, to); err != nil {
			return nil, err
		}
	}
	if len(rows) == 0 && len(s.abortedPending) == 0 {
		return nil, nil
	}
	return mergeAborted(rows, s.abortedPending, from, to), nil
}

// segmentReader reads whole batches of one segment, as a rule with one pread.
type segmentReader struct {
	file io.ReaderAt
	end  int64
	// pos is a position at or before the batch that is looked for, then where the records began.
	pos int64
	buf []byte
	// exhausted: no batch of the segment reaches the offset.
	exhausted bool
}

// find puts the records into r, or where they are, and returns their last offset.
func (c *segmentReader) find(r *ReadResult, req ReadRequest, h *handle, x index, base, limit int64) (last int64, err error) {
	if req.SpanFrom > 0 && c.end-c.pos >= int64(req.SpanFrom) && hasDescriptor(h.file) && !h.distrusted.Load() {
		n, last, err := c.span(req, x, base, limit)
		if err != nil {
			return 0, err
		}
		if n >= int64(req.SpanFrom) {
			r.Span = Span{h.retain(), c.pos, n}
			return last, nil
		}
	}
	records, last, err := c.read(req, limit)
	if len(records) > 0 {
		r.Records = records
	}
	return last, err
}

// read returns the batches from the one that contains req.Offset on and below limit, and the last offset.
func (c *segmentReader) read(req ReadRequest, limit int64) (records []byte, last int64, err error) {
	// The index leads to a batch up to an interval before the right one. The window has one size, so that a
	// buffer that is used again suffices.
	window := max(req.MaxBytes, recordbatch.HeaderSize) + minIndexInterval
	for {
		b, err := c.fill(window)
		if err != nil {
			return nil, 0, err
		}
		n, found := skipTo(b, req.Offset)
		c.pos += n
		if c.pos >= c.end {
			c.exhausted = true
			return nil, 0, nil
		}
		if !found && n == 0 {
			return nil, 0, errorf(KindStorage, "position %d of a segment: no room for a batch", c.pos)
		}
		if !found {
			continue // the batches that were skipped end beyond the window
		}
		b = b[n:]
		if first, err := recordbatch.Size(b); err != nil {
			return nil, 0, errorf(KindStorage, "position %d of a segment: %v", c.pos, err)
		} else if first > len(b) {
			if first > req.MaxBytes && !req.MinOneBatch {
				return nil, 0, nil
			}
			if b, err = c.fill(first); err != nil {
				return nil, 0, err
			}
		}
		n, last = cut(b, req, limit)
		return b[:n:n], last, nil
	}
}

// fill reads up to n bytes from pos into the buffer.
func (c *segmentReader) fill(n int) ([]byte, error) {
	n = int(min(int64(n), c.end-c.pos))
	if cap(c.buf) < n {
		c.buf = make([]byte, n)
	}
	c.buf = c.buf[:n]
	if m, err := c.file.ReadAt(c.buf, c.pos); m < n {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return c.buf, nil
}

// skipTo returns how far it is in b to the first batch that does not end before the
// offset; found is false if that is not a whole header in b.
func skipTo(b []byte, offset int64) (n int64, found bool) {
	for n+recordbatch.HeaderSize <= int64(len(b)) {
		h := recordbatch.Batch(b[n:])
		if h.LastOffset() >= offset {
			return n, true
		}
		size, err := recordbatch.Size(h)
		if err != nil {
			return n, true // the caller says so
		}
		n += int64(size)
	}
	return n, false
}

// cut returns the length of the whole batches at the beginning of b that the request may get, and their last offset.
func cut(b []byte, req ReadRequest, limit int64) (n int64, last int64) {
	for n+recordbatch.HeaderSize <= int64(len(b)) {
		h := recordbatch.Batch(b[n:])
		size, err := recordbatch.Size(h)
		if err != nil || n+int64(size) > int64(len(b)) || h.BaseOffset() >= limit {
			break
		}
		if n+int64(size) > int64(req.MaxBytes) && (n > 0 || !req.MinOneBatch) {
			break
		}
		n += int64(size)
		last = h.LastOffset()
	}
	return n, last
}
