package topology

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Describe prints the topology as Kafka Streams does, line by line, so that the tools that draw such texts read it. Internal topics appear without the
// application id. Where Kafka Streams prints in the order of a hash table, names are in order of the size of what lies behind them, then of the alphabet.
func (t *Topology) Describe() string {
	sizes := t.sizes()
	bySize := func(a, b *node) int {
		return cmp.Or(cmp.Compare(sizes[b.index], sizes[a.index]), strings.Compare(a.name, b.name))
	}
	var b strings.Builder
	b.WriteString("Topologies:\n ")
	for id, g := range t.groups() {
		fmt.Fprintf(&b, "  Sub-topology: %d", id)
		if g[0].global {
			b.WriteString(" for global store (will not generate tasks)")
		}
		b.WriteByte('\n')
		nodes := slices.Clone(g)
		slices.SortFunc(nodes, bySize)
		for _, n := range nodes {
			n.describe(&b, bySize)
		}
		if !g[0].global {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// sizes are the sizes of the trees under the nodes, by index: 1 and the sizes of the children, each path counted.
func (t *Topology) sizes() []int {
	s := make([]int, len(t.nodes))
	for i := len(t.nodes) - 1; i >= 0; i-- {
		s[i] = 1
		for _, c := range t.nodes[i].children {
			s[i] += s[c.index]
		}
	}
	return s
}

func (n *node) describe(b *strings.Builder, bySize func(a, b *node) int) {
	switch {
	case n.kind == sourceNode && n.pattern != nil:
		fmt.Fprintf(b, "    Source: %s (topics: %s)\n", n.name, n.pattern)
	case n.kind == sourceNode:
		fmt.Fprintf(b, "    Source: %s (topics: [%s])\n", n.name, sorted(n.topics))
	case n.kind == sinkNode && n.topic == "":
		fmt.Fprintf(b, "    Sink: %s (extractor class: %s)\n", n.name, n.dynamic)
	case n.kind == sinkNode:
		fmt.Fprintf(b, "    Sink: %s (topic: %s)\n", n.name, n.topic)
	default:
		fmt.Fprintf(b, "    Processor: %s (stores: [%s])\n", n.name, sorted(n.stores))
	}
	if n.kind != sinkNode {
		fmt.Fprintf(b, "      --> %s\n", names(n.children, bySize))
	}
	if n.kind != sourceNode {
		fmt.Fprintf(b, "      <-- %s\n", names(n.parents, bySize))
	}
}

func names(nodes []*node, order func(a, b *node) int) string {
	if len(nodes) == 0 {
		return "none"
	}
	nodes = slices.Clone(nodes)
	slices.SortFunc(nodes, order)
	out := make([]string, len(nodes))
	for i, n := range nodes {
		out[i] = n.name
	}
	return strings.Join(slices.Compact(out), ", ")
}

func sorted(names []string) string {
	names = slices.Clone(names)
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}
