package state

import (
	"iter"
	"sync"
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
	if e.Shared {
		s.t.shared = &sync.Mutex{}
	}
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
