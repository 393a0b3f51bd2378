package topology

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
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
func (t *Topology) AddRepartitionTopic(r RepartitionTopic) {
	if o := t.internal[r.Name]; o != nil && o.Partitions != r.Partitions {
		t.fail("repartition topic %q is asked for with %d and with %d partitions: give one another name, or both the same number", r.Name, o.Partitions, r.Partitions)
	}
	t.internal[r.Name] = &r
}

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

// names says that the source reads a topic by its full name, not by a pattern.
func (n *node) names(t *Topology, applicationID, topic string) bool {
	for _, x := range n.topics {
		if t.FullName(applicationID, x) == topic {
			return true
		}
	}
	return false
}

// Subtopology is a part of the topology whose nodes are joined by edges or common stores. One task runs one partition of it.
type Subtopology struct {
	ID      SubtopologyID
	Global  bool // makes no tasks: a global store, kept by every instance
	Sources []SourceInfo
	Sinks   []string // undecorated topics, in order; those of dynamic sinks are not known
	Stores  []string // in order of first use
}

// SourceInfo is what a source reads: undecorated topics, or a pattern.
type SourceInfo struct {
	Node    string
	Topics  []string
	Pattern *regexp.Regexp
	Reset   Reset
}

// Subtopologies are the sub-topologies by id.
func (t *Topology) Subtopologies() []Subtopology {
	var out []Subtopology
	for id, g := range t.groups() {
		s := Subtopology{ID: SubtopologyID(id), Global: g[0].global}
		for _, n := range g {
			switch {
			case n.kind == sourceNode:
				s.Sources = append(s.Sources, SourceInfo{Node: n.name, Topics: slices.Clone(n.topics), Pattern: n.pattern, Reset: n.reset})
			case n.kind == sinkNode && n.topic != "" && !slices.Contains(s.Sinks, n.topic):
				s.Sinks = append(s.Sinks, n.topic)
			}
		}
		slices.Sort(s.Sinks)
		for _, st := range t.storesIn([]SubtopologyID{s.ID}) {
			s.Stores = append(s.Stores, st.def.Name())
		}
		out = append(out, s)
	}
	return out
}

// IsInternal says that a topic, by its undecorated name, is a repartition topic.
func (t *Topology) IsInternal(topic string) bool { return t.internal[topic] != nil }

// Hash tells topologies apart that cannot share tasks: members of a group whose hashes differ must not exchange work. It covers what Describe prints, the
// partitions asked for and the changelogs.
func (t *Topology) Hash() uint64 {
	h := sha256.New()
	io.WriteString(h, t.Describe())
	for _, topic := range t.InternalTopics("") {
		fmt.Fprintf(h, "%s %d\n", topic.Name, topic.Partitions)
		for _, k := range slices.Sorted(maps.Keys(topic.Config)) {
			fmt.Fprintf(h, " %s=%s\n", k, topic.Config[k])
		}
	}
	return binary.BigEndian.Uint64(h.Sum(nil))
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
	users := map[string]*node{}
	for _, n := range t.nodes {
		for _, name := range n.stores {
			if s := t.store(name); s == nil || s.global && !n.global {
				continue // a mistake that Err tells
			}
			if first, ok := users[name]; ok {
				union(n, first)
			} else {
				users[name] = n
			}
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
