package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

// leaveGroup removes members from their group.
func leaveGroup(n *Node, r *wire.Request, req *kmsg.LeaveGroupRequest) (kmsg.Response, error) {
	if !n.may(r, kmsg.ACLOperationRead, kmsg.ACLResourceTypeGroup, req.Group) {
		resp := kmsg.NewPtrLeaveGroupResponse()
		resp.ErrorCode = kerr.GroupAuthorizationFailed.Code
		return resp, nil
	}
	return n.forward(r, nil)
}
