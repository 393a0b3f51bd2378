package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"iter"
)

// timed is a window or session store of bytes: the layers under Windows and Sessions.
//
// It follows one of two rules for what is too old. The rule of Kafka's persistent stores: a row is refused when its segment has expired, and hidden
// from reads when its time is before observed - retention + 1. The exact rule of the in-memory ones: a row is refused and hidden when its time
// is at or before observed - retention. observed is the highest time put so far. Which rule holds follows from the definition alone,
// not from where the rows are.
type timed struct {
	name       string
	layout     layout
	place      *place
	how        reopen
	segs       segments
	retention  Time
	observed   Time // -1: nothing was put
	newest     Time // the highest time of any row, those of a record cache included
	exact      bool
	timeFirst  bool
	duplicates bool
	sequence   uint32 // of the last put of a store with duplicates
	log        logger
	front      *front // nil: not cached
	drop       func() // counts a refused row

	// forward hands a flushed entry downstream; nil: nobody listens.
	forward func(row, value []byte, there bool, old []byte, had bool) error
	buf     []byte
	at      []byte // for keys by time
}

// open finds the store's content in the database, or sets an empty one up.
func (s *timed) open(name string, l layout, o *options, e Env) error {
	p, err := e.place(name, o)
	if err != nil {
		return err
	}
	before := p.before()
	*s = timed{name: name, how: reopen{o, e}, layout: l, place: p, retention: millis(o.retention), observed: before.observed, newest: before.observed, sequence: before.sequence,
		exact: o.inMemory, timeFirst: o.timeFirst, duplicates: o.duplicates, log: e.logger(name, o)}
	s.drop = func() {
		if e.Dropped != nil {
			e.Dropped(name, "expired")
		}
	}
	if s.front = e.front(o); s.front != nil {
		s.front.flushOne, s.front.left, s.front.tables = s.flushOne, s.left, s.rowTables
	}
	s.segs.interval = o.segmentInterval()
	s.segs.open = func(id int64, isNew bool) *segment {
		g := &segment{id: id, dead: id < s.segs.after}
		if g.dead {
			g.t = newTable(nil, e.total)
			return g
		}
		g.t = p.segmentTable(areaRows, id, isNew, e.total)
		g.t.held = s.front != nil
		if s.timeFirst {
			g.byTime = p.segmentTable(areaByTime, id, isNew, e.total)
		}
		return g
	}
	s.segs.gone = func(before int64) {
		p.expire(areaRows, before)
		if s.timeFirst {
			p.expire(areaByTime, before)
		}
	}
	return s.segs.load(p, areaRows, s.observed-s.retention)
}

// oldest is the lowest time that reads show.
func (s *timed) oldest() Time {
	t := s.observed - s.retention + 1
	if s.timeFirst && !s.exact && s.layout == windowLayout {
		t-- // KIP-825: a window that closes exactly now has to be found
	}
	return max(t, 0)
}

// accepts says whether a row of that time is kept when it is put.
func (s *timed) accepts(at Time) bool {
	if s.exact {
		return at > s.observed-s.retention
	}
	return s.segs.id(at) >= s.segs.id(s.observed-s.retention)
}

var errNegativeTime = errors.New("a window before 1970 cannot be stored")

// get returns a row's value. What the cache holds is found even if it has expired.
func (s *timed) get(row []byte) ([]byte, bool, error) {
	at := s.layout.time(row)
	g := s.segs.find(at)
	if g == nil {
		return nil, false, nil
	}
	hidden := at < s.oldest() || g.dead
	if hidden {
		if s.front == nil {
			return nil, false, nil
		}
		e := g.t.index.find(row, hashOf(row))
		if e == nil || e.flags&(absent|resident) != resident {
			return nil, false, nil
		}
		return e.value(), true, nil
	}
	return g.t.get(row)
}

// put stores and logs a row. A row that is too old is logged all the same.
func (s *timed) put(row, value []byte) error {
	at := s.layout.time(row)
	if at < 0 {
		return storeError(s.name, errNegativeTime)
	}
	if s.front != nil {
		s.hold(row, value, at, false)
		return nil
	}
	switch g, err := s.admit(at); {
	case err != nil:
		return err
	case g == nil:
		s.drop()
	default:
		g.put(row, value, s.byTime(row))
	}
	return s.log.log(row, value, false)
}

// delete removes and logs a row.
func (s *timed) delete(row []byte) error {
	at := s.layout.time(row)
	if s.front != nil {
		s.hold(row, nil, at, true)
		return nil
	}
	s.observed = max(s.observed, at)
	if s.layout == windowLayout && !s.accepts(at) {
		s.drop() // a session is removed, a window put as null: Kafka counts only that
	} else if g := s.segs.find(at); g != nil && !g.dead {
		g.delete(row, s.byTime(row))
	}
	return s.log.log(row, nil, true)
}

// hold writes a row into the cache.
func (s *timed) hold(row, value []byte, at Time, gone bool) {
	s.newest = max(s.newest, at)
	g := s.segs.make(at)
	s.front.write(g.t, row, value, gone)
	if !gone {
		g.index(s.byTime(row))
	}
}

// flushOne stores, logs and forwards what the cache held back of a row.
func (s *timed) flushOne(e *entry, base []byte) error {
	gone := e.flags&absent != 0
	at := s.layout.time(e.key())
	var old []byte
	var had bool
	if s.forward != nil && (gone || s.front.copies) {
		if g := s.segs.find(at); !g.dead && at >= s.oldest() {
			var err error
			if old, had, err = s.front.below(g.t, e, base, &s.buf); err != nil {
				return err
			}
		}
		if gone && !had { // made and deleted since the last flush, or expired: nobody needs to know
			return nil
		}
	}
	if g, err := s.admit(at); err != nil {
		return err
	} else if g == nil {
		s.drop()
	}
	if err := s.log.log(e.key(), e.value(), gone); err != nil || s.forward == nil {
		return err
	}
	return s.forward(e.key(), e.value(), !gone, old, had && s.front.copies)
}

// left takes an entry that the cache has given up out of memory if the segment has expired, or if there is nothing below that it would hide.
func (s *timed) left(e *entry) {
	g := s.segs.find(s.layout.time(e.key()))
	g.t.released(e)
	if g.t.rows != nil || !g.dead && e.flags&absent == 0 {
		return
	}
	if g.byTime != nil {
		g.byTime.delete(s.byTime(e.key()))
	}
	g.t.drop(e)
	if g.dead && g.t.residents == 0 {
		s.segs.remove(g)
	}
}

// admit advances the store's time to at and returns the segment for it, nil if at is too old.
func (s *timed) admit(at Time) (*segment, error) {
	s.observed, s.newest = max(s.observed, at), max(s.newest, at)
	if !s.accepts(at) {
		return nil, nil
	}
	g := s.segs.make(at)
	return g, s.segs.expire(s.observed - s.retention)
}

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

// all calls f with all rows, in the store's order.
func (s *timed) all(f func(row, value []byte) bool) error {
	return s.between(0, maxTime, s.oldest(), f)
}

// between calls f with the rows whose time is in [from, to] and not before oldest.
func (s *timed) between(from, to, oldest Time, f func(row, value []byte) bool) error {
	if s.ordered() {
		return s.byTimeBetween(from, to, oldest, f)
	}
	return s.keyRange(span{}, from, to, oldest, false, f)
}

// byTimeBetween calls f with the rows whose time is in [from, to] and not before oldest, by time.
func (s *timed) byTimeBetween(from, to, oldest Time, f func(row, value []byte) bool) error {
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
		index, rows = append(index, g.byTime.cursor(in, false)), append(rows, g.t.cursor(span{}, false))
	}
	var row []byte
	for i, c := range index {
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

// keysBetween calls f with the rows of the keys in [from, to] (nil: no bound) whose time is in [t0, t1], in the store's order.
func (s *timed) keysBetween(from, to []byte, t0, t1 Time, f func(row, value []byte) bool) error {
	t1 = min(t1, s.newest)
	match := func(row, value []byte) bool {
		key := s.layout.key(row)
		if from != nil && bytes.Compare(key, from) < 0 || to != nil && bytes.Compare(key, to) > 0 {
			return true
		}
		return f(row, value)
	}
	if s.ordered() {
		return s.byTimeBetween(t0, t1, s.oldest(), match)
	}
	return s.keyRange(s.keySpan(from, to, t1), t0, t1, s.oldest(), false, match)
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

func (s *timed) flush() error { return s.front.flushAll() }
func (s *timed) evict() error { return s.front.evict() }

func (s *timed) restore(rs []Restored) error {
	for i := range rs {
		if len(rs[i].Key) < int(s.layout) {
			return storeError(s.name, errors.New("a changelog record's key is too short"))
		}
		if !s.exact && !(s.duplicates && rs[i].Value == nil) {
			s.observed = max(s.observed, s.layout.time(rs[i].Key))
		}
	}
	s.newest = max(s.newest, s.observed)
	for i := range rs {
		r := &rs[i]
		if s.duplicates {
			s.sequence = max(s.sequence, binary.BigEndian.Uint32(r.Key[len(r.Key)-4:]))
			if r.Value == nil {
				continue // it deleted nothing
			}
		}
		g, err := s.admit(s.layout.time(r.Key))
		switch {
		case err != nil:
			return err
		case g == nil:
		case r.Value == nil:
			g.delete(r.Key, s.byTime(r.Key))
		default:
			g.put(r.Key, s.log.row(r, &s.buf), s.byTime(r.Key))
		}
	}
	return nil
}

func (s *timed) apply(b *Batch, m *meta) error {
	m.observed, m.sequence = s.observed, s.sequence
	return applyTables(b, s.front, s.tables())
}

func (s *timed) tables() (ts []*table) {
	for _, g := range s.segs.list {
		ts = append(ts, g.tables()...)
	}
	return ts
}

// rowTables are the tables of the rows, the oldest first.
func (s *timed) rowTables() (ts []*table) {
	for _, g := range s.segs.list {
		ts = append(ts, g.t)
	}
	return ts
}

func (s *timed) sweep(numerator, denominator int64) { sweepTables(s.tables(), numerator, denominator) }

func (s *timed) close() error {
	s.front.close()
	return s.segs.close()
}

func (s *timed) reset() error {
	forward := s.forward
	err := again(s.close, s.place, &s.front, func() error { return s.open(s.name, s.layout, s.how.options, s.how.env) })
	s.forward = forward
	return err
}

func (s *timed) placed() *place { return s.place }

func (s *timed) dump() iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		_ = s.all(func(row, value []byte) bool {
			out := []any{clone(s.layout.key(row)), int64(s.layout.start(row))}
			if s.layout == sessionLayout {
				out = append(out, int64(s.layout.time(row)))
			}
			if s.log.stamped {
				at, v := splitStamp(value)
				return yield(append(out, clone(v), int64(at)))
			}
			return yield(append(out, clone(value)))
		})
	}
}
