package streams

import (
	"fmt"
	"slices"
)

// optimize rewrites the plan as Build's options ask. ReuseSourceTopics is done where a table's store is written.
func (b *Builder) optimize() {
	if b.config.rewrites&MergeRepartitions != 0 {
		b.mergeRepartitions()
		b.nameCogroups()
	}
	if b.config.rewrites&SingleStoreSelfJoin != 0 {
		b.joinSelves()
	}
}

// mover is a node behind which one repartition can stand for several: a change of the key, or a merge of several.
type mover struct {
	n            *planNode
	repartitions []*planNode // in order of creation
}

// mergeRepartitions puts one repartition behind each change of the key that has any below it, in place of all of those. It is called after the
// first, and what was between them and the key change reads it. Plans are rewritten as Kafka Streams does it, so that its topics fit.
func (b *Builder) mergeRepartitions() {
	for _, m := range b.movers() {
		if len(m.repartitions) == 0 {
			continue
		}
		spec := *m.repartitions[0].repartition
		spec.nameAfterPrefix()
		spec.merged = true
		merged := m.repartitions[0].copyRepartition(&spec)
		merged.id = m.n.id // it is written as soon as its parent is
		for _, r := range m.repartitions {
			ways := m.n.waysTo(r)
			if len(ways) == 0 || !slices.Contains(b.nodes, r) { // there is no way, or another merge of streams has it already
				b.fail(fmt.Errorf("internal topic %s cannot be merged with others behind node %s: call Repartition before the join or grouping, or leave MergeRepartitions out",
					r.repartition.topic(), m.n.name))
				return
			}
			for _, child := range ways {
				child.replaceParent(m.n, merged)
			}
			for _, c := range slices.Clone(r.children) {
				c.replaceParent(r, r.parents...)
			}
			b.drop(r)
		}
		merged.parents = []*planNode{m.n}
		m.n.children = append(m.n.children, merged)
		b.nodes = append(b.nodes, merged)
	}
}

// movers are the nodes that changed the key of a repartition with nothing between that makes a value, in order of creation. Where all of a key
// change's repartitions lie behind a merge, the merge takes its place.
func (b *Builder) movers() (ms []*mover) {
	for _, n := range b.nodes {
		switch {
		case n.keyChanging:
			ms = append(ms, &mover{n: n})
		case n.repartition != nil && n.repartition.optimizable:
			by := n.above(func(p *planNode) bool { return p.keyChanging })
			if by == nil || by != n.above(func(p *planNode) bool { return p.keyChanging || p.valueChanging }) {
				continue
			}
			i := slices.IndexFunc(ms, func(m *mover) bool { return m.n == by })
			ms[i].repartitions = append(ms[i].repartitions, n)
		}
	}
	var merges []*mover
	replaced := map[*mover]bool{}
	for _, n := range b.nodes {
		if !n.merge {
			continue
		}
		merge := &mover{n: n}
		for _, m := range ms {
			outside := func(r *planNode) bool {
				return r.above(func(p *planNode) bool { return slices.Contains(p.parents, n) }) == nil
			}
			if slices.ContainsFunc(m.repartitions, outside) || n.above(func(p *planNode) bool { return slices.Contains(p.parents, m.n) }) == nil {
				continue
			}
			replaced[m] = true
			for _, r := range m.repartitions {
				if !slices.Contains(merge.repartitions, r) {
					merge.repartitions = append(merge.repartitions, r)
				}
			}
		}
		merges = append(merges, merge)
	}
	ms = slices.DeleteFunc(ms, func(m *mover) bool { return replaced[m] })
	return append(ms, merges...)
}

// waysTo are the node's children by which records come to a repartition below with the key that the node gave them. There is more than one where a stream is
// merged with one that comes of it; Kafka Streams takes the first only, and what comes by the others stays in the partition of its old key.
func (n *planNode) waysTo(r *planNode) (ways []*planNode) {
	seen := map[*planNode]bool{}
	var up func(c *planNode)
	up = func(c *planNode) {
		if seen[c] {
			return
		}
		seen[c] = true
		for _, p := range c.feeds() {
			switch {
			case p == n:
				ways = append(ways, c)
			case !p.keyChanging && p.repartition == nil:
				up(p)
			}
		}
	}
	up(r)
	return slices.Compact(ways)
}

// above is the node itself or one above it that matches: a parent, else what the last parent that has one above it answers.
func (n *planNode) above(match func(*planNode) bool) (found *planNode) {
	if match(n) {
		return n
	}
	for _, p := range n.feeds() {
		if match(p) {
			return p
		}
		found = p.above(match)
	}
	return found
}

// replaceParent puts others in the place of one of the node's parents.
func (n *planNode) replaceParent(old *planNode, others ...*planNode) {
	i := slices.Index(n.parents, old)
	for ; i >= 0; i = slices.Index(n.parents, old) {
		n.parents = slices.Replace(n.parents, i, i+1, others...)
	}
	if n.merge { // a stream merged with itself is the stream
		n.parents = slices.Compact(n.parents)
	}
	old.children = slices.DeleteFunc(old.children, func(c *planNode) bool { return c == n })
	for _, p := range others {
		if !slices.Contains(p.children, n) {
			p.children = append(p.children, n)
		}
	}
}

// moveChildren makes to the parent of from's children, in from's place.
func (b *Builder) moveChildren(from, to *planNode) {
	for _, c := range slices.Clone(from.children) {
		c.replaceParent(from, to)
	}
}

// drop takes a node out of the plan.
func (b *Builder) drop(n *planNode) {
	for _, p := range n.parents {
		p.children = slices.DeleteFunc(p.children, func(c *planNode) bool { return c == n })
	}
	b.nodes = slices.DeleteFunc(b.nodes, func(o *planNode) bool { return o == n })
}
