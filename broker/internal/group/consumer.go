package group

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// consumer is the membership of a group that speaks the consumer protocol of
// KIP-848: the coordinator assigns, members are brought to the assignment one
// heartbeat at a time.
//
// Two numbers only go up: epoch, with every change of members, subscriptions
// or topics; and targetEpoch, the epoch that the members' targets were worked
// out for. A member's own epoch follows targetEpoch as it gives up and takes
// over partitions.
//
// Invariant: a partition is assigned to, or being revoked by, at most one
// member (owner).
type consumer struct {
	g           *group
	epoch       int32
	targetEpoch int32
	assignor    string            // that made the targets
	partitions  map[topicID]int32 // of the subscribed topics, at epoch
	stale       bool              // topics may have changed since epoch

	members []*consumerMember // in the order in which they came
	byID    map[string]*consumerMember
	static  map[string]*consumerMember
	owner   map[topicPartition]*consumerMember

	dirty bool // to be written
}

type topicPartition struct {
	topic topicID
	index int32
}

// progress is how far a member has come with its assignment.
type progress int

const (
	reconciled progress = iota // has all of its target, as of its epoch
	unrevoked                  // has been told to give up partitions and has not yet
	unreleased                 // waits for partitions that others have to give up
)

// leftForNow is the epoch of a static member that has left and keeps its
// partitions until it is back or its session ends.
const leftForNow = -2

// consumerMember is one member of a consumer group.
type consumerMember struct {
	id        string
	instance  *string
	rack      *string
	client    Client
	rebalance time.Duration // how long it may take to give up partitions
	topics    []string      // that it asks for by name, sorted
	regex     *string       // that it asks for by pattern, as it wrote it
	pattern   *regexp.Regexp
	assignor  *string

	epoch    int32
	previous int32 // the epoch before: the answer with the newer one may have been lost
	progress progress
	assigned assignment // what it may read
	revoking assignment // what it is to give up
	target   assignment // what it will have

	deadline time.Time // when the session ends
	revokeBy time.Time // when unrevoked: when it is out

	dirty bool // to be written
}

func newConsumer(g *group) *consumer {
	return &consumer{
		g:          g,
		assignor:   assignors[0].name,
		partitions: make(map[topicID]int32),
		stale:      true,
		byID:       make(map[string]*consumerMember),
		static:     make(map[string]*consumerMember),
		owner:      make(map[topicPartition]*consumerMember),
		dirty:      true,
	}
}

func newConsumerMember(id string) *consumerMember {
	return &consumerMember{id: id, assigned: assignment{}, revoking: assignment{}, target: assignment{}, dirty: true}
}

// state is Kafka's word for the state of the group.
func (k *consumer) state() string {
	switch {
	case len(k.members) == 0:
		return "Empty"
	case k.epoch > k.targetEpoch:
		return "Assigning"
	case slices.ContainsFunc(k.members, func(m *consumerMember) bool {
		return m.progress != reconciled || m.epoch != k.targetEpoch
	}):
		return "Reconciling"
	}
	return "Stable"
}

func (k *consumer) add(m *consumerMember) {
	k.members = append(k.members, m)
	k.byID[m.id] = m
	if m.instance != nil {
		k.static[*m.instance] = m
	}
}

// bump marks that targets have to be worked out anew.
func (k *consumer) bump() {
	k.epoch++
	k.dirty = true
}

// remove takes m out; its partitions are free.
func (k *consumer) remove(c *Coordinator, m *consumerMember, why string) {
	c.cfg.Log.Info("group member removed", "group", k.g.id, "member", m.id, "reason", why)
	k.hold(m, assignment{}, assignment{})
	k.members = slices.DeleteFunc(k.members, func(x *consumerMember) bool { return x == m })
	delete(k.byID, m.id)
	if m.instance != nil && k.static[*m.instance] == m {
		delete(k.static, *m.instance)
	}
	c.write(memberKey(k.g.id, m.id), nil)
	k.bump()
}

// hold changes what m owns.
func (k *consumer) hold(m *consumerMember, assigned, revoking assignment) {
	for _, a := range []assignment{m.assigned, m.revoking} {
		for t, p := range a.all() {
			delete(k.owner, topicPartition{t, p})
		}
	}
	m.assigned, m.revoking = assigned, revoking
	for _, a := range []assignment{m.assigned, m.revoking} {
		for t, p := range a.all() {
			k.owner[topicPartition{t, p}] = m
		}
	}
	m.dirty = true
}

// subscriptions resolves what each member asks for against the topics there
// are, and counts the partitions of all that is asked for.
func (k *consumer) subscriptions(c *Coordinator) ([]subscriber, map[topicID]int32) {
	members := slices.SortedFunc(slices.Values(k.members), func(a, b *consumerMember) int { return strings.Compare(a.id, b.id) })
	type viewer struct{ pattern, host, principal string }
	matches := make(map[viewer][]topicID)
	partitions := make(map[topicID]int32)
	out := make([]subscriber, len(members))
	for i, m := range members {
		topics := make(map[topicID]bool)
		for _, name := range m.topics {
			if t, ok := c.topics[name]; ok {
				topics[t.ID] = true
			}
		}
		if m.pattern != nil {
			v := viewer{*m.regex, m.client.Host, m.client.Principal}
			ids, ok := matches[v]
			if !ok {
				for name, t := range c.topics {
					if m.pattern.MatchString(name) && (v.principal == "" || c.cfg.Visible(m.client, name)) {
						ids = append(ids, t.ID)
					}
				}
				matches[v] = ids
			}
			for _, id := range ids {
				topics[id] = true
			}
		}
		for id := range topics {
			partitions[id] = c.topics[c.topicNames[id]].Partitions
		}
		out[i] = subscriber{id: m.id, instance: m.instance, current: m.target,
			topics: slices.SortedFunc(maps.Keys(topics), topicID.compare)}
	}
	return out, partitions
}

// refresh works out new targets if the epoch asks for them, or if the
// subscribed topics are not what they were: then it raises the epoch.
func (k *consumer) refresh(c *Coordinator) {
	if !k.stale && k.epoch == k.targetEpoch {
		return
	}
	members, partitions := k.subscriptions(c)
	k.stale = false
	if k.epoch == k.targetEpoch {
		if maps.Equal(partitions, k.partitions) {
			return
		}
		k.bump()
	}
	k.partitions = partitions
	k.assignor = k.preferred()
	for i, target := range findAssignor(k.assignor)(members, partitions) {
		m := k.byID[members[i].id]
		if !m.target.equal(target) {
			m.target = target
			m.dirty = true
		}
	}
	k.targetEpoch = k.epoch
	k.dirty = true
	c.cfg.Log.Info("group assigned", "group", k.g.id, "generation", k.epoch, "members", len(k.members), "assignor", k.assignor)
}

// preferred is the assignor that most members ask for.
func (k *consumer) preferred() string {
	votes := make(map[string]int)
	for _, m := range k.members {
		if m.assignor != nil {
			votes[*m.assignor]++
		}
	}
	best := assignors[0].name
	for _, a := range assignors {
		if votes[a.name] > votes[best] {
			best = a.name
		}
	}
	return best
}

func (k *consumer) next() time.Time {
	var at time.Time
	for _, m := range k.members {
		at = sooner(at, sooner(m.deadline, m.revokeBy))
	}
	return at
}

func (k *consumer) tick(c *Coordinator, now time.Time) {
	for _, m := range slices.Clone(k.members) {
		switch {
		case !m.deadline.After(now):
			k.remove(c, m, "session timed out")
		case !m.revokeBy.IsZero() && !m.revokeBy.After(now):
			k.remove(c, m, "did not give up partitions in time")
		}
	}
	k.persist(c)
}

// mayCommit checks the right of a member, or of somebody outside, to commit.
func (k *consumer) mayCommit(member string, instance *string, epoch int32, how commitKind, version int16) *kerr.Error {
	if epoch < 0 && len(k.members) == 0 {
		return nil
	}
	if how == commitInTransaction && epoch == -1 && member == "" && instance == nil {
		return nil
	}
	m := k.byID[member]
	switch {
	case m == nil:
		return kerr.UnknownMemberID
	case how == commitPlain && version < 9:
		// Older clients do not know the error that a stale epoch is answered with.
		return kerr.UnsupportedVersion
	case epoch != m.epoch && how == commitInTransaction:
		return kerr.IllegalGeneration // producers know no other word for it
	case epoch != m.epoch:
		return kerr.StaleMemberEpoch
	}
	return nil
}

// mayFetch checks the identity that a fetch of offsets claims, if it does.
func (k *consumer) mayFetch(req kmsg.OffsetFetchRequestGroup) *kerr.Error {
	if req.MemberID == nil && req.MemberEpoch < 0 {
		return nil
	}
	if req.MemberID == nil || k.byID[*req.MemberID] == nil {
		return kerr.UnknownMemberID
	}
	if k.byID[*req.MemberID].epoch != req.MemberEpoch {
		return kerr.StaleMemberEpoch
	}
	return nil
}

// reads reports whether a member asks for a topic.
func (k *consumer) reads(topic string) bool {
	return slices.ContainsFunc(k.members, func(m *consumerMember) bool {
		_, ok := slices.BinarySearch(m.topics, topic)
		return ok || m.pattern != nil && m.pattern.MatchString(topic)
	})
}
