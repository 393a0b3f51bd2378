package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// joinGroup is key 11. A member that is new, or says something new, starts a
// rebalance and waits for the others; one that repeats itself is answered.
func (c *Coordinator) joinGroup(now time.Time, from Client, req *kmsg.JoinGroupRequest, reply func(kmsg.Response)) {
	refuse := func(err *kerr.Error) { c.answer(reply, joinRefused(req, req.MemberID, err)) }

	session := time.Duration(req.SessionTimeoutMillis) * time.Millisecond
	switch {
	case req.Group == "":
		refuse(kerr.InvalidGroupID)
		return
	case session < c.cfg.MinSessionTimeout || session > c.cfg.MaxSessionTimeout:
		refuse(kerr.InvalidSessionTimeout)
		return
	case !c.fits(req.Protocols):
		refuse(kerr.InvalidRequest)
		return
	}
	g := c.groups[req.Group]
	if g == nil || g.classic == nil {
		if g != nil && !g.empty() {
			refuse(kerr.InconsistentGroupProtocol) // a consumer group (KIP-848)
			return
		}
		if req.MemberID != "" {
			refuse(kerr.UnknownMemberID)
			return
		}
		if g == nil && len(c.groups) >= c.cfg.MaxGroups {
			refuse(kerr.PolicyViolation)
			return
		}
		if req.ProtocolType == "" || len(req.Protocols) == 0 {
			refuse(kerr.InconsistentGroupProtocol)
			return
		}
		if g == nil {
			g = c.newGroup(req.Group)
		}
		if g.consumer != nil {
			g.consumer = nil
			c.write(consumerKey(g.id), nil)
		}
		g.classic = newClassic(g, now)
	}
	defer c.schedule(g)
	k := g.classic

	known := k.byID[req.MemberID]
	if known == nil && req.InstanceID != nil {
		known = k.static[*req.InstanceID]
	}
	if !k.accepts(known, c.cfg.MaxMembers) {
		if known != nil {
			k.remove(c, now, known, "group is full")
		}
		delete(k.pending, req.MemberID)
		c.answer(reply, joinRefused(req, "", kerr.GroupMaxSizeReached))
		return
	}
	call := &waiting[*kmsg.JoinGroupRequest]{req, reply}
	_, pending := k.pending[req.MemberID]
	switch {
	case !k.supports(req.ProtocolType, req.Protocols):
		refuse(kerr.InconsistentGroupProtocol)
	case req.MemberID == "" && req.InstanceID != nil:
		id := *req.InstanceID + "-" + c.cfg.NewMemberID()
		if old := k.static[*req.InstanceID]; old != nil {
			k.replaceStatic(c, now, old, id, from, call)
		} else {
			k.addAndRebalance(c, now, id, from, call)
		}
	case req.MemberID == "" && req.Version >= 4:
		// KIP-394: a client that is gone before it learns its id must not
		// leave a member behind.
		id := from.ID + "-" + c.cfg.NewMemberID()
		k.pending[id] = now.Add(session)
		g.wake(k.pending[id])
		c.answer(reply, joinRefused(req, id, kerr.MemberIDRequired))
	case req.MemberID == "":
		k.addAndRebalance(c, now, from.ID+"-"+c.cfg.NewMemberID(), from, call)
	case pending && req.InstanceID == nil:
		k.addAndRebalance(c, now, req.MemberID, from, call)
	default:
		if err := k.check(req.MemberID, req.InstanceID); err != nil {
			refuse(err)
			return
		}
		k.rejoin(c, now, k.byID[req.MemberID], call)
	}
}

// fits reports whether a member's metadata is within bounds.
func (c *Coordinator) fits(protocols []kmsg.JoinGroupRequestProtocol) bool {
	sum := 0
	for _, p := range protocols {
		sum += len(p.Name) + len(p.Metadata)
	}
	return sum <= c.cfg.MaxMemberBytes
}

// accepts says whether the group has room for a member. While members are
// called to join, the first ones to do so fill the group.
func (k *classic) accepts(m *member, limit int) bool {
	switch k.state {
	case empty:
		return true
	case preparing:
		waiting := 0
		for _, x := range k.members {
			if x.join != nil {
				waiting++
			}
		}
		return m != nil && m.join != nil || waiting < limit
	default:
		return m != nil || len(k.members) < limit
	}
}

func (k *classic) addAndRebalance(c *Coordinator, now time.Time, id string, from Client, call *waiting[*kmsg.JoinGroupRequest]) {
	m := &member{id: id, instance: call.req.InstanceID, client: from, fresh: true}
	m.hear(call)
	if len(k.members) == 0 {
		k.protocolType = call.req.ProtocolType
	}
	k.add(m)
	k.grown = true
	m.deadline = now.Add(newMemberTimeout)
	k.g.wake(m.deadline)
	if k.state == preparing {
		k.maybeComplete(c, now)
	} else {
		k.prepare(c, now, "member "+id+" joins")
	}
}

// hear takes over what a join says.
func (m *member) hear(call *waiting[*kmsg.JoinGroupRequest]) {
	req := call.req
	m.session = time.Duration(req.SessionTimeoutMillis) * time.Millisecond
	m.rebalance = time.Duration(req.RebalanceTimeoutMillis) * time.Millisecond
	if req.Version == 0 {
		m.rebalance = m.session
	}
	m.protocols = cloneProtocols(req.Protocols)
	m.join = call
}

// rejoin is a join of a member that is in the group.
func (k *classic) rejoin(c *Coordinator, now time.Time, m *member, call *waiting[*kmsg.JoinGroupRequest]) {
	if m.join != nil {
		k.failJoin(c, m, m.id, kerr.RebalanceInProgress) // its client has given up on it
	}
	changed := !m.matches(call.req.Protocols)
	switch {
	case k.state == preparing:
		m.hear(call)
		k.maybeComplete(c, now)
	case changed, k.state == stable && m.id == k.leader:
		// The leader of a stable group joins again to have an assignment
		// made: it has seen topics change.
		m.hear(call)
		k.prepare(c, now, "member "+m.id+" joins again")
	default:
		// The answer to its first join was lost.
		k.touch(now, m)
		c.answer(call.reply, k.joined(call.req, m, k.state == completing))
	}
}

// replaceStatic lets a static member that was restarted take the place of its
// former self (KIP-345). In a stable group it gets back its assignment and
// nobody notices, unless its protocols change the choice.
func (k *classic) replaceStatic(c *Coordinator, now time.Time, old *member, id string, from Client, call *waiting[*kmsg.JoinGroupRequest]) {
	leader := k.leader
	if old.join != nil {
		k.failJoin(c, old, old.id, kerr.FencedInstanceID)
	}
	if old.sync != nil {
		k.failSync(c, old, kerr.FencedInstanceID)
	}
	m := old
	delete(k.byID, old.id)
	if k.leader == old.id {
		k.leader = id
	}
	c.cfg.Log.Info("static group member replaced", "group", k.g.id, "instance", *m.instance, "member", id, "former", m.id)
	m.id, m.client = id, from
	k.byID[id] = m
	m.hear(call)
	k.touch(now, m)

	switch {
	case k.state == preparing:
		k.maybeComplete(c, now)
	case k.state == stable && k.vote() == k.protocol:
		k.persist(c)
		m.join = nil
		// From version 9 on a leader can be told that it is one and must
		// not assign (KIP-814): it goes on to watch its topics. Before, the
		// id of its former self keeps it from assigning.
		resp := k.joined(call.req, m, call.req.Version >= 9)
		if call.req.Version >= 9 {
			resp.SkipAssignment = k.leader == id
		} else {
			resp.LeaderID = leader
		}
		c.answer(call.reply, resp)
	default:
		// A leader that is assigning knows the old id: without a new join
		// phase the new one would be left without an assignment.
		k.prepare(c, now, "static member "+id+" joins")
	}
}

// prepare starts a join phase.
func (k *classic) prepare(c *Coordinator, now time.Time, why string) {
	c.cfg.Log.Info("group rebalances", "group", k.g.id, "generation", k.generation, "reason", why)
	for _, m := range k.members {
		m.unsynced = false
		if k.state == completing {
			m.assignment = nil
		}
		if m.sync != nil {
			k.failSync(c, m, kerr.RebalanceInProgress)
			k.touch(now, m)
		}
	}
	k.syncBy = time.Time{}
	initial := k.state == empty && c.cfg.InitialRebalanceDelay > 0
	k.enter(c, now, preparing)
	if initial {
		k.delayed, k.grown = true, false
		k.joinBy = now.Add(c.cfg.InitialRebalanceDelay)
		k.remain = max(k.rebalanceTimeout()-c.cfg.InitialRebalanceDelay, 0)
		k.g.wake(k.joinBy)
		return
	}
	k.joinBy = now.Add(k.rebalanceTimeout())
	k.g.wake(k.joinBy)
	k.maybeComplete(c, now)
}

// maybeComplete ends the join phase if nobody is missing.
func (k *classic) maybeComplete(c *Coordinator, now time.Time) {
	if k.delayed || len(k.pending) > 0 {
		return
	}
	for _, m := range k.members {
		if m.join == nil {
			return
		}
	}
	k.complete(c, now)
}

// joinTimedOut ends the join phase, or the current slice of the initial
// delay: that is extended as long as members keep coming.
func (k *classic) joinTimedOut(c *Coordinator, now time.Time) {
	if k.delayed && k.grown && k.remain > 0 {
		slice := min(c.cfg.InitialRebalanceDelay, k.remain)
		k.remain -= slice
		k.grown = false
		k.joinBy = now.Add(slice)
		k.g.wake(k.joinBy)
		return
	}
	k.complete(c, now)
}

// complete ends the join phase with whoever has joined. Dynamic members that
// have not are out; static ones stay, until their session ends.
func (k *classic) complete(c *Coordinator, now time.Time) {
	k.joinBy, k.delayed = time.Time{}, false
	for i := 0; i < len(k.members); {
		if m := k.members[i]; m.join == nil && m.instance == nil {
			c.cfg.Log.Info("group member removed", "group", k.g.id, "member", m.id, "reason", "did not join in time")
			k.drop(c, m)
		} else {
			i++
		}
	}
	if len(k.members) == 0 {
		k.generation++
		k.protocol = ""
		k.enter(c, now, empty)
		k.persist(c)
		return
	}
	if !k.electJoined() {
		// Only static members that are away: wait for one to come back, or
		// for their sessions to end.
		k.joinBy = now.Add(k.rebalanceTimeout())
		k.g.wake(k.joinBy)
		return
	}
	k.generation++
	k.protocol = k.vote()
	k.enter(c, now, completing)
	for _, m := range k.members {
		m.unsynced = true
		if m.join != nil {
			call := m.join
			m.join, m.fresh = nil, false
			k.touch(now, m)
			c.answer(call.reply, k.joined(call.req, m, true))
		}
	}
	k.syncBy = now.Add(k.rebalanceTimeout())
	k.g.wake(k.syncBy)
}

// electJoined makes sure that the leader is somebody who waits for the answer.
func (k *classic) electJoined() bool {
	if m := k.byID[k.leader]; m != nil && m.join != nil {
		return true
	}
	for _, m := range k.members {
		if m.join != nil {
			k.leader = m.id
			return true
		}
	}
	return false
}

// joined is the answer of a successful join. The leader gets everybody's
// metadata, if it is to assign.
func (k *classic) joined(req *kmsg.JoinGroupRequest, m *member, assign bool) *kmsg.JoinGroupResponse {
	resp := req.ResponseKind().(*kmsg.JoinGroupResponse)
	resp.Generation = k.generation
	resp.ProtocolType = kmsg.StringPtr(k.protocolType)
	resp.Protocol = kmsg.StringPtr(k.protocol)
	resp.LeaderID = k.leader
	resp.MemberID = m.id
	if assign && m.id == k.leader {
		for _, x := range k.members {
			rm := kmsg.NewJoinGroupResponseMember()
			rm.MemberID = x.id
			rm.InstanceID = x.instance
			rm.ProtocolMetadata, _ = x.metadata(k.protocol)
			resp.Members = append(resp.Members, rm)
		}
	}
	return resp
}

func (k *classic) failJoin(c *Coordinator, m *member, id string, err *kerr.Error) {
	c.answer(m.join.reply, joinRefused(m.join.req, id, err))
	m.join = nil
}

func joinRefused(req *kmsg.JoinGroupRequest, id string, err *kerr.Error) *kmsg.JoinGroupResponse {
	resp := req.ResponseKind().(*kmsg.JoinGroupResponse)
	resp.ErrorCode = err.Code
	resp.Generation = -1
	resp.MemberID = id
	if req.Version < 7 {
		resp.Protocol = kmsg.StringPtr("")
	}
	return resp
}
