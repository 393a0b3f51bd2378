package state

import (
	"encoding/binary"
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

// segments are the segments of a time store, by ascending time.
type segments struct {
	list     []*segment
	last     *segment // the one used last
	interval Time
	open     func(id int64) *segment
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
	return slices.BinarySearchFunc(s.list, id, func(g *segment, id int64) int {
		switch {
		case g.id < id:
			return -1
		case g.id > id:
			return 1
		}
		return 0
	})
}

// make returns the segment of a time, made if there is none.
func (s *segments) make(at Time) *segment {
	if g := s.find(at); g != nil {
		return g
	}
	id := s.id(at)
	i, _ := s.search(id)
	g := s.open(id)
	s.list = slices.Insert(slices.Clip(slices.Clone(s.list)), i, g) // iterators hold the old one
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

// expire takes out the segments before a time.
func (s *segments) expire(before Time, gone func(*segment)) {
	id := s.id(before)
	n := 0
	for n < len(s.list) && s.list[n].id < id {
		gone(s.list[n])
		n++
	}
	if n > 0 {
		s.last = nil
		s.list = append(s.list[:0:0], s.list[n:]...) // a new slice: iterators hold the old one
	}
}
