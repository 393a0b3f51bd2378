package streams

import (
	"fmt"

	"github.com/millrace-go/millrace/topology"
)

// A planNode is a node of the logical plan. The DSL's verbs add them; Build rewrites the plan (optimisation, see optimize.go) and writes it into a
// physical topology in order of creation, parents first. Types are erased here and found again by write, once per Build.
type planNode struct {
	name     string
	id       int // order of creation: a node is written when all its parents are, lowest id first
	parents  []*planNode
	children []*planNode

	keyChanging   bool // the key may be another one behind this node
	valueChanging bool // mapValues, flatMapValues: no repartition moves above it
	merge         bool // a stream merge

	// repartition is set for a node that writes an internal topic and reads it again.
	repartition *repartitionSpec

	// write adds the node to t behind its parents' edges and answers its own edge, a *topology.Edge[K, V], or nil for a node that writes nothing of its own.
	// in holds the parents' edges.
	write func(w *writer, in []any) any
	out   any
	done  bool
}

// writer is one Build's target.
type writer struct {
	b *Builder
	t *topology.Topology
}

// plan adds a node behind parents.
func (b *Builder) plan(n *planNode, parents ...*planNode) *planNode {
	n.id = len(b.nodes)
	n.parents = parents
	b.nodes = append(b.nodes, n)
	for _, p := range parents {
		p.children = append(p.children, n)
	}
	return n
}

// writePlan writes all nodes, parents first, in order of creation.
func (b *Builder) writePlan(t *topology.Topology) {
	w := &writer{b, t}
	for written := 0; written < len(b.nodes); {
		before := written
		for _, n := range b.nodes {
			if n.done || !n.ready() {
				continue
			}
			in := make([]any, len(n.parents))
			for i, p := range n.parents {
				in[i] = p.out
			}
			n.out = n.write(w, in)
			n.done = true
			written++
		}
		if written == before {
			b.fail(fmt.Errorf("the plan has a cycle"))
			return
		}
	}
}

func (n *planNode) ready() bool {
	for _, p := range n.parents {
		if !p.done {
			return false
		}
	}
	return true
}

// edgesOf are the parents' edges with their type.
func edgesOf[K, V any](in []any) []*topology.Edge[K, V] {
	es := make([]*topology.Edge[K, V], len(in))
	for i, e := range in {
		es[i] = e.(*topology.Edge[K, V])
	}
	return es
}

// operator is the plan node of a processor made by topology.Connect: most verbs are one.
func operator[K, V, K2, V2 any](name string, stores []string,
	f func(ctx *topology.Context, next func(Record[K2, V2]) error) (func(Record[K, V]) error, error)) *planNode {
	return &planNode{name: name, write: func(w *writer, in []any) any {
		return topology.Connect(topology.NodeSpec{Name: name, Stores: stores}, f, edgesOf[K, V](in)...)
	}}
}
