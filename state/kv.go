package state

import (
	"iter"

	"github.com/millrace-go/millrace/serde"
)

// KV is the concrete key-value store: what the DSL's nodes hold, so that no interface stands on the record path. A store that was defined with
// [TimestampedKeyValue] is a *KV[K, Stamped[V]].
type KV[K, V any] struct {
	rows   keyed
	keys   serde.Serde[K]
	values serde.Serde[V]

	// The last key and value as bytes. A call of the store overwrites them.
	key, value []byte
	reader     bool // a Reader: it does not write
}

// Get implements KeyValueStore.
func (s *KV[K, V]) Get(k K) (v V, ok bool, err error) {
	if s.key, err = s.keys.Append(s.key[:0], k); err != nil {
		return v, false, rowError(s.rows.name, err)
	}
	raw, ok, err := s.rows.get(s.key)
	if !ok || err != nil {
		return v, false, err
	}
	if v, err = s.values.Decode(raw); err != nil {
		return v, false, rowError(s.rows.name, err)
	}
	return v, true, nil
}

// Put implements KeyValueStore.
func (s *KV[K, V]) Put(k K, v V) (err error) {
	if s.reader {
		return readOnly(s.rows.name)
	}
	if s.key, err = s.keys.Append(s.key[:0], k); err != nil {
		return rowError(s.rows.name, err)
	}
	if s.value, err = s.values.Append(s.value[:0], v); err != nil {
		return rowError(s.rows.name, err)
	}
	return s.rows.put(s.key, s.value)
}

// Delete implements KeyValueStore.
func (s *KV[K, V]) Delete(k K) (err error) {
	if s.reader {
		return readOnly(s.rows.name)
	}
	if s.key, err = s.keys.Append(s.key[:0], k); err != nil {
		return rowError(s.rows.name, err)
	}
	return s.rows.delete(s.key)
}

// Range implements ReadOnlyKeyValue.
func (s *KV[K, V]) Range(from, to *K) iter.Seq2[Entry[K, V], error] {
	return s.between(from, to, false)
}

// RangeDescending implements ReadOnlyKeyValue.
func (s *KV[K, V]) RangeDescending(from, to *K) iter.Seq2[Entry[K, V], error] {
	return s.between(from, to, true)
}

// All implements ReadOnlyKeyValue.
func (s *KV[K, V]) All() iter.Seq2[Entry[K, V], error] { return s.between(nil, nil, false) }

func (s *KV[K, V]) between(from, to *K, reverse bool) iter.Seq2[Entry[K, V], error] {
	return func(yield func(Entry[K, V], error) bool) {
		var in span
		var err error
		if from != nil {
			in.low, err = s.keys.Append([]byte{}, *from)
		}
		if to != nil && err == nil {
			in.high, err = s.keys.Append([]byte{}, *to)
			in.high = append(in.high, 0)
		}
		if err != nil {
			yield(Entry[K, V]{}, rowError(s.rows.name, err))
			return
		}
		s.scan(in, reverse, yield)
	}
}

// Prefix implements ReadOnlyKeyValue.
func (s *KV[K, V]) Prefix(prefix []byte) iter.Seq2[Entry[K, V], error] {
	return func(yield func(Entry[K, V], error) bool) {
		s.scan(prefixSpan(prefix), false, yield)
	}
}

func (s *KV[K, V]) scan(in span, reverse bool, yield func(Entry[K, V], error) bool) {
	stopped := false
	err := s.rows.scan(in, reverse, func(key, value []byte) bool {
		e, err := s.decode(key, value)
		stopped = !yield(e, err) || err != nil
		return !stopped
	})
	if err != nil && !stopped {
		yield(Entry[K, V]{}, err)
	}
}

func (s *KV[K, V]) decode(key, value []byte) (e Entry[K, V], err error) {
	if e.Key, err = s.keys.Decode(key); err == nil {
		e.Value, err = s.values.Decode(value)
	}
	if err != nil {
		return Entry[K, V]{}, rowError(s.rows.name, err)
	}
	return e, nil
}

// Len implements ReadOnlyKeyValue.
func (s *KV[K, V]) Len() (int64, error) { return s.rows.len() }

// prefixSpan is the span of all keys that begin with prefix.
func prefixSpan(prefix []byte) span {
	high := clone(prefix)
	for i := len(high) - 1; i >= 0; i-- {
		if high[i]++; high[i] != 0 {
			return span{prefix, high[:i+1]}
		}
	}
	return span{prefix, nil} // empty, or nothing but 0xff
}
