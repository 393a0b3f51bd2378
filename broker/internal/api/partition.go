package api

import (
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/millrace-go/millrace/broker/internal/commitlog"
	"github.com/millrace-go/millrace/broker/internal/topics"
)

// noID is the topic id of requests that name topics by name.
var noID topics.ID

// topic finds a topic by id if the request carries one, else by name. The code is that of its absence.
func (n *Node) topic(name string, id topics.ID) (*topics.Topic, int16) {
	snap := n.topics.Snapshot()
	if id != noID {
		if t := snap.ByID(id); t != nil {
			return t, 0
		}
		return nil, kerr.UnknownTopicID.Code
	}
	if t := snap.ByName(name); t != nil {
		return t, 0
	}
	return nil, kerr.UnknownTopicOrPartition.Code
}

// partition finds the log of one partition of a topic.
func (n *Node) partition(t *topics.Topic, i int32) (*commitlog.Partition, int16) {
	if i < 0 || i >= t.Partitions {
		return nil, kerr.UnknownTopicOrPartition.Code
	}
	p, ok := n.logs.Partition(commitlog.PartitionID{Topic: t.ID, Partition: i})
	if !ok {
		return nil, kerr.UnknownTopicOrPartition.Code
	}
	return p, 0
}

// checkEpoch compares the leader epoch that a client knows with the partition's; -1 is a client that does not care.
func checkEpoch(p *commitlog.Partition, known int32) int16 {
	switch now := p.LeaderEpoch(); {
	case known < 0 || known == now:
		return 0
	case known < now:
		return kerr.FencedLeaderEpoch.Code
	default:
		return kerr.UnknownLeaderEpoch.Code
	}
}
