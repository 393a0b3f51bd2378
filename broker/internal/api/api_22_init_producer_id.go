package api

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

func initProducerID(n *Node, r *wire.Request, req *kmsg.InitProducerIDRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrInitProducerIDResponse()
	resp.ProducerID, resp.ProducerEpoch = -1, -1
	if req.TransactionalID == nil {
		if !n.mayWriteSomething(r) {
			resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code
			return resp, nil
		}
		pid, err := n.txns.newProducerID()
		if err != nil {
			n.log.Error("producer id", "err", err)
			resp.ErrorCode = kerr.CoordinatorNotAvailable.Code
			return resp, nil
		}
		resp.ProducerID, resp.ProducerEpoch = pid, 0
		return resp, nil
	}
	timeout := time.Duration(req.TransactionTimeoutMillis) * time.Millisecond
	switch {
	case *req.TransactionalID == "":
		resp.ErrorCode = kerr.InvalidRequest.Code
	case !n.may(r, kmsg.ACLOperationWrite, kmsg.ACLResourceTypeTransactionalId, *req.TransactionalID):
		resp.ErrorCode = kerr.TransactionalIDAuthorizationFailed.Code
	case timeout <= 0 || timeout > n.cfg.TxnLimits.MaxTimeout:
		resp.ErrorCode = kerr.InvalidTransactionTimeout.Code
	case (req.ProducerID == -1) != (req.ProducerEpoch == -1):
		resp.ErrorCode = kerr.InvalidRequest.Code
	default:
		resp.ProducerID, resp.ProducerEpoch, resp.ErrorCode = n.txns.init(*req.TransactionalID, timeout, req.ProducerID, req.ProducerEpoch)
		resp.ErrorCode = fencedCode(resp.ErrorCode, req.Version, 4)
	}
	return resp, nil
}

// init gives a transactional id to a new instance of its producer. A transaction that its predecessor left open is
// aborted here and now: a client that restarts does not have to ask twice.
func (x *txns) init(id string, timeout time.Duration, pid int64, epoch int16) (int64, int16, int16) {
	e, err := x.make(id)
	if errors.Is(err, errTooManyTxns) {
		return -1, -1, kerr.PolicyViolation.Code
	}
	if err != nil {
		return -1, -1, x.unavailable(id, err)
	}
	defer e.mu.Unlock()
	for {
		next, err := x.spare(e)
		if err != nil {
			return -1, -1, x.unavailable(id, err)
		}
		s, code := e.t.Init(x.now(), timeout, pid, epoch, next)
		if code != 0 {
			return -1, -1, code
		}
		again, err := x.step(e, s)
		if err != nil {
			return -1, -1, x.unavailable(id, err)
		}
		if !again {
			return e.t.ProducerID, e.t.Epoch, 0
		}
	}
}

// fencedCode is what a client of the request's age knows of a producer that another instance has replaced: before the
// version since, only the older of two codes (KIP-588).
func fencedCode(code, version, since int16) int16 {
	if code == kerr.ProducerFenced.Code && version < since {
		return kerr.InvalidProducerEpoch.Code
	}
	return code
}

// unavailable logs an error of the broker's own and returns the code that makes clients try again.
func (x *txns) unavailable(id string, err error) int16 {
	x.log.Error("transaction", "id", id, "err", err)
	return kerr.CoordinatorNotAvailable.Code
}
