// Package streams is the DSL and the application.
package streams

import (
	"context"
	"regexp"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
)

type (
	Record[K, V any] = topology.Record[K, V]
	Time             = topology.Time
)

// Answer is what a Try function may return as its error instead of a value. It is not a failure. (Constants: they cannot be
// reassigned, and staticcheck's ErrX rule is about errors.)
type Answer string

const (
	Null Answer = "null" // a null: the key for a key function, the value (a tombstone, a delete) for the others; not for TryMap and TryFlatMap, whose records have flags
	Skip Answer = "skip" // drop this record and count it
)

func (a Answer) Error() string { return string(a) }

type Builder struct{ t *topology.Topology }

func NewBuilder() *Builder { return &Builder{topology.New()} }

func (b *Builder) Stream[K, V any](topic string, k serde.Serde[K], v serde.Serde[V], o ...SourceOption) Stream[K, V] {
	return Stream[K, V]{b: b, e: b.t.Source("", k, v, topic)}
}
func (b *Builder) StreamOf[K, V any](topics []string, k serde.Serde[K], v serde.Serde[V], o ...SourceOption) Stream[K, V] {
	return Stream[K, V]{b: b, e: b.t.Source("", k, v, topics...)}
}
func (b *Builder) StreamMatching[K, V any](topics *regexp.Regexp, k serde.Serde[K], v serde.Serde[V], o ...SourceOption) Stream[K, V] {
	return Stream[K, V]{b: b, e: b.t.Source("", k, v)}
}
func (b *Builder) Table[K, V any](topic string, k serde.Serde[K], v serde.Serde[V], o ...TableOption) Table[K, V] {
	return Stream[K, V]{b: b, e: b.t.Source("", k, v, topic)}.ToTable()
}
func (b *Builder) GlobalTable[K, V any](topic string, k serde.Serde[K], v serde.Serde[V], o ...TableOption) GlobalTable[K, V] {
	return GlobalTable[K, V]{}
}
func (b *Builder) AddStore[S any](d state.Definition[S]) topology.StoreRef[S] {
	return topology.StoreRef[S]{}
}

func (b *Builder) AddGlobalStore[S, K, V any](d state.Definition[S], topic string, k serde.Serde[K], v serde.Serde[V],
	f func(*topology.Context) (topology.Processor[K, V], error)) topology.StoreRef[S] {
	return topology.StoreRef[S]{}
}

// Register makes s the serde of every T for which nothing nearer is known.
func (b *Builder) Register[T any](s serde.Serde[T]) {}

// Build checks everything and reports all mistakes at once.
func (b *Builder) Build(o ...BuildOption) (*topology.Topology, error) { return b.t, nil }

type GlobalTable[K, V any] struct{ name string }

// Optimize asks Build for Kafka's rewrites (topology.optimization).
func Optimize(r Rewrite) BuildOption { return r }

type Rewrite uint8

const (
	ReuseSourceTopics Rewrite = 1 << iota
	MergeRepartitions
	SingleStoreSelfJoin
	AllRewrites = ReuseSourceTopics | MergeRepartitions | SingleStoreSelfJoin
)

func (Rewrite) build(*nodeConfig) {}

// RequireNames refuses generated names of stores and internal topics (KIP-1111).
type requireNames struct{}

func (requireNames) build(*nodeConfig) {}
func RequireNames() BuildOption        { return requireNames{} }

type Config struct {
	ApplicationID string
	BootstrapServers []string
	CacheBytes    *int64 // nil: 10 MiB; 0: no store caches, whatever its own option says
	StoreHeaders  bool   // dsl.store.format=HEADERS
}
type App struct{}

func New(t *topology.Topology, c Config) (*App, error) { return &App{}, nil }
func (*App) Run(context.Context) error                 { return nil }

// Queries: from a table handle, or from a store reference.
func (*App) View[K, V any](t Table[K, V]) (state.ReadOnlyKeyValue[K, V], error) { return nil, nil }
func (*App) Store[S any](r topology.StoreRef[S]) (S, error)                     { var s S; return s, nil }
