package streams

import "slices"

// optimize rewrites the plan as Build's options ask.
func (b *Builder) optimize() {}

// moveChildren makes to the parent of from's children, in from's place.
func (b *Builder) moveChildren(from, to *planNode) {
	for _, c := range from.children {
		for i, p := range c.parents {
			if p == from {
				c.parents[i] = to
			}
		}
		if c.merge { // a stream merged with itself is the stream
			c.parents = slices.Compact(c.parents)
		}
		if !slices.Contains(to.children, c) {
			to.children = append(to.children, c)
		}
	}
	from.children = nil
}

// drop takes a node out of the plan.
func (b *Builder) drop(n *planNode) {
	for _, p := range n.parents {
		p.children = slices.DeleteFunc(p.children, func(c *planNode) bool { return c == n })
	}
	b.nodes = slices.DeleteFunc(b.nodes, func(o *planNode) bool { return o == n })
}
