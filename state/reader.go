package state

import (
	"fmt"
	"iter"
	"sync"

	"github.com/millrace-go/millrace/window"
)

// Readers let several goroutines read one store: see Stores.Reader. A key-value store is read without a lock, by facades with buffers of their own;
// the other kinds, which keep what a read finds out, one call at a time.

func readOnly(store string) error {
	return fmt.Errorf("store %s is a global store, which only its own processor writes: read it here", store)
}

func (s *KV[K, V]) forReading() any {
	r := &KV[K, V]{rows: s.rows, keys: s.keys, values: s.values, reader: true}
	r.rows.buf, r.rows.lru = nil, nil // a read does not count as a use: that would be a write
	return r
}

// oneAtATime lists what seq has under a lock, then hands it out without: the body of a loop may use the store.
func oneAtATime[T any](mu *sync.Mutex, seq iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var all []T
		var failed error
		mu.Lock()
		for e, err := range seq {
			if failed = err; err != nil {
				break
			}
			all = append(all, e)
		}
		mu.Unlock()
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
		if failed != nil {
			var none T
			yield(none, failed)
		}
	}
}

// windowReader is a reader of a window store.
type windowReader[K, V any] struct{ s *Windows[K, V] }

var _ WindowStore[int, int] = windowReader[int, int]{}

func (s *Windows[K, V]) forReading() any { return windowReader[K, V]{s} }

func (r windowReader[K, V]) Get(k K, start Time) (V, bool, error) {
	r.s.shared.Lock()
	defer r.s.shared.Unlock()
	return r.s.Get(k, start)
}

func (r windowReader[K, V]) Fetch(k K, from, to Time) iter.Seq2[Entry[Time, V], error] {
	return oneAtATime(&r.s.shared, r.s.Fetch(k, from, to))
}

func (r windowReader[K, V]) FetchDescending(k K, from, to Time) iter.Seq2[Entry[Time, V], error] {
	return oneAtATime(&r.s.shared, r.s.FetchDescending(k, from, to))
}

func (r windowReader[K, V]) FetchRange(from, to *K, t0, t1 Time) iter.Seq2[Entry[window.Windowed[K], V], error] {
	return oneAtATime(&r.s.shared, r.s.FetchRange(from, to, t0, t1))
}

func (r windowReader[K, V]) FetchRangeDescending(from, to *K, t0, t1 Time) iter.Seq2[Entry[window.Windowed[K], V], error] {
	return oneAtATime(&r.s.shared, r.s.FetchRangeDescending(from, to, t0, t1))
}

func (r windowReader[K, V]) All() iter.Seq2[Entry[window.Windowed[K], V], error] {
	return oneAtATime(&r.s.shared, r.s.All())
}

func (r windowReader[K, V]) AllDescending() iter.Seq2[Entry[window.Windowed[K], V], error] {
	return oneAtATime(&r.s.shared, r.s.AllDescending())
}

func (r windowReader[K, V]) Put(K, Time, V) error { return readOnly(r.s.rows.name) }
func (r windowReader[K, V]) Delete(K, Time) error { return readOnly(r.s.rows.name) }

// sessionReader is a reader of a session store.
type sessionReader[K, V any] struct{ s *Sessions[K, V] }

var _ SessionStore[int, int] = sessionReader[int, int]{}

func (s *Sessions[K, V]) forReading() any { return sessionReader[K, V]{s} }

func (r sessionReader[K, V]) Get(k K, w window.Window) (V, bool, error) {
	r.s.shared.Lock()
	defer r.s.shared.Unlock()
	return r.s.Get(k, w)
}

func (r sessionReader[K, V]) Find(k K, earliestEnd, latestStart Time) iter.Seq2[Entry[window.Windowed[K], V], error] {
	return oneAtATime(&r.s.shared, r.s.Find(k, earliestEnd, latestStart))
}

func (r sessionReader[K, V]) FindDescending(k K, earliestEnd, latestStart Time) iter.Seq2[Entry[window.Windowed[K], V], error] {
	return oneAtATime(&r.s.shared, r.s.FindDescending(k, earliestEnd, latestStart))
}

func (r sessionReader[K, V]) FindRange(from, to *K, earliestEnd, latestStart Time) iter.Seq2[Entry[window.Windowed[K], V], error] {
	return oneAtATime(&r.s.shared, r.s.FindRange(from, to, earliestEnd, latestStart))
}

func (r sessionReader[K, V]) All() iter.Seq2[Entry[window.Windowed[K], V], error] {
	return oneAtATime(&r.s.shared, r.s.All())
}

func (r sessionReader[K, V]) Put(window.Windowed[K], V) error { return readOnly(r.s.rows.name) }
func (r sessionReader[K, V]) Delete(window.Windowed[K]) error { return readOnly(r.s.rows.name) }

// versionReader is a reader of a versioned store.
type versionReader[K, V any] struct{ s *Versions[K, V] }

var _ VersionedStore[int, int] = versionReader[int, int]{}

func (s *Versions[K, V]) forReading() any { return versionReader[K, V]{s} }

func (r versionReader[K, V]) Get(k K) (Stamped[V], bool, error) {
	r.s.shared.Lock()
	defer r.s.shared.Unlock()
	return r.s.Get(k)
}

func (r versionReader[K, V]) GetAsOf(k K, at Time) (Stamped[V], bool, error) {
	r.s.shared.Lock()
	defer r.s.shared.Unlock()
	return r.s.GetAsOf(k, at)
}

func (r versionReader[K, V]) Put(K, V, Time) error { return readOnly(r.s.rows.name) }
func (r versionReader[K, V]) Delete(K, Time) error { return readOnly(r.s.rows.name) }
