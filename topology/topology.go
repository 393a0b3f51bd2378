// Package topology: the DAG with typed edges, and the Processor API.
package topology

import (
	"context"
	"time"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/window"
)

type Time = window.Time

type (
	Header  = serde.Header
	Headers = serde.Headers
)

// Record: the zero value of the flags says that key and value are there.
type Record[K, V any] struct {
	Key       K
	Value     V
	Time      Time
	Headers   Headers
	NoKey     bool // the key is null; Key is the zero K
	Tombstone bool // the value is null; Value is the zero V
}

// Of is a record with a key and a value.
func Of[K, V any](k K, v V, at Time) Record[K, V] { return Record[K, V]{Key: k, Value: v, Time: at} }

// WithValue and WithKey keep everything else. Their type parameter is free, so no instantiation cycle arises.
func (r Record[K, V]) WithValue[V2 any](v V2) Record[K, V2] {
	return Record[K, V2]{Key: r.Key, Value: v, Time: r.Time, Headers: r.Headers, NoKey: r.NoKey}
}
func (r Record[K, V]) WithKey[K2 any](k K2) Record[K2, V] {
	return Record[K2, V]{Key: k, Value: r.Value, Time: r.Time, Headers: r.Headers, Tombstone: r.Tombstone}
}
func (r Record[K, V]) WithoutValue[V2 any]() Record[K, V2] {
	return Record[K, V2]{Key: r.Key, Time: r.Time, Headers: r.Headers, NoKey: r.NoKey, Tombstone: true}
}

type RecordMetadata struct {
	Topic     string
	Partition int32
	Offset    int64
}

type TaskID struct{ Subtopology, Partition int32 }

// Processor: one Process; Close (io.Closer) is optional; a timer is a closure given to Schedule by the supplier.
type Processor[K, V any] interface {
	Process(ctx context.Context, r Record[K, V]) error
}

type ProcessorFunc[K, V any] func(ctx context.Context, r Record[K, V]) error

func (f ProcessorFunc[K, V]) Process(ctx context.Context, r Record[K, V]) error { return f(ctx, r) }

// Context is what every node sees of its task.
type Context struct{}

func (*Context) ApplicationID() string            { return "" }
func (*Context) Task() TaskID                     { return TaskID{} }
func (*Context) Metadata() (RecordMetadata, bool) { return RecordMetadata{}, false }
func (*Context) StreamTime() (Time, bool)         { return 0, false }
func (*Context) WallClock() Time                  { return 0 }
func (*Context) Commit()                          {}
func (*Context) Schedule(every time.Duration, clock Clock, f func(context.Context, Time) error) (cancel func()) {
	return func() {}
}

// Store returns the task's own instance of a connected store. A supplier runs when its task starts, so a store that is not
// connected fails the start: Store then returns one that answers every call with that error, and the error is reported by the
// start even if the supplier never looks.
func (*Context) Store[S any](ref StoreRef[S]) S { var s S; return s }

type Clock uint8

const (
	StreamTime Clock = iota
	WallClock
)

// ProcessorContext: K and V are what the processor forwards.
type ProcessorContext[K, V any] struct{ Context }

func (*ProcessorContext[K, V]) Forward(r Record[K, V]) error                 { return nil }
func (*ProcessorContext[K, V]) ForwardTo(child string, r Record[K, V]) error { return nil }

type Supplier[KI, VI, KO, VO any] = func(*ProcessorContext[KO, VO]) (Processor[KI, VI], error)

// FixedKeyRecord cannot change its key.
type FixedKeyRecord[K, V any] struct{ r Record[K, V] }

func (f FixedKeyRecord[K, V]) Key() K           { return f.r.Key }
func (f FixedKeyRecord[K, V]) Value() (V, bool) { return f.r.Value, !f.r.Tombstone }
func (f FixedKeyRecord[K, V]) WithValue[V2 any](v V2) FixedKeyRecord[K, V2] {
	return FixedKeyRecord[K, V2]{f.r.WithValue(v)}
}
func (f FixedKeyRecord[K, V]) WithHeaders(h Headers) FixedKeyRecord[K, V] { f.r.Headers = h; return f }

type FixedKeyProcessor[K, V any] interface {
	ProcessValue(ctx context.Context, r FixedKeyRecord[K, V]) error
}

// FixedKeyContext: V is what the processor forwards.
type FixedKeyContext[K, V any] struct{ Context }

func (*FixedKeyContext[K, V]) Forward(r FixedKeyRecord[K, V]) error { return nil }

// StoreRef is what adding a store returns and what a processor connects with.
type StoreRef[S any] struct{ name string }

func (r StoreRef[S]) Name() string  { return r.name }
func (r StoreRef[S]) store() string { return r.name }

// AnyStore is a StoreRef of any type.
type AnyStore interface{ store() string }

// NamedStore connects a store of the DSL or of another team by its name.
func NamedStore[S any](name string) StoreRef[S] { return StoreRef[S]{name} }

// Partitioner: nil = the default, empty = drop, several = multicast.
type Partitioner[K, V any] = func(topic string, r Record[K, V], partitions int32) []int32

type TimestampExtractor[K, V any] = func(r Record[K, V], m RecordMetadata, partitionTime Time) Time

// --- low level: typed edges -------------------------------------------------------------------------------------------

type Topology struct{}

func New() *Topology { return &Topology{} }

// Edge is what a node hands to its children.
type Edge[K, V any] struct {
	t        *Topology
	children []func(Record[K, V]) error
}

func (t *Topology) Source[K, V any](name string, k serde.Serde[K], v serde.Serde[V], topics ...string) *Edge[K, V] {
	return &Edge[K, V]{t: t}
}
func (t *Topology) AddStore[S any](d state.Definition[S]) StoreRef[S] { return StoreRef[S]{} }

func (t *Topology) GlobalStore[S, K, V any](name string, d state.Definition[S], topic string, k serde.Serde[K], v serde.Serde[V], f func(*Context) (Processor[K, V], error)) StoreRef[S] {
	return StoreRef[S]{}
}
func (t *Topology) Describe() string { return "" }

func (e *Edge[K, V]) Process[K2, V2 any](name string, f Supplier[K, V, K2, V2], stores ...AnyStore) *Edge[K2, V2] {
	out := &Edge[K2, V2]{t: e.t}
	p, _ := f(&ProcessorContext[K2, V2]{})
	e.children = append(e.children, func(r Record[K, V]) error { return p.Process(context.Background(), r) })
	return out
}
func (e *Edge[K, V]) Sink(name, topic string, k serde.Serde[K], v serde.Serde[V]) {}
func (e *Edge[K, V]) Merge(others ...*Edge[K, V]) *Edge[K, V]                     { return e }

func Connect[K, V, K2, V2 any](e *Edge[K, V], f func(out *Edge[K2, V2]) func(Record[K, V]) error) *Edge[K2, V2] {
	out := &Edge[K2, V2]{t: e.t}
	e.children = append(e.children, f(out))
	return out
}

func (e *Edge[K, V]) Forward(r Record[K, V]) error {
	for _, c := range e.children {
		if err := c(r); err != nil {
			return err
		}
	}
	return nil
}
