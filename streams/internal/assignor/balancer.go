package assignor

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/topology"
)

// Protocol is the name in the group: the coordinator refuses a group that mixes it with Java's "stream".
const Protocol = "millrace"

// Groups are the sub-topologies that have tasks, with the full names of their source topics.
type Groups map[topology.SubtopologyID][]string

// Balancer speaks the group protocol for one member: sticky and cooperative. Whoever leads assigns by Assign, keeps the partitions of a task
// together, and withholds a partition that another member still owns until that one has let go.
type Balancer struct {
	// Hash is the topology's; members whose hashes differ must not share a group for long.
	Hash string
	// Groups answers the sub-topologies by the topics there are: a pattern matches more topics as they come.
	Groups func(topics map[string]int32) Groups

	stale atomic.Bool
}

// userData travels with an assignment. A restarted static member gets its old assignment back without a rebalance, whatever has changed about it:
// by these it sees that it has to ask for one.
type userData struct {
	Hash   string   `json:"hash"`
	Topics []string `json:"topics"`
}

// Stale tells, once, that the last assignment was made for another topology: the member must force a rebalance.
func (b *Balancer) Stale() bool { return b.stale.Swap(false) }

func (*Balancer) ProtocolName() string { return Protocol }
func (*Balancer) IsCooperative() bool  { return true }

func (b *Balancer) JoinGroupMetadata(topics []string, owned map[string][]int32, generation int32) []byte {
	m := kmsg.NewConsumerMemberMetadata()
	m.Version = 2
	m.Topics = topics
	m.Generation = generation
	m.UserData = []byte(b.Hash)
	for _, t := range slices.Sorted(maps.Keys(owned)) {
		o := kmsg.NewConsumerMemberMetadataOwnedPartition()
		o.Topic, o.Partitions = t, owned[t]
		m.OwnedPartitions = append(m.OwnedPartitions, o)
	}
	return m.AppendTo(nil)
}

func (b *Balancer) ParseSyncAssignment(raw []byte) (map[string][]int32, error) {
	var a kmsg.ConsumerMemberAssignment
	if err := a.ReadFrom(raw); err != nil {
		return nil, fmt.Errorf("assignor: assignment: %w", err)
	}
	var u userData
	if err := json.Unmarshal(a.UserData, &u); err != nil || u.Hash != b.Hash {
		b.stale.Store(true)
	}
	out := make(map[string][]int32, len(a.Topics))
	for _, t := range a.Topics {
		out[t.Topic] = t.Partitions
	}
	return out, nil
}

func (b *Balancer) MemberBalancer(ms []kmsg.JoinGroupResponseMember) (kgo.GroupMemberBalancer, map[string]struct{}, error) {
	cb, err := kgo.NewConsumerBalancer(b, ms)
	if err != nil {
		return nil, nil, fmt.Errorf("assignor: a member's metadata: %w", err)
	}
	return cb, cb.MemberTopics(), nil
}

type topicPartition struct {
	topic     string
	partition int32
}

// Balance implements kgo.ConsumerBalancerBalance.
func (b *Balancer) Balance(cb *kgo.ConsumerBalancer, topics map[string]int32) kgo.IntoSyncAssignment {
	type claim struct {
		member     string
		generation int32
	}
	owners := map[topicPartition]claim{}
	var members []string
	cb.EachMember(func(m *kmsg.JoinGroupResponseMember, meta *kmsg.ConsumerMemberMetadata) {
		members = append(members, m.MemberID)
		for _, o := range meta.OwnedPartitions {
			for _, p := range o.Partitions {
				tp := topicPartition{o.Topic, p}
				if c, ok := owners[tp]; !ok || meta.Generation > c.generation {
					owners[tp] = claim{m.MemberID, meta.Generation}
				}
			}
		}
	})
	partitions := map[topology.TaskID][]topicPartition{}
	prior := map[topology.TaskID]string{}
	for sub, ts := range b.Groups(topics) {
		for _, t := range ts {
			for p := range topics[t] {
				id, tp := topology.TaskID{Subtopology: sub, Partition: p}, topicPartition{t, p}
				partitions[id] = append(partitions[id], tp)
				if c, ok := owners[tp]; ok {
					prior[id] = c.member
				}
			}
		}
	}
	target := Assign(slices.Collect(maps.Keys(partitions)), members, prior)
	p := &plan{user: userData{b.Hash, slices.Sorted(maps.Keys(topics))}, members: map[string]map[string][]int32{}}
	for _, m := range members {
		p.members[m] = map[string][]int32{}
	}
	for id, tps := range partitions {
		m := target[id]
		for _, tp := range tps {
			if c, ok := owners[tp]; ok && c.member != m && slices.Contains(members, c.member) {
				continue // its owner gives it up first and joins again
			}
			p.members[m][tp.topic] = append(p.members[m][tp.topic], tp.partition)
		}
	}
	return p
}

// plan is one round's assignment.
type plan struct {
	user    userData
	members map[string]map[string][]int32
}

// IntoSyncAssignment implements kgo.IntoSyncAssignment.
func (p *plan) IntoSyncAssignment() []kmsg.SyncGroupRequestGroupAssignment {
	user, err := json.Marshal(p.user)
	if err != nil {
		panic(err) // strings only
	}
	var out []kmsg.SyncGroupRequestGroupAssignment
	for _, m := range slices.Sorted(maps.Keys(p.members)) {
		a := kmsg.NewConsumerMemberAssignment()
		a.Version = 1
		a.UserData = user
		for _, t := range slices.Sorted(maps.Keys(p.members[m])) {
			ps := p.members[m][t]
			slices.SortFunc(ps, cmp.Compare)
			at := kmsg.NewConsumerMemberAssignmentTopic()
			at.Topic, at.Partitions = t, ps
			a.Topics = append(a.Topics, at)
		}
		g := kmsg.NewSyncGroupRequestGroupAssignment()
		g.MemberID, g.MemberAssignment = m, a.AppendTo(nil)
		out = append(out, g)
	}
	return out
}
