package state

import (
	"iter"
	"sync"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/window"
)

// Sessions is the concrete session store. See [KV].
type Sessions[K, V any] struct {
	rows   timed
	keys   serde.Serde[K]
	values serde.Serde[V]

	// The last row's key and value as bytes. A call of the store overwrites them.
	row, value []byte
	shared     sync.Mutex // held by Readers
}

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
	raw, ok, err := s.rows.get(s.row)
	if !ok || err != nil {
		return v, false, err
	}
	if v, err = s.values.Decode(raw); err != nil {
		return v, false, rowError(s.rows.name, err)
	}
	return v, true, nil
}

// Put implements SessionStore.
func (s *Sessions[K, V]) Put(k window.Windowed[K], v V) (err error) {
	if err := s.at(k.Key, k.Window); err != nil {
		return err
	}
	if s.value, err = s.values.Append(s.value[:0], v); err != nil {
		return rowError(s.rows.name, err)
	}
	return s.rows.put(s.row, s.value)
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

// All implements SessionStore.
func (s *Sessions[K, V]) All() iter.Seq2[Entry[window.Windowed[K], V], error] {
	return func(yield func(Entry[window.Windowed[K], V], error) bool) {
		s.list(yield, func(f func(row, value []byte) bool) error { return s.rows.all(false, f) })
	}
}

func (s *Sessions[K, V]) list(yield func(Entry[window.Windowed[K], V], error) bool, scan func(func(row, value []byte) bool) error) {
	stopped := false
	err := scan(func(row, value []byte) bool {
		e, err := s.decode(row, value)
		stopped = !yield(e, err) || err != nil
		return !stopped
	})
	if err != nil && !stopped {
		yield(Entry[window.Windowed[K], V]{}, err)
	}
}

func (s *Sessions[K, V]) decode(row, value []byte) (e Entry[window.Windowed[K], V], err error) {
	if e.Key.Key, err = s.keys.Decode(sessionLayout.key(row)); err == nil {
		e.Value, err = s.values.Decode(value)
	}
	if err != nil {
		return Entry[window.Windowed[K], V]{}, rowError(s.rows.name, err)
	}
	e.Key.Window = window.Window{Start: sessionLayout.start(row), End: sessionLayout.time(row)}
	return e, nil
}
