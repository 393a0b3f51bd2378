package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

func addOffsetsToTxn(n *Node, r *wire.Request, req *kmsg.AddOffsetsToTxnRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrAddOffsetsToTxnResponse()
	switch {
	case !n.may(r, kmsg.ACLOperationWrite, kmsg.ACLResourceTypeTransactionalId, req.TransactionalID):
		resp.ErrorCode = kerr.TransactionalIDAuthorizationFailed.Code
	case !n.may(r, kmsg.ACLOperationRead, kmsg.ACLResourceTypeGroup, req.Group):
		resp.ErrorCode = kerr.GroupAuthorizationFailed.Code
	default:
		resp.ErrorCode = fencedCode(n.txns.addGroup(req), req.Version, 2)
	}
	return resp, nil
}

func (x *txns) addGroup(req *kmsg.AddOffsetsToTxnRequest) int16 {
	e := x.lock(req.TransactionalID)
	if e == nil {
		return kerr.InvalidProducerIDMapping.Code
	}
	defer e.mu.Unlock()
	s, code := e.t.AddGroup(x.now(), req.ProducerID, req.ProducerEpoch, req.Group)
	if code != 0 {
		return code
	}
	if _, err := x.step(e, s); err != nil {
		return x.unavailable(req.TransactionalID, err)
	}
	return 0
}
