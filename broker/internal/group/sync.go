package group

import (
	"bytes"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// syncGroup is key 14: the leader hands in the assignment, everybody gets
// theirs.
func (c *Coordinator) syncGroup(now time.Time, req *kmsg.SyncGroupRequest, reply func(kmsg.Response)) {
	k, err := c.classicMember(req.Group, req.MemberID, req.InstanceID, req.Generation)
	if err == nil {
		defer c.schedule(k.g)
		switch {
		case req.ProtocolType != nil && *req.ProtocolType != k.protocolType,
			req.Protocol != nil && *req.Protocol != k.protocol:
			err = kerr.InconsistentGroupProtocol
		case k.state == preparing:
			err = kerr.RebalanceInProgress
		case k.state == completing && !c.assignmentsFit(req):
			err = kerr.InvalidRequest
		}
	}
	if err != nil {
		c.answer(reply, syncRefused(req, err))
		return
	}
	m := k.byID[req.MemberID]
	m.unsynced = false
	if k.state == stable {
		k.touch(now, m)
		c.answer(reply, k.synced(req, m))
		k.maybeAllSynced()
		return
	}
	if m.sync != nil {
		k.failSync(c, m, kerr.RebalanceInProgress) // its client has given up on it
	}
	m.sync = &waiting[*kmsg.SyncGroupRequest]{req, reply}
	if m.id == k.leader {
		k.assign(c, now, req)
	}
}

func (c *Coordinator) assignmentsFit(req *kmsg.SyncGroupRequest) bool {
	return !slices.ContainsFunc(req.GroupAssignment, func(a kmsg.SyncGroupRequestGroupAssignment) bool {
		return len(a.MemberAssignment) > c.cfg.MaxMemberBytes
	})
}

// assign makes the group stable with the leader's assignment, a member that
// it left out having an empty one. It is durable before anybody learns it.
func (k *classic) assign(c *Coordinator, now time.Time, req *kmsg.SyncGroupRequest) {
	for _, m := range k.members {
		m.assignment = nil
	}
	for _, a := range req.GroupAssignment {
		if m := k.byID[a.MemberID]; m != nil {
			m.assignment = bytes.Clone(a.MemberAssignment)
		}
	}
	k.enter(c, now, stable)
	c.cfg.Log.Info("group stable", "group", k.g.id, "generation", k.generation, "members", len(k.members), "protocol", k.protocol)
	k.persist(c)
	for _, m := range k.members {
		if m.sync != nil {
			call := m.sync
			m.sync = nil
			k.touch(now, m)
			c.answer(call.reply, k.synced(call.req, m))
		}
	}
	k.maybeAllSynced()
}

func (k *classic) maybeAllSynced() {
	if !slices.ContainsFunc(k.members, func(m *member) bool { return m.unsynced }) {
		k.syncBy = time.Time{}
	}
}

// syncTimedOut removes the members that joined but never synced: the group
// would give them partitions that nobody reads.
func (k *classic) syncTimedOut(c *Coordinator, now time.Time) {
	k.syncBy = time.Time{}
	for _, m := range slices.Clone(k.members) {
		if m.unsynced {
			c.cfg.Log.Info("group member removed", "group", k.g.id, "member", m.id, "reason", "did not sync in time")
			k.drop(c, m)
		}
	}
	k.prepare(c, now, "members did not sync")
}

func (k *classic) synced(req *kmsg.SyncGroupRequest, m *member) *kmsg.SyncGroupResponse {
	resp := req.ResponseKind().(*kmsg.SyncGroupResponse)
	resp.ProtocolType = kmsg.StringPtr(k.protocolType)
	resp.Protocol = kmsg.StringPtr(k.protocol)
	resp.MemberAssignment = m.assignment
	return resp
}

func (k *classic) failSync(c *Coordinator, m *member, err *kerr.Error) {
	c.answer(m.sync.reply, syncRefused(m.sync.req, err))
	m.sync = nil
}

func syncRefused(req *kmsg.SyncGroupRequest, err *kerr.Error) *kmsg.SyncGroupResponse {
	resp := req.ResponseKind().(*kmsg.SyncGroupResponse)
	resp.ErrorCode = err.Code
	return resp
}

// classicMember finds the group of a request that a member makes and checks
// who it is and whether it has seen the current generation.
func (c *Coordinator) classicMember(id, member string, instance *string, generation int32) (*classic, *kerr.Error) {
	if id == "" {
		return nil, kerr.InvalidGroupID
	}
	g := c.groups[id]
	if g == nil || g.classic == nil {
		return nil, kerr.UnknownMemberID
	}
	if err := g.classic.check(member, instance); err != nil {
		return nil, err
	}
	if generation != g.classic.generation {
		return nil, kerr.IllegalGeneration
	}
	return g.classic, nil
}

// heartbeat is key 12.
func (c *Coordinator) heartbeat(now time.Time, req *kmsg.HeartbeatRequest) *kmsg.HeartbeatResponse {
	resp := req.ResponseKind().(*kmsg.HeartbeatResponse)
	k, err := c.classicMember(req.Group, req.MemberID, req.InstanceID, req.Generation)
	if err != nil {
		resp.ErrorCode = err.Code
		return resp
	}
	k.touch(now, k.byID[req.MemberID])
	c.schedule(k.g)
	if k.state == preparing {
		resp.ErrorCode = kerr.RebalanceInProgress.Code
	}
	return resp
}

// leaveGroup is key 13: members leave, or an operator removes static members
// by their instance ids.
func (c *Coordinator) leaveGroup(now time.Time, req *kmsg.LeaveGroupRequest) *kmsg.LeaveGroupResponse {
	resp := req.ResponseKind().(*kmsg.LeaveGroupResponse)
	if req.Group == "" {
		resp.ErrorCode = kerr.InvalidGroupID.Code
		return resp
	}
	g := c.groups[req.Group]
	leave := func(m kmsg.LeaveGroupRequestMember) int16 {
		err := kerr.UnknownMemberID
		switch {
		case g != nil && g.classic != nil:
			err = g.classic.leave(c, now, m)
		case g != nil && g.consumer != nil:
			err = g.consumer.evict(c, m)
		}
		if err != nil {
			return err.Code
		}
		return 0
	}
	if req.Version < 3 {
		resp.ErrorCode = leave(kmsg.LeaveGroupRequestMember{MemberID: req.MemberID})
	} else {
		for _, m := range req.Members {
			rm := kmsg.NewLeaveGroupResponseMember()
			rm.MemberID, rm.InstanceID = m.MemberID, m.InstanceID
			rm.ErrorCode = leave(m)
			resp.Members = append(resp.Members, rm)
		}
	}
	if g != nil {
		c.schedule(g)
	}
	return resp
}

func (k *classic) leave(c *Coordinator, now time.Time, req kmsg.LeaveGroupRequestMember) *kerr.Error {
	id := req.MemberID
	if id == "" && req.InstanceID != nil {
		m := k.static[*req.InstanceID]
		if m == nil {
			return kerr.UnknownMemberID
		}
		id = m.id
	}
	if _, ok := k.pending[id]; ok {
		delete(k.pending, id)
		if k.state == preparing {
			k.maybeComplete(c, now)
		}
		return nil
	}
	if err := k.check(id, req.InstanceID); err != nil {
		return err
	}
	why := "left"
	if req.Reason != nil && *req.Reason != "" {
		why = "left: " + *req.Reason
	}
	k.remove(c, now, k.byID[id], why)
	return nil
}
