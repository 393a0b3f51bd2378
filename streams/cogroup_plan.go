package streams

import (
	"context"
	"fmt"

	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

const cogroupPrefix = "COGROUPKSTREAM-AGGREGATE-"

// cogroupMember is one stream of a cogroup, whatever the type of its values.
type cogroupMember[K, A any] interface {
	given() bool
	// read is the node that the member's records come from: behind a repartition if the key may have changed. prefix names that, unless
	// the grouping has a name; named says that the user chose the store's. Aggregates of one cogroup share the repartition.
	read(store string, prefix func() string, named bool) *planNode

	// The nodes that add the member's records to an aggregate. Those of windows make a Record[K, windowChange[A]].
	aggregate(name string, c *nodeConfig, st *tableStore[K, A], t *tableNode[K, A], init func() A) *planNode
	windows(name string, c *nodeConfig, st *windowStore[K, A], olds func() bool, init func() A) *planNode
	sessions(name string, c *nodeConfig, st *sessionStore[K, A], olds func() bool, init func() A, merge openMerger[K, A]) *planNode
}

// plan plans a node for each member and one that brings their changes together. initialised says that the aggregate's own functions are given.
func (c CogroupedStream[K, A]) plan(o *nodeConfig, store string, initialised bool, merge func(name string) *planNode, member func(m cogroupMember[K, A], name string) *planNode) *planNode {
	b := c.b
	// Two members without a name cannot have one internal topic: the first is called after the store, others after their place too.
	unnamed := 0
	ins := make([]*planNode, len(c.members))
	for i, m := range c.members {
		ins[i] = m.read(store, func() string {
			if unnamed++; unnamed == 1 {
				return store
			}
			return fmt.Sprintf("%s-cogroup-%d", store, i)
		}, o.store.name != "")
	}
	nodes := make([]*planNode, len(c.members))
	for i, m := range c.members {
		name := b.suffixedName(o.name, fmt.Sprintf("-cogroup-agg-%d", i), cogroupPrefix)
		b.require(m.given(), name)
		nodes[i] = b.plan(member(m, name), ins[i])
	}
	name := b.suffixedName(o.name, "-cogroup-merge", "COGROUPKSTREAM-MERGE-")
	b.require(initialised, name)
	n := merge(name)
	n.copartitioned = true
	return b.plan(n, nodes...)
}

// nameCogroups calls the first repartition that MergeRepartitions has left to a cogroup after the store, as Kafka Streams calls its only one.
func (b *Builder) nameCogroups() {
	named := map[string]bool{}
	for _, n := range b.nodes {
		if s := n.repartition; s != nil && s.prefix == s.cogroup {
			named[s.cogroup] = true
		}
	}
	for _, n := range b.nodes {
		if s := n.repartition; s != nil && !named[s.cogroup] && s.cogroup != "" {
			named[s.cogroup] = true
			s.prefix = s.cogroup
			s.nameAfterPrefix()
			n.name = s.sourceName
		}
	}
}

// mergeCogroup is the plan node behind the members' nodes.
func mergeCogroup[K, V any](name string) *planNode {
	return operator(name, nil, func(_ *topology.Context, next func(Record[K, V]) error) (func(Record[K, V]) error, error) {
		return next, nil
	})
}

// windowChange is a change of the aggregate of a window. The merge node makes the key of it, whose type the members do not know.
type windowChange[A any] struct {
	window window.Window
	change change[A]
}

func forwardWindowed[K, A any](next func(Record[K, windowChange[A]]) error) forwardWindow[K, A] {
	return func(k K, w window.Window, c change[A], at Time, h topology.Headers) error {
		return next(Record[K, windowChange[A]]{Key: k, Value: windowChange[A]{w, c}, Time: at, Headers: h})
	}
}

// mergeWindows is mergeCogroup for windows: it makes the key, too.
func mergeWindows[K, WK, A any](w interface{ Key(K, window.Window) WK }) func(name string) *planNode {
	return func(name string) *planNode {
		return operator(name, nil, func(_ *topology.Context, next func(Record[WK, change[A]]) error) (func(Record[K, windowChange[A]]) error, error) {
			forward := forwardKeyed[K, WK, A](w)(next)
			return func(r Record[K, windowChange[A]]) error {
				return forward(r.Key, r.Value.window, r.Value.change, r.Time, r.Headers)
			}, nil
		})
	}
}

// groupMember is a cogroupMember.
type groupMember[K, V, A any] struct {
	g     GroupedStream[K, V]
	has   bool // a function
	nulls bool // it is asked about tombstones
	open  openStep[K, V, A]

	repartition *planNode // once it is planned
}

func plainMember[K, V, A any](g GroupedStream[K, V], add func(K, V, A) A) *groupMember[K, V, A] {
	return &groupMember[K, V, A]{g: g, has: add != nil, open: plainStep(func(r Record[K, V], a A) A { return add(r.Key, r.Value, a) })}
}

func tryMember[K, V, A any](g GroupedStream[K, V], add func(context.Context, Record[K, V], A) (A, error)) *groupMember[K, V, A] {
	return &groupMember[K, V, A]{g: g, has: add != nil, nulls: true, open: tryStep(add)}
}

func (m *groupMember[K, V, A]) given() bool { return m.has }

func (m *groupMember[K, V, A]) read(store string, prefix func() string, named bool) *planNode {
	s := m.g.s
	if !s.rekeyed {
		return s.n
	}
	as := m.g.named
	if as == "" {
		as = prefix()
	}
	spec := s.b.newRepartition(as)
	if m.repartition == nil {
		if m.g.named == "" && !named {
			s.b.nameGenerated("internal topic", spec.topic(), "Named at the grouping")
		}
		if m.g.named == "" {
			spec.cogroup = store
		}
		m.repartition = s.through(spec, nil).n
	}
	return m.repartition
}

func (m *groupMember[K, V, A]) aggregation(init func() A) aggregation[K, V, A] {
	return aggregation[K, V, A]{given: true, first: init, open: m.open}
}

func (m *groupMember[K, V, A]) aggregate(name string, c *nodeConfig, st *tableStore[K, A], t *tableNode[K, A], init func() A) *planNode {
	return aggregateNode(name, c, st, t, m.aggregation(init))
}

func (m *groupMember[K, V, A]) windows(name string, c *nodeConfig, st *windowStore[K, A], olds func() bool, init func() A) *planNode {
	a := windowAggregation[K, V, A]{aggregation: m.aggregation(init), nulls: m.nulls, store: st}
	return windowOperator(name, c, st, a.start, olds, forwardWindowed[K, A])
}

func (m *groupMember[K, V, A]) sessions(name string, c *nodeConfig, st *sessionStore[K, A], olds func() bool, init func() A, merge openMerger[K, A]) *planNode {
	a := sessionAggregation[K, V, A]{aggregation: m.aggregation(init), nulls: m.nulls, merge: merge, store: st}
	return windowOperator(name, c, st, a.start, olds, forwardWindowed[K, A])
}
