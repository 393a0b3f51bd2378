package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

// implicitOffsets is the version from which the commit itself registers its group with the transaction (KIP-890).
const implicitOffsets = 5

func txnOffsetCommit(n *Node, r *wire.Request, req *kmsg.TxnOffsetCommitRequest) (kmsg.Response, error) {
	switch {
	case !n.may(r, kmsg.ACLOperationWrite, kmsg.ACLResourceTypeTransactionalId, req.TransactionalID):
		return txnOffsetError(req, kerr.TransactionalIDAuthorizationFailed.Code), nil
	case !n.may(r, kmsg.ACLOperationRead, kmsg.ACLResourceTypeGroup, req.Group):
		return txnOffsetError(req, kerr.GroupAuthorizationFailed.Code), nil
	}
	return n.txns.commitOffsets(r, req, n.offsetTopics(r))
}

// commitOffsets stages offsets while the transaction cannot end.
func (x *txns) commitOffsets(r *wire.Request, req *kmsg.TxnOffsetCommitRequest, check func(name string, id [16]byte) (string, int16)) (kmsg.Response, error) {
	merge := takeTxnOffsetErrors(req, check)
	refuse := func(code int16) (kmsg.Response, error) {
		resp := txnOffsetError(req, code)
		merge(resp)
		return resp, nil
	}
	e := x.lock(req.TransactionalID)
	if e == nil {
		return refuse(kerr.InvalidProducerIDMapping.Code)
	}
	defer e.mu.Unlock()
	code := e.t.CheckProduce(req.ProducerID, req.ProducerEpoch)
	if code == 0 && req.Version < implicitOffsets && !e.t.HasGroup(req.Group) {
		code = kerr.InvalidTxnState.Code
	}
	if code != 0 {
		return refuse(code)
	}
	wait, err := x.groups.start(r)
	if err != nil {
		return nil, err
	}
	resp, err := wait(context.WithoutCancel(r.Context()))
	if err != nil {
		return nil, err
	}
	answer := resp.(*kmsg.TxnOffsetCommitResponse)
	if anyStaged(answer) {
		// No row of its own: after a restart the staged offsets say that the transaction is open.
		if _, code := e.t.AddGroup(x.now(), req.ProducerID, req.ProducerEpoch, req.Group); code != 0 {
			return nil, kerr.ErrorForCode(code)
		}
	}
	merge(answer)
	return answer, nil
}

func anyStaged(resp *kmsg.TxnOffsetCommitResponse) bool {
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode == 0 {
				return true
			}
		}
	}
	return false
}

// takeTxnOffsetErrors takes the topics that cannot be committed out of the request and returns a function that puts
// their errors into the response.
func takeTxnOffsetErrors(req *kmsg.TxnOffsetCommitRequest, check func(name string, id [16]byte) (string, int16)) func(*kmsg.TxnOffsetCommitResponse) {
	var bad []kmsg.TxnOffsetCommitResponseTopic
	good := req.Topics[:0]
	for _, t := range req.Topics {
		name, code := check(t.Topic, t.TopicID)
		if code == 0 {
			t.Topic = name
			good = append(good, t)
			continue
		}
		bad = append(bad, txnOffsetTopicError(t, code))
	}
	req.Topics = good
	return func(resp *kmsg.TxnOffsetCommitResponse) { resp.Topics = append(resp.Topics, bad...) }
}

func txnOffsetTopicError(t kmsg.TxnOffsetCommitRequestTopic, code int16) kmsg.TxnOffsetCommitResponseTopic {
	st := kmsg.TxnOffsetCommitResponseTopic{Topic: t.Topic, TopicID: t.TopicID}
	for _, p := range t.Partitions {
		st.Partitions = append(st.Partitions, kmsg.TxnOffsetCommitResponseTopicPartition{Partition: p.Partition, ErrorCode: code})
	}
	return st
}

func txnOffsetError(req *kmsg.TxnOffsetCommitRequest, code int16) *kmsg.TxnOffsetCommitResponse {
	resp := kmsg.NewPtrTxnOffsetCommitResponse()
	for _, t := range req.Topics {
		resp.Topics = append(resp.Topics, txnOffsetTopicError(t, code))
	}
	return resp
}
