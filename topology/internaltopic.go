package topology

import (
	"maps"
	"slices"
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
	var topics, changelogs []InternalTopic
	for id, g := range t.groups() {
		sub := SubtopologyID(id)
		for _, n := range g {
			for _, name := range n.topics {
				if r := t.internal[name]; r != nil {
					topics = append(topics, InternalTopic{Name: t.FullName(applicationID, name), Kind: RepartitionKind, Config: repartitionConfig(),
						Partitions: r.Partitions, Topic: name, Subtopology: sub})
				}
			}
		}
		for _, s := range t.storesIn([]SubtopologyID{sub}) {
			if config, logged := s.def.Changelog(); logged && s.changelog == "" {
				config = maps.Clone(config)
				if config == nil {
					config = map[string]string{}
				}
				if _, ok := config["message.timestamp.type"]; !ok {
					config["message.timestamp.type"] = "CreateTime"
				}
				changelogs = append(changelogs, InternalTopic{Name: ChangelogTopic(applicationID, s.def.Name()), Kind: ChangelogKind, Config: config,
					Store: s.def.Name(), Subtopology: sub})
			}
		}
	}
	return append(topics, changelogs...)
}

// repartitionConfig keeps records until they are processed: they are deleted by the application (DeleteRecords), not by time.
func repartitionConfig() map[string]string {
	return map[string]string{
		"cleanup.policy":         "delete",
		"message.timestamp.type": "CreateTime",
		"retention.ms":           "-1",
		"segment.bytes":          "52428800",
	}
}

// internalNames are the undecorated names of the repartition topics, in order.
func (t *Topology) internalNames() []string { return slices.Sorted(maps.Keys(t.internal)) }
