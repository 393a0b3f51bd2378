package state

import (
	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/window"
)

// Flushed is what a record cache hands downstream for a key: the last value since the last flush, and if it was asked for, the value
// before, from the store under the cache. The record context is that of the last update while the listener runs.
type Flushed[V any] struct {
	New, Old       V
	HasNew, HasOld bool
}

// decodeFlushed decodes the values of a flushed entry.
func decodeFlushed[V any](s serde.Serde[V], value []byte, there bool, old []byte, had bool) (c Flushed[V], err error) {
	c.HasNew, c.HasOld = there, had
	if there {
		c.New, err = s.Decode(value)
	}
	if had && err == nil {
		c.Old, err = s.Decode(old)
	}
	return c, err
}

// OnFlush makes f the listener of the cache in front of the store; false (and f never called) if no cache is. old asks for the values
// before. A key that was made and deleted between two flushes is not heard of. Call it when the task starts.
func (s *KV[K, V]) OnFlush(old bool, f func(k K, c Flushed[V]) error) (cached bool) {
	if s.rows.front == nil {
		return false
	}
	s.rows.front.copies = old
	s.rows.forward = func(key, value []byte, there bool, before []byte, had bool) error {
		k, err := s.keys.Decode(key)
		if err != nil {
			return rowError(s.rows.name, err)
		}
		c, err := decodeFlushed(s.values, value, there, before, had)
		if err != nil {
			return rowError(s.rows.name, err)
		}
		return f(k, c)
	}
	return true
}

// OnFlush: as for KV, by key and window start.
func (s *Windows[K, V]) OnFlush(old bool, f func(k K, start Time, c Flushed[V]) error) (cached bool) {
	if s.rows.front == nil {
		return false
	}
	s.rows.front.copies = old
	s.rows.forward = func(row, value []byte, there bool, before []byte, had bool) error {
		k, err := s.keys.Decode(windowLayout.key(row))
		if err != nil {
			return rowError(s.rows.name, err)
		}
		c, err := decodeFlushed(s.values, value, there, before, had)
		if err != nil {
			return rowError(s.rows.name, err)
		}
		return f(k, windowLayout.time(row), c)
	}
	return true
}

// OnFlush: as for KV, by session.
func (s *Sessions[K, V]) OnFlush(old bool, f func(k window.Windowed[K], c Flushed[V]) error) (cached bool) {
	if s.rows.front == nil {
		return false
	}
	s.rows.front.copies = old
	s.rows.forward = func(row, value []byte, there bool, before []byte, had bool) error {
		k, err := s.keys.Decode(sessionLayout.key(row))
		if err != nil {
			return rowError(s.rows.name, err)
		}
		c, err := decodeFlushed(s.values, value, there, before, had)
		if err != nil {
			return rowError(s.rows.name, err)
		}
		w := window.Window{Start: sessionLayout.start(row), End: sessionLayout.time(row)}
		return f(window.Windowed[K]{Key: k, Window: w}, c)
	}
	return true
}
