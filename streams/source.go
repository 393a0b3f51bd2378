package streams

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/topology"
)

// sourcePlan is what Build has to know of a source before it writes it.
type sourcePlan struct {
	topics  []string
	pattern *regexp.Regexp
	reset   topology.Reset
	kind    string       // "stream", "table" or "global": for messages, and because streams of one topic share a source
	types   reflect.Type // of the records
	serdes  [2]any
	global  bool
}

func (s *sourcePlan) String() string {
	if s.pattern != nil {
		return "pattern " + s.pattern.String()
	}
	return "topic " + strings.Join(s.topics, ", ")
}

// Stream reads a topic as a stream. A topic may be read several times, by streams of the same types: they share one source, whose serdes, name and times are those
// of the first (Kafka Streams' rule).
func (b *Builder) Stream[K, V any](topic string, k serde.Serde[K], v serde.Serde[V], o ...SourceOption) Stream[K, V] {
	return b.StreamOf([]string{topic}, k, v, o...)
}

// StreamOf reads several topics as one stream. There is no order between records of different topics, but that a task takes the oldest record
// that it has fetched first.
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
	b.check(name, &c)
	topics = slices.Compact(slices.Sorted(slices.Values(topics)))
	key, value := slotOf(k), slotOf(v)
	n := b.plan(sourceNode(b, name, "stream", topics, pattern, key, value, &c))
	if pattern == nil && (len(topics) == 0 || topics[0] == "") {
		b.fail(fmt.Errorf("node %s reads no topic: name one, or give StreamMatching a pattern", name))
		n.write = unwritten
	}
	return Stream[K, V]{b: b, n: n, key: key, value: value}
}

// sourceNode is the plan node of a source.
func sourceNode[K, V any](b *Builder, name, kind string, topics []string, pattern *regexp.Regexp, key *slot[K], value *slot[V], c *nodeConfig) *planNode {
	timestamps := timestampsOf[K, V](b, name, c)
	wallClock := c.wallClock
	return &planNode{
		name:   name,
		source: &sourcePlan{topics: topics, pattern: pattern, reset: c.reset, kind: kind, types: reflect.TypeFor[Record[K, V]](), serdes: [2]any{key.s, value.s}},
		write: func(w *writer, _ []any) any {
			k, v := key.resolve(w.b, name, "key"), value.resolve(w.b, name, "value")
			if k == nil || v == nil {
				return nil
			}
			return w.t.AddSource(topology.SourceSpec[K, V]{Name: name, Topics: topics, Pattern: pattern, Key: k, Value: v, Reset: c.reset, Timestamps: timestamps, WallClock: wallClock})
		},
	}
}

// timestampsOf is the source's extractor with its type checked.
func timestampsOf[K, V any](b *Builder, node string, c *nodeConfig) topology.TimestampExtractor[K, V] {
	if c.timestamps == nil {
		return nil
	}
	if c.wallClock {
		b.fail(fmt.Errorf("node %s has both Timestamps and WallClockTimes: give it one", node))
		c.wallClock = false
	}
	f, ok := c.timestamps.(topology.TimestampExtractor[K, V])
	if !ok {
		b.fail(fmt.Errorf("node %s: the function given to Timestamps is a %T, but the source's records need a %v", node, c.timestamps, reflect.TypeFor[topology.TimestampExtractor[K, V]]()))
	} else if f == nil {
		b.fail(fmt.Errorf("node %s: the function given to Timestamps is nil", node))
	}
	return f
}

// mergeSources makes one node of streams that read the same topics: the first one's, whose options count. Topics that overlap otherwise are a mistake.
func (b *Builder) mergeSources() {
	var kept []*planNode
	for _, n := range slices.Clone(b.nodes) {
		if n.source == nil {
			continue
		}
		if first := b.sameSource(kept, n); first != nil {
			b.moveChildren(n, first)
			b.drop(n)
			continue
		}
		kept = append(kept, n)
	}
}

// sameSource is the earlier node that reads what n reads.
func (b *Builder) sameSource(earlier []*planNode, n *planNode) *planNode {
	s := n.source
	for _, e := range earlier {
		o := e.source
		if o.pattern != nil || s.pattern != nil {
			if o.pattern == nil || s.pattern == nil || o.pattern.String() != s.pattern.String() {
				continue
			}
		} else if !slices.ContainsFunc(s.topics, func(t string) bool { return slices.Contains(o.topics, t) }) {
			continue
		}
		switch {
		case o.kind != "stream" || s.kind != "stream":
			b.fail(fmt.Errorf("nodes %s (a %s) and %s (a %s) both read %v: read a topic once, and use ToTable or ToStream for its other form", e.name, o.kind, n.name, s.kind, s))
		case !slices.Equal(o.topics, s.topics):
			b.fail(fmt.Errorf("nodes %s (%v) and %s (%v) share topics, but not all: read each topic in one stream and Merge", e.name, o, n.name, s))
		case o.reset != s.reset:
			b.fail(fmt.Errorf("nodes %s and %s read %v from different starting points: give both the same of Earliest, Latest, FromDuration and NoReset", e.name, n.name, s))
		case o.types != s.types:
			b.fail(fmt.Errorf("nodes %s and %s read %v as %v and as %v: read it once, and map its values", e.name, n.name, s, o.types, s.types))
		default:
			return e
		}
		n.write = unwritten
		return nil
	}
	return nil
}
