package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

// syncGroup is answered when the leader's assignment is there.
func syncGroup(n *Node, r *wire.Request, req *kmsg.SyncGroupRequest) (kmsg.Response, error) {
	if !n.may(r, kmsg.ACLOperationRead, kmsg.ACLResourceTypeGroup, req.Group) {
		resp := kmsg.NewPtrSyncGroupResponse()
		resp.ErrorCode = kerr.GroupAuthorizationFailed.Code
		return resp, nil
	}
	return n.forward(r, nil)
}
