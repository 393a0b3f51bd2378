package topology

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
)

// SubtopologyID numbers the sub-topologies of a topology, global stores included, from 0 in order of their first node.
type SubtopologyID int32

// TaskID names a task: one sub-topology and one partition.
type TaskID struct {
	Subtopology SubtopologyID
	Partition   int32
}

// String is Kafka's form, as in 0_3.
func (id TaskID) String() string {
	return strconv.Itoa(int(id.Subtopology)) + "_" + strconv.Itoa(int(id.Partition))
}

// StoreRef is what adding a store returns and what a processor connects with.
type StoreRef[S any] struct{ name string }

// Name is the store's name.
func (r StoreRef[S]) Name() string  { return r.name }
func (r StoreRef[S]) store() string { return r.name }

// AnyStore is a StoreRef of any type.
type AnyStore interface{ store() string }

// NamedStore connects a store of the DSL or of another team by its name.
func NamedStore[S any](name string) StoreRef[S] { return StoreRef[S]{name} }

// Topology is a directed acyclic graph of typed nodes with their stores. Mistakes are collected and told by Err. It is built by one goroutine
// and read by many.
type Topology struct {
	nodes  []*node // in order of adding: parents before children
	byName map[string]*node
	stores []*store
	errs   []error

	internal     map[string]*RepartitionTopic // by undecorated name
	copartitions [][]string                   // topics that must have equally many partitions
	wrapper      Wrapper                      // or nil
}

type nodeKind uint8

const (
	sourceNode nodeKind = iota
	processorNode
	sinkNode
)

// node is the definition of one node. start makes its instance for one task.
type node struct {
	name     string
	kind     nodeKind
	index    int // in Topology.nodes
	parents  []*node
	children []*node
	stores   []string

	topics  []string // of a source
	pattern *regexp.Regexp
	reset   Reset
	topic   string // of a sink; "" if dynamic
	dynamic string // what Describe calls the function of a dynamic sink
	global  bool

	// start binds the node to its children, whose receivers it gets in order, and returns its own receiver: a func(Record[K, V]) error, or for
	// a source a func(topic string) (Head, error).
	start func(in *Instance, children []any) (any, error)
}

// store is a store's definition. The nodes that use it name it; it may be added after them.
type store struct {
	def    state.AnyDefinition
	global bool
	// changelog is the source topic that serves as changelog instead of one of its own, or "".
	changelog string
}

// Reset says where a source starts that has no committed offset.
type Reset struct {
	Kind ResetKind
	Back int64 // milliseconds before now, for ResetByDuration
}

// ResetKind is a kind of Reset.
type ResetKind uint8

const (
	// ResetDefault is what the configuration says.
	ResetDefault ResetKind = iota
	// ResetEarliest starts at the topic's beginning.
	ResetEarliest
	// ResetLatest starts at the topic's end.
	ResetLatest
	// ResetByDuration starts at now minus a duration (KIP-1106).
	ResetByDuration
	// ResetNone does not start: the application fails (Kafka's none).
	ResetNone
)

// New is an empty topology.
func New() *Topology {
	return &Topology{byName: map[string]*node{}, internal: map[string]*RepartitionTopic{}}
}

func (t *Topology) fail(format string, args ...any) {
	t.errs = append(t.errs, fmt.Errorf("topology: "+format, args...))
}

// require reports a function that a node was not given.
func (t *Topology) require(given bool, node string) {
	if !given {
		t.fail("node %s: its function is nil: give it one", node)
	}
}

func (t *Topology) add(n *node, parents []*node) *node {
	if n.name == "" {
		t.fail("a node has no name")
	}
	if err := CheckName(n.name); err != nil {
		t.errs = append(t.errs, err)
	}
	if _, ok := t.byName[n.name]; ok {
		t.fail("two nodes are called %q: give one another name", n.name)
	}
	n.index = len(t.nodes)
	t.nodes = append(t.nodes, n)
	t.byName[n.name] = n
	for _, p := range parents {
		if p.index >= len(t.nodes) || t.nodes[p.index] != p {
			t.fail("node %s is behind node %s, which belongs to another topology", n.name, p.name)
			continue
		}
		n.parents = append(n.parents, p)
		p.children = append(p.children, n)
	}
	return n
}

// Edge is what a node hands to its children.
type Edge[K, V any] struct {
	t *Topology
	n *node
}

// Topology is the topology that the edge belongs to.
func (e *Edge[K, V]) Topology() *Topology { return e.t }

// NodeName is the name of the node that the edge leaves.
func (e *Edge[K, V]) NodeName() string { return e.n.name }

// SourceSpec describes a source: the topics it reads (or a pattern) and how.
type SourceSpec[K, V any] struct {
	Name       string
	Topics     []string // undecorated: an internal topic without the application id
	Pattern    *regexp.Regexp
	Key        serde.Serde[K]
	Value      serde.Serde[V]
	Timestamps TimestampExtractor[K, V] // nil: the record's own time; a negative one fails the record (FailOnInvalidTimestamp)
	// WallClock gives records the time at which they are taken up (WallclockTimestampExtractor); Timestamps is nil then.
	WallClock bool
	Reset     Reset
}

// SinkSpec describes a sink.
type SinkSpec[K, V any] struct {
	Name        string
	Topic       string                                        // undecorated; or
	Dynamic     func(r Record[K, V], m RecordMetadata) string // chooses the topic of each record
	DynamicName string                                        // what Describe calls Dynamic
	Key         serde.Serde[K]
	Value       serde.Serde[V]
	Partitioner Partitioner[K, V] // nil: hash of the key's bytes, of a serde.Prefixed's part of them
}

// NodeSpec is what a processor node has beside its function.
type NodeSpec struct {
	Name   string
	Stores []string
}

// Source adds a source for topics.
func (t *Topology) Source[K, V any](name string, k serde.Serde[K], v serde.Serde[V], topics ...string) *Edge[K, V] {
	return t.AddSource(SourceSpec[K, V]{Name: name, Topics: topics, Key: k, Value: v})
}

// AddSource adds a source.
func (t *Topology) AddSource[K, V any](s SourceSpec[K, V]) *Edge[K, V] {
	switch {
	case s.Pattern == nil && len(s.Topics) == 0:
		t.fail("source %s reads no topic: name one, or give it a pattern", s.Name)
	case s.Pattern != nil && len(s.Topics) > 0:
		t.fail("source %s has topics and a pattern: give it one of the two", s.Name)
	}
	if s.WallClock && s.Timestamps != nil {
		t.fail("source %s takes its times from the wall clock and from an extractor: give it one of the two", s.Name)
	}
	for _, topic := range s.Topics {
		t.checkTopic(s.Name, topic)
	}
	if s.Key == nil || s.Value == nil {
		t.fail("source %s has no serde for its key or value: give it both", s.Name)
	}
	n := t.add(&node{name: s.Name, kind: sourceNode, topics: s.Topics, pattern: s.Pattern, reset: s.Reset, start: startSource(s)}, nil)
	return &Edge[K, V]{t, n}
}

// checkTopic reports a topic of a source or sink that no cluster can have.
func (t *Topology) checkTopic(node, topic string) {
	if !validName.MatchString(topic) || topic == "." || topic == ".." {
		t.fail("node %s: no topic can be called %q: use 1 to 249 letters, digits, '.', '_' and '-'", node, strings.ToValidUTF8(topic, "?"))
	}
}

// Process adds a processor behind e and connects stores to it.
func (e *Edge[K, V]) Process[K2, V2 any](name string, f Supplier[K, V, K2, V2], stores ...AnyStore) *Edge[K2, V2] {
	spec := NodeSpec{Name: name}
	for _, s := range stores {
		spec.Stores = append(spec.Stores, StoreName(s))
	}
	return ConnectProcessor(spec, f, e)
}

// Sink adds a sink that writes to topic.
func (e *Edge[K, V]) Sink(name, topic string, k serde.Serde[K], v serde.Serde[V]) {
	e.AddSink(SinkSpec[K, V]{Name: name, Topic: topic, Key: k, Value: v})
}

// AddSink adds a sink behind e and others.
func (e *Edge[K, V]) AddSink(s SinkSpec[K, V], others ...*Edge[K, V]) {
	if (s.Topic == "") == (s.Dynamic == nil) {
		e.t.fail("sink %s needs a topic or a function that chooses one", s.Name)
	}
	if s.Key == nil || s.Value == nil {
		e.t.fail("sink %s has no serde for its key or value: give it both", s.Name)
	}
	if s.Topic != "" {
		e.t.checkTopic(s.Name, s.Topic)
	}
	e.t.add(&node{name: s.Name, kind: sinkNode, topic: s.Topic, dynamic: s.DynamicName, start: startSink(s)}, parentsOf(append([]*Edge[K, V]{e}, others...)))
}

// Merge adds a node that passes the records of all edges on.
func (e *Edge[K, V]) Merge(name string, others ...*Edge[K, V]) *Edge[K, V] {
	pass := func(_ *Context, next func(Record[K, V]) error) (func(Record[K, V]) error, error) { return next, nil }
	return Connect(NodeSpec{Name: name}, pass, append([]*Edge[K, V]{e}, others...)...)
}

// topologyOf is the topology of the edges that a node is connected to. Without one there is nothing that could report the mistake, so it panics.
func topologyOf[K, V any](node string, edges []*Edge[K, V]) *Topology {
	if len(edges) == 0 || slices.Contains(edges, nil) {
		panic(fmt.Sprintf("topology: node %s is connected to no edge: give it those of sources or of other nodes", node))
	}
	return edges[0].t
}

func parentsOf[K, V any](edges []*Edge[K, V]) []*node {
	ps := make([]*node, len(edges))
	for i, e := range edges {
		ps[i] = e.n
	}
	return ps
}

// Connect adds a node behind edges. f is called when a task starts, with what hands a record to the node's children, and returns what
// handles one record. It is the one verb that all operators are made of: closures with their types, no boxing on the record path.
func Connect[K, V, K2, V2 any](spec NodeSpec, f func(ctx *Context, next func(Record[K2, V2]) error) (func(Record[K, V]) error, error), edges ...*Edge[K, V]) *Edge[K2, V2] {
	t := topologyOf(spec.Name, edges)
	t.require(f != nil, spec.Name)
	n := &node{name: spec.Name, kind: processorNode, stores: spec.Stores}
	n.start = func(in *Instance, children []any) (any, error) {
		ctx := in.context(n)
		recv, err := f(ctx, fanOut[K2, V2](children))
		if err == nil {
			err = ctx.err
		}
		if err != nil {
			return nil, err
		}
		if len(n.stores) > 0 {
			recv = inContext(in, recv)
		}
		return wrapped(ctx, recv), nil
	}
	return &Edge[K2, V2]{t, t.add(n, parentsOf(edges))}
}

// AddStore adds a store; nodes connect to it by the reference or its name.
func (t *Topology) AddStore[S any](d state.Definition[S]) StoreRef[S] {
	t.addStore(&store{def: d})
	return StoreRef[S]{d.Name()}
}

// AddSourceStore adds a store that is restored from a source topic instead of a changelog of its own (KIP-813, and reuse of a table's topic).
func (t *Topology) AddSourceStore[S any](d state.Definition[S], topic string) StoreRef[S] {
	t.addStore(&store{def: d, changelog: topic})
	return StoreRef[S]{d.Name()}
}

func (t *Topology) addStore(s *store) {
	name := s.def.Name()
	if err := CheckName(name); err != nil {
		t.errs = append(t.errs, err)
	}
	if err := s.def.Check(); err != nil {
		t.errs = append(t.errs, fmt.Errorf("topology: %w", err))
	}
	for _, o := range t.stores {
		if o.def.Name() == name {
			t.fail("two stores are called %q: give one another name", name)
			return
		}
	}
	t.stores = append(t.stores, s)
}

func (t *Topology) store(name string) *store {
	for _, s := range t.stores {
		if s.def.Name() == name {
			return s
		}
	}
	return nil
}

// GlobalSpec describes a global store: every instance holds all partitions of its topic.
type GlobalSpec[K, V any] struct {
	SourceName, ProcessorName string
	Topic                     string
	Key                       serde.Serde[K]
	Value                     serde.Serde[V]
	Timestamps                TimestampExtractor[K, V]
	WallClock                 bool
}

// GlobalStore adds a global store that a processor maintains from a topic.
func (t *Topology) GlobalStore[S, K, V any](name string, d state.Definition[S], topic string, k serde.Serde[K], v serde.Serde[V],
	f func(*Context) (Processor[K, V], error)) StoreRef[S] {
	t.require(f != nil, name)
	spec := GlobalSpec[K, V]{SourceName: name + "-source", ProcessorName: name, Topic: topic, Key: k, Value: v}
	return t.AddGlobalStore(spec, d, func(ctx *Context) (func(Record[K, V]) error, error) {
		p, err := f(ctx)
		if err != nil {
			return nil, err
		}
		if p == nil {
			return nil, errNoProcessor
		}
		return func(r Record[K, V]) error {
			if err := p.Process(ctx.Run(), r); err != nil {
				return ctx.Fail(err)
			}
			return nil
		}, nil
	})
}

// AddGlobalStore adds a global store whose records f handles.
func (t *Topology) AddGlobalStore[S, K, V any](g GlobalSpec[K, V], d state.Definition[S], f func(*Context) (func(Record[K, V]) error, error)) StoreRef[S] {
	t.require(f != nil, g.ProcessorName)
	t.addStore(&store{def: d, global: true, changelog: g.Topic})
	src := t.AddSource(SourceSpec[K, V]{Name: g.SourceName, Topics: []string{g.Topic}, Key: g.Key, Value: g.Value, Timestamps: g.Timestamps, WallClock: g.WallClock})
	src.n.global = true
	out := Connect(NodeSpec{Name: g.ProcessorName, Stores: []string{d.Name()}}, func(ctx *Context, _ func(Record[K, V]) error) (func(Record[K, V]) error, error) {
		return f(ctx)
	}, src)
	out.n.global = true
	return StoreRef[S]{d.Name()}
}

// StoreName is the name of a referenced store, "" for nil.
func StoreName(s AnyStore) string {
	if s == nil {
		return ""
	}
	return s.store()
}
