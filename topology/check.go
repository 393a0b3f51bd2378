package topology

import (
	"errors"
	"fmt"
	"slices"
)

// Err tells all mistakes of the topology, nil if there is none.
func (t *Topology) Err() error {
	errs := slices.Clone(t.errs)
	errs = append(errs, t.checkSources()...)
	errs = append(errs, t.checkStores()...)
	errs = append(errs, t.checkInternalTopics()...)
	return errors.Join(errs...)
}

// checkSources: a topic has one source.
func (t *Topology) checkSources() (errs []error) {
	type read struct{ topic, source string }
	var topics []read
	for _, n := range t.nodes {
		if n.kind != sourceNode {
			continue
		}
		for i, topic := range n.topics {
			if slices.Contains(n.topics[:i], topic) {
				errs = append(errs, fmt.Errorf("topology: source %s reads topic %q twice", n.name, topic))
				continue
			}
			if j := slices.IndexFunc(topics, func(r read) bool { return r.topic == topic }); j >= 0 {
				errs = append(errs, fmt.Errorf("topology: topic %q is read by two sources, %s and %s: read it once and use that stream or table twice",
					topic, topics[j].source, n.name))
				continue
			}
			topics = append(topics, read{topic, n.name})
		}
	}
	for i, n := range t.nodes {
		if n.pattern == nil {
			continue
		}
		for _, r := range topics {
			if n.pattern.MatchString(r.topic) && t.internal[r.topic] == nil {
				errs = append(errs, fmt.Errorf("topology: topic %q of source %s also matches the pattern %s of source %s: make the pattern narrower",
					r.topic, r.source, n.pattern, n.name))
			}
		}
		for _, o := range t.nodes[:i] {
			if o.pattern != nil && o.pattern.String() == n.pattern.String() {
				errs = append(errs, fmt.Errorf("topology: pattern %s is read by two sources, %s and %s: read it once and use that stream twice",
					n.pattern, o.name, n.name))
			}
		}
	}
	return errs
}

// checkStores: what nodes are connected to exists and may be connected.
func (t *Topology) checkStores() (errs []error) {
	for _, n := range t.nodes {
		for i, name := range n.stores {
			switch s := t.store(name); {
			case slices.Contains(n.stores[:i], name):
			case name == "":
				errs = append(errs, fmt.Errorf("topology: node %s is connected to a store that is nil: give it the reference that AddStore answers", n.name))
			case s == nil:
				errs = append(errs, fmt.Errorf("topology: node %s uses store %q, which does not exist: add it with AddStore", n.name, name))
			case s.global && !n.global:
				errs = append(errs, fmt.Errorf("topology: node %s is connected to the global store %q: every node may use a global store, do not connect it", n.name, name))
			}
		}
	}
	for _, s := range t.stores {
		if s.changelog != "" && t.sourceOf(s.changelog) == nil {
			errs = append(errs, fmt.Errorf("topology: store %q is restored from topic %q, which no source reads", s.def.Name(), s.changelog))
		}
	}
	return errs
}

// checkInternalTopics: a repartition topic is written and read, and topics that must be co-partitioned are read.
func (t *Topology) checkInternalTopics() (errs []error) {
	for _, name := range t.internalNames() {
		written := slices.ContainsFunc(t.nodes, func(n *node) bool { return n.kind == sinkNode && n.topic == name })
		read := t.sourceOf(name) != nil
		if r := t.internal[name]; r.Partitions < 0 {
			errs = append(errs, fmt.Errorf("topology: repartition topic %q cannot have %d partitions: ask for 1 or more, or for 0 to have as many as the topics upstream", name, r.Partitions))
		}
		if err := CheckName(name); err != nil {
			errs = append(errs, err)
		}
		switch {
		case written && read, !written && !read: // one that nothing uses does not exist
		case read:
			errs = append(errs, fmt.Errorf("topology: no sink writes the repartition topic %q", name))
		default:
			errs = append(errs, fmt.Errorf("topology: no source reads the repartition topic %q", name))
		}
	}
	for _, group := range t.copartitions {
		for _, topic := range group {
			if n := t.byName[topic]; t.sourceOf(topic) == nil && (n == nil || n.pattern == nil) {
				errs = append(errs, fmt.Errorf("topology: topic %q has to be co-partitioned with %q, but no source reads it", topic, group))
			}
		}
	}
	return errs
}

// sourceOf is the source of a topic, by its undecorated name; nil if there is none.
func (t *Topology) sourceOf(topic string) *node {
	for _, n := range t.nodes {
		if n.kind == sourceNode && slices.Contains(n.topics, topic) {
			return n
		}
	}
	return nil
}
