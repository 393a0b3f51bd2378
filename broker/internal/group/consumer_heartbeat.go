package group

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// refusal is an error with words that tell the client's user what is wrong.
type refusal struct {
	*kerr.Error
	text string
}

func refusef(err *kerr.Error, format string, args ...any) *refusal {
	return &refusal{err, fmt.Sprintf(format, args...)}
}

// maxRegexBytes bounds a subscription pattern.
const maxRegexBytes = 4096

// consumerHeartbeat is key 68, by which a member joins (epoch 0), lives,
// changes what it asks for, reports what it has given up, and leaves (-1; -2 of
// a static member that will be back).
func (c *Coordinator) consumerHeartbeat(now time.Time, from Client, req *kmsg.ConsumerGroupHeartbeatRequest) *kmsg.ConsumerGroupHeartbeatResponse {
	resp := req.ResponseKind().(*kmsg.ConsumerGroupHeartbeatResponse)
	err := heartbeatIsSound(req)
	if err == nil && req.MemberEpoch < 0 {
		err = c.consumerLeave(now, req, resp)
	} else if err == nil {
		err = c.consumerBeat(now, from, req, resp)
	}
	if err != nil {
		resp.ErrorCode = err.Code
		resp.ErrorMessage = kmsg.StringPtr(err.text)
	}
	return resp
}

// heartbeatIsSound checks what can be said without looking at the group.
func heartbeatIsSound(req *kmsg.ConsumerGroupHeartbeatRequest) *refusal {
	joining := req.MemberEpoch == 0
	bad := func(text string) *refusal { return refusef(kerr.InvalidRequest, "%s", text) }
	switch {
	case req.Group == "":
		return bad("GroupId can't be empty.")
	case req.MemberID == "" && (req.Version >= 1 || !joining):
		return bad("MemberId can't be empty.")
	case req.InstanceID != nil && *req.InstanceID == "":
		return bad("InstanceId can't be empty.")
	case req.RackID != nil && *req.RackID == "":
		return bad("RackId can't be empty.")
	case req.MemberEpoch < leftForNow:
		return bad("MemberEpoch is invalid.")
	case req.MemberEpoch == leftForNow && req.InstanceID == nil:
		return bad("InstanceId can't be null.")
	case joining && req.RebalanceTimeoutMillis < 0:
		return bad("RebalanceTimeoutMs must be provided in first request.")
	case joining && len(req.Topics) > 0:
		return bad("TopicPartitions must be empty when (re-)joining.")
	case joining && req.SubscribedTopicNames == nil && req.SubscribedTopicRegex == nil:
		return bad("Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.")
	case req.ServerAssignor != nil && findAssignor(*req.ServerAssignor) == nil:
		return refusef(kerr.UnsupportedAssignor, "ServerAssignor %s is not supported. Supported assignors: uniform, range.", *req.ServerAssignor)
	}
	return nil
}

// compileRegex reads a pattern that has to match a whole name.
func compileRegex(s string) (*regexp.Regexp, *refusal) {
	if s == "" {
		return nil, nil
	}
	if len(s) > maxRegexBytes {
		return nil, refusef(kerr.InvalidRegularExpression, "SubscribedTopicRegex is longer than %d bytes.", maxRegexBytes)
	}
	re, err := regexp.Compile("^(?:" + s + ")$")
	if err != nil {
		return nil, refusef(kerr.InvalidRegularExpression, "SubscribedTopicRegex `%s` is not a valid regular expression: %v.", s, err)
	}
	return re, nil
}

func (c *Coordinator) consumerBeat(now time.Time, from Client, req *kmsg.ConsumerGroupHeartbeatRequest, resp *kmsg.ConsumerGroupHeartbeatResponse) *refusal {
	var pattern *regexp.Regexp
	if req.SubscribedTopicRegex != nil {
		var err *refusal
		if pattern, err = compileRegex(*req.SubscribedTopicRegex); err != nil {
			return err
		}
	}
	joining := req.MemberEpoch == 0
	g, err := c.consumerGroup(req.Group, joining)
	if err != nil {
		return err
	}
	// What is made here for a join is kept only if the join is accepted.
	k := newConsumer(&group{})
	if g != nil && g.consumer != nil {
		k = g.consumer
	}
	m, err := k.caller(c, req)
	if err != nil {
		return err
	}
	if g == nil {
		g = c.newGroup(req.Group)
	}
	if g.consumer == nil {
		if g.classic != nil {
			g.classic = nil
			c.write(groupKey(g.id), nil)
		}
		k.g, g.consumer = g, k
	}
	defer c.schedule(g)

	before := m.assigned
	k.admit(c, m, req)
	if m.hear(from, req, pattern) || k.byID[m.id] == nil {
		if k.byID[m.id] == nil {
			k.add(m)
		}
		k.bump()
	}
	k.refresh(c)
	k.reconcile(m, owned(req.Topics))
	session, heartbeat := c.cfg.ConsumerTimes(g.id)
	m.deadline = now.Add(session)
	g.wake(m.deadline)
	if m.progress != unrevoked {
		m.revokeBy = time.Time{}
	} else if m.revokeBy.IsZero() {
		m.revokeBy = now.Add(m.rebalance)
		g.wake(m.revokeBy)
	}
	k.persist(c)

	resp.MemberID = kmsg.StringPtr(m.id)
	resp.MemberEpoch = m.epoch
	resp.HeartbeatIntervalMillis = int32(heartbeat.Milliseconds())
	full := req.RebalanceTimeoutMillis >= 0 && (req.SubscribedTopicNames != nil || req.SubscribedTopicRegex != nil) && req.Topics != nil
	if joining || full || !m.assigned.equal(before) {
		resp.Assignment = new(kmsg.ConsumerGroupHeartbeatResponseAssignment)
		for _, t := range m.assigned.topics() {
			resp.Assignment.Topics = append(resp.Assignment.Topics, kmsg.ConsumerGroupHeartbeatResponseAssignmentTopic{
				TopicID: t, Partitions: slices.Clone(m.assigned[t])})
		}
	}
	return nil
}

// consumerGroup finds the group of a heartbeat. For a join it may answer nil,
// or a group that has to be turned into a consumer group: one without members.
// A classic group with members is not mixed with members of this protocol.
func (c *Coordinator) consumerGroup(id string, joining bool) (*group, *refusal) {
	g := c.groups[id]
	switch {
	case g == nil && joining && len(c.groups) >= c.cfg.MaxGroups:
		return nil, refusef(kerr.PolicyViolation, "There are %d groups already.", len(c.groups))
	case g == nil && joining:
		return nil, nil
	case g == nil:
		return nil, refusef(kerr.GroupIDNotFound, "Group %s not found.", id)
	case g.consumer == nil && (!joining || !g.empty()):
		return nil, refusef(kerr.GroupIDNotFound, "Group %s is not a consumer group.", id)
	}
	return g, nil
}

// caller finds the member that a heartbeat comes from, or makes it for a join,
// and checks that it may go on from the epoch it names.
func (k *consumer) caller(c *Coordinator, req *kmsg.ConsumerGroupHeartbeatRequest) (*consumerMember, *refusal) {
	joining := req.MemberEpoch == 0
	if !c.fitsConsumer(req) {
		return nil, refusef(kerr.InvalidRequest, "The member's subscription is longer than %d bytes.", c.cfg.MaxMemberBytes)
	}
	if req.InstanceID != nil {
		switch m := k.static[*req.InstanceID]; {
		case m == nil && !joining:
			return nil, refusef(kerr.UnknownMemberID, "Instance id %s is unknown.", *req.InstanceID)
		case m == nil:
		case joining && m.id != req.MemberID && m.epoch != leftForNow:
			return nil, refusef(kerr.UnreleasedInstanceID, "Static member %s with instance id %s cannot join the group because the instance id is owned by member %s.", req.MemberID, *req.InstanceID, m.id)
		case joining:
			return m, nil
		case m.id != req.MemberID:
			return nil, refusef(kerr.FencedInstanceID, "Static member %s with instance id %s was fenced by member %s.", req.MemberID, *req.InstanceID, m.id)
		}
	}
	m := k.byID[req.MemberID]
	switch {
	case m == nil && !joining:
		return nil, refusef(kerr.UnknownMemberID, "Member %s is not a member of group %s.", req.MemberID, req.Group)
	case m == nil && len(k.members) >= c.cfg.MaxMembers:
		return nil, refusef(kerr.GroupMaxSizeReached, "The consumer group has reached its maximum capacity of %d members.", c.cfg.MaxMembers)
	case m == nil:
		id := req.MemberID
		if id == "" {
			id = c.cfg.NewMemberID()
		}
		m = newConsumerMember(id)
		m.instance = req.InstanceID
		return m, nil
	case joining:
		return m, nil
	case req.MemberEpoch > m.epoch:
		return nil, refusef(kerr.FencedMemberEpoch, "The consumer group member has a greater member epoch (%d) than the one known by the group coordinator (%d). The member must abandon all its partitions and rejoin.", req.MemberEpoch, m.epoch)
	case req.MemberEpoch < m.epoch && (req.MemberEpoch != m.previous || req.Topics == nil || !owned(req.Topics).within(m.assigned)):
		// With the epoch before and nothing that it should not have, it has
		// only missed an answer.
		return nil, refusef(kerr.FencedMemberEpoch, "The consumer group member has a smaller member epoch (%d) than the one known by the group coordinator (%d). The member must abandon all its partitions and rejoin.", req.MemberEpoch, m.epoch)
	}
	return m, nil
}

// fitsConsumer reports whether what is kept of a member is within bounds.
func (c *Coordinator) fitsConsumer(req *kmsg.ConsumerGroupHeartbeatRequest) bool {
	sum := len(req.MemberID)
	for _, s := range []*string{req.InstanceID, req.RackID, req.SubscribedTopicRegex} {
		if s != nil {
			sum += len(*s)
		}
	}
	for _, t := range req.SubscribedTopicNames {
		sum += len(t)
	}
	return sum <= c.cfg.MaxMemberBytes
}

// admit lets a member that the group knows begin anew. It comes with nothing;
// a static member under a new id takes over what its former self had.
func (k *consumer) admit(c *Coordinator, m *consumerMember, req *kmsg.ConsumerGroupHeartbeatRequest) {
	if req.MemberEpoch != 0 || k.byID[m.id] == nil {
		return
	}
	if req.InstanceID == nil {
		k.hold(m, assignment{}, assignment{})
	} else {
		k.hold(m, m.assigned, assignment{})
		if m.id != req.MemberID {
			c.write(memberKey(k.g.id, m.id), nil)
			delete(k.byID, m.id)
			m.id = req.MemberID
			if m.id == "" {
				m.id = c.cfg.NewMemberID()
			}
			k.byID[m.id] = m
		}
	}
	m.epoch, m.previous, m.progress = 0, 0, reconciled
	m.revokeBy = time.Time{}
	m.dirty = true
}

// hear takes over what a heartbeat says; what it leaves out has not changed.
// It reports whether the member now asks for other topics or another assignor.
func (m *consumerMember) hear(from Client, req *kmsg.ConsumerGroupHeartbeatRequest, pattern *regexp.Regexp) bool {
	changed := false
	if m.client != from {
		m.client = from
		m.dirty = true
	}
	if req.RackID != nil && !equalStrings(m.rack, req.RackID) {
		m.rack = req.RackID
		m.dirty = true
	}
	if rebalance := time.Duration(req.RebalanceTimeoutMillis) * time.Millisecond; rebalance >= 0 && rebalance != m.rebalance {
		m.rebalance = rebalance
		m.dirty = true
	}
	if req.ServerAssignor != nil && !equalStrings(m.assignor, req.ServerAssignor) {
		m.assignor = req.ServerAssignor
		changed = true
	}
	if req.SubscribedTopicNames != nil {
		names := slices.Compact(slices.Sorted(slices.Values(req.SubscribedTopicNames)))
		if !slices.Equal(names, m.topics) {
			m.topics = names
			changed = true
		}
	}
	if req.SubscribedTopicRegex != nil && !equalStrings(m.regex, req.SubscribedTopicRegex) {
		m.regex, m.pattern = req.SubscribedTopicRegex, pattern
		changed = true
	}
	m.dirty = m.dirty || changed
	return changed
}

// consumerLeave is a heartbeat with epoch -1 or -2.
func (c *Coordinator) consumerLeave(now time.Time, req *kmsg.ConsumerGroupHeartbeatRequest, resp *kmsg.ConsumerGroupHeartbeatResponse) *refusal {
	g := c.groups[req.Group]
	if g == nil || g.consumer == nil {
		return refusef(kerr.GroupIDNotFound, "Group %s not found.", req.Group)
	}
	k := g.consumer
	m := k.byID[req.MemberID]
	if req.InstanceID != nil {
		switch s := k.static[*req.InstanceID]; {
		case s == nil:
			return refusef(kerr.UnknownMemberID, "Instance id %s is unknown.", *req.InstanceID)
		case s.id != req.MemberID:
			return refusef(kerr.FencedInstanceID, "Static member %s with instance id %s was fenced by member %s.", req.MemberID, *req.InstanceID, s.id)
		}
	}
	if m == nil {
		return refusef(kerr.UnknownMemberID, "Member %s is not a member of group %s.", req.MemberID, req.Group)
	}
	if req.MemberEpoch == leftForNow {
		k.hold(m, m.assigned, assignment{})
		m.epoch, m.progress, m.revokeBy = leftForNow, reconciled, time.Time{}
		session, _ := c.cfg.ConsumerTimes(g.id)
		m.deadline = now.Add(session)
		g.wake(m.deadline)
	} else {
		k.remove(c, m, "left")
	}
	k.persist(c)
	c.schedule(g)
	resp.MemberID = kmsg.StringPtr(req.MemberID)
	resp.MemberEpoch = req.MemberEpoch
	return nil
}

// evict removes a member for an operator, who names it by its id or its instance id: members themselves leave with a
// heartbeat.
func (k *consumer) evict(c *Coordinator, req kmsg.LeaveGroupRequestMember) *kerr.Error {
	m := k.byID[req.MemberID]
	if req.InstanceID != nil {
		s := k.static[*req.InstanceID]
		if s != nil && req.MemberID != "" && s != m {
			return kerr.FencedInstanceID
		}
		m = s
	}
	if m == nil {
		return kerr.UnknownMemberID
	}
	k.remove(c, m, "removed by an operator")
	k.persist(c)
	return nil
}

// owned is what a member says it has; nil if it does not say.
func owned(topics []kmsg.ConsumerGroupHeartbeatRequestTopic) assignment {
	if topics == nil {
		return nil
	}
	a := make(assignment)
	for _, t := range topics {
		if len(t.Partitions) > 0 {
			a[t.TopicID] = slices.Compact(slices.Sorted(slices.Values(append(t.Partitions, a[t.TopicID]...))))
		}
	}
	return a
}

// reconcile brings m one step nearer to its target. A nil has means that the
// member did not say what it has.
func (k *consumer) reconcile(m *consumerMember, has assignment) {
	switch m.progress {
	case reconciled:
		if m.epoch != k.targetEpoch {
			k.proceed(m, m.epoch, has)
		}
	case unrevoked:
		if has != nil && len(has.and(m.revoking)) == 0 {
			k.proceed(m, m.epoch+1, has)
		}
	case unreleased:
		k.proceed(m, m.epoch, has)
	}
}

// proceed works out the next step from what m has: first it gives up what is
// not in its target, staying in its epoch; when that is done it moves to the
// target's epoch and gets what is free; the rest as others give it up.
func (k *consumer) proceed(m *consumerMember, epoch int32, has assignment) {
	keep := m.assigned.and(m.target)
	giveUp := m.assigned.minus(keep)
	if len(giveUp) > 0 && (has == nil || len(has.and(giveUp)) > 0) {
		k.hold(m, keep, giveUp)
		m.progress = unrevoked
		m.moveTo(epoch)
		return
	}
	missing := m.target.minus(keep)
	free := missing.where(func(t topicID, p int32) bool {
		o := k.owner[topicPartition{t, p}]
		return o == nil || o == m
	})
	m.progress = reconciled
	if free.size() < missing.size() {
		m.progress = unreleased
	}
	if assigned := keep.plus(free); !assigned.equal(m.assigned) || len(m.revoking) > 0 {
		k.hold(m, assigned, assignment{})
	}
	m.moveTo(k.targetEpoch)
}

func (m *consumerMember) moveTo(epoch int32) {
	if m.epoch != epoch {
		m.previous, m.epoch = m.epoch, epoch
		m.dirty = true
	}
}

func equalStrings(a, b *string) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}
