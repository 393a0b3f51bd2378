package topology

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// PartitionCounts says how many partitions the internal topics and tasks the sub-topologies have.
type PartitionCounts struct {
	// Repartition is by undecorated name.
	Repartition map[string]int32
	// Tasks is by sub-topology: as many as the topic with the most partitions that it reads has; 0 for a global one. The changelogs of a
	// sub-topology's stores have as many partitions.
	Tasks []int32
}

// CountPartitions follows from how many partitions the external topics have: all that the sources read, those that match a pattern included. An
// error names every source topic that is missing, and all topics that have to be co-partitioned and are not.
//
// A repartition topic has the number that was asked for, or as many as the topics have that the writing sub-topology reads. Then topics that are joined are made equal:
// external ones have to be, repartition topics follow them, or the highest among themselves.
func (t *Topology) CountPartitions(external map[string]int32) (PartitionCounts, error) {
	c := counter{t: t, external: external, groups: t.groups(), counts: map[string]int32{}}
	if err := c.checkExternal(); err != nil {
		return PartitionCounts{}, err
	}
	if err := c.countRepartition(); err != nil {
		return PartitionCounts{}, err
	}
	if err := c.copartition(); err != nil {
		return PartitionCounts{}, err
	}
	out := PartitionCounts{Repartition: c.counts, Tasks: make([]int32, len(c.groups))}
	for i, g := range c.groups {
		if g[0].global {
			continue
		}
		for _, topic := range c.topics(g) {
			out.Tasks[i] = max(out.Tasks[i], c.count(topic))
		}
	}
	return out, nil
}

type counter struct {
	t        *Topology
	external map[string]int32
	groups   [][]*node
	counts   map[string]int32 // of repartition topics, as far as known
}

// count is 0 while it is unknown.
func (c *counter) count(topic string) int32 {
	if c.t.internal[topic] != nil {
		return c.counts[topic]
	}
	return c.external[topic]
}

// topics are the undecorated topics that nodes read.
func (c *counter) topics(nodes []*node) []string {
	var out []string
	for _, n := range nodes {
		out = append(out, n.topics...)
		out = append(out, c.matching(n)...)
	}
	return out
}

// matching are the external topics that match a source's pattern.
func (c *counter) matching(n *node) []string {
	if n.pattern == nil {
		return nil
	}
	var out []string
	for topic := range c.external {
		if n.pattern.MatchString(topic) {
			out = append(out, topic)
		}
	}
	slices.Sort(out)
	return out
}

func (c *counter) checkExternal() error {
	var errs []error
	for _, n := range c.t.nodes {
		for _, topic := range n.topics {
			if c.t.internal[topic] == nil && c.external[topic] <= 0 {
				errs = append(errs, fmt.Errorf("topology: topic %q, which source %s reads, does not exist: create it", topic, n.name))
			}
		}
	}
	return errors.Join(errs...)
}

// countRepartition gives every repartition topic its number, upstream topics first.
func (c *counter) countRepartition() error {
	var open []string
	for _, name := range c.t.internalNames() {
		if r := c.t.internal[name]; r.Partitions > 0 {
			c.counts[name] = r.Partitions
		} else if c.t.sourceOf(name) != nil {
			open = append(open, name)
		}
	}
	whole := true // topics are counted once all that is upstream is
	for len(open) > 0 {
		left := slices.DeleteFunc(slices.Clone(open), func(name string) bool {
			n, known := c.upstream(name)
			if n == 0 || whole && !known {
				return false
			}
			c.counts[name] = n
			whole = true
			return true
		})
		if len(left) == len(open) {
			if !whole {
				return fmt.Errorf("topology: the partitions of the repartition topics %s depend on each other or on no topic: give one of them a number of partitions", strings.Join(open, ", "))
			}
			whole = false // they go round in a circle, as with a foreign-key join of a table with itself: what is known has to do
			continue
		}
		open = left
	}
	return nil
}

// upstream is the highest number of partitions of the topics that the sub-topologies read which write to topic, as far as they are known: all is
// false if one is not.
func (c *counter) upstream(topic string) (most int32, all bool) {
	all = true
	for _, g := range c.groups {
		if !slices.ContainsFunc(g, func(n *node) bool { return n.kind == sinkNode && n.topic == topic }) {
			continue
		}
		for _, in := range c.topics(g) {
			n := c.count(in)
			all = all && n > 0
			most = max(most, n)
		}
	}
	return most, all
}

// copartition makes the topics of each group equal. What one group changes may concern another: the groups are gone through until nothing changes.
func (c *counter) copartition() error {
	for range len(c.t.copartitions) + 1 {
		var errs []error
		changed := false
		for _, group := range c.t.copartitions {
			ch, err := c.level(group)
			changed = changed || ch
			errs = append(errs, err)
		}
		if err := errors.Join(errs...); err != nil || !changed {
			return err
		}
	}
	return errors.New("topology: the joins ask for different partitions of the same repartition topics: give them a number of partitions")
}

// level makes the repartition topics of a group equal to its fixed ones: external topics, and those whose number was asked for.
func (c *counter) level(group []string) (changed bool, err error) {
	var topics []string
	for _, name := range group {
		if n := c.t.byName[name]; n != nil && n.pattern != nil {
			topics = append(topics, c.matching(n)...)
		} else {
			topics = append(topics, name)
		}
	}
	fixed, want := "", int32(0)
	for _, topic := range topics {
		r := c.t.internal[topic]
		n := c.count(topic)
		if r != nil && r.Partitions == 0 {
			continue
		}
		if fixed == "" {
			fixed, want = topic, n
		} else if n != want {
			return false, c.mismatch(fixed, want, topic, n)
		}
	}
	if fixed == "" {
		for _, topic := range topics {
			want = max(want, c.count(topic))
		}
	}
	for _, topic := range topics {
		if r := c.t.internal[topic]; r != nil && c.counts[topic] != want {
			c.counts[topic] = want
			changed = true
		}
	}
	return changed, nil
}

func (c *counter) mismatch(a string, na int32, b string, nb int32) error {
	fix := fmt.Sprintf("repartition one of the streams before the join, e.g. with Repartition and Partitions(%d)", na)
	if ra, rb := c.t.internal[a], c.t.internal[b]; ra != nil && rb != nil {
		fix = "ask for the same number for both"
	} else if rb != nil {
		fix = fmt.Sprintf("ask for %d partitions of %q, or for none", na, b)
	} else if ra != nil {
		fix = fmt.Sprintf("ask for %d partitions of %q, or for none", nb, a)
	}
	return fmt.Errorf("topology: topics %q (%d partitions) and %q (%d) are joined but not co-partitioned: %s", a, na, b, nb, fix)
}
