// Package state: what was written per task.
package state

import (
	"iter"

	"github.com/millrace-go/millrace/window"
)

type Time = window.Time

type Entry[K, V any] struct {
	Key   K
	Value V
}

// Stamped is a value with the time of the record that wrote it.
type Stamped[V any] struct {
	Value V
	Time  Time
}

type ReadOnlyKeyValue[K, V any] interface {
	Get(K) (V, bool, error)
	Range(from, to *K) iter.Seq2[Entry[K, V], error]
	RangeDescending(from, to *K) iter.Seq2[Entry[K, V], error]
	Prefix(bytes []byte) iter.Seq2[Entry[K, V], error]
	All() iter.Seq2[Entry[K, V], error]
	Len() (int64, error) // an estimate
}

type KeyValueStore[K, V any] interface {
	ReadOnlyKeyValue[K, V]
	Put(K, V) error
	Delete(K) error
}

type ReadOnlyWindow[K, V any] interface {
	Get(k K, start Time) (V, bool, error)
	Fetch(k K, from, to Time) iter.Seq2[Entry[Time, V], error]
	FetchRange(from, to *K, t0, t1 Time) iter.Seq2[Entry[window.Windowed[K], V], error]
	All() iter.Seq2[Entry[window.Windowed[K], V], error]
}

type WindowStore[K, V any] interface {
	ReadOnlyWindow[K, V]
	Put(k K, start Time, v V) error
	Delete(k K, start Time) error
}

type ReadOnlySession[K, V any] interface {
	Get(k K, w window.Window) (V, bool, error)
	Find(k K, earliestEnd, latestStart Time) iter.Seq2[Entry[window.Windowed[K], V], error]
	All() iter.Seq2[Entry[window.Windowed[K], V], error]
}

type SessionStore[K, V any] interface {
	ReadOnlySession[K, V]
	Put(window.Windowed[K], V) error
	Delete(window.Windowed[K]) error
}

type ReadOnlyVersioned[K, V any] interface {
	Get(K) (Stamped[V], bool, error)
	GetAsOf(K, Time) (Stamped[V], bool, error)
}

type VersionedStore[K, V any] interface {
	ReadOnlyVersioned[K, V]
	Put(k K, v V, at Time) error
	Delete(k K, at Time) error
}
