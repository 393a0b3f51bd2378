package state

import (
	"encoding/binary"
	"iter"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/window"
)

// Windows is the concrete window store. See [KV].
type Windows[K, V any] struct{ spans[K, V] }

// at makes the key of a row. The sequence number is 0.
func (s *Windows[K, V]) at(k K, start Time) error {
	b, err := s.keys.Append(s.row[:0], k)
	if err != nil {
		return rowError(s.rows.name, err)
	}
	s.row = append(appendTime(b, start), 0, 0, 0, 0)
	return nil
}

// Get implements WindowStore.
func (s *Windows[K, V]) Get(k K, start Time) (v V, ok bool, err error) {
	if err := s.at(k, start); err != nil {
		return v, false, err
	}
	return s.get() // no row of a store with duplicates has the number 0
}

// Put implements WindowStore.
func (s *Windows[K, V]) Put(k K, start Time, v V) error {
	if err := s.at(k, start); err != nil {
		return err
	}
	s.number()
	return s.put(v)
}

// Delete implements WindowStore. A store with duplicates deletes nothing, but its changelog gets the tombstone, as Kafka's does.
func (s *Windows[K, V]) Delete(k K, start Time) error {
	if err := s.at(k, start); err != nil {
		return err
	}
	if s.rows.duplicates {
		s.number()
		if err := s.rows.pass(start); err != nil {
			return err
		}
		return s.rows.log.log(s.row, nil, true)
	}
	return s.rows.delete(s.row)
}

// number gives the row of a store with duplicates its sequence number.
func (s *Windows[K, V]) number() {
	if s.rows.duplicates {
		s.rows.sequence = (s.rows.sequence + 1) & 0x7fffffff
		binary.BigEndian.PutUint32(s.row[len(s.row)-4:], s.rows.sequence)
	}
}

// Fetch implements WindowStore.
func (s *Windows[K, V]) Fetch(k K, from, to Time) iter.Seq2[Entry[Time, V], error] {
	return s.fetch(k, from, to, false)
}

// FetchDescending implements WindowStore.
func (s *Windows[K, V]) FetchDescending(k K, from, to Time) iter.Seq2[Entry[Time, V], error] {
	return s.fetch(k, from, to, true)
}

func (s *Windows[K, V]) fetch(k K, from, to Time, reverse bool) iter.Seq2[Entry[Time, V], error] {
	return func(yield func(Entry[Time, V], error) bool) {
		key, err := s.keys.Append([]byte{}, k)
		if err != nil {
			yield(Entry[Time, V]{}, rowError(s.rows.name, err))
			return
		}
		stopped := false
		err = s.rows.rowsOf(key, from, to, reverse, func(row, value []byte) bool {
			e := Entry[Time, V]{Key: windowLayout.time(row)}
			v, err := s.values.Decode(value)
			if err != nil {
				err = rowError(s.rows.name, err)
			}
			e.Value = v
			stopped = !yield(e, err) || err != nil
			return !stopped
		})
		if err != nil && !stopped {
			yield(Entry[Time, V]{}, err)
		}
	}
}

// FetchRange implements WindowStore.
func (s *Windows[K, V]) FetchRange(from, to *K, t0, t1 Time) iter.Seq2[Entry[window.Windowed[K], V], error] {
	return s.fetchRange(from, to, t0, t1, false)
}

// FetchRangeDescending implements WindowStore.
func (s *Windows[K, V]) FetchRangeDescending(from, to *K, t0, t1 Time) iter.Seq2[Entry[window.Windowed[K], V], error] {
	return s.fetchRange(from, to, t0, t1, true)
}

func (s *Windows[K, V]) fetchRange(from, to *K, t0, t1 Time, reverse bool) iter.Seq2[Entry[window.Windowed[K], V], error] {
	return func(yield func(Entry[window.Windowed[K], V], error) bool) {
		low, high, err := keyBounds(s.keys, from, to)
		if err != nil {
			yield(Entry[window.Windowed[K], V]{}, rowError(s.rows.name, err))
			return
		}
		s.list(yield, func(f func(row, value []byte) bool) error { return s.rows.keysBetween(low, high, t0, t1, reverse, f) })
	}
}

// keyBounds are the bytes of a range's bounds; nil is none.
func keyBounds[K any](keys serde.Serde[K], from, to *K) (low, high []byte, err error) {
	if from != nil {
		low, err = keys.Append([]byte{}, *from)
	}
	if to != nil && err == nil {
		high, err = keys.Append([]byte{}, *to)
	}
	return low, high, err
}

// FetchStarts lists the windows of all keys whose start is in [from, to], by start, then key: what emit on close goes through.
func (s *Windows[K, V]) FetchStarts(from, to Time) iter.Seq2[Entry[window.Windowed[K], V], error] {
	return func(yield func(Entry[window.Windowed[K], V], error) bool) {
		s.list(yield, func(f func(row, value []byte) bool) error {
			return s.rows.byTimeBetween(from, to, s.rows.oldest(), false, f)
		})
	}
}

// AllDescending implements WindowStore.
func (s *Windows[K, V]) AllDescending() iter.Seq2[Entry[window.Windowed[K], V], error] {
	return s.all(true)
}
