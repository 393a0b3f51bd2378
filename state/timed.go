package state

import (
	"encoding/binary"
	"errors"
	"fmt"
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
		return rowError(s.name, errNegativeTime)
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
	if !g.dead && e.flags&absent == 0 {
		return
	}
	if g.byTime != nil {
		g.byTime.delete(s.byTime(e.key()))
	}
	if g.t.rows != nil {
		return
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

// pass is the time of a delete that deletes nothing: a store in memory takes it for its own, as Kafka's does, and counts it if it is too old.
func (s *timed) pass(at Time) error {
	if !s.exact || at < 0 {
		return nil
	}
	g, err := s.admit(at)
	if g == nil && err == nil {
		s.drop()
	}
	return err
}

func (s *timed) flush() error { return s.front.flushAll() }
func (s *timed) evict() error { return s.front.evict() }

func (s *timed) restore(rs []Restored) error {
	for i := range rs {
		if !s.layout.holds(rs[i].Key, s.duplicates) {
			return storeError(s.name, fmt.Errorf("%w: the key of the changelog's record at offset %d", ErrOtherKind, rs[i].Offset))
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
			if r.Value == nil { // it deleted nothing
				if s.exact {
					if _, err := s.admit(s.layout.time(r.Key)); err != nil {
						return err
					}
				}
				continue
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
		_ = s.all(false, func(row, value []byte) bool {
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
