package state

import (
	"sync"
	"time"

	"github.com/millrace-go/millrace/serde"
)

// Versioned defines a versioned store, which remembers what a key held at any time in the last history (KIP-889).
func Versioned[K, V any](name string, k serde.Serde[K], v serde.Serde[V], history time.Duration, o ...Option) Definition[VersionedStore[K, V]] {
	return Definition[VersionedStore[K, V]]{name, options{kind: kindVersioned, retention: history, noSerde: noSerde(k, v)}.with(o), func(e Env, o *options) (VersionedStore[K, V], instance, error) {
		k, v, err := bind(&e, name, k, v)
		if err != nil {
			return nil, nil, err
		}
		s := &Versions[K, V]{keys: k, values: v}
		return s, &s.rows, s.rows.open(name, o, e)
	}, viewVersions[K, V]}
}

// Versions is the concrete versioned store. See [KV].
type Versions[K, V any] struct {
	rows   versioned
	keys   serde.Serde[K]
	values serde.Serde[V]

	// The last key and value as bytes. A call of the store overwrites them.
	key, value []byte
	shared     sync.Mutex // held by Readers
}

// Get implements VersionedStore.
func (s *Versions[K, V]) Get(k K) (Stamped[V], bool, error) {
	return s.read(k, func() (Time, []byte, bool, error) { return s.rows.get(s.key) })
}

// GetAsOf implements VersionedStore.
func (s *Versions[K, V]) GetAsOf(k K, at Time) (Stamped[V], bool, error) {
	return s.read(k, func() (Time, []byte, bool, error) { return s.rows.asOf(s.key, at) })
}

func (s *Versions[K, V]) read(k K, get func() (Time, []byte, bool, error)) (v Stamped[V], ok bool, err error) {
	if s.key, err = s.keys.Append(s.key[:0], k); err != nil {
		return v, false, rowError(s.rows.name, err)
	}
	at, raw, ok, err := get()
	if !ok || err != nil {
		return v, false, err
	}
	if v.Value, err = s.values.Decode(raw); err != nil {
		return v, false, rowError(s.rows.name, err)
	}
	v.Time = at
	return v, true, nil
}

// Put implements VersionedStore.
func (s *Versions[K, V]) Put(k K, v V, at Time) error {
	_, _, _, err := s.PutVersion(k, &v, at)
	return err
}

// Delete implements VersionedStore.
func (s *Versions[K, V]) Delete(k K, at Time) error {
	_, _, _, err := s.PutVersion(k, nil, at)
	return err
}

// PutVersion puts a version; v == nil deletes. It tells until when the version is valid (false: it is the latest) and whether it was taken
// (false: older than the history).
func (s *Versions[K, V]) PutVersion(k K, v *V, at Time) (until Time, bounded, taken bool, err error) {
	if s.key, err = s.keys.Append(s.key[:0], k); err != nil {
		return 0, false, false, rowError(s.rows.name, err)
	}
	s.value = s.value[:0]
	if v != nil {
		if s.value, err = s.values.Append(s.value, *v); err != nil {
			return 0, false, false, rowError(s.rows.name, err)
		}
	}
	return s.rows.put(s.key, s.value, v != nil, at)
}
