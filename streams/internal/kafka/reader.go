package kafka

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams/internal/runtime"
	"github.com/millrace-go/millrace/topology"
)

// Reader reads changelogs by raw fetches: only they tell the position behind aborted records, markers and gaps, and the last stable offset.
// Silence is never taken for the end of a changelog.
type Reader struct {
	cl  *kgo.Client
	adm *kadm.Client

	mu      sync.Mutex // a thread asks for several silent partitions at a time
	leaders map[runtime.TopicPartition]int32
	ids     map[string][16]byte
}

// NewReader makes a thread's reader.
func NewReader(c *Config, thread string) (*Reader, error) {
	cl, err := c.open(c.lasting(c.ClientID + "-StreamThread-" + thread + "-restore-consumer"))
	if err != nil {
		return nil, fmt.Errorf("reader: %w", err)
	}
	return &Reader{cl: cl, adm: kadm.NewClient(cl), leaders: map[runtime.TopicPartition]int32{}, ids: map[string][16]byte{}}, nil
}

// Close implements runtime.Reader.
func (r *Reader) Close() { r.cl.Close() }

// Ends implements runtime.Reader.
func (r *Reader) Ends(ctx context.Context, ps []runtime.TopicPartition) (map[runtime.TopicPartition]runtime.Ends, error) {
	topics := make([]string, 0, len(ps))
	for t := range group(ps) {
		topics = append(topics, t)
	}
	ids, err := r.learn(ctx, topics)
	if err != nil {
		return nil, err
	}
	starts, err := r.adm.ListStartOffsets(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("start offsets: %w", err)
	}
	ends, err := r.adm.ListEndOffsets(ctx, topics...) // isolation level: read uncommitted
	if err != nil {
		return nil, fmt.Errorf("end offsets: %w", err)
	}
	out := map[runtime.TopicPartition]runtime.Ends{}
	for _, p := range ps {
		s, ok := starts.Lookup(p.Topic, p.Partition)
		e, ok2 := ends.Lookup(p.Topic, p.Partition)
		switch {
		case !ok || !ok2:
			return nil, fmt.Errorf("topic %s has no partition %d", p.Topic, p.Partition)
		case s.Err != nil:
			return nil, fmt.Errorf("start offset of %s/%d: %w", p.Topic, p.Partition, s.Err)
		case e.Err != nil:
			return nil, fmt.Errorf("end offset of %s/%d: %w", p.Topic, p.Partition, e.Err)
		}
		out[p] = runtime.Ends{Start: s.Offset, High: e.Offset, TopicID: ids[p.Topic]}
	}
	return out, nil
}

// learn asks for leaders and ids, and returns the ids by topic.
func (r *Reader) learn(ctx context.Context, topics []string) (map[string][16]byte, error) {
	m, err := r.adm.Metadata(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	ids := map[string][16]byte{}
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, t := range m.Topics {
		if t.Err != nil {
			return nil, fmt.Errorf("topic %s: %w", name, t.Err)
		}
		ids[name], r.ids[name] = t.ID, t.ID
		for n, p := range t.Partitions {
			r.leaders[runtime.TopicPartition{Topic: name, Partition: n}] = p.Leader
		}
	}
	return ids, nil
}

// Purge implements runtime.Reader.
func (r *Reader) Purge(ctx context.Context, below map[runtime.TopicPartition]int64) error {
	offsets := kadm.Offsets{}
	for tp, at := range below {
		offsets.Add(kadm.Offset{Topic: tp.Topic, Partition: tp.Partition, At: at, LeaderEpoch: -1})
	}
	rs, err := r.adm.DeleteRecords(ctx, offsets)
	if err == nil {
		err = rs.Error()
	}
	if err != nil {
		return fmt.Errorf("delete processed records: %w", err)
	}
	return nil
}

// DeleteRetention implements runtime.Reader.
func (r *Reader) DeleteRetention(ctx context.Context, topic string) (int64, error) {
	cs, err := r.adm.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return 0, fmt.Errorf("configuration of %s: %w", topic, err)
	}
	c, err := cs.On(topic, nil)
	if err == nil {
		err = c.Err
	}
	if err != nil {
		return 0, fmt.Errorf("configuration of %s: %w", topic, err)
	}
	compacted, retention := false, int64(-1)
	for _, kv := range c.Configs {
		switch kv.Key {
		case "cleanup.policy":
			compacted = strings.Contains(kv.MaybeValue(), "compact")
		case "delete.retention.ms":
			if retention, err = strconv.ParseInt(kv.MaybeValue(), 10, 64); err != nil {
				return 0, fmt.Errorf("delete.retention.ms of %s: %w", topic, err)
			}
		}
	}
	if !compacted {
		return -1, nil
	}
	return retention, nil
}

// Fetch implements runtime.Reader.
func (r *Reader) Fetch(ctx context.Context, from map[runtime.TopicPartition]int64, l runtime.FetchLimits) <-chan runtime.ReadBatch {
	out := make(chan runtime.ReadBatch, 1)
	go func() { out <- r.fetch(ctx, from, l) }()
	return out
}

// fetch asks once, and once more for each partition whose answer was empty although it has committed offsets ahead: an answer has a bound of bytes, and a broker
// leaves the partitions empty for which there was no room. Only the answer to a partition's own question tells that compaction has left nothing there.
func (r *Reader) fetch(ctx context.Context, from map[runtime.TopicPartition]int64, l runtime.FetchLimits) runtime.ReadBatch {
	b := r.fetchOnce(ctx, from, l)
	if b.Err != nil {
		return b
	}
	for i := range b.Partitions {
		p := &b.Partitions[i]
		if !p.Empty || p.Stable <= p.Next {
			continue
		}
		if len(from) > 1 {
			alone := r.fetchOnce(ctx, map[runtime.TopicPartition]int64{p.TopicPartition: p.Next}, l)
			if alone.Err != nil {
				return alone
			}
			if len(alone.Partitions) == 0 {
				continue
			}
			*p = alone.Partitions[0]
		}
		if p.Empty {
			p.Next = max(p.Next, p.Stable)
		}
	}
	return b
}

func (r *Reader) fetchOnce(ctx context.Context, from map[runtime.TopicPartition]int64, l runtime.FetchLimits) (b runtime.ReadBatch) {
	reqs := map[int32]*kmsg.FetchRequest{}
	names := map[[16]byte]string{}
	r.mu.Lock()
	for tp, offset := range from {
		leader := r.leaders[tp]
		req := reqs[leader]
		if req == nil {
			req = kmsg.NewPtrFetchRequest()
			req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.IsolationLevel, req.SessionEpoch = int32(l.Wait.Milliseconds()), 1, 16<<20, 1, -1
			reqs[leader] = req
		}
		names[r.ids[tp.Topic]] = tp.Topic
		addPartition(req, tp, r.ids[tp.Topic], offset, l.Partition)
	}
	r.mu.Unlock()
	for leader, req := range reqs {
		kresp, err := r.cl.Broker(int(leader)).RetriableRequest(ctx, req)
		if err == nil {
			err = kerr.ErrorForCode(kresp.(*kmsg.FetchResponse).ErrorCode)
		}
		if err != nil {
			b.Err = fmt.Errorf("read changelogs from broker %d: %w", leader, err)
			return b
		}
		resp := kresp.(*kmsg.FetchResponse)
		for i := range resp.Topics {
			t := &resp.Topics[i]
			name := t.Topic
			if name == "" {
				name = names[t.TopicID]
			}
			for j := range t.Partitions {
				p, err := r.read(runtime.TopicPartition{Topic: name, Partition: t.Partitions[j].Partition}, from, &t.Partitions[j])
				if err != nil {
					b.Err = err
					return b
				}
				b.Partitions = append(b.Partitions, p)
			}
		}
	}
	return b
}

func addPartition(req *kmsg.FetchRequest, tp runtime.TopicPartition, id [16]byte, offset int64, limit int32) {
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = tp.Partition, offset, limit
	for i := range req.Topics {
		if req.Topics[i].Topic == tp.Topic {
			req.Topics[i].Partitions = append(req.Topics[i].Partitions, p)
			return
		}
	}
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID, t.Partitions = tp.Topic, id, []kmsg.FetchRequestTopicPartition{p}
	req.Topics = append(req.Topics, t)
}

// read decodes one partition's part of an answer: committed records only.
func (r *Reader) read(tp runtime.TopicPartition, from map[runtime.TopicPartition]int64, rp *kmsg.FetchResponseTopicPartition) (p runtime.ReadPartition, err error) {
	if err := kerr.ErrorForCode(rp.ErrorCode); err != nil {
		return p, fmt.Errorf("read changelog %s/%d at %d: %w", tp.Topic, tp.Partition, from[tp], err)
	}
	fp, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		Offset: from[tp], IsolationLevel: kgo.ReadCommitted(), Topic: tp.Topic, Partition: tp.Partition,
	}, rp, kgo.DefaultDecompressor(), nil)
	if fp.Err != nil {
		return p, fmt.Errorf("read changelog %s/%d at %d: %w", tp.Topic, tp.Partition, from[tp], fp.Err)
	}
	p = runtime.ReadPartition{TopicPartition: tp, Next: max(next, from[tp]), Stable: fp.LastStableOffset, Empty: len(rp.RecordBatches) == 0, Records: make([]state.Restored, len(fp.Records))}
	for i, rec := range fp.Records {
		p.Records[i] = state.Restored{Key: rec.Key, Value: rec.Value, Offset: rec.Offset, Time: topology.Time(rec.Timestamp.UnixMilli())}
		for _, h := range rec.Headers {
			p.Records[i].Headers = append(p.Records[i].Headers, serde.Header{Key: h.Key, Value: h.Value})
		}
	}
	return p, nil
}
