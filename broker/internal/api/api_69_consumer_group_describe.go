package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

func consumerGroupDescribe(n *Node, r *wire.Request, req *kmsg.ConsumerGroupDescribeRequest) (kmsg.Response, error) {
	var bad []kmsg.ConsumerGroupDescribeResponseGroup
	good := req.Groups[:0]
	for _, g := range req.Groups {
		if n.may(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeGroup, g) {
			good = append(good, g)
			continue
		}
		sg := kmsg.NewConsumerGroupDescribeResponseGroup()
		sg.Group, sg.ErrorCode = g, kerr.GroupAuthorizationFailed.Code
		bad = append(bad, sg)
	}
	req.Groups = good
	return n.forward(r, func(resp kmsg.Response) {
		sr := resp.(*kmsg.ConsumerGroupDescribeResponse)
		for i := range sr.Groups {
			sg := &sr.Groups[i]
			if !n.seesAssignments(r, sg) {
				// A group that reads what the client may not know of is not shown.
				*sg = kmsg.ConsumerGroupDescribeResponseGroup{Group: sg.Group}
				sg.Default()
				sg.ErrorCode = kerr.TopicAuthorizationFailed.Code
				sg.ErrorMessage = kmsg.StringPtr("The group has described topic(s) that the client is not authorized to describe.")
				continue
			}
			if req.IncludeAuthorizedOperations {
				sg.AuthorizedOperations = n.operations(r, kmsg.ACLResourceTypeGroup, sg.Group)
			}
		}
		sr.Groups = append(sr.Groups, bad...)
	})
}

// seesAssignments reports whether a client may know of every topic that a group reads.
func (n *Node) seesAssignments(r *wire.Request, g *kmsg.ConsumerGroupDescribeResponseGroup) bool {
	for _, m := range g.Members {
		for _, t := range m.SubscribedTopics {
			if !n.can(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeTopic, t) {
				return false
			}
		}
		for _, a := range []kmsg.Assignment{m.Assignment, m.TargetAssignment} {
			for _, t := range a.TopicPartitions {
				if !n.can(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeTopic, t.Topic) {
					return false
				}
			}
		}
	}
	return true
}
