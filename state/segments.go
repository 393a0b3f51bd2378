package state

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
)

// layout is how a time store's rows are keyed: the key, then two numbers. A window's row is key ++ start (8) ++ sequence number (4), a
// session's key ++ end (8) ++ start (8), both as in Kafka's changelogs. The first number is the row's time.
type layout int

const (
	windowLayout  layout = 12
	sessionLayout layout = 16
)

func (l layout) key(row []byte) []byte { return row[:len(row)-int(l)] }
func (l layout) time(row []byte) Time {
	return Time(binary.BigEndian.Uint64(row[len(row)-int(l):]))
}

// start is the start of a row's window.
// holds says whether a changelog record's key may be that of a row. Another store's mostly is not: it is too short, or ends in no sequence number of a window, which is
// 0 but for duplicates, or in no two times of a session.
func (l layout) holds(key []byte, duplicates bool) bool {
	switch {
	case len(key) < int(l):
		return false
	case l == sessionLayout:
		return l.start(key) >= 0 && l.start(key) <= l.time(key)
	}
	return duplicates || binary.BigEndian.Uint32(key[len(key)-4:]) == 0
}

func (l layout) start(row []byte) Time {
	if l == windowLayout {
		return l.time(row)
	}
	return Time(binary.BigEndian.Uint64(row[len(row)-8:]))
}

func appendTime(b []byte, t Time) []byte { return binary.BigEndian.AppendUint64(b, uint64(t)) }

// segment holds the rows of a time store whose times lie in one interval. It expires as a whole.
type segment struct {
	id int64
	t  *table
	// byTime has a row without value for each row of t, by time: time ++ key ++ rest. nil until it is needed, or at all times if the engine keeps
	// it (TimeFirst).
	byTime *table
	// dead: expired, and here only for what a record cache holds of it.
	dead bool
}

// delete takes a row out.
func (g *segment) delete(row, byTime []byte) {
	g.t.delete(row)
	if g.byTime != nil {
		g.byTime.delete(byTime)
	}
}

// put sets a row.
func (g *segment) put(row, value, byTime []byte) {
	g.t.put(row, value)
	g.index(byTime)
}

// index sets a row's place in the order by time.
func (g *segment) index(byTime []byte) {
	if g.byTime == nil {
		return
	}
	if e, _ := g.byTime.touch(byTime); e.flags&absent != 0 {
		g.byTime.write(e, nil, false)
	}
}

// tables are the segment's tables.
func (g *segment) tables() []*table {
	if g.byTime == nil {
		return []*table{g.t}
	}
	return []*table{g.t, g.byTime}
}

// segments are the segments of a time store, by ascending time. A slice of them stays as it is: iterators hold it.
type segments struct {
	list     []*segment
	last     *segment // the one used last
	interval Time
	open     func(id int64, isNew bool) *segment
	gone     func(before int64) // the segments before an id have gone
	after    int64              // the lowest id that can still be used
}

// load opens the segments that the engine holds, but not those before the oldest.
func (s *segments) load(p *place, a area, oldest Time) error {
	ids, err := p.segmentIDs(a)
	if err != nil {
		return err
	}
	s.after = s.id(oldest)
	for _, id := range ids {
		if id >= s.after {
			s.list = append(s.list, s.open(id, false))
		}
	}
	if len(ids) > 0 && ids[0] < s.after {
		s.gone(s.after)
	}
	return nil
}

func (s *segments) id(at Time) int64 { return int64(at / s.interval) }

// find returns the segment of a time, nil if there is none.
func (s *segments) find(at Time) *segment {
	id := s.id(at)
	if s.last != nil && s.last.id == id {
		return s.last
	}
	i, ok := s.search(id)
	if !ok {
		return nil
	}
	s.last = s.list[i]
	return s.last
}

func (s *segments) search(id int64) (int, bool) {
	return slices.BinarySearchFunc(s.list, id, func(g *segment, id int64) int { return cmp.Compare(g.id, id) })
}

// make returns the segment of a time, made if there is none.
func (s *segments) make(at Time) *segment {
	if g := s.find(at); g != nil {
		return g
	}
	id := s.id(at)
	i, _ := s.search(id)
	g := s.open(id, true)
	s.list = slices.Insert(slices.Clip(slices.Clone(s.list)), i, g)
	s.last = g
	return g
}

// between are the segments that may hold times in [from, to], ascending.
func (s *segments) between(from, to Time) []*segment {
	if from > to {
		return nil
	}
	i, _ := s.search(s.id(from))
	j, ok := s.search(s.id(to))
	if ok {
		j++
	}
	return s.list[i:max(i, j)]
}

// expire gives up the segments before a time. One of which a record cache holds something stays, as a dead one.
func (s *segments) expire(before Time) error {
	id := s.id(before)
	if id <= s.after {
		return nil
	}
	s.after = id
	gone := false
	kept := make([]*segment, 0, len(s.list))
	var errs []error
	for _, g := range s.list {
		if g.id < id && !g.dead {
			gone = true
			errs = append(errs, g.die())
		}
		if !g.dead || g.t.residents > 0 {
			kept = append(kept, g)
		}
	}
	s.last, s.list = nil, kept
	if gone {
		s.gone(id)
	}
	return errors.Join(errs...)
}

// die takes from a segment what is not in a record cache.
func (g *segment) die() error {
	g.dead = true
	if g.t.residents == 0 {
		return closeTables(g.tables())
	}
	errs := []error{g.t.forget()}
	if g.byTime != nil {
		errs = append(errs, g.byTime.close())
		g.byTime = nil
	}
	return errors.Join(errs...)
}

// remove takes a segment out of the list.
func (s *segments) remove(g *segment) {
	s.last = nil
	s.list = slices.DeleteFunc(slices.Clone(s.list), func(o *segment) bool { return o == g })
}

// close closes the tables.
func (s *segments) close() error {
	var errs []error
	for _, g := range s.list {
		errs = append(errs, closeTables(g.tables()))
	}
	return errors.Join(errs...)
}
