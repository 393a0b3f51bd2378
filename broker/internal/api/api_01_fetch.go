package api

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/commitlog"
	"github.com/millrace-go/millrace/broker/internal/quota"
	"github.com/millrace-go/millrace/broker/internal/wire"
)

// maxFetchWait bounds a long poll, so that a client cannot hold on to its place for ever.
const maxFetchWait = 5 * time.Minute

func fetch(n *Node, r *wire.Request, req *kmsg.FetchRequest) (kmsg.Response, error) {
	f := newFetcher(n, r, req)
	if f.resp.ErrorCode != 0 {
		return f.resp, nil
	}
	f.read()
	var who client
	limited := n.quotas.Limited()
	if limited {
		who = n.client(r)
	}
	answer := func() kmsg.Response {
		if limited {
			f.resp.ThrottleMillis = n.throttle(r.Conn, who, quota.ConsumerBytes, f.bytes)
		}
		return f
	}
	if f.ready() {
		return answer(), nil
	}
	f.Release()
	deadline := time.Now().Add(min(time.Duration(req.MaxWaitMillis)*time.Millisecond, maxFetchWait))
	r.Later(func(ctx context.Context) kmsg.Response {
		f.poll(ctx, deadline)
		return answer()
	})
	return nil, nil
}

// fetcher is one fetch request on its way. It is its own response, so that it can give back its buffers when it has
// been written.
type fetcher struct {
	*kmsg.FetchResponse

	n    *Node
	req  *kmsg.FetchRequest
	resp *kmsg.FetchResponse
	iso  commitlog.Isolation

	parts  []fetchPart
	failed bool // some partition has an error, which the client should hear about now
	behind bool // some partition has more in its next segment, which the client gets when it asks again
	bytes  int
	// enough is how many bytes the answer waits for.
	enough  int
	held    int64
	buffers []*[]byte
	// files: the connection takes records from their files. spans are those, in the order of the answer.
	files bool
	spans []fetchSpan
}

// fetchSpan is the records of a partition, in their file.
type fetchSpan struct {
	commitlog.Span
	p    *commitlog.Partition
	resp *kmsg.FetchResponseTopicPartition
}

// fetchPart is one partition that can be read.
type fetchPart struct {
	p    *commitlog.Partition
	req  *kmsg.FetchRequestTopicPartition
	resp *kmsg.FetchResponseTopicPartition
}

func newFetcher(n *Node, r *wire.Request, req *kmsg.FetchRequest) *fetcher {
	resp := kmsg.NewPtrFetchResponse()
	f := &fetcher{FetchResponse: resp, n: n, req: req, resp: resp, files: r.Conn.SendsFiles()}
	if req.IsolationLevel == 1 {
		f.iso = commitlog.ReadCommitted
	}
	switch {
	case req.ReplicaID >= 0 || req.ReplicaState.ID >= 0:
		// A replica could read past the high watermark; there are none (CVE-2018-1288).
		resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code
		return f
	case req.SessionEpoch > 0 || req.SessionID != 0 && req.SessionEpoch == 0:
		// There are no fetch sessions: every answer has session id 0, which tells the client to send full requests.
		resp.ErrorCode = kerr.FetchSessionIDNotFound.Code
		return f
	}
	f.enough = min(int(req.MinBytes), int(req.MaxBytes), n.cfg.FetchBytes)
	total := 0
	for i := range req.Topics {
		total += len(req.Topics[i].Partitions)
	}
	f.parts = make([]fetchPart, 0, total)
	resp.Topics = make([]kmsg.FetchResponseTopic, len(req.Topics))
	for i := range req.Topics {
		rt, st := &req.Topics[i], &resp.Topics[i]
		st.Topic, st.TopicID = rt.Topic, rt.TopicID
		st.Partitions = make([]kmsg.FetchResponseTopicPartition, len(rt.Partitions))
		t, code := n.topic(rt.Topic, rt.TopicID)
		if code == 0 && !n.may(r, kmsg.ACLOperationRead, kmsg.ACLResourceTypeTopic, t.Name) {
			code = kerr.TopicAuthorizationFailed.Code
		}
		for j := range rt.Partitions {
			rp, sp := &rt.Partitions[j], &st.Partitions[j]
			resetFetch(sp, rp.Partition)
			if code != 0 {
				f.fail(sp, code)
				continue
			}
			p, code := n.partition(t, rp.Partition)
			if code == 0 {
				code = checkEpoch(p, rp.CurrentLeaderEpoch)
			}
			if code != 0 {
				f.fail(sp, code)
				continue
			}
			f.parts = append(f.parts, fetchPart{p, rp, sp})
		}
	}
	return f
}

func resetFetch(sp *kmsg.FetchResponseTopicPartition, partition int32) {
	sp.Default()
	sp.Partition = partition
	sp.HighWatermark, sp.LastStableOffset, sp.LogStartOffset, sp.PreferredReadReplica = -1, -1, -1, -1
	sp.RecordBatches = []byte{} // librdkafka wants empty, not null
}

func (f *fetcher) fail(sp *kmsg.FetchResponseTopicPartition, code int16) {
	sp.ErrorCode = code
	f.failed = true
}

// ready reports whether the answer need not wait for more.
func (f *fetcher) ready() bool {
	return f.failed || f.behind || f.bytes >= f.enough || f.req.MaxWaitMillis <= 0 || len(f.parts) == 0
}

// poll waits until the answer is ready or its time is up. It holds no records while it waits.
func (f *fetcher) poll(ctx context.Context, deadline time.Time) {
	w := commitlog.NewWaiter()
	for _, p := range f.parts {
		p.p.Watch(w)
		defer p.p.Unwatch(w)
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	for late := false; ; {
		f.read()
		if late || f.ready() {
			return
		}
		f.Release()
		select {
		case <-w.C():
		case <-timer.C:
			late = true
		case <-ctx.Done():
			return
		}
	}
}

// read reads every partition anew, in the order of the request. The first batch is returned whatever its size; after
// that the limits hold (KIP-74).
func (f *fetcher) read() {
	f.bytes, f.behind = 0, false
	left := min(int64(f.req.MaxBytes), int64(f.n.cfg.FetchBytes), f.n.cfg.FetchMemory-f.n.fetching.Load())
	spanFrom := 0
	if f.files {
		spanFrom = smallSpan
	}
	for _, p := range f.parts {
		resetFetch(p.resp, p.req.Partition)
		if diverged(p, p.resp) {
			f.failed = true
			continue
		}
		buf := fetchBuffers.Get().(*[]byte)
		res, err := p.p.Read(commitlog.ReadRequest{
			Offset:      p.req.FetchOffset,
			MaxBytes:    int(max(0, min(left, int64(p.req.PartitionMaxBytes)))),
			MinOneBatch: f.bytes == 0,
			Isolation:   f.iso,
			Buffer:      *buf,
			SpanFrom:    spanFrom,
		})
		if cap(res.Buffer) > 0 {
			*buf = res.Buffer
		}
		if len(res.Records) > 0 {
			f.buffers = append(f.buffers, buf)
		} else {
			fetchBuffers.Put(buf)
		}
		if err != nil {
			f.fail(p.resp, f.n.logCode(err))
		}
		if err != nil && commitlog.KindOf(err) != commitlog.KindOffsetOutOfRange {
			continue
		}
		p.resp.HighWatermark, p.resp.LastStableOffset, p.resp.LogStartOffset = res.HighWatermark, res.LastStableOffset, res.LogStartOffset
		if err != nil {
			continue
		}
		if len(res.Records) > 0 {
			p.resp.RecordBatches = res.Records
		}
		if f.iso == commitlog.ReadCommitted {
			p.resp.AbortedTransactions = []kmsg.FetchResponseTopicPartitionAbortedTransaction{}
			for _, a := range res.Aborted {
				p.resp.AbortedTransactions = append(p.resp.AbortedTransactions, kmsg.FetchResponseTopicPartitionAbortedTransaction{ProducerID: a.ProducerID, FirstOffset: a.FirstOffset})
			}
		}
		if res.Span.Len > 0 {
			f.spans = append(f.spans, fetchSpan{res.Span, p.p, p.resp})
		}
		f.bytes += res.Size()
		f.behind = f.behind || res.Behind
		left -= int64(res.Size())
		f.hold(int64(len(res.Records)))
	}
}

// smallSpan is how many bytes of records are read although the connection would take them from the file: below, two
// reads of headers and a call of its own cost more than to copy them.
const smallSpan = 64 << 10

// diverged answers a client that tells which epoch it read last (KIP-595): if the log ended earlier in that epoch, the
// client has records that the log has lost.
func diverged(p fetchPart, sp *kmsg.FetchResponseTopicPartition) bool {
	if p.req.LastFetchedEpoch < 0 {
		return false
	}
	epoch, end, ok := p.p.EndOffsetForEpoch(p.req.LastFetchedEpoch)
	if !ok || epoch == p.req.LastFetchedEpoch && end >= p.req.FetchOffset {
		return false
	}
	sp.DivergingEpoch.Epoch, sp.DivergingEpoch.EndOffset = epoch, end
	return true
}

// fetchBuffers holds the memory that records are read into.
var fetchBuffers = sync.Pool{New: func() any { return new([]byte) }}

// maxPooledFetch is the largest buffer that is kept.
const maxPooledFetch = 8 << 20

// SizeHint is part of wire.Sized.
func (f *fetcher) SizeHint() int { return f.bytes + 256 + 128*(len(f.parts)+len(f.resp.Topics)) }

// hold counts bytes among those of all responses, until Release.
func (f *fetcher) hold(n int64) {
	f.held += n
	f.n.fetching.Add(n)
}

// FileFailed is part of wire.Pieced. The file is read from now on, so that the client, which asks again, gets an answer that
// says what is wrong, and what is not gets through.
func (f *fetcher) FileFailed(piece wire.Piece, err error) {
	for _, s := range f.spans {
		if s.Fd() != piece.Fd || piece.Pos < s.Pos || piece.Pos > s.Pos+s.Len {
			continue
		}
		s.Distrust()
		name, id := "", s.p.ID()
		if t := f.n.topics.Snapshot().ByID(id.Topic); t != nil {
			name = t.Name
		}
		f.n.log.Error("records cannot be sent from their file", "topic", name, "partition", id.Partition, "directory", id.String(),
			"file", s.File(), "position", piece.Pos, "err", err)
	}
}

// Release gives buffers and files back. The records must not be used any more.
func (f *fetcher) Release() {
	f.hold(-f.held)
	for _, b := range f.buffers {
		if cap(*b) <= maxPooledFetch {
			fetchBuffers.Put(b)
		}
	}
	f.buffers = f.buffers[:0]
	for _, s := range f.spans {
		if err := s.Span.Release(); err != nil {
			f.n.log.Warn("segment file not closed", "err", err)
		}
	}
	f.spans = f.spans[:0]
}
