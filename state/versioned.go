package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"iter"
)

// versioned is a store of bytes that keeps the history of each key: the layers under Versions.
//
// The latest version of a key is in latest, unless it is a delete, as time (8) ++ value. The versions before it are in history, by the time until
// which they were valid: key ++ until (8) holds from (8) ++ 1 ++ value, or for a delete from (8) ++ 0. The versions of a key are contiguous: each is
// valid until the next one's from, the last until the latest one's time. Where there is no latest version, the key is deleted from the last
// until on; a delete before which nothing is known is a row whose from equals its until.
//
// History expires by segments. Only what was valid less than retention ago is looked for in it.
type versioned struct {
	name      string
	place     *place
	how       reopen
	latest    *table
	history   segments
	retention Time
	observed  Time // -1: nothing was put
	log       logger
	drop      func()

	row, value, next []byte
}

func (s *versioned) open(name string, o *options, e Env) error {
	p, err := e.place(name, o)
	if err != nil {
		return err
	}
	*s = versioned{name: name, how: reopen{o, e}, place: p, latest: p.table(areaRows, e.total), retention: millis(o.retention), observed: p.before().observed,
		log: e.logger(name, o)}
	s.latest.live = p.before().live
	s.drop = func() {
		if e.Dropped != nil {
			e.Dropped(name, "expired")
		}
	}
	s.history.interval = o.segmentInterval()
	s.history.open = func(id int64, isNew bool) *segment {
		return &segment{id: id, t: p.segmentTable(areaPast, id, isNew, e.total)}
	}
	s.history.gone = func(before int64) { p.expire(areaPast, before) }
	return s.history.load(p, areaPast, s.observed-s.retention)
}

// get returns the latest version.
func (s *versioned) get(key []byte) (at Time, value []byte, ok bool, err error) {
	raw, ok, err := s.latest.get(key)
	if !ok || err != nil {
		return 0, nil, false, err
	}
	at, value = splitStamp(raw)
	return at, value, true, nil
}

// asOf returns the version that was valid at a time.
func (s *versioned) asOf(key []byte, t Time) (at Time, value []byte, ok bool, err error) {
	at, value, ok, err = s.get(key)
	if err != nil || ok && at <= t || t < s.observed-s.retention {
		return at, value, ok && at <= t, err
	}
	v, ok, err := s.after(key, t)
	if err != nil || !ok || v.from > t || !v.there {
		return 0, nil, false, err
	}
	return v.from, v.value, true, nil
}

// version is one row of the history.
type pastVersion struct {
	from, until Time
	there       bool
	value       []byte
}

// after returns the first version of a key that was valid until a time after t.
func (s *versioned) after(key []byte, t Time) (v pastVersion, ok bool, err error) {
	in := s.rowsBetween(key, t+1)
	for _, g := range s.history.between(max(t+1, 0), s.observed) {
		if err = s.scan(g, key, in, false, &v, &ok); err != nil || ok {
			return v, ok, err
		}
	}
	return v, false, nil
}

// last returns the version of a key with the highest until.
func (s *versioned) last(key []byte) (v pastVersion, ok bool, err error) {
	in := s.rowsBetween(key, 0)
	for i := len(s.history.list) - 1; i >= 0; i-- {
		if err = s.scan(s.history.list[i], key, in, true, &v, &ok); err != nil || ok {
			return v, ok, err
		}
	}
	return v, false, nil
}

// rowsBetween is the span of a key's rows from one until on. No until is higher than observed.
func (s *versioned) rowsBetween(key []byte, from Time) span {
	return span{appendTime(clone(key), from), appendTime(clone(key), s.observed+1)}
}

func (s *versioned) scan(g *segment, key []byte, in span, reverse bool, v *pastVersion, ok *bool) error {
	return g.t.scan(in, reverse, func(row, value []byte, _ bool) bool {
		n := len(row) - 8
		if n != len(key) || !bytes.Equal(row[:n], key) {
			return true // the row of a longer key
		}
		*ok = true
		v.until = Time(binary.BigEndian.Uint64(row[n:]))
		v.from, value = splitStamp(value)
		v.there = value[0] != 0
		s.next = append(s.next[:0], value[1:]...)
		v.value = s.next
		return false
	})
}

// past writes a version into the history.
func (s *versioned) past(key []byte, from, until Time, there bool, value []byte) {
	s.row = appendTime(append(s.row[:0], key...), until)
	s.value = appendTime(s.value[:0], from)
	if there {
		s.value = append(append(s.value, 1), value...)
	} else {
		s.value = append(s.value, 0)
	}
	s.history.make(until).t.put(s.row, s.value)
}

// setLatest writes the latest version; a delete is none.
func (s *versioned) setLatest(key []byte, at Time, there bool, value []byte) {
	if !there {
		s.latest.delete(key)
		return
	}
	s.value = append(appendTime(s.value[:0], at), value...)
	s.latest.put(key, s.value)
}

// put stores and logs a version; there is false for a delete. until is when the version ends, if it does; it is not taken if it is older
// than the history.
func (s *versioned) put(key, value []byte, there bool, at Time) (until Time, bounded, taken bool, err error) {
	if at < 0 {
		return 0, false, false, rowError(s.name, errors.New("a version before 1970 cannot be stored"))
	}
	if at < s.observed-s.retention {
		s.drop()
	} else {
		taken = true
		if until, bounded, err = s.insert(key, value, there, at); err != nil {
			return 0, false, false, err
		}
	}
	return until, bounded, taken, s.log.logAt(key, value, !there, at)
}

func (s *versioned) insert(key, value []byte, there bool, at Time) (until Time, bounded bool, err error) {
	if at > s.observed {
		s.observed = at
		if err := s.history.expire(at - s.retention); err != nil {
			return 0, false, err
		}
	}
	end, old, ok, err := s.get(key)
	switch {
	case err != nil:
		return 0, false, err
	case ok && at > end: // the latest one becomes a past one
		s.past(key, end, at, true, old)
		s.setLatest(key, at, there, value)
		return 0, false, nil
	case ok && at == end:
		s.setLatest(key, at, there, value)
		if !there {
			return 0, false, s.deletedAt(key, at)
		}
		return 0, false, nil
	case ok:
		return s.insertBefore(key, value, there, at, end)
	}
	v, ok, err := s.last(key)
	switch {
	case err != nil:
		return 0, false, err
	case ok && at < v.until:
		return s.insertBefore(key, value, there, at, v.until)
	case ok && at > v.until: // deleted in between
		s.past(key, v.until, at, false, nil)
		s.setLatest(key, at, there, value)
	case there:
		if ok && v.from == v.until { // it was there to tell of the delete that is overwritten now
			s.row = appendTime(append(s.row[:0], key...), v.until)
			s.history.make(v.until).t.delete(s.row)
		}
		s.setLatest(key, at, true, value)
	case !ok:
		s.past(key, at, at, false, nil)
	}
	return 0, false, nil
}

// deletedAt makes sure that the history tells of a delete at a time.
func (s *versioned) deletedAt(key []byte, at Time) error {
	v, ok, err := s.last(key)
	if err == nil && (!ok || v.until != at) {
		s.past(key, at, at, false, nil)
	}
	return err
}

// insertBefore puts a version that ends before end, where the history does.
func (s *versioned) insertBefore(key, value []byte, there bool, at, end Time) (until Time, bounded bool, err error) {
	v, ok, err := s.after(key, at)
	switch {
	case err != nil:
		return 0, false, err
	case !ok: // the history of the key is empty
		until = end
	case v.from > at:
		until = v.from
	case v.from == at || v.from == v.until:
		until = v.until
	default: // v is cut in two
		s.past(key, v.from, at, v.there, v.value)
		until = v.until
	}
	s.past(key, at, until, there, value)
	return until, true, nil
}

func (s *versioned) flush() error { return nil }
func (s *versioned) evict() error { return nil }

func (s *versioned) restore(rs []Restored) error {
	for i := range rs {
		r := &rs[i]
		if r.Time < s.observed-s.retention {
			continue
		}
		if _, _, err := s.insert(r.Key, r.Value, r.Value != nil, r.Time); err != nil {
			return err
		}
	}
	return nil
}

func (s *versioned) apply(b *Batch, m *meta) error {
	m.observed, m.live = s.observed, s.latest.live
	return applyTables(b, nil, s.tables())
}

func (s *versioned) tables() []*table {
	ts := []*table{s.latest}
	for _, g := range s.history.list {
		ts = append(ts, g.t)
	}
	return ts
}

func (s *versioned) sweep(numerator, denominator int64) {
	sweepTables(s.tables(), numerator, denominator)
}
func (s *versioned) close() error { return closeTables(s.tables()) }
func (s *versioned) reset() error {
	var none *front
	return again(s.close, s.place, &none, func() error { return s.open(s.name, s.how.options, s.how.env) })
}

func (s *versioned) placed() *place { return s.place }

func (s *versioned) dump() iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		_ = s.latest.scan(span{}, false, func(key, value []byte, _ bool) bool {
			at, v := splitStamp(value)
			return yield([]any{clone(key), clone(v), int64(at)})
		})
	}
}
