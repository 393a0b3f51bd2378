package state

import (
	"errors"
	"iter"
	"time"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/window"
)

// A Definition of a store: a name, a kind and options. S is the type a processor gets. It opens nothing: Open does, once per task.
type Definition[S any] struct {
	name string
	opts []Option
	make func(Env, options) (S, instance, error)
}

// Name is the store's name: its changelog topic is "<application id>-<name>-changelog".
func (d Definition[S]) Name() string { return d.name }

// Changelog implements AnyDefinition.
func (d Definition[S]) Changelog() (map[string]string, bool) { return nil, false }

// Persistent implements AnyDefinition.
func (d Definition[S]) Persistent() bool { return false }

func (d Definition[S]) open(e Env) (any, instance, error) { return nil, nil, errors.New("state: not open") }

// Option changes a store's definition.
type Option func(*options)

type options struct{}

func InMemory() Option                 { return func(*options) {} }
func LRU(max int) Option               { return func(*options) {} }
func WithoutLogging() Option           { return func(*options) {} }
func WithCaching() Option              { return func(*options) {} }
func TTL(d time.Duration) Option       { return func(*options) {} }
func Retention(d time.Duration) Option { return func(*options) {} }
func TopicConfig(k, v string) Option   { return func(*options) {} }

// Duplicates makes a window store keep every value of a key and start, in order of putting (the stores of stream-stream joins).
func Duplicates() Option { return func(*options) {} }

// TimeFirst makes a window or session store of the DB cheap to scan by time over all keys, and moves its expiry as Kafka's stores of emit on
// close do (KIP-825).
func TimeFirst() Option { return func(*options) {} }

func KeyValue[K, V any](name string, k serde.Serde[K], v serde.Serde[V], o ...Option) Definition[KeyValueStore[K, V]] {
	return Definition[KeyValueStore[K, V]]{name: name, opts: o}
}
func TimestampedKeyValue[K, V any](name string, k serde.Serde[K], v serde.Serde[V], o ...Option) Definition[KeyValueStore[K, Stamped[V]]] {
	return Definition[KeyValueStore[K, Stamped[V]]]{name: name, opts: o}
}
func Window[K, V any](name string, k serde.Serde[K], v serde.Serde[V], size, retention time.Duration, o ...Option) Definition[WindowStore[K, V]] {
	return Definition[WindowStore[K, V]]{name: name, opts: o}
}
func TimestampedWindow[K, V any](name string, k serde.Serde[K], v serde.Serde[V], size, retention time.Duration, o ...Option) Definition[WindowStore[K, Stamped[V]]] {
	return Definition[WindowStore[K, Stamped[V]]]{name: name, opts: o}
}
func Session[K, V any](name string, k serde.Serde[K], v serde.Serde[V], retention time.Duration, o ...Option) Definition[SessionStore[K, V]] {
	return Definition[SessionStore[K, V]]{name: name, opts: o}
}
func Versioned[K, V any](name string, k serde.Serde[K], v serde.Serde[V], history time.Duration, o ...Option) Definition[VersionedStore[K, V]] {
	return Definition[VersionedStore[K, V]]{name: name, opts: o}
}

// CustomStore is a store whose structure is its user's: buffers, remote stores. It is restored from the beginning of its changelog.
type CustomStore interface {
	Flush() error // at a commit, before the producer is flushed: log what is held back
	Restore([]Restored) error
	Dump() iter.Seq[[]any] // for the test driver; may be nil
	Close() error
}

// CustomContext is what a custom store gets when it is opened.
type CustomContext struct {
	Record    *RecordContext
	Changelog Changelog // nil: not logged
}

// Custom defines a store of the user's own.
func Custom[S CustomStore](name string, open func(CustomContext) (S, error), o ...Option) Definition[S] {
	return Definition[S]{name: name, opts: o}
}

// The concrete types behind the store interfaces: what the DSL's nodes hold, so that no interface stands on the record path. A store that was
// defined with TimestampedKeyValue is a *KV[K, Stamped[V]], and so on.
type (
	KV[K, V any]       struct{}
	Windows[K, V any]  struct{}
	Sessions[K, V any] struct{}
	Versions[K, V any] struct{}
)

// Flushed is what a record cache hands downstream for a key: the last value since the last flush, and if it was asked for, the value
// before, from the store under the cache. The record context is that of the last update while the listener runs.
type Flushed[V any] struct {
	New, Old       V
	HasNew, HasOld bool
}

// OnFlush makes f the listener of the cache in front of the store; false (and f never called) if no cache is.
func (*KV[K, V]) OnFlush(old bool, f func(k K, c Flushed[V]) error) (cached bool) { return false }

// OnFlush: as for KV, by key and window start.
func (*Windows[K, V]) OnFlush(old bool, f func(k K, start Time, c Flushed[V]) error) (cached bool) {
	return false
}

// OnFlush: as for KV, by session.
func (*Sessions[K, V]) OnFlush(old bool, f func(k window.Windowed[K], c Flushed[V]) error) (cached bool) {
	return false
}

// FetchStarts lists the windows of all keys whose start is in [from, to], by start, then key: what emit on close goes through.
func (*Windows[K, V]) FetchStarts(from, to Time) iter.Seq2[Entry[window.Windowed[K], V], error] {
	return nil
}

// FetchDescending is Fetch by descending start.
func (*Windows[K, V]) FetchDescending(k K, from, to Time) iter.Seq2[Entry[Time, V], error] {
	return nil
}

// FindEnds lists the sessions of all keys whose end is in [from, to], by end, then key, then start.
func (*Sessions[K, V]) FindEnds(from, to Time) iter.Seq2[Entry[window.Windowed[K], V], error] {
	return nil
}

// PutVersion puts a version; v == nil deletes. It tells until when the version is valid (false: it is the latest) and whether it was taken
// (false: older than the history).
func (*Versions[K, V]) PutVersion(k K, v *V, at Time) (until Time, bounded, taken bool, err error) {
	return 0, false, false, nil
}
