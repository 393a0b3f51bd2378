package state

import "iter"

// keyed is a key-value store of bytes: the layers under KV.
type keyed struct {
	name  string
	t     *table
	log   logger
	stamp []byte
}

func (s *keyed) get(key []byte) ([]byte, bool, error) { return s.t.get(key) }

func (s *keyed) put(key, value []byte) error {
	s.t.put(key, value)
	return s.log.log(key, value, false)
}

func (s *keyed) delete(key []byte) error {
	s.t.delete(key)
	return s.log.log(key, nil, true)
}

// scan calls f with the rows of a range in order.
func (s *keyed) scan(in span, reverse bool, f func(key, value []byte) bool) error {
	return s.t.scan(in, reverse, func(key, value []byte, _ bool) bool { return f(key, value) })
}

func (s *keyed) len() (int64, error) { return max(s.t.live, 0), nil }

func (s *keyed) flush() error { return nil }
func (s *keyed) close() error { return nil }

func (s *keyed) restore(rs []Restored) error {
	for i := range rs {
		r := &rs[i]
		if r.Value == nil {
			s.t.delete(r.Key)
		} else {
			s.t.put(r.Key, s.log.row(r, &s.stamp))
		}
	}
	return nil
}

func (s *keyed) dump() iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		_ = s.t.scan(span{}, false, func(key, value []byte, _ bool) bool {
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

func clone(b []byte) []byte { return append([]byte{}, b...) }
