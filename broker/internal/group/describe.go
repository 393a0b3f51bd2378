package group

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// consumerProtocol is the protocol type of consumers: only of these does the
// coordinator look into metadata.
const consumerProtocol = "consumer"

// describeGroups is key 15. The owner fills in authorized operations.
func (c *Coordinator) describeGroups(req *kmsg.DescribeGroupsRequest) *kmsg.DescribeGroupsResponse {
	resp := req.ResponseKind().(*kmsg.DescribeGroupsResponse)
	for _, id := range req.Groups {
		rg := kmsg.NewDescribeGroupsResponseGroup()
		rg.Group = id
		g := c.groups[id]
		switch {
		case g == nil:
			rg.State = "Dead"
			if req.Version >= 6 {
				rg.ErrorCode = kerr.GroupIDNotFound.Code
				rg.ErrorMessage = kmsg.StringPtr("Group " + id + " not found.")
			}
		case g.consumer != nil:
			rg.State = "Dead"
			if req.Version >= 6 {
				rg.ErrorCode = kerr.GroupIDNotFound.Code
				rg.ErrorMessage = kmsg.StringPtr("Group " + id + " is not a classic group.")
			}
		case g.classic == nil:
			rg.State = empty.String()
		default:
			g.classic.describe(&rg)
		}
		resp.Groups = append(resp.Groups, rg)
	}
	return resp
}

// describe tells the protocol and what members say in it only while the group
// is stable, as until then it may yet change. What they have they have.
func (k *classic) describe(rg *kmsg.DescribeGroupsResponseGroup) {
	rg.State = k.state.String()
	rg.ProtocolType = k.protocolType
	if k.state == stable {
		rg.Protocol = k.protocol
	}
	for _, m := range k.members {
		rm := kmsg.NewDescribeGroupsResponseGroupMember()
		rm.MemberID, rm.InstanceID = m.id, m.instance
		rm.ClientID, rm.ClientHost = m.client.ID, m.client.Host
		if k.state == stable {
			rm.ProtocolMetadata, _ = m.metadata(k.protocol)
		}
		rm.MemberAssignment = m.assignment
		rg.Members = append(rg.Members, rm)
	}
}

// listGroups is key 16.
func (c *Coordinator) listGroups(req *kmsg.ListGroupsRequest) *kmsg.ListGroupsResponse {
	resp := req.ResponseKind().(*kmsg.ListGroupsResponse)
	wanted := func(filter []string, v string) bool {
		return len(filter) == 0 || slices.ContainsFunc(filter, func(f string) bool { return strings.EqualFold(f, v) })
	}
	for _, g := range c.sorted() {
		rg := kmsg.NewListGroupsResponseGroup()
		rg.Group = g.id
		rg.GroupState, rg.GroupType, rg.ProtocolType = g.describe()
		if wanted(req.StatesFilter, rg.GroupState) && wanted(req.TypesFilter, rg.GroupType) {
			resp.Groups = append(resp.Groups, rg)
		}
	}
	return resp
}

func (g *group) describe() (state, kind, protocolType string) {
	if g.consumer != nil {
		return g.consumer.state(), "consumer", consumerProtocol
	}
	if g.classic == nil {
		return empty.String(), "classic", ""
	}
	return g.classic.state.String(), "classic", g.classic.protocolType
}

// deleteGroups is key 42.
func (c *Coordinator) deleteGroups(req *kmsg.DeleteGroupsRequest) *kmsg.DeleteGroupsResponse {
	resp := req.ResponseKind().(*kmsg.DeleteGroupsResponse)
	for _, id := range req.Groups {
		rg := kmsg.NewDeleteGroupsResponseGroup()
		rg.Group = id
		if g := c.groups[id]; g == nil {
			rg.ErrorCode = kerr.GroupIDNotFound.Code
		} else if !g.empty() {
			rg.ErrorCode = kerr.NonEmptyGroup.Code
		} else {
			c.deleteGroup(g)
		}
		resp.Groups = append(resp.Groups, rg)
	}
	return resp
}

func (c *Coordinator) deleteGroup(g *group) {
	for _, p := range sortedPartitions(g.offsets) {
		c.deleteOffset(g, p)
	}
	for _, id := range g.producers() {
		for _, p := range sortedPartitions(g.staged[id]) {
			c.unstage(g, id, p)
		}
	}
	c.cfg.Log.Info("group deleted", "group", g.id)
	c.forget(g)
}

// subscribed returns whether a member of the group reads a topic; if one does
// not say what it reads, it may be every topic.
func (g *group) subscribed() func(topic string) bool {
	topics := make(map[string]bool)
	if g.consumer != nil {
		return g.consumer.reads
	}
	if g.classic != nil && g.classic.protocolType == consumerProtocol {
		for _, m := range g.classic.members {
			for _, p := range m.protocols {
				meta := kmsg.NewConsumerMemberMetadata()
				if err := meta.ReadFrom(p.Metadata); err != nil {
					return func(string) bool { return true }
				}
				for _, t := range meta.Topics {
					topics[t] = true
				}
			}
		}
	}
	return func(topic string) bool { return topics[topic] }
}
