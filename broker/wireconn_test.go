package broker_test

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker"
)

// wireConn is a connection that sends exactly what a test says.
type wireConn struct {
	t    *testing.T
	conn net.Conn
	next int32
}

func dialWire(t *testing.T, b *broker.Broker) *wireConn {
	t.Helper()
	c, err := b.Dialer()(t.Context(), "", "")
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() }) // it may be closed already
	return &wireConn{t: t, conn: c}
}

// send writes a request and does not wait for the answer.
func (r *wireConn) send(req kmsg.Request) {
	r.t.Helper()
	r.next++
	_, err := r.conn.Write(kmsg.NewRequestFormatter().AppendRequest(nil, req, r.next))
	require.NoError(r.t, err)
}

// receive reads the answer to a request; ok is false if the connection is closed instead.
func (r *wireConn) receive(req kmsg.Request) (kmsg.Response, bool) {
	r.t.Helper()
	if err := r.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, false
	}
	var head [8]byte
	if _, err := io.ReadFull(r.conn, head[:]); err != nil {
		require.NotErrorIs(r.t, err, os.ErrDeadlineExceeded, "no answer to %s", kmsg.NameForKey(req.Key()))
		return nil, false
	}
	body := make([]byte, int(binary.BigEndian.Uint32(head[:4]))-4)
	_, err := io.ReadFull(r.conn, body)
	require.NoError(r.t, err)
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	if resp.IsFlexible() && resp.Key() != int16(kmsg.ApiVersions) {
		body = body[1:]
	}
	require.NoError(r.t, resp.ReadFrom(body))
	return resp, true
}

// do sends a request of the given version and returns the answer.
func do[R kmsg.Response](r *wireConn, version int16, req kmsg.Request) R {
	r.t.Helper()
	req.SetVersion(version)
	r.send(req)
	resp, ok := r.receive(req)
	require.True(r.t, ok, "the connection was closed")
	return resp.(R)
}

// batch describes a record batch to be sent.
type batch struct {
	idempotent bool // has producer, epoch and sequence
	txn        bool // is idempotent too
	producer   int64
	epoch      int16
	sequence   int32
	control    bool
	timestamp  int64
	keys       []string // of the records; nil for records without a key
	values     []string
	change     func(b []byte) // damages the batch after its checksum was made
}

// bytes encodes the batch.
func (b batch) bytes() []byte {
	var records []byte
	for i, v := range b.values {
		rec := []byte{0}
		rec = kbin.AppendVarlong(rec, 0)
		rec = kbin.AppendVarint(rec, int32(i))
		if b.keys == nil {
			rec = kbin.AppendVarint(rec, -1)
		} else {
			rec = kbin.AppendVarintBytes(rec, []byte(b.keys[i]))
		}
		rec = kbin.AppendVarintBytes(rec, []byte(v))
		rec = kbin.AppendVarint(rec, 0)
		records = append(kbin.AppendVarint(records, int32(len(rec))), rec...)
	}
	attrs := int16(0)
	if b.txn {
		attrs |= 0x10
	}
	if b.control {
		attrs |= 0x20
	}
	if !b.idempotent && !b.txn {
		b.producer, b.epoch, b.sequence = -1, -1, -1
	}
	if b.timestamp == 0 {
		b.timestamp = time.Now().UnixMilli()
	}
	rb := kmsg.RecordBatch{
		Length: int32(49 + len(records)), Magic: 2, Attributes: attrs, LastOffsetDelta: int32(len(b.values) - 1),
		FirstTimestamp: b.timestamp, MaxTimestamp: b.timestamp, ProducerID: b.producer, ProducerEpoch: b.epoch,
		FirstSequence: b.sequence, NumRecords: int32(len(b.values)), Records: records,
	}
	out := rb.AppendTo(nil)
	binary.BigEndian.PutUint32(out[17:], crc(out[21:]))
	if b.change != nil {
		b.change(out)
	}
	return out
}

// produce sends one batch to a partition and returns its part of the answer.
func (r *wireConn) produce(version int16, txnID *string, topic string, partition int32, b []byte) kmsg.ProduceResponseTopicPartition {
	r.t.Helper()
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TransactionID = -1, txnID
	req.Topics = []kmsg.ProduceRequestTopic{{Topic: topic, Partitions: []kmsg.ProduceRequestTopicPartition{{Partition: partition, Records: b}}}}
	return do[*kmsg.ProduceResponse](r, version, req).Topics[0].Partitions[0]
}

// fetch reads one partition and returns its part of the answer.
func (r *wireConn) fetch(topic string, partition int32, offset int64, change func(*kmsg.FetchRequest)) kmsg.FetchResponseTopicPartition {
	r.t.Helper()
	req := fetchRequest(topic, partition, offset)
	if change != nil {
		change(req)
	}
	resp := do[*kmsg.FetchResponse](r, 12, req)
	require.Zero(r.t, resp.ErrorCode)
	return resp.Topics[0].Partitions[0]
}

func fetchRequest(topic string, partition int32, offset int64) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes, req.MinBytes = 1<<20, 1
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes, p.CurrentLeaderEpoch = partition, offset, 1<<20, -1
	req.Topics = []kmsg.FetchRequestTopic{{Topic: topic, Partitions: []kmsg.FetchRequestTopicPartition{p}}}
	return req
}

// baseOffsets are the first offsets of the batches in fetched records.
func baseOffsets(b []byte) []int64 {
	out := []int64{}
	for len(b) >= 12 {
		out = append(out, int64(binary.BigEndian.Uint64(b)))
		b = b[12+binary.BigEndian.Uint32(b[8:]):]
	}
	return out
}

// initProducer gets a producer id, for a transactional id or, if that is empty, without.
func (r *wireConn) initProducer(id string) (int64, int16) {
	r.t.Helper()
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionTimeoutMillis = 60_000
	if id != "" {
		req.TransactionalID = &id
	}
	resp := do[*kmsg.InitProducerIDResponse](r, 4, req)
	require.Zero(r.t, resp.ErrorCode)
	return resp.ProducerID, resp.ProducerEpoch
}

// endTxn ends a transaction under transaction version 2.
func (r *wireConn) endTxn(id string, pid int64, epoch int16, commit bool) *kmsg.EndTxnResponse {
	r.t.Helper()
	req := kmsg.NewPtrEndTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = id, pid, epoch, commit
	return do[*kmsg.EndTxnResponse](r, 5, req)
}

func crc(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }
