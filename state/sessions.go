package state

import (
	"iter"

	"github.com/millrace-go/millrace/window"
)

// Sessions is the concrete session store. See [KV].
type Sessions[K, V any] struct{ spans[K, V] }

func (s *Sessions[K, V]) at(k K, w window.Window) error {
	b, err := s.keys.Append(s.row[:0], k)
	if err != nil {
		return rowError(s.rows.name, err)
	}
	s.row = appendTime(appendTime(b, w.End), w.Start)
	return nil
}

// Get implements SessionStore.
func (s *Sessions[K, V]) Get(k K, w window.Window) (v V, ok bool, err error) {
	if err := s.at(k, w); err != nil {
		return v, false, err
	}
	return s.get()
}

// Put implements SessionStore.
func (s *Sessions[K, V]) Put(k window.Windowed[K], v V) error {
	if err := s.at(k.Key, k.Window); err != nil {
		return err
	}
	return s.put(v)
}

// Delete implements SessionStore.
func (s *Sessions[K, V]) Delete(k window.Windowed[K]) error {
	if err := s.at(k.Key, k.Window); err != nil {
		return err
	}
	return s.rows.delete(s.row)
}

// Find implements SessionStore.
func (s *Sessions[K, V]) Find(k K, earliestEnd, latestStart Time) iter.Seq2[Entry[window.Windowed[K], V], error] {
	return s.find(k, earliestEnd, latestStart, false)
}

// FindDescending implements SessionStore.
func (s *Sessions[K, V]) FindDescending(k K, earliestEnd, latestStart Time) iter.Seq2[Entry[window.Windowed[K], V], error] {
	return s.find(k, earliestEnd, latestStart, true)
}

func (s *Sessions[K, V]) find(k K, earliestEnd, latestStart Time, reverse bool) iter.Seq2[Entry[window.Windowed[K], V], error] {
	return func(yield func(Entry[window.Windowed[K], V], error) bool) {
		key, err := s.keys.Append([]byte{}, k)
		if err != nil {
			yield(Entry[window.Windowed[K], V]{}, rowError(s.rows.name, err))
			return
		}
		s.list(yield, func(f func(row, value []byte) bool) error {
			return s.rows.rowsOf(key, earliestEnd, maxTime-1, reverse, func(row, value []byte) bool {
				return sessionLayout.start(row) > latestStart || f(row, value)
			})
		})
	}
}

// FindRange implements SessionStore.
func (s *Sessions[K, V]) FindRange(from, to *K, earliestEnd, latestStart Time) iter.Seq2[Entry[window.Windowed[K], V], error] {
	return func(yield func(Entry[window.Windowed[K], V], error) bool) {
		low, high, err := keyBounds(s.keys, from, to)
		if err != nil {
			yield(Entry[window.Windowed[K], V]{}, rowError(s.rows.name, err))
			return
		}
		s.list(yield, func(f func(row, value []byte) bool) error {
			return s.rows.keysBetween(low, high, earliestEnd, maxTime-1, false, func(row, value []byte) bool {
				return sessionLayout.start(row) > latestStart || f(row, value)
			})
		})
	}
}

// FindEnds lists the sessions of all keys whose end is in [from, to] by end: what emit on close goes through. Equal ends come by start and
// key, in memory by key and start. A session that has expired is found as long as its segment is there, as in Kafka; in memory it is not.
func (s *Sessions[K, V]) FindEnds(from, to Time) iter.Seq2[Entry[window.Windowed[K], V], error] {
	return func(yield func(Entry[window.Windowed[K], V], error) bool) {
		oldest := s.rows.oldest()
		if !s.rows.exact {
			oldest = 0
		}
		s.list(yield, func(f func(row, value []byte) bool) error { return s.rows.byTimeBetween(from, to, oldest, false, f) })
	}
}
