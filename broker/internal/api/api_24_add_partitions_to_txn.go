package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/txn"
	"github.com/millrace-go/millrace/broker/internal/wire"
)

// addPartitionsToTxn registers partitions. From version 4 on the request is one between brokers, for several
// transactions, some of them only to be verified.
func addPartitionsToTxn(n *Node, r *wire.Request, req *kmsg.AddPartitionsToTxnRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrAddPartitionsToTxnResponse()
	if req.Version < 4 {
		t := kmsg.AddPartitionsToTxnRequestTransaction{TransactionalID: req.TransactionalID, ProducerID: req.ProducerID, ProducerEpoch: req.ProducerEpoch}
		for _, rt := range req.Topics {
			t.Topics = append(t.Topics, kmsg.AddPartitionsToTxnRequestTransactionTopic{Topic: rt.Topic, Partitions: rt.Partitions})
		}
		for _, st := range n.addPartitions(r, t) {
			out := kmsg.AddPartitionsToTxnResponseTopic{Topic: st.Topic}
			for _, sp := range st.Partitions {
				out.Partitions = append(out.Partitions, kmsg.AddPartitionsToTxnResponseTopicPartition{Partition: sp.Partition, ErrorCode: fencedCode(sp.ErrorCode, req.Version, 2)})
			}
			resp.Topics = append(resp.Topics, out)
		}
		return resp, nil
	}
	if !n.may(r, kmsg.ACLOperationClusterAction, kmsg.ACLResourceTypeCluster, clusterResource) {
		resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code
		return resp, nil
	}
	for _, t := range req.Transactions {
		resp.Transactions = append(resp.Transactions, kmsg.AddPartitionsToTxnResponseTransaction{TransactionalID: t.TransactionalID, Topics: n.addPartitions(r, t)})
	}
	return resp, nil
}

// addPartitions registers all partitions of one transaction, or none.
func (n *Node) addPartitions(r *wire.Request, t kmsg.AddPartitionsToTxnRequestTransaction) []kmsg.AddPartitionsToTxnResponseTransactionTopic {
	var ps []txn.Partition
	bad := false
	out := make([]kmsg.AddPartitionsToTxnResponseTransactionTopic, 0, len(t.Topics))
	for _, rt := range t.Topics {
		st := kmsg.AddPartitionsToTxnResponseTransactionTopic{Topic: rt.Topic}
		topic, code := n.topic(rt.Topic, noID)
		if !n.may(r, kmsg.ACLOperationWrite, kmsg.ACLResourceTypeTopic, rt.Topic) {
			code = kerr.TopicAuthorizationFailed.Code
		}
		for _, i := range rt.Partitions {
			sp := kmsg.AddPartitionsToTxnResponseTransactionTopicPartition{Partition: i, ErrorCode: code}
			if code == 0 {
				if _, sp.ErrorCode = n.partition(topic, i); sp.ErrorCode == 0 {
					ps = append(ps, txn.Partition{Topic: topic.ID, Partition: i})
				}
			}
			bad = bad || sp.ErrorCode != 0
			st.Partitions = append(st.Partitions, sp)
		}
		out = append(out, st)
	}
	code := kerr.OperationNotAttempted.Code
	switch {
	case !n.may(r, kmsg.ACLOperationWrite, kmsg.ACLResourceTypeTransactionalId, t.TransactionalID):
		code, bad = kerr.TransactionalIDAuthorizationFailed.Code, false
	case !bad:
		code = n.txns.addPartitions(t, ps)
	}
	for i := range out {
		for j := range out[i].Partitions {
			if sp := &out[i].Partitions[j]; sp.ErrorCode == 0 || !bad {
				sp.ErrorCode = code
			}
		}
	}
	return out
}

func (x *txns) addPartitions(t kmsg.AddPartitionsToTxnRequestTransaction, ps []txn.Partition) int16 {
	e := x.lock(t.TransactionalID)
	if e == nil {
		return kerr.InvalidProducerIDMapping.Code
	}
	defer e.mu.Unlock()
	if t.VerifyOnly {
		if code := e.t.CheckProduce(t.ProducerID, t.ProducerEpoch); code != 0 {
			return code
		}
		for _, p := range ps {
			if !e.t.Has(p) {
				return kerr.TransactionAbortable.Code
			}
		}
		return 0
	}
	s, code := e.t.AddPartitions(x.now(), t.ProducerID, t.ProducerEpoch, ps)
	if code != 0 {
		return code
	}
	if _, err := x.step(e, s); err != nil {
		return x.unavailable(t.TransactionalID, err)
	}
	return 0
}
