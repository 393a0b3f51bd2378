package state

import (
	"bytes"
	"errors"
)

// byTime is the key of a row in the order of time, in a buffer of the store. Windows go by start, key, sequence number. Sessions go by end, then
// in memory by key and start, else by start and key: so do Kafka's.
func (s *timed) byTime(row []byte) []byte {
	n := len(row) - int(s.layout)
	s.at = append(s.at[:0], row[n:n+8]...)
	if s.layout == sessionLayout && !s.exact {
		s.at = append(append(s.at, row[n+8:]...), row[:n]...)
	} else {
		s.at = append(append(s.at, row[:n]...), row[n+8:]...)
	}
	return s.at
}

// row is the inverse of byTime.
func (s *timed) row(dst, at []byte) []byte {
	if s.layout == sessionLayout && !s.exact {
		return append(append(append(dst, at[16:]...), at[:8]...), at[8:16]...)
	}
	n := len(at) - int(s.layout) + 8 // the key's end
	return append(append(append(dst, at[8:n]...), at[:8]...), at[n:]...)
}

// ordered says whether listings go by time instead of by segment, key and time.
func (s *timed) ordered() bool { return s.exact || s.timeFirst }

// all calls f with all rows, in the store's order or the other way round.
func (s *timed) all(reverse bool, f func(row, value []byte) bool) error {
	return s.between(0, maxTime, s.oldest(), reverse, f)
}

// between calls f with the rows whose time is in [from, to] and not before oldest.
func (s *timed) between(from, to, oldest Time, reverse bool, f func(row, value []byte) bool) error {
	if s.ordered() {
		return s.byTimeBetween(from, to, oldest, reverse, f)
	}
	return s.keyRange(span{}, from, to, oldest, reverse, f)
}

// byTimeBetween calls f with the rows whose time is in [from, to] and not before oldest, by time.
func (s *timed) byTimeBetween(from, to, oldest Time, reverse bool, f func(row, value []byte) bool) error {
	from = max(from, 0)
	in := span{low: appendTime(nil, from)}
	if to < maxTime {
		in.high = appendTime(nil, to+1)
	}
	list := s.segs.between(from, to)
	index, rows := make([]*cursor, 0, len(list)), make([]*cursor, 0, len(list))
	defer func() { closeAll(index); closeAll(rows) }()
	for _, g := range list {
		if err := s.indexed(g); err != nil {
			return err
		}
		index, rows = append(index, g.byTime.cursor(in, reverse)), append(rows, g.t.cursor(span{}, false))
	}
	var row []byte
	for n := range index {
		i := n
		if reverse {
			i = len(index) - 1 - n
		}
		c := index[i]
		more := true
		var failed error
		err := c.each(func(at, _ []byte, _ bool) bool {
			row = s.row(row[:0], at)
			value, held, ok, err := list[i].t.getAt(row, rows[i].snap)
			if err != nil {
				failed = err
				return false
			}
			if ok && (held || s.layout.time(row) >= oldest) {
				more = f(row, value)
			}
			return more
		})
		if err = errors.Join(err, failed); err != nil || !more {
			return err
		}
	}
	return nil
}

// indexed makes sure that a segment has its order by time.
func (s *timed) indexed(g *segment) error {
	if g.byTime != nil {
		return nil
	}
	g.byTime = newTable(nil, g.t.total)
	return g.t.scan(span{}, false, func(row, _ []byte, _ bool) bool {
		g.byTime.put(s.byTime(row), nil)
		return true
	})
}

// rowsOf calls f with a key's rows whose time is in [from, to], by time.
func (s *timed) rowsOf(key []byte, from, to Time, reverse bool, f func(row, value []byte) bool) error {
	from, to = max(from, 0), min(to, s.newest)
	if from > to {
		return nil
	}
	in := span{low: appendTime(append([]byte{}, key...), from), high: appendTime(append([]byte{}, key...), to+1)}
	return s.keyRange(in, from, to, s.oldest(), reverse, func(row, value []byte) bool {
		if !bytes.Equal(s.layout.key(row), key) {
			return true
		}
		return f(row, value)
	})
}

// keyRange calls f with the rows of a span whose time is in [from, to] and not before oldest, by segment.
func (s *timed) keyRange(in span, from, to, oldest Time, reverse bool, f func(row, value []byte) bool) error {
	if in.empty() {
		return nil
	}
	list := s.segs.between(max(from, 0), to)
	cs := make([]*cursor, 0, 8)
	for _, g := range list { // all at once: the iteration sees them as they are now
		cs = append(cs, g.t.cursor(in, reverse))
	}
	defer func() { closeAll(cs) }()
	for i := range cs {
		c := cs[i]
		if reverse {
			c = cs[len(cs)-1-i]
		}
		more := true
		err := c.each(func(row, value []byte, held bool) bool {
			if at := s.layout.time(row); at >= from && at <= to && (held || at >= oldest) {
				more = f(row, value)
			}
			return more
		})
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// keysBetween calls f with the rows of the keys in [from, to] (nil: no bound) whose time is in [t0, t1], in the store's order or the other way round.
func (s *timed) keysBetween(from, to []byte, t0, t1 Time, reverse bool, f func(row, value []byte) bool) error {
	t1 = min(t1, s.newest)
	match := func(row, value []byte) bool {
		key := s.layout.key(row)
		if from != nil && bytes.Compare(key, from) < 0 || to != nil && bytes.Compare(key, to) > 0 {
			return true
		}
		return f(row, value)
	}
	if s.ordered() {
		return s.byTimeBetween(t0, t1, s.oldest(), reverse, match)
	}
	return s.keyRange(s.keySpan(from, to, t1), t0, t1, s.oldest(), reverse, match)
}

// keySpan is a span that holds the rows of all keys in [from, to] up to a time; nil: no bound.
func (s *timed) keySpan(from, to []byte, until Time) span {
	in := span{low: from}
	if to == nil {
		return in
	}
	// A key may be a prefix of to: its row goes on with its time, which may be higher than the rest of to.
	for n := 1; n <= len(to); n++ {
		high := appendTime(clone(to[:n]), until+1)
		if in.high == nil || bytes.Compare(high, in.high) > 0 {
			in.high = high
		}
	}
	if in.high == nil {
		in.high = appendTime(nil, until+1)
	}
	return in
}
