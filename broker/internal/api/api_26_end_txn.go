package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

// endTxnV2 is the version from which the end of a transaction raises the epoch (KIP-890).
const endTxnV2 = 5

func endTxn(n *Node, r *wire.Request, req *kmsg.EndTxnRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrEndTxnResponse()
	resp.ProducerID, resp.ProducerEpoch = -1, -1
	if !n.may(r, kmsg.ACLOperationWrite, kmsg.ACLResourceTypeTransactionalId, req.TransactionalID) {
		resp.ErrorCode = kerr.TransactionalIDAuthorizationFailed.Code
		return resp, nil
	}
	resp.ProducerID, resp.ProducerEpoch, resp.ErrorCode = n.txns.endTxn(req)
	return resp, nil
}

func (x *txns) endTxn(req *kmsg.EndTxnRequest) (int64, int16, int16) {
	e := x.lock(req.TransactionalID)
	if e == nil {
		return -1, -1, kerr.InvalidProducerIDMapping.Code
	}
	defer e.mu.Unlock()
	for {
		next, err := x.spare(e)
		if err != nil {
			return -1, -1, x.unavailable(req.TransactionalID, err)
		}
		s, code := e.t.End(x.now(), req.ProducerID, req.ProducerEpoch, req.Commit, req.Version >= endTxnV2, next)
		if code != 0 {
			return -1, -1, fencedCode(code, req.Version, 2)
		}
		again, err := x.step(e, s)
		if err != nil {
			return -1, -1, x.unavailable(req.TransactionalID, err)
		}
		if !again {
			return e.t.ProducerID, e.t.Epoch, 0
		}
	}
}
