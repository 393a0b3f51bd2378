package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

// consumerGroupHeartbeat is all that a member of a group of KIP-848 says.
func consumerGroupHeartbeat(n *Node, r *wire.Request, req *kmsg.ConsumerGroupHeartbeatRequest) (kmsg.Response, error) {
	refuse := func(err *kerr.Error) (kmsg.Response, error) {
		resp := kmsg.NewPtrConsumerGroupHeartbeatResponse()
		resp.ErrorCode, resp.ErrorMessage = err.Code, text(err)
		return resp, nil
	}
	if !n.may(r, kmsg.ACLOperationRead, kmsg.ACLResourceTypeGroup, req.Group) {
		return refuse(kerr.GroupAuthorizationFailed)
	}
	for _, t := range req.SubscribedTopicNames {
		if !n.may(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeTopic, t) {
			return refuse(kerr.TopicAuthorizationFailed)
		}
	}
	return n.forward(r, nil)
}
