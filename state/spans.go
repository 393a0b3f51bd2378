package state

import (
	"iter"
	"sync"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/window"
)

// spans is what window and session stores have in common: typed rows with a span of time in their keys.
type spans[K, V any] struct {
	rows   timed
	keys   serde.Serde[K]
	values serde.Serde[V]
	size   Time // of a window; a session's is in its row

	// The last row's key and value as bytes. A call of the store overwrites them.
	row, value []byte
	shared     sync.Mutex // held by Readers
}

// get is the value of the row whose key was made last.
func (s *spans[K, V]) get() (v V, ok bool, err error) {
	raw, ok, err := s.rows.get(s.row)
	if !ok || err != nil {
		return v, false, err
	}
	if v, err = s.values.Decode(raw); err != nil {
		return v, false, rowError(s.rows.name, err)
	}
	return v, true, nil
}

// put writes the row whose key was made last.
func (s *spans[K, V]) put(v V) (err error) {
	if s.value, err = s.values.Append(s.value[:0], v); err != nil {
		return rowError(s.rows.name, err)
	}
	return s.rows.put(s.row, s.value)
}

// All lists all rows, by key, then time.
func (s *spans[K, V]) All() iter.Seq2[Entry[window.Windowed[K], V], error] { return s.all(false) }

func (s *spans[K, V]) all(reverse bool) iter.Seq2[Entry[window.Windowed[K], V], error] {
	return func(yield func(Entry[window.Windowed[K], V], error) bool) {
		s.list(yield, func(f func(row, value []byte) bool) error { return s.rows.all(reverse, f) })
	}
}

func (s *spans[K, V]) list(yield func(Entry[window.Windowed[K], V], error) bool, scan func(func(row, value []byte) bool) error) {
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

func (s *spans[K, V]) decode(row, value []byte) (e Entry[window.Windowed[K], V], err error) {
	if e.Key.Key, err = s.keys.Decode(s.rows.layout.key(row)); err == nil {
		e.Value, err = s.values.Decode(value)
	}
	if err != nil {
		return Entry[window.Windowed[K], V]{}, rowError(s.rows.name, err)
	}
	e.Key.Window = window.Window{Start: s.rows.layout.start(row), End: s.rows.layout.time(row)}
	if s.rows.layout == windowLayout {
		e.Key.Window.End = addTime(e.Key.Window.Start, s.size)
	}
	return e, nil
}
