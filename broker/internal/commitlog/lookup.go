package commitlog

import (
	"errors"
	"io"

	"github.com/cockroachdb/errors/oserror"

	"github.com/millrace-go/millrace/broker/internal/commitlog/recordbatch"
)

// OffsetForTime returns the first record whose timestamp is at least timestamp (ms),
// as far as the isolation allows; ok is false if there is none.
func (p *Partition) OffsetForTime(timestamp int64, iso Isolation) (o TimeOffset, ok bool, err error) {
	return p.lookup(func(s *viewState) (TimeOffset, bool, error) {
		return p.searchTime(s, timestamp, s.limit(iso))
	})
}

// MaxTimestampOffset returns the first record with the largest timestamp; ok is
// false in an empty log.
func (p *Partition) MaxTimestampOffset(iso Isolation) (o TimeOffset, ok bool, err error) {
	return p.lookup(func(s *viewState) (TimeOffset, bool, error) {
		limit := s.limit(iso)
		largest, err := p.maxTimestamp(s, limit)
		if err != nil || largest < 0 {
			return TimeOffset{}, false, err
		}
		return p.searchTime(s, largest, limit)
	})
}

// lookup runs f on what readers see, again if a file of it was deleted meanwhile.
func (p *Partition) lookup(f func(s *viewState) (TimeOffset, bool, error)) (TimeOffset, bool, error) {
	for {
		s, _ := p.view.snapshot()
		if s.err != nil {
			return TimeOffset{}, false, errors.Join(s.err, s.release())
		}
		o, ok, err := f(&s)
		err = errors.Join(err, s.release())
		if err == nil || KindOf(err) != KindUnknown {
			return o, ok, err
		}
		if oserror.IsNotExist(err) && p.changedSince(&s) {
			continue
		}
		return o, false, wrap(KindStorage, err, "search %s by time", p.id)
	}
}

// searchTime finds the first record below limit with a timestamp of at least ts.
func (p *Partition) searchTime(s *viewState, ts, limit int64) (o TimeOffset, ok bool, err error) {
	for i := range s.segments {
		m := s.segment(i)
		if m.base >= limit {
			break
		}
		if m.maxTimestamp < ts || m.next <= s.offsets.LogStart {
			continue
		}
		err = p.headers(s, i, func(x index) int64 { return x.timeFloor(ts) }, func(c *scanner, h recordbatch.Batch) (bool, error) {
			if h.BaseOffset() >= limit {
				return false, nil
			}
			if h.MaxTimestamp() < ts || h.LastOffset() < s.offsets.LogStart || h.RecordCount() == 0 {
				return true, nil
			}
			b, err := c.body()
			if err != nil {
				return false, err
			}
			o, ok = searchBatch(b, ts, s.offsets.LogStart)
			return !ok, nil
		})
		if err != nil || ok {
			break
		}
	}
	if o.Offset >= limit {
		return TimeOffset{}, false, err
	}
	o.LeaderEpoch = epochAt(s.epochs, o.Offset)
	return o, ok, err
}

// searchBatch finds the first record of a batch from an offset on with a timestamp of at least ts.
func searchBatch(b recordbatch.Batch, ts, from int64) (o TimeOffset, ok bool) {
	buf := payloads.Get().(*[]byte)
	defer payloads.Put(buf)
	payload, err := b.Payload((*buf)[:0])
	if err != nil {
		// What cannot be decompressed is returned whole: a reader that starts here misses nothing.
		return TimeOffset{Offset: max(b.BaseOffset(), from), Timestamp: b.MaxTimestamp()}, true
	}
	if b.Codec() != 0 {
		*buf = payload
		defer shrink(buf)
	}
	d := recordbatch.NewReader(payload, b.RecordCount())
	var r recordbatch.Record
	for {
		if more, err := d.Next(&r); err != nil || !more {
			return TimeOffset{}, false
		}
		o := TimeOffset{Offset: b.BaseOffset() + int64(r.OffsetDelta), Timestamp: b.BaseTimestamp() + r.TimestampDelta}
		if b.LogAppendTime() {
			o.Timestamp = b.MaxTimestamp()
		}
		if o.Timestamp >= ts && o.Offset >= from {
			return o, true
		}
	}
}

// maxTimestamp returns the largest timestamp of the batches that a reader can see.
func (p *Partition) maxTimestamp(s *viewState, limit int64) (largest int64, err error) {
	largest = -1
	for i := range s.segments {
		m := s.segment(i)
		if m.base >= limit || m.next <= s.offsets.LogStart {
			continue
		}
		if m.base >= s.offsets.LogStart && m.next <= limit {
			largest = max(largest, m.maxTimestamp)
			continue
		}
		err = p.headers(s, i, func(index) int64 { return 0 }, func(_ *scanner, h recordbatch.Batch) (bool, error) {
			if h.LastOffset() >= s.offsets.LogStart && h.BaseOffset() < limit {
				largest = max(largest, h.MaxTimestamp())
			}
			return h.LastOffset() < limit, nil
		})
		if err != nil {
			return largest, err
		}
	}
	return largest, nil
}

// headers calls visit for the batches of the i-th segment from a position that the index says, as long as it
// returns true.
func (p *Partition) headers(s *viewState, i int, from func(index) int64, visit func(*scanner, recordbatch.Batch) (bool, error)) error {
	h, x, err := p.open(s, i)
	if err != nil || h == nil {
		return err
	}
	c := newScanner(h.file, from(x), s.segment(i).size)
	for {
		b, err := c.next()
		if err == io.EOF {
			return h.release()
		}
		more := false
		if err == nil {
			more, err = visit(c, b)
		}
		if err != nil || !more {
			return errors.Join(err, h.release())
		}
	}
}
