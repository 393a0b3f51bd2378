package topology

import (
	"maps"
	"slices"
	"time"
)

// TopicKind is a kind of internal topic.
type TopicKind uint8

const (
	// RepartitionKind lies between two sub-topologies.
	RepartitionKind TopicKind = iota
	// ChangelogKind holds what a store has written.
	ChangelogKind
)

// String is Kafka's word.
func (k TopicKind) String() string { return [...]string{"repartition", "changelog"}[k] }

// InternalTopic is a topic that the application creates for itself.
type InternalTopic struct {
	Name   string // the full name
	Kind   TopicKind
	Config map[string]string // by Kafka's names; the caller's own
	// Partitions is the number asked for; 0: PartitionCounts says.
	Partitions int32
	Topic      string // of a repartition topic: the undecorated name
	Store      string // of a changelog
	// Subtopology reads the repartition topic or writes the changelog.
	Subtopology SubtopologyID
}

// InternalTopics are the topics that the application creates, repartition topics first, in order of sub-topology and name. Stores whose changelog is a source topic have none.
func (t *Topology) InternalTopics(applicationID string) []InternalTopic {
	return t.InternalTopicsWith(applicationID, nil, 24*time.Hour)
}

// InternalTopicsWith is InternalTopics where the application has a configuration of its own for all internal topics (Kafka's "topic." prefix), and keeps the
// changelogs of windows that much longer than their stores; otherwise it is a day. The configuration of a store's own goes before both.
func (t *Topology) InternalTopicsWith(applicationID string, config map[string]string, additional time.Duration) []InternalTopic {
	var topics, changelogs []InternalTopic
	for id, g := range t.groups() {
		sub := SubtopologyID(id)
		for _, n := range g {
			for _, name := range n.topics {
				if r := t.internal[name]; r != nil {
					topics = append(topics, InternalTopic{Name: t.FullName(applicationID, name), Kind: RepartitionKind, Config: repartitionConfig(config),
						Partitions: r.Partitions, Topic: name, Subtopology: sub})
				}
			}
		}
		for _, s := range t.storesIn([]SubtopologyID{sub}) {
			if config, logged := s.def.ChangelogWith(config, additional); logged && s.changelog == "" {
				changelogs = append(changelogs, InternalTopic{Name: ChangelogTopic(applicationID, s.def.Name()), Kind: ChangelogKind, Config: config,
					Store: s.def.Name(), Subtopology: sub})
			}
		}
	}
	return append(topics, changelogs...)
}

// repartitionConfig keeps records until they are processed: they are deleted by the application (DeleteRecords), not by time.
func repartitionConfig(config map[string]string) map[string]string {
	c := map[string]string{
		"cleanup.policy":         "delete",
		"message.timestamp.type": "CreateTime",
		"retention.ms":           "-1",
		"segment.bytes":          "52428800",
	}
	maps.Copy(c, config)
	return c
}

// internalNames are the undecorated names of the repartition topics, in order.
func (t *Topology) internalNames() []string { return slices.Sorted(maps.Keys(t.internal)) }
