package streams

import (
	"errors"
	"fmt"
	"slices"

	"github.com/millrace-go/millrace/topology"
)

// A planNode is a node of the logical plan. The DSL's verbs add them; Build rewrites the plan (optimisation, see optimize.go) and writes it into a
// physical topology in order of creation, parents first. Types are erased here and found again by write, once per Build.
type planNode struct {
	name     string
	id       int // order of creation: of the nodes whose parents are written, the lowest id is written next
	parents  []*planNode
	children []*planNode

	keyChanging   bool // map, flatMap, selectKey, groupBy: one merged repartition may stand behind it
	valueChanging bool // mapValues, flatMapValues: no repartition moves above it
	merge         bool // a stream merge

	// source is set for a node that reads topics, repartition for a node that writes an internal topic and reads it again.
	source      *sourcePlan
	repartition *repartitionSpec
	// reads are the topics that the node's records come from, where that is not what its parents say: a foreign-key join.
	reads func() []string
	// copyRepartition is the same repartition by another spec, for one that can be merged with others.
	copyRepartition func(*repartitionSpec) *planNode
	// copartitioned says that the topics behind all parents must have equally many partitions.
	copartitioned bool
	// lookups is how many of the last parents are only looked up, as the table of a stream's join: no record comes from them.
	lookups int
	// wantsNullKeys says that records without a key must not be lost on the way here: left and outer stream joins (KIP-962).
	wantsNullKeys bool
	// usesNullKeys says that a user sees records without a key there, in a topic or in code; dropsNullKeys that none come through: aggregates, tables, inner joins.
	usesNullKeys, dropsNullKeys bool
	// window is set for an aggregate over windows: Suppress finds there when they close.
	window *windowing
	// selfJoin writes a join of two streams in place of write if both are one stream (SingleStoreSelfJoin); nil for other nodes.
	selfJoin func(w *writer, in []any) any
	// joined is the repartition that unnamed joins of this node's stream share.
	joined *planNode

	// write adds the node to the topology behind its parents' edges and answers its own edge, a *topology.Edge[K, V], or nil for a node that
	// has nothing behind it. in holds the parents' edges. A node behind one that could not be written is not written either.
	write func(w *writer, in []any) any
	out   any
	done  bool
}

// writer is one Build's target.
type writer struct {
	b *Builder
	t *topology.Topology
}

// unwritten stands for the write of a node that Build refuses: the topology has nothing to say about it any more.
func unwritten(*writer, []any) any { return nil }

// claim is false, and Build fails, for an internal topic that another node has already.
func (w *writer) claim(topic string) bool {
	if w.t.IsInternal(topic) {
		w.b.fail(fmt.Errorf("two groupings, joins or Repartitions ask for the internal topic %s: give one another Named, or group or repartition once and use that twice", topic))
		return false
	}
	return true
}

// plan adds a node behind parents.
func (b *Builder) plan(n *planNode, parents ...*planNode) *planNode {
	n.id = len(b.nodes)
	b.nodes = append(b.nodes, n)
	for _, p := range parents {
		n.parents = append(n.parents, p)
		if !slices.Contains(p.children, n) {
			p.children = append(p.children, n)
		}
	}
	return n
}

// writePlan writes all nodes, parents first, in order of creation.
func (b *Builder) writePlan(t *topology.Topology) {
	w := &writer{b, t}
	for range b.nodes {
		n := b.nextToWrite()
		if n == nil {
			b.fail(errors.New("the rewritten plan has a cycle: leave Optimize out"))
			return
		}
		n.done = true
		in := make([]any, len(n.parents))
		broken := false
		for i, p := range n.parents {
			in[i] = p.out
			broken = broken || p.out == nil
		}
		if !broken {
			n.out = n.write(w, in)
		}
	}
}

// nextToWrite is the node of the lowest id that is not written and whose parents are.
func (b *Builder) nextToWrite() (next *planNode) {
	for _, n := range b.nodes {
		if !n.done && (next == nil || n.id < next.id) && !slices.ContainsFunc(n.parents, func(p *planNode) bool { return !p.done }) {
			next = n
		}
	}
	return next
}

// feeds are the parents that records come from.
func (n *planNode) feeds() []*planNode { return n.parents[:len(n.parents)-n.lookups] }

// topics are the topics that the node's records come from in its sub-topology: those of the nearest sources and repartitions above.
func (n *planNode) topics() (ts []string) {
	switch {
	case n.reads != nil:
		return n.reads()
	case n.repartition != nil:
		return []string{n.repartition.topic()}
	case n.source != nil && n.source.global:
		return nil
	case n.source != nil:
		return n.source.topics
	}
	for _, p := range n.parents {
		for _, t := range p.topics() {
			if !slices.Contains(ts, t) {
				ts = append(ts, t)
			}
		}
	}
	return ts
}

// declareCopartitions tells the topology which topics must have equally many partitions, and refuses those that are told to have different numbers.
func (b *Builder) declareCopartitions(t *topology.Topology) {
	given := map[string]int{}
	for _, n := range b.nodes {
		if r := n.repartition; r != nil && r.partitions > 0 {
			given[r.topic()] = r.partitions
		}
	}
	for _, n := range b.nodes {
		if !n.copartitioned {
			continue
		}
		ts := n.topics()
		if len(ts) > 1 {
			t.Copartition(ts...)
		}
		first := ""
		for _, topic := range ts {
			switch {
			case given[topic] == 0:
			case first == "":
				first = topic
			case given[topic] != given[first]:
				b.fail(fmt.Errorf("node %s joins topic %s of %d partitions with topic %s of %d: give both Repartitions the same number",
					n.name, first, given[first], topic, given[topic]))
			}
		}
	}
}

// start makes a node's instance for one task: next hands a record to the children, the answer handles one.
type start[K, V, K2, V2 any] = func(ctx *topology.Context, next func(Record[K2, V2]) error) (func(Record[K, V]) error, error)

// edgesOf are the parents' edges with their type.
func edgesOf[K, V any](in []any) []*topology.Edge[K, V] {
	es := make([]*topology.Edge[K, V], len(in))
	for i, e := range in {
		es[i] = e.(*topology.Edge[K, V])
	}
	return es
}

// operator is the plan node of a processor made by topology.Connect: most verbs are one.
func operator[K, V, K2, V2 any](name string, stores []string, f start[K, V, K2, V2]) *planNode {
	return &planNode{name: name, write: func(w *writer, in []any) any {
		return topology.Connect(topology.NodeSpec{Name: name, Stores: stores}, f, edgesOf[K, V](in)...)
	}}
}
