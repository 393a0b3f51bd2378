package topology

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/millrace-go/millrace/state"
)

// RepartitionTopic is an internal topic between two sub-topologies, by its undecorated name.
type RepartitionTopic struct {
	Name string
	// Partitions is the number asked for, or 0: as many as the topics have that the writing sub-topology reads.
	Partitions int32
}

// AddRepartitionTopic makes an undecorated topic name an internal one: sources and sinks of that name use "<application id>-<name>".
func (t *Topology) AddRepartitionTopic(r RepartitionTopic) { t.internal[r.Name] = &r }

// Copartition says that topics (undecorated) must have equally many partitions.
func (t *Topology) Copartition(topics ...string) { t.copartitions = append(t.copartitions, topics) }

// FullName is a topic's name in the cluster: internal ones carry the application id.
func (t *Topology) FullName(applicationID, topic string) string {
	if _, ok := t.internal[topic]; ok {
		return applicationID + "-" + topic
	}
	return topic
}

var validName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// CheckName says whether a name may be part of a topic's name.
func CheckName(name string) error {
	if name == "." || name == ".." || !validName.MatchString(name) {
		return fmt.Errorf("topology: name %q is not allowed: use 1 to 249 letters, digits, '.', '_' and '-'", strings.ToValidUTF8(name, "?"))
	}
	return nil
}

func (n *node) reads(t *Topology, applicationID, topic string) bool {
	for _, x := range n.topics {
		if t.FullName(applicationID, x) == topic {
			return true
		}
	}
	return n.pattern != nil && n.pattern.MatchString(topic)
}

// groups are the sub-topologies: nodes that are joined by edges or by a common store, in order of their first node.
func (t *Topology) groups() [][]*node {
	parent := make([]int, len(t.nodes))
	for i := range parent {
		parent[i] = i
	}
	var find func(int) int
	find = func(i int) int {
		if parent[i] != i {
			parent[i] = find(parent[i])
		}
		return parent[i]
	}
	union := func(a, b *node) { parent[find(a.index)] = find(b.index) }
	for _, n := range t.nodes {
		for _, p := range n.parents {
			union(n, p)
		}
	}
	for _, s := range t.stores {
		for _, n := range s.nodes {
			union(n, s.nodes[0])
		}
	}
	byRoot := map[int]int{}
	var out [][]*node
	for _, n := range t.nodes {
		r := find(n.index)
		g, ok := byRoot[r]
		if !ok {
			g = len(out)
			byRoot[r] = g
			out = append(out, nil)
		}
		out[g] = append(out[g], n)
	}
	return out
}

// nodesOf are the nodes of sub-topologies in order of adding; nil means all that are not global.
func (t *Topology) nodesOf(subs []SubtopologyID) []*node {
	groups := t.groups()
	in := map[*node]bool{}
	if subs == nil {
		for _, g := range groups {
			for _, n := range g {
				in[n] = !g[0].global
			}
		}
	}
	for _, s := range subs {
		for _, n := range groups[s] {
			in[n] = true
		}
	}
	var out []*node
	for _, n := range t.nodes {
		if in[n] {
			out = append(out, n)
		}
	}
	return out
}

// storesIn are the stores that nodes of sub-topologies use, in order of their first use: that is the order in which caches flush.
func (t *Topology) storesIn(subs []SubtopologyID) []*store {
	seen := map[*store]bool{}
	var out []*store
	for _, n := range t.nodesOf(subs) {
		for _, name := range n.stores {
			if s := t.store(name); s != nil && !seen[s] && s.global == n.global {
				seen[s] = true
				out = append(out, s)
			}
		}
	}
	return out
}

func (t *Topology) storesOf(subs []SubtopologyID) []state.AnyDefinition {
	var out []state.AnyDefinition
	for _, s := range t.storesIn(subs) {
		out = append(out, s.def)
	}
	return out
}
