package state

import (
	"encoding/binary"
	"iter"
)

// keyed is a key-value store of bytes: the layers under KV.
type keyed struct {
	name  string
	place *place
	how   reopen
	t     *table
	log   logger
	front *front // nil: not cached
	lru   *lru   // nil: any number of entries
	ttl   *ttl   // nil: entries stay

	// forward hands a flushed entry downstream; nil: nobody listens.
	forward func(key, value []byte, there bool, old []byte, had bool) error
	buf     []byte
}

func (s *keyed) open(name string, o *options, e Env) error {
	p, err := e.place(name, o)
	if err != nil {
		return err
	}
	*s = keyed{name: name, how: reopen{o, e}, place: p, log: e.logger(name, o)}
	s.t = p.table(areaRows, e.total)
	s.t.live = p.before().live
	switch {
	case o.max > 0:
		s.lru = &lru{max: o.max}
	case o.ttl > 0:
		s.ttl = newTTL(s, o, p, e.total)
	default:
		if s.front = e.front(o); s.front != nil {
			s.front.flushOne, s.front.left, s.front.tables = s.flushOne, s.left, s.tables
		}
	}
	return nil
}

func (s *keyed) get(key []byte) ([]byte, bool, error) {
	e, err := s.t.find(key)
	if err != nil || e == nil || e.flags&absent != 0 {
		return nil, false, err
	}
	if s.lru != nil {
		s.lru.use(e)
	}
	if s.ttl != nil {
		return s.ttl.read(e.value())
	}
	return e.value(), true, nil
}

func (s *keyed) put(key, value []byte) error {
	if s.front != nil {
		s.front.write(s.t, key, value, false)
		return nil
	}
	if s.ttl != nil {
		return s.ttl.put(key, value)
	}
	e := s.t.put(key, value)
	if err := s.log.log(key, value, false); err != nil || s.lru == nil {
		return err
	}
	s.lru.use(e)
	return s.lru.shrink(s)
}

func (s *keyed) delete(key []byte) error {
	if s.front != nil {
		s.front.write(s.t, key, nil, true)
		return nil
	}
	s.remove(key)
	return s.log.log(key, nil, true)
}

// remove takes a key out of the store.
func (s *keyed) remove(key []byte) {
	if s.lru != nil {
		s.lru.remove(s.t, key)
	}
	s.t.delete(key)
}

// scan calls f with the rows of a range in order.
func (s *keyed) scan(in span, reverse bool, f func(key, value []byte) bool) error {
	return s.t.scan(in, reverse, func(key, value []byte, _ bool) bool {
		if s.ttl != nil {
			var ok bool
			if value, ok, _ = s.ttl.read(value); !ok {
				return true
			}
		}
		return f(key, value)
	})
}

func (s *keyed) len() (int64, error) { return max(s.t.live, 0), nil }

// flushOne logs and forwards what the cache held back of an entry.
func (s *keyed) flushOne(e *entry, base []byte) error {
	gone := e.flags&absent != 0
	var old []byte
	var had bool
	if s.forward != nil && (gone || s.front.copies) {
		var err error
		if old, had, err = s.front.below(s.t, e, base, &s.buf); err != nil {
			return err
		}
		if gone && !had { // made and deleted since the last flush: nobody needs to know
			return nil
		}
	}
	if err := s.log.log(e.key(), e.value(), gone); err != nil || s.forward == nil {
		return err
	}
	return s.forward(e.key(), e.value(), !gone, old, had && s.front.copies)
}

// left takes an entry that the cache has given up out of memory if there is nothing below that it would hide.
func (s *keyed) left(e *entry) {
	s.t.released(e)
	if s.t.rows == nil && e.flags&absent != 0 {
		s.t.drop(e)
	}
}

func (s *keyed) flush() error {
	if s.ttl != nil {
		return s.ttl.expire(maxExpired)
	}
	return s.front.flushAll()
}

func (s *keyed) evict() error { return s.front.evict() }

func (s *keyed) restore(rs []Restored) error {
	for i := range rs {
		r := &rs[i]
		switch {
		case s.ttl != nil:
			s.ttl.restore(r)
		case r.Value == nil:
			s.remove(r.Key)
		default:
			e := s.t.put(r.Key, s.log.row(r, &s.buf))
			if s.lru != nil { // what was evicted comes as a tombstone
				s.lru.use(e)
			}
		}
	}
	return nil
}

func (s *keyed) dump() iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		_ = s.scan(span{}, false, func(key, value []byte) bool {
			row := []any{clone(key), nil}
			if s.log.stamped {
				at, v := splitStamp(value)
				row[1] = clone(v)
				row = append(row, int64(at))
			} else {
				row[1] = clone(value)
			}
			return yield(row)
		})
	}
}

func (s *keyed) apply(b *Batch, m *meta) error {
	m.live = s.t.live
	if s.ttl != nil {
		m.observed = s.ttl.observed
	}
	return applyTables(b, s.front, s.tables())
}

func (s *keyed) tables() []*table {
	if s.ttl != nil {
		return []*table{s.t, s.ttl.byTime}
	}
	return []*table{s.t}
}

func (s *keyed) sweep(numerator, denominator int64) { sweepTables(s.tables(), numerator, denominator) }

func (s *keyed) close() error {
	s.front.close()
	return closeTables(s.tables())
}

func (s *keyed) reset() error {
	forward := s.forward
	err := again(s.close, s.place, &s.front, func() error { return s.open(s.name, s.how.options, s.how.env) })
	s.forward = forward
	return err
}

func (s *keyed) placed() *place { return s.place }

func clone(b []byte) []byte { return append([]byte{}, b...) }

// lru bounds the number of entries of a key-value store in memory.
type lru struct {
	max   int
	count int
	uses  useList
}

func (l *lru) use(e *entry) {
	linked := e.links != nil
	if !linked {
		e.links = &links{}
		l.count++
	}
	l.uses.use(e, linked)
}

func (l *lru) remove(t *table, key []byte) {
	if e := t.index.find(key, hashOf(key)); e != nil && e.links != nil {
		l.unlink(e)
	}
}

func (l *lru) unlink(e *entry) {
	l.uses.remove(e)
	e.links = nil
	l.count--
}

// shrink deletes the entries that were used least recently, as a user would.
func (l *lru) shrink(s *keyed) error {
	for l.count > l.max {
		e := l.uses.oldest
		l.unlink(e)
		s.buf = append(s.buf[:0], e.key()...)
		s.t.delete(s.buf)
		if err := s.log.log(s.buf, nil, true); err != nil {
			return err
		}
	}
	return nil
}

// ttl lets the entries of a key-value store expire by their times.
//
// Rows begin with their time, whether or not the user sees it. byTime has a row bucket (8) ++ key for each bucket of time in which a key was
// written: one row for a key that is written often, and none has to be found and moved when the key is written again. When a bucket has
// expired as a whole, its keys are looked up, and those that were not written since are deleted.
type ttl struct {
	s        *keyed
	after    Time
	bucket   Time
	hidden   bool // the user's values have no time of their own
	observed Time
	expired  int64 // buckets below were looked through
	byTime   *table
	row, key []byte
}

// maxExpired is how many entries a flush lets expire, expiredPerPut how many a put does: a burst is spread.
const (
	maxExpired    = 10_000
	expiredPerPut = 64
)

func newTTL(s *keyed, o *options, p *place, total *tally) *ttl {
	return &ttl{s: s, after: max(millis(o.ttl), 1), bucket: o.ttlBucket(), hidden: !o.stamped, observed: p.before().observed,
		byTime: p.table(areaByTime, total)}
}

// read is a row's value as the user sees it, unless it has expired.
func (l *ttl) read(row []byte) (value []byte, ok bool, err error) {
	at, v := splitStamp(row)
	if at <= l.observed-l.after {
		return nil, false, nil
	}
	if l.hidden {
		return v, true, nil
	}
	return row, true, nil
}

func (l *ttl) put(key, value []byte) error {
	at := l.s.log.record.Time
	if !l.hidden {
		at, _ = splitStamp(value)
		l.write(key, value, at)
	} else {
		l.row = append(appendTime(l.row[:0], at), value...)
		l.write(key, l.row, at)
	}
	if err := l.s.log.log(key, value, false); err != nil {
		return err
	}
	return l.expire(expiredPerPut)
}

func (l *ttl) write(key, row []byte, at Time) {
	l.observed = max(l.observed, at)
	l.s.t.put(key, row)
	l.key = append(appendTime(l.key[:0], at/l.bucket), key...)
	if e, _ := l.byTime.touch(l.key); e.flags&absent != 0 {
		l.byTime.write(e, nil, false)
	}
}

func (l *ttl) restore(r *Restored) {
	if r.Value == nil {
		l.s.t.delete(r.Key)
		return
	}
	l.row = append(appendTime(l.row[:0], r.Time), r.Value...)
	l.write(r.Key, l.row, r.Time)
}

// expire deletes up to that many entries of the buckets that have expired.
func (l *ttl) expire(limit int) error {
	bucket := int64((l.observed - l.after) / l.bucket) // of times that may still be alive
	if l.observed < l.after || bucket <= l.expired {
		return nil
	}
	var dead [][]byte
	err := l.byTime.scan(span{high: appendTime(nil, Time(bucket))}, false, func(row, _ []byte, _ bool) bool {
		dead = append(dead, clone(row))
		return len(dead) < limit
	})
	if err != nil {
		return err
	}
	for _, row := range dead {
		l.byTime.delete(row)
		key := row[8:]
		e, err := l.s.t.find(key)
		if err != nil {
			return err
		}
		if e == nil || e.flags&absent != 0 || Time(binary.BigEndian.Uint64(e.value())) > l.observed-l.after {
			continue
		}
		l.s.t.delete(key)
		if err := l.s.log.log(key, nil, true); err != nil {
			return err
		}
	}
	if len(dead) < limit {
		l.expired = bucket
	}
	return nil
}
