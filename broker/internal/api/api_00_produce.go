package api

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/commitlog"
	"github.com/millrace-go/millrace/broker/internal/quota"
	"github.com/millrace-go/millrace/broker/internal/topics"
	"github.com/millrace-go/millrace/broker/internal/txn"
	"github.com/millrace-go/millrace/broker/internal/wire"
)

// Offsets of fields in a record batch of format 2.
const (
	batchAttributes = 21
	batchProducerID = 43
	batchEpoch      = 51
	batchHeader     = 61

	attrTransactional = 1 << 4
)

// implicitProduce is the version from which a transactional batch registers its partition itself (KIP-890).
const implicitProduce = 12

// appended is a batch that has to become durable before it is acknowledged.
type appended struct {
	p    *commitlog.Partition
	last int64
	at   [2]int // its place in the response
}

func produce(n *Node, r *wire.Request, req *kmsg.ProduceRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrProduceResponse()
	resp.Topics = make([]kmsg.ProduceResponseTopic, 0, len(req.Topics))
	var wait []appended
	for _, rt := range req.Topics {
		st := kmsg.ProduceResponseTopic{Topic: rt.Topic, TopicID: rt.TopicID, Partitions: make([]kmsg.ProduceResponseTopicPartition, 0, len(rt.Partitions))}
		t, code := n.topic(rt.Topic, rt.TopicID)
		if code == 0 {
			code = n.produceAllowed(r, req, t)
		}
		for _, rp := range rt.Partitions {
			sp := kmsg.NewProduceResponseTopicPartition()
			sp.Partition, sp.BaseOffset, sp.LogStartOffset, sp.ErrorCode = rp.Partition, -1, -1, code
			if code == 0 {
				if p, res, ok := n.produceOne(req, t, rp, &sp); ok && n.cfg.Sync == commitlog.SyncAlways {
					wait = append(wait, appended{p, res.LastOffset, [2]int{len(resp.Topics), len(st.Partitions)}})
				}
			}
			st.Partitions = append(st.Partitions, sp)
		}
		resp.Topics = append(resp.Topics, st)
	}
	if n.quotas.Limited() {
		resp.ThrottleMillis = n.throttle(r.Conn, n.client(r), quota.ProducerBytes, recordBytes(req))
	}
	if req.Acks == 0 {
		return nil, unanswered(resp)
	}
	if len(wait) == 0 {
		return resp, nil
	}
	r.Later(func(context.Context) kmsg.Response {
		for _, a := range wait {
			if err := a.p.WaitDurable(a.last); err != nil {
				sp := &resp.Topics[a.at[0]].Partitions[a.at[1]]
				sp.ErrorCode, sp.ErrorMessage, sp.BaseOffset = n.logCode(err), text(err), -1
			}
		}
		return resp
	})
	return nil, nil
}

func recordBytes(req *kmsg.ProduceRequest) int {
	bytes := 0
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			bytes += len(req.Topics[i].Partitions[j].Records)
		}
	}
	return bytes
}

// unanswered is the error of a request without an answer: closing the connection is the only way to tell its client that it
// should look at its metadata.
func unanswered(resp *kmsg.ProduceResponse) error {
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode != 0 {
				return fmt.Errorf("produce without acknowledgement to partition %d of %q: %w", p.Partition, t.Topic, kerr.ErrorForCode(p.ErrorCode))
			}
		}
	}
	return nil
}

// produceAllowed checks what concerns a whole topic of the request.
func (n *Node) produceAllowed(r *wire.Request, req *kmsg.ProduceRequest, t *topics.Topic) int16 {
	switch {
	case req.Version < 3:
		return kerr.UnsupportedVersion.Code
	case n.full.Load():
		return kerr.KafkaStorageError.Code
	case req.Acks < -1 || req.Acks > 1:
		return kerr.InvalidRequiredAcks.Code
	case !n.may(r, kmsg.ACLOperationWrite, kmsg.ACLResourceTypeTopic, t.Name):
		return kerr.TopicAuthorizationFailed.Code
	case req.TransactionID != nil && !n.may(r, kmsg.ACLOperationWrite, kmsg.ACLResourceTypeTransactionalId, *req.TransactionID):
		return kerr.TransactionalIDAuthorizationFailed.Code
	}
	return 0
}

// produceOne appends the batch of one partition and fills in its response. ok says that something was appended.
func (n *Node) produceOne(req *kmsg.ProduceRequest, t *topics.Topic, rp kmsg.ProduceRequestTopicPartition, sp *kmsg.ProduceResponseTopicPartition) (*commitlog.Partition, commitlog.AppendResult, bool) {
	var res commitlog.AppendResult
	p, code := n.partition(t, rp.Partition)
	if code != 0 {
		sp.ErrorCode = code
		return nil, res, false
	}
	// What the batch says decides, not what the request says: a batch must not slip past the checks of its transaction.
	b := rp.Records
	transactional := len(b) >= batchHeader && binary.BigEndian.Uint16(b[batchAttributes:])&attrTransactional != 0
	var err error
	switch {
	case transactional && req.TransactionID == nil:
		sp.ErrorCode = kerr.InvalidRequest.Code
		return nil, res, false
	case transactional:
		pid := int64(binary.BigEndian.Uint64(b[batchProducerID:]))
		epoch := int16(binary.BigEndian.Uint16(b[batchEpoch:]))
		id := txn.Partition{Topic: t.ID, Partition: rp.Partition}
		code, err = n.txns.append(*req.TransactionID, pid, epoch, id, req.Version >= implicitProduce, func(o commitlog.AppendOptions) (err error) {
			res, err = p.AppendStart(b, o)
			return err
		})
		if code != 0 {
			sp.ErrorCode = code
			return nil, res, false
		}
	default:
		res, err = p.AppendStart(b, commitlog.AppendOptions{})
	}
	if err != nil {
		sp.ErrorCode, sp.ErrorMessage = n.logCode(err), text(err)
		return nil, res, false
	}
	sp.BaseOffset, sp.LogAppendTime, sp.LogStartOffset = res.BaseOffset, res.LogAppendTime, res.LogStartOffset
	return p, res, true
}
