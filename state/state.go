package state

import (
	"iter"

	"github.com/millrace-go/millrace/window"
)

// Time is an instant in milliseconds since the epoch.
type Time = window.Time

// Entry is a key with its value.
type Entry[K, V any] struct {
	Key   K
	Value V
}

// Stamped is a value with the time of the record that wrote it.
type Stamped[V any] struct {
	Value V
	Time  Time
}

// ReadOnlyKeyValue reads a key-value store. Keys are ordered by their bytes.
type ReadOnlyKeyValue[K, V any] interface {
	// Get returns the key's value, and whether there is one.
	Get(K) (V, bool, error)
	// Range lists the keys in [from, to], both inclusive; nil is no bound.
	Range(from, to *K) iter.Seq2[Entry[K, V], error]
	// RangeDescending is Range from the highest key to the lowest.
	RangeDescending(from, to *K) iter.Seq2[Entry[K, V], error]
	// Prefix lists the keys whose bytes begin with prefix.
	Prefix(prefix []byte) iter.Seq2[Entry[K, V], error]
	// All lists all keys.
	All() iter.Seq2[Entry[K, V], error]
	// Len is the number of keys: exact in memory, with a database an estimate.
	Len() (int64, error)
}

// KeyValueStore is a map from K to V.
type KeyValueStore[K, V any] interface {
	ReadOnlyKeyValue[K, V]
	Put(K, V) error
	// Delete removes a key. Its changelog gets a tombstone even if there was none.
	Delete(K) error
}

// PutIfAbsent puts a value unless the key has one. It answers the value that the key has then, and whether that was there before.
func PutIfAbsent[K, V any](s KeyValueStore[K, V], k K, v V) (_ V, had bool, _ error) {
	old, ok, err := s.Get(k)
	if ok || err != nil {
		return old, ok, err
	}
	return v, false, s.Put(k, v)
}

// ReadOnlyWindow reads a window store. Windows are found by their start. What has expired is not found.
type ReadOnlyWindow[K, V any] interface {
	// Get returns the value of a key's window, and whether there is one. Of a store with duplicates it answers none: fetch.
	Get(k K, start Time) (V, bool, error)
	// Fetch lists a key's windows that start in [from, to], both inclusive, by start.
	Fetch(k K, from, to Time) iter.Seq2[Entry[Time, V], error]
	// FetchDescending is Fetch from the latest start to the earliest.
	FetchDescending(k K, from, to Time) iter.Seq2[Entry[Time, V], error]
	// FetchRange lists the windows of the keys in [from, to] that start in [t0, t1], all inclusive, in the order of All; nil is no bound.
	FetchRange(from, to *K, t0, t1 Time) iter.Seq2[Entry[window.Windowed[K], V], error]
	// FetchRangeDescending is FetchRange in the opposite order.
	FetchRangeDescending(from, to *K, t0, t1 Time) iter.Seq2[Entry[window.Windowed[K], V], error]
	// All lists all windows: by segment, key and start; by start and key for stores in memory and time-first ones.
	All() iter.Seq2[Entry[window.Windowed[K], V], error]
	// AllDescending is All in the opposite order.
	AllDescending() iter.Seq2[Entry[window.Windowed[K], V], error]
}

// WindowStore keeps a value per key and window, for as long as its retention.
type WindowStore[K, V any] interface {
	ReadOnlyWindow[K, V]
	// Put stores a value. One that is too old is dropped, counted and all the same logged, which is no error.
	Put(k K, start Time, v V) error
	Delete(k K, start Time) error
}

// ReadOnlySession reads a session store. What has expired is not found.
type ReadOnlySession[K, V any] interface {
	// Get returns the value of exactly that session, and whether there is one.
	Get(k K, w window.Window) (V, bool, error)
	// Find lists a key's sessions that end at earliestEnd or later and start at latestStart or earlier, by end, then start.
	Find(k K, earliestEnd, latestStart Time) iter.Seq2[Entry[window.Windowed[K], V], error]
	// FindDescending is Find from the latest end to the earliest.
	FindDescending(k K, earliestEnd, latestStart Time) iter.Seq2[Entry[window.Windowed[K], V], error]
	// FindRange is Find for the keys in [from, to], both inclusive, in the order of All; nil is no bound.
	FindRange(from, to *K, earliestEnd, latestStart Time) iter.Seq2[Entry[window.Windowed[K], V], error]
	// All lists all sessions: by segment, key, end and start; by end for stores in memory and time-first ones.
	All() iter.Seq2[Entry[window.Windowed[K], V], error]
}

// SessionStore keeps a value per key and session, for as long as its retention after the session's end.
type SessionStore[K, V any] interface {
	ReadOnlySession[K, V]
	// Put stores a value. One that is too old is dropped, counted and all the same logged, which is no error.
	Put(window.Windowed[K], V) error
	Delete(window.Windowed[K]) error
}

// ReadOnlyVersioned reads a versioned store.
type ReadOnlyVersioned[K, V any] interface {
	// Get returns the key's latest version and its time, unless that is a delete.
	Get(K) (Stamped[V], bool, error)
	// GetAsOf returns the version that was valid at a time, unless that is a delete. Of a time before the history only the latest version is known.
	GetAsOf(K, Time) (Stamped[V], bool, error)
}

// VersionedStore keeps what a key held at any time in its history (KIP-889).
type VersionedStore[K, V any] interface {
	ReadOnlyVersioned[K, V]
	// Put stores a version that is valid from at until the next one. One that is older than the history is dropped, counted and all the same
	// logged, which is no error.
	Put(k K, v V, at Time) error
	// Delete stores a version that says that there is no value. See Put.
	Delete(k K, at Time) error
}
