package streams

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/topology"
)

// repartitionSpec is what Build needs to know of a node that goes through an internal topic: a filter of null keys (not for tables), a sink and
// a source.
type repartitionSpec struct {
	prefix                           string // the topic's name before "-repartition", and who it is called after
	filterName, sinkName, sourceName string
	partitions                       int  // 0: as many as the sources have
	optimizable                      bool // made for a grouping, join or toTable, not by Repartition
	merged                           bool // by MergeRepartitions: others than groupings and joins may be behind it
	nullKeys                         bool // set by relaxNullKeys: somebody behind it wants them

	cogroup string // the store of the cogroup that it was made for, if the grouping has no name: see nameCogroups
}

// topic is the undecorated name: the cluster's has the application id in front.
func (s *repartitionSpec) topic() string { return repartitionTopic(s.prefix) }

func repartitionTopic(prefix string) string {
	if strings.HasSuffix(prefix, "-repartition") {
		return prefix
	}
	return prefix + "-repartition"
}

var generatedPrefix = regexp.MustCompile(`^KSTREAM.*-[0-9]{10}$`)

// newRepartition draws the names of a repartition. Three numbers go, whether the nodes are called by them or after a given prefix.
func (b *Builder) newRepartition(prefix string) *repartitionSpec {
	s := &repartitionSpec{prefix: prefix, optimizable: true}
	s.sinkName, s.filterName, s.sourceName = b.generate("KSTREAM-SINK-"), b.generate("KSTREAM-FILTER-"), b.generate("KSTREAM-SOURCE-")
	if !generatedPrefix.MatchString(prefix) {
		s.nameAfterPrefix()
	}
	return s
}

func (s *repartitionSpec) nameAfterPrefix() {
	t := s.topic()
	s.sinkName, s.filterName, s.sourceName = t+"-sink", t+"-filter", t+"-source"
}

// Repartition sends the stream through an internal topic, so that each key's records meet in one task, in as many partitions as asked for. Null
// keys are lost on the way, uncounted, unless a left or outer join behind wants them.
func (s Stream[K, V]) Repartition(o ...RepartitionOption) Stream[K, V] {
	var c nodeConfig
	for _, opt := range o {
		opt.repartition(&c)
	}
	prefix := c.name
	if prefix == "" {
		prefix = s.b.generate("KSTREAM-REPARTITION-")
		s.b.nameGenerated("internal topic", repartitionTopic(prefix), "Named")
	}
	s.b.check(prefix, &c)
	spec := s.b.newRepartition(prefix)
	spec.optimizable, spec.partitions = false, c.partitions
	return s.through(spec, partitionerOf[K, V](s.b, prefix, &c))
}

// through is the stream behind a repartition.
func (s Stream[K, V]) through(spec *repartitionSpec, p topology.Partitioner[K, V]) Stream[K, V] {
	out := s
	out.n = s.b.plan(repartitionNode(spec, s.key, s.value, p), s.n)
	out.rekeyed = false
	return out
}

// forJoin is the stream as a join needs it: repartitioned if the key may have changed. given is the join's own name for the internal topic, or "":
// then the topic is called after the stream's node, and all unnamed joins of the stream share it.
func (s Stream[K, V]) forJoin(given string) Stream[K, V] {
	if !s.rekeyed {
		return s
	}
	prefix := given
	if prefix == "" {
		prefix = s.n.name
	}
	spec := s.b.newRepartition(prefix)
	if s.n.joined == nil || prefix != s.n.name {
		if given == "" {
			s.b.nameGenerated("internal topic", spec.topic(), "Named")
		}
		out := s.through(spec, nil)
		s.n.joined = out.n
		return out
	}
	out := s
	out.n, out.rekeyed = s.n.joined, false
	return out
}

// repartitionNode is the plan node of a stream's repartition. It reads its spec when it is written: see relaxNullKeys.
func repartitionNode[K, V any](spec *repartitionSpec, key *slot[K], value *slot[V], p topology.Partitioner[K, V]) *planNode {
	n := &planNode{name: spec.sourceName, repartition: spec}
	n.copyRepartition = func(spec *repartitionSpec) *planNode { return repartitionNode(spec, key, value, p) }
	n.write = func(w *writer, in []any) any {
		k, v := key.resolve(w.b, spec.sinkName, "key"), value.resolve(w.b, spec.sinkName, "value")
		if k == nil || v == nil {
			return nil
		}
		edges := make([]*topology.Edge[K, V], len(in))
		for i, e := range in {
			typed, ok := e.(*topology.Edge[K, V])
			if !ok {
				w.b.fail(fmt.Errorf("internal topic %s: MergeRepartitions would move it above a node that changes the value's type: leave the rewrite out, or call Repartition there", spec.topic()))
				return nil
			}
			edges[i] = typed
		}
		if !w.claim(spec.topic()) {
			return nil
		}
		filtered := topology.Connect(topology.NodeSpec{Name: spec.filterName}, keepKeys[K, V](spec.nullKeys), edges...)
		return writeRepartition(w, spec, filtered, k, v, p)
	}
	return n
}

// writeRepartition writes the sink and the source of a repartition.
func writeRepartition[K, V any](w *writer, spec *repartitionSpec, e *topology.Edge[K, V], k serde.Serde[K], v serde.Serde[V], p topology.Partitioner[K, V]) *topology.Edge[K, V] {
	w.t.AddRepartitionTopic(topology.RepartitionTopic{Name: spec.topic(), Partitions: int32(spec.partitions)})
	e.AddSink(topology.SinkSpec[K, V]{Name: spec.sinkName, Topic: spec.topic(), Key: k, Value: v, Partitioner: p})
	return w.t.AddSource(topology.SourceSpec[K, V]{Name: spec.sourceName, Topics: []string{spec.topic()}, Key: k, Value: v})
}

// keepKeys drops records without a key, uncounted: no one behind could use them. With nulls it keeps them.
func keepKeys[K, V any](nulls bool) start[K, V, K, V] {
	return func(_ *topology.Context, next func(Record[K, V]) error) (func(Record[K, V]) error, error) {
		return func(r Record[K, V]) error {
			if r.NoKey && !nulls {
				return nil
			}
			return next(r)
		}, nil
	}
}

// relaxNullKeys lets null keys through the repartitions above left and outer joins (KIP-962), on the stream's side of joins with tables. So far up does
// Kafka Streams go that even those before other repartitions and changes of the key are among them. Nor are they lost where MergeRepartitions has put a
// repartition before what a user sees.
func (b *Builder) relaxNullKeys() {
	for _, n := range b.nodes {
		if n.wantsNullKeys {
			relaxAbove(n)
		}
		if n.repartition != nil && n.repartition.merged && n.showsNullKeys() {
			n.repartition.nullKeys = true
		}
	}
}

// showsNullKeys says whether records without a key come from the node to a user, not counting what goes through another repartition.
func (n *planNode) showsNullKeys() bool {
	return slices.ContainsFunc(n.children, func(c *planNode) bool {
		return c.usesNullKeys || c.repartition == nil && !c.dropsNullKeys && slices.Contains(c.feeds(), n) && c.showsNullKeys()
	})
}

func relaxAbove(n *planNode) {
	if n.repartition != nil {
		n.repartition.nullKeys = true
	}
	for _, p := range n.feeds() {
		relaxAbove(p)
	}
}
