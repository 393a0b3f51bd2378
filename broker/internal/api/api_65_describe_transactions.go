package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/txn"
	"github.com/millrace-go/millrace/broker/internal/wire"
)

func describeTransactions(n *Node, r *wire.Request, req *kmsg.DescribeTransactionsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrDescribeTransactionsResponse()
	for _, id := range req.TransactionalIDs {
		ss := kmsg.NewDescribeTransactionsResponseTransactionState()
		ss.TransactionalID = id
		switch {
		case !n.may(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeTransactionalId, id):
			ss.ErrorCode = kerr.TransactionalIDAuthorizationFailed.Code
		default:
			e := n.txns.lock(id)
			if e == nil {
				ss.ErrorCode = kerr.TransactionalIDNotFound.Code
				break
			}
			n.describeTransaction(r, e.t, &ss)
			e.mu.Unlock()
		}
		resp.TransactionStates = append(resp.TransactionStates, ss)
	}
	return resp, nil
}

func (n *Node) describeTransaction(r *wire.Request, t *txn.Txn, ss *kmsg.DescribeTransactionsResponseTransactionState) {
	ss.State, ss.ProducerID, ss.ProducerEpoch = t.State.String(), t.ProducerID, t.Epoch
	ss.TimeoutMillis = int32(t.Timeout.Milliseconds())
	ss.StartTimestamp = -1
	if t.State == txn.Ongoing || t.State == txn.PrepareCommit || t.State == txn.PrepareAbort {
		ss.StartTimestamp = t.Started.UnixMilli()
	}
	byTopic := map[string][]int32{}
	var order []string
	for _, p := range t.SortedPartitions() {
		topic := n.topics.Snapshot().ByID(p.Topic)
		if topic == nil || !n.can(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeTopic, topic.Name) {
			continue
		}
		if byTopic[topic.Name] == nil {
			order = append(order, topic.Name)
		}
		byTopic[topic.Name] = append(byTopic[topic.Name], p.Partition)
	}
	for _, name := range order {
		ss.Topics = append(ss.Topics, kmsg.DescribeTransactionsResponseTransactionStateTopic{Topic: name, Partitions: byTopic[name]})
	}
}
