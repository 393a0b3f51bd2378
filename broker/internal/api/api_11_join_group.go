package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

// joinGroup is answered when all members have joined, or their time is up.
func joinGroup(n *Node, r *wire.Request, req *kmsg.JoinGroupRequest) (kmsg.Response, error) {
	if !n.may(r, kmsg.ACLOperationRead, kmsg.ACLResourceTypeGroup, req.Group) {
		resp := kmsg.NewPtrJoinGroupResponse()
		resp.ErrorCode = kerr.GroupAuthorizationFailed.Code
		return resp, nil
	}
	return n.forward(r, nil)
}
