// Package streams is the DSL and the application.
package streams

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
)

type (
	// Record is topology.Record.
	Record[K, V any] = topology.Record[K, V]
	// Time is topology.Time: milliseconds since the epoch.
	Time = topology.Time
)

// Builder collects what a program says with the DSL. Verbs never fail and never connect: mistakes are collected and told together by
// Build. A Builder belongs to one goroutine.
type Builder struct {
	nodes    []*planNode
	counter  int
	registry map[reflect.Type]any
	stores   []func(*writer) // adds state stores to the topology, in order
	errs     []error
	built    bool
	config   buildConfig
}

// NewBuilder is an empty builder. Options that change names or plans as they arise (RequireNames, Wrap) may be given here or to Build.
func NewBuilder() *Builder { return &Builder{registry: map[reflect.Type]any{}} }

func (b *Builder) fail(err error) { b.errs = append(b.errs, err) }

// index draws the next number of generated names: one counter for nodes and stores (Kafka Streams' rule).
func (b *Builder) index() int {
	n := b.counter
	b.counter++
	return n
}

// generate draws a number and answers the generated name with the prefix.
func (b *Builder) generate(prefix string) string { return fmt.Sprintf("%s%010d", prefix, b.index()) }

// generateStore is the generated name of a store.
func (b *Builder) generateStore(prefix string) string { return b.generate(prefix + "STATE-STORE-") }

// nodeName is the name that was given, or a generated one; a number is drawn either way, so that naming one node renumbers no other.
func (b *Builder) nodeName(given, prefix string) string {
	g := b.generate(prefix)
	if given != "" {
		return given
	}
	return g
}

// Register makes s the serde of every T for which nothing nearer is known.
func (b *Builder) Register[T any](s serde.Serde[T]) { b.registry[reflect.TypeFor[T]()] = s }

// AddStore adds a store for processors to connect with streams.Using.
func (b *Builder) AddStore[S any](d state.Definition[S]) topology.StoreRef[S] {
	b.stores = append(b.stores, func(w *writer) { w.t.AddStore(d) })
	return topology.NamedStore[S](d.Name())
}

// Build checks everything, rewrites the plan as asked and writes the topology. It reports all mistakes at once. A builder builds once.
func (b *Builder) Build(o ...BuildOption) (*topology.Topology, error) {
	if b.built {
		return nil, errors.New("streams: Build was called twice: make a new Builder")
	}
	b.built = true
	for _, opt := range o {
		opt.build(&b.config)
	}
	t := topology.New()
	w := &writer{b, t}
	for _, add := range b.stores {
		add(w)
	}
	b.optimize()
	b.writePlan(t)
	if err := errors.Join(append(b.errs, t.Err())...); err != nil {
		return nil, fmt.Errorf("streams: the topology cannot be built:\n%w", err)
	}
	return t, nil
}

// Stream reads a topic as a stream.
func (b *Builder) Stream[K, V any](topic string, k serde.Serde[K], v serde.Serde[V], o ...SourceOption) Stream[K, V] {
	return b.StreamOf([]string{topic}, k, v, o...)
}

// StreamOf reads several topics as one stream.
func (b *Builder) StreamOf[K, V any](topics []string, k serde.Serde[K], v serde.Serde[V], o ...SourceOption) Stream[K, V] {
	return newSource(b, topics, nil, k, v, o)
}

// StreamMatching reads the topics whose names match, those that are created later included.
func (b *Builder) StreamMatching[K, V any](topics *regexp.Regexp, k serde.Serde[K], v serde.Serde[V], o ...SourceOption) Stream[K, V] {
	return newSource(b, nil, topics, k, v, o)
}

func newSource[K, V any](b *Builder, topics []string, pattern *regexp.Regexp, k serde.Serde[K], v serde.Serde[V], o []SourceOption) Stream[K, V] {
	var c nodeConfig
	for _, opt := range o {
		opt.source(&c)
	}
	name := b.nodeName(c.name, "KSTREAM-SOURCE-")
	spec := topology.SourceSpec[K, V]{Name: name, Topics: topics, Pattern: pattern, Key: k, Value: v, Reset: c.reset, Timestamps: timestampsOf[K, V](b, name, &c)}
	n := b.plan(&planNode{name: name, write: func(w *writer, _ []any) any { return w.t.AddSource(spec) }})
	return Stream[K, V]{b: b, n: n, key: slotOf(k), value: slotOf(v)}
}

// timestampsOf is the source's extractor with its type checked.
func timestampsOf[K, V any](b *Builder, node string, c *nodeConfig) topology.TimestampExtractor[K, V] {
	if c.timestamps == nil {
		return nil
	}
	f, ok := c.timestamps.(topology.TimestampExtractor[K, V])
	if !ok {
		b.fail(fmt.Errorf("node %s: the function given to Timestamps is a %T, but the source's records need a %v", node, c.timestamps, reflect.TypeFor[topology.TimestampExtractor[K, V]]()))
	}
	return f
}
