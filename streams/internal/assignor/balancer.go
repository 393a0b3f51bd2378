package assignor

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

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

	stale  atomic.Pointer[string]    // the topology of the last assignment, if it is another one
	moving atomic.Pointer[time.Time] // when the last assignment came, if it left partitions to no one
}

// userData travels with an assignment. A restarted static member gets its old assignment back without a rebalance, whatever has changed about it:
// by these it sees that it has to ask for one.
type userData struct {
	Hash   string   `json:"hash"`
	Topics []string `json:"topics"`
	// Moving says that partitions have no owner until a member that gives them up has joined again.
	Moving bool `json:"moving,omitempty"`
}

// Stale tells, once, that the last assignment was made for another topology, and which: the member must force a rebalance. If the next assignment is
// stale, too, others run that topology: see Balance.
func (b *Balancer) Stale() (hash string, stale bool) {
	if h := b.stale.Swap(nil); h != nil {
		return *h, true
	}
	return "", false
}

// Moving is since when partitions have no owner because the one that had them has to join again; false if all have one. A static member that is killed before it does
// comes back without a rebalance, so that somebody has to ask for one.
func (b *Balancer) Moving() (since time.Time, moving bool) {
	if at := b.moving.Load(); at != nil {
		return *at, true
	}
	return time.Time{}, false
}

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
		b.stale.Store(&u.Hash)
		return map[string][]int32{}, nil // its topics may not even be ours
	}
	b.stale.Store(nil)
	b.moving.Store(nil)
	if u.Moving {
		now := time.Now()
		b.moving.Store(&now)
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

// Balance implements kgo.ConsumerBalancerBalance. Members of another topology than the group's get nothing: the group's is that of the members that own most
// partitions, then of most members. So a newcomer with another version of the application does not disturb those that run; once they are gone it is the group.
func (b *Balancer) Balance(cb *kgo.ConsumerBalancer, topics map[string]int32) kgo.IntoSyncAssignment {
	type claim struct {
		member     string
		generation int32
	}
	owners := map[topicPartition]claim{}
	hashes := map[string]string{} // by member
	cb.EachMember(func(m *kmsg.JoinGroupResponseMember, meta *kmsg.ConsumerMemberMetadata) {
		hashes[m.MemberID] = string(meta.UserData)
		for _, o := range meta.OwnedPartitions {
			for _, p := range o.Partitions {
				tp := topicPartition{o.Topic, p}
				if c, ok := owners[tp]; !ok || meta.Generation > c.generation {
					owners[tp] = claim{m.MemberID, meta.Generation}
				}
			}
		}
	})
	owned := map[string]int{}
	for _, c := range owners {
		owned[c.member]++
	}
	ruling := rulingHash(hashes, owned)
	p := &plan{user: userData{Hash: ruling, Topics: slices.Sorted(maps.Keys(topics))}, members: map[string]map[string][]int32{}}
	var members []string
	for m, h := range hashes {
		p.members[m] = map[string][]int32{}
		if h == ruling {
			members = append(members, m)
		}
	}
	if ruling != b.Hash { // what tasks there are is for the others to know: each keeps what it has until one of them leads
		for tp, c := range owners {
			if hashes[c.member] == ruling {
				p.members[c.member][tp.topic] = append(p.members[c.member][tp.topic], tp.partition)
			}
		}
		return p
	}
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
	for id, tps := range partitions {
		m := target[id]
		for _, tp := range tps {
			if c, ok := owners[tp]; ok && c.member != m && hashes[c.member] != "" {
				p.user.Moving = true
				continue // its owner gives it up first and joins again
			}
			p.members[m][tp.topic] = append(p.members[m][tp.topic], tp.partition)
		}
	}
	return p
}

// rulingHash is the group's topology, by the members' and how many partitions each owns.
func rulingHash(hashes map[string]string, owned map[string]int) (ruling string) {
	type weight struct{ owned, members int }
	weights := map[string]weight{}
	for m, h := range hashes {
		w := weights[h]
		weights[h] = weight{w.owned + owned[m], w.members + 1}
	}
	for i, h := range slices.Sorted(maps.Keys(weights)) {
		w, r := weights[h], weights[ruling]
		if i == 0 || w.owned > r.owned || w.owned == r.owned && w.members > r.members {
			ruling = h
		}
	}
	return ruling
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
