package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

// Kinds of coordinators.
const (
	coordinatorGroup = 0
	coordinatorTxn   = 1
)

func findCoordinator(n *Node, r *wire.Request, req *kmsg.FindCoordinatorRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrFindCoordinatorResponse()
	l := r.Conn.Listener
	find := func(key string) kmsg.FindCoordinatorResponseCoordinator {
		c := kmsg.NewFindCoordinatorResponseCoordinator()
		c.Key, c.NodeID, c.Host, c.Port = key, NodeID, l.Host, l.Port
		switch {
		case req.CoordinatorType == coordinatorGroup && !n.may(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeGroup, key):
			c.ErrorCode = kerr.GroupAuthorizationFailed.Code
		case req.CoordinatorType == coordinatorTxn && !n.may(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeTransactionalId, key):
			c.ErrorCode = kerr.TransactionalIDAuthorizationFailed.Code
		case req.CoordinatorType != coordinatorGroup && req.CoordinatorType != coordinatorTxn:
			c.ErrorCode = kerr.InvalidRequest.Code
		}
		if c.ErrorCode != 0 {
			c.NodeID, c.Host, c.Port = -1, "", -1
			c.ErrorMessage = text(kerr.ErrorForCode(c.ErrorCode))
		}
		return c
	}
	if req.Version < 4 {
		c := find(req.CoordinatorKey)
		resp.ErrorCode, resp.ErrorMessage, resp.NodeID, resp.Host, resp.Port = c.ErrorCode, c.ErrorMessage, c.NodeID, c.Host, c.Port
		return resp, nil
	}
	for _, key := range req.CoordinatorKeys {
		resp.Coordinators = append(resp.Coordinators, find(key))
	}
	return resp, nil
}
