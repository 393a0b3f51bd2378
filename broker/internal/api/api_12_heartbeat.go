package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

// heartbeat keeps a member in its group and tells it about a rebalance.
func heartbeat(n *Node, r *wire.Request, req *kmsg.HeartbeatRequest) (kmsg.Response, error) {
	if !n.may(r, kmsg.ACLOperationRead, kmsg.ACLResourceTypeGroup, req.Group) {
		resp := kmsg.NewPtrHeartbeatResponse()
		resp.ErrorCode = kerr.GroupAuthorizationFailed.Code
		return resp, nil
	}
	return n.forward(r, nil)
}
