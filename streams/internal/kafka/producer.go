package kafka

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/internal/version"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams/internal/runtime"
	"github.com/millrace-go/millrace/topology"
)

// Producer writes a thread's records, in transactions under exactly-once. Records, keys and values are copied into slabs of memory that are used again when their records
// are acknowledged.
type Producer struct {
	cl     *kgo.Client
	adm    *kadm.Client
	config *Config
	txnID  string // "" without transactions
	tv2    bool   // transaction version 2: TxnOffsetCommit adds the group by itself (KIP-890)
	inTxn  bool
	id     int64 // of the producer when the transaction began
	epoch  int16
	sent   bool

	topics  []sinkTopic // by Destination.Slot - 1
	byTopic map[string]int
	logs    map[runtime.TopicPartition]*changelog

	slab *slab // that the next record goes into

	mu     sync.Mutex
	free   []*slab
	failed []failure
	broken atomic.Bool // something is in failed

	// OnFailure decides about a record that the broker refused, and does what was decided; nil fails. It runs in the thread.
	OnFailure func(ctx context.Context, f *runtime.Failure) error
}

type sinkTopic struct {
	name       string
	partitions int32
	sticky     int32 // of records without a key, until some were sent
	unkeyed    int
}

type failure struct {
	r   *kgo.Record
	err error
}

const (
	batchBytes      = 1_000_000
	recordBytes     = batchBytes - 512 // the largest record: a batch has a header, a record the lengths of its parts
	bufferedRecords = 50_000
)

// NewProducer makes the producer. Under exactly-once it asks for the producer id first: that ends what a predecessor has left open, so that
// committed offsets and changelogs are stable soon.
func NewProducer(ctx context.Context, c *Config, thread string) (*Producer, error) {
	p := &Producer{config: c, byTopic: map[string]int{}, logs: map[runtime.TopicPartition]*changelog{}}
	opts := append(c.lasting(c.ClientID+"-StreamThread-"+thread+"-producer"),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(c.Linger),
		kgo.ProducerBatchMaxBytes(batchBytes),
		kgo.MaxBufferedRecords(bufferedRecords),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ConcurrentTransactionsBackoff(2*time.Millisecond),
	)
	if c.ExactlyOnce {
		p.txnID = c.ApplicationID + "-" + c.ProcessID + "-" + thread
		opts = append(opts, kgo.TransactionalID(p.txnID), kgo.TransactionTimeout(c.TxnTimeout))
	}
	var err error
	if p.cl, err = c.open(opts); err != nil {
		return nil, fmt.Errorf("producer: %w", err)
	}
	p.adm = kadm.NewClient(p.cl)
	if !c.ExactlyOnce {
		return p, nil
	}
	if _, _, err := p.cl.ProducerID(ctx); err != nil {
		p.cl.Close()
		if errors.Is(err, kerr.InvalidTransactionTimeout) {
			return nil, fmt.Errorf("Config.TransactionTimeout %v is above what the broker allows (transaction.max.timeout.ms): %w", c.TxnTimeout, err)
		}
		return nil, fmt.Errorf("producer id: %w", err)
	}
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "millrace", version.Version
	resp, err := req.RequestWith(ctx, p.cl)
	if err != nil {
		p.cl.Close()
		return nil, fmt.Errorf("api versions: %w", err)
	}
	for _, f := range resp.FinalizedFeatures {
		p.tv2 = p.tv2 || f.Name == "transaction.version" && f.MaxVersionLevel >= 2
	}
	return p, nil
}

// Transactional implements runtime.Producer.
func (p *Producer) Transactional() bool { return p.txnID != "" }

// Produced implements runtime.Producer.
func (p *Producer) Produced() bool { return p.sent }

// Send implements runtime.Collector.
func (p *Producer) Send(o *topology.Outgoing) error {
	if o.To.Slot == 0 {
		i, err := p.topic(o.To.Topic)
		if err != nil {
			return err
		}
		o.To.Slot = i + 1
	}
	if size := size(o); size > recordBytes {
		return &topology.EncodeError{Topic: o.To.Topic, Part: "record", Err: fmt.Errorf("%w: it has %d bytes, and %d is the most", kerr.MessageTooLarge, size, recordBytes)}
	}
	t := &p.topics[o.To.Slot-1]
	part := o.Partition
	switch {
	case part >= 0:
	case !o.NoKey:
		part = runtime.Partition(o.Hash, t.partitions)
	default:
		if t.unkeyed++; t.unkeyed > 1000 {
			t.unkeyed, t.sticky = 0, rand.Int32N(t.partitions)
		}
		part = t.sticky
	}
	r := p.record()
	r.Record = kgo.Record{Topic: t.name, Partition: part, Timestamp: time.UnixMilli(int64(o.Time)), Headers: headers(o.Headers)}
	r.log = nil
	if !o.NoKey {
		r.Key = r.slab.copy(o.Key)
	}
	if !o.Tombstone {
		r.Value = r.slab.copy(o.Value)
	}
	return p.produce(r)
}

// size is about that of a record in a batch.
func size(o *topology.Outgoing) int {
	n := len(o.Key) + len(o.Value)
	for _, h := range o.Headers {
		n += len(h.Key) + len(h.Value) + 10
	}
	return n
}

func (p *Producer) topic(name string) (int, error) {
	if i, ok := p.byTopic[name]; ok {
		return i, nil
	}
	if err := topology.CheckName(name); err != nil { // a broker would not say it at once, or not at all
		return 0, &topology.NameError{Err: err}
	}
	n, err := p.count(name)
	if err != nil {
		return 0, err
	}
	p.topics = append(p.topics, sinkTopic{name: name, partitions: n, sticky: rand.Int32N(n)})
	p.byTopic[name] = len(p.topics) - 1
	return len(p.topics) - 1, nil
}

// topicTime is how long a topic may take to be known after it was made.
const topicTime = 2 * time.Second

// count asks the cluster for the number of partitions of a topic.
func (p *Producer) count(name string) (int32, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		m, err := p.adm.Metadata(ctx, name)
		if err != nil {
			return 0, fmt.Errorf("metadata of topic %s: %w", name, err)
		}
		t := m.Topics[name]
		switch {
		case t.Err == nil:
			return int32(len(t.Partitions)), nil
		case !errors.Is(t.Err, kerr.UnknownTopicOrPartition) && !errors.Is(t.Err, kerr.LeaderNotAvailable):
			return 0, fmt.Errorf("output topic %q: %w", name, t.Err)
		case time.Since(began) > topicTime:
			return 0, &runtime.LocalError{Err: fmt.Errorf("output topic %q does not exist: create it (its number of partitions is yours to choose)", name)}
		}
	}
}

// Partitions implements runtime.Collector.
func (p *Producer) Partitions(topic string) (int32, error) {
	i, err := p.topic(topic)
	if err != nil {
		return 0, err
	}
	return p.topics[i].partitions, nil
}

// changelog is one partition of a changelog topic.
type changelog struct {
	p    *Producer
	tp   runtime.TopicPartition
	next atomic.Int64 // behind the last acknowledged record; 0: none since Forget
}

// Changelog implements runtime.Collector.
func (p *Producer) Changelog(topic string, partition int32) (state.Changelog, error) {
	tp := runtime.TopicPartition{Topic: topic, Partition: partition}
	c := p.logs[tp]
	if c == nil {
		c = &changelog{p: p, tp: tp}
		p.logs[tp] = c
	}
	return c, nil
}

// Log implements state.Changelog.
func (c *changelog) Log(l state.LogRecord) error {
	r := c.p.record()
	r.Record = kgo.Record{Topic: c.tp.Topic, Partition: c.tp.Partition, Key: r.slab.copy(l.Key), Headers: headers(l.Headers)}
	r.log = c
	if !l.NoTime {
		r.Timestamp = time.UnixMilli(int64(l.Time))
	}
	if !l.Tombstone {
		r.Value = r.slab.copy(l.Value)
	}
	return c.p.produce(r)
}

// Next implements runtime.Producer.
func (p *Producer) Next(tp runtime.TopicPartition) (int64, bool) {
	c := p.logs[tp]
	if c == nil {
		return 0, false
	}
	n := c.next.Load()
	return n, n > 0
}

// Forget implements runtime.Producer.
func (p *Producer) Forget() {
	for _, c := range p.logs {
		c.next.Store(0)
	}
}

func headers(hs topology.Headers) []kgo.RecordHeader {
	if len(hs) == 0 {
		return nil
	}
	out := make([]kgo.RecordHeader, len(hs))
	for i, h := range hs {
		out[i].Key = h.Key
		if h.Value != nil {
			out[i].Value = append([]byte{}, h.Value...)
		}
	}
	return out
}

func (p *Producer) produce(r *sending) error {
	if p.broken.Load() {
		if err := p.lost(); err != nil {
			return err
		}
	}
	if p.txnID != "" && !p.inTxn {
		if err := p.cl.BeginTransaction(); err != nil {
			return fmt.Errorf("begin transaction: %w", err)
		}
		p.inTxn = true
		var err error
		if p.id, p.epoch, err = p.cl.ProducerID(context.Background()); err != nil {
			return fmt.Errorf("producer id: %w", err)
		}
	}
	p.sent = true
	p.cl.Produce(context.Background(), &r.Record, r.promise)
	return nil
}

// failing keeps a failure for the thread.
func (p *Producer) failing(f failure) {
	p.mu.Lock()
	p.failed = append(p.failed, f)
	p.mu.Unlock()
	p.broken.Store(true)
}

// refused says that the broker has refused the record itself. After any other error a part of the records may be missing.
func (f failure) refused() bool {
	return errors.Is(f.err, kerr.MessageTooLarge) || errors.Is(f.err, kerr.InvalidTimestamp) || errors.Is(f.err, kerr.InvalidRecord)
}

// lost is the first error that no handler is asked about.
func (p *Producer) lost() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.failed {
		if !f.refused() {
			return p.failure(f)
		}
	}
	return nil
}

func (p *Producer) failure(f failure) error {
	hint := ""
	switch {
	case errors.Is(f.err, kerr.MessageTooLarge):
		hint = fmt.Sprintf(": a record of %d bytes in a batch of at most %d: raise max.message.bytes of the topic, or write less", len(f.r.Key)+len(f.r.Value), batchBytes)
	case errors.Is(f.err, kerr.UnknownTopicOrPartition):
		hint = ": was the topic deleted?"
	}
	return fmt.Errorf("produce to %s/%d: %w%s", f.r.Topic, f.r.Partition, f.err, hint)
}

// decide asks about the records that were refused, all of them: it is called when every record has its answer. A broker refuses batches: where more than one record
// of a partition was refused it may be any one's fault, and none is dropped.
func (p *Producer) decide(ctx context.Context) error {
	p.mu.Lock()
	fs := p.failed
	p.failed = nil
	p.broken.Store(false)
	p.mu.Unlock()
	batches := map[runtime.TopicPartition]int{}
	for _, f := range fs {
		batches[runtime.TopicPartition{Topic: f.r.Topic, Partition: f.r.Partition}]++
	}
	for _, f := range fs {
		err := p.failure(f)
		tp := runtime.TopicPartition{Topic: f.r.Topic, Partition: f.r.Partition}
		if _, log := p.logs[tp]; !f.refused() || log || p.OnFailure == nil {
			return err
		}
		if n := batches[tp]; n > 1 {
			return fmt.Errorf("%w (with %d other records that went to the partition with it: none is dropped)", err, n-1)
		}
		fail := &runtime.Failure{Err: err, Node: "sink of " + f.r.Topic, Record: topology.RecordMetadata{Topic: f.r.Topic, Partition: f.r.Partition, Offset: -1}, Key: f.r.Key,
			Value: f.r.Value, Time: topology.Time(f.r.Timestamp.UnixMilli())}
		if err := p.OnFailure(ctx, fail); err != nil {
			return err
		}
	}
	return nil
}

// Flush implements runtime.Producer.
func (p *Producer) Flush(ctx context.Context) error {
	if err := p.cl.Flush(ctx); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	for p.broken.Load() {
		if err := p.decide(ctx); err != nil {
			return err
		}
		if err := p.cl.Flush(ctx); err != nil { // the dead letters
			return fmt.Errorf("flush: %w", err)
		}
	}
	return nil
}

// Commit implements runtime.Producer. A transaction that produced nothing must not exist for kgo: it sends no EndTxn then, and the offsets would hang
// in the air; the thread commits them plainly instead.
func (p *Producer) Commit(ctx context.Context, offsets []runtime.Offset, c runtime.Consumer) error {
	p.sent = false
	if !p.inTxn {
		return nil
	}
	// Where records were deleted behind what it wrote last, kgo takes a transaction that has timed out for a broker's lapse of memory: it asks for another epoch and writes
	// on, in another transaction, while what was written before is aborted.
	switch id, epoch, err := p.cl.ProducerID(ctx); {
	case err != nil:
		return fmt.Errorf("producer id: %w", err)
	case id != p.id || epoch != p.epoch:
		return fmt.Errorf("the transaction has ended before its commit: %w", kerr.InvalidProducerEpoch)
	}
	if err := p.commitOffsets(ctx, offsets, c.(*Consumer)); err != nil {
		return err
	}
	if err := p.cl.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("end transaction: %w", err)
	}
	p.inTxn = false
	return nil
}

// commitOffsets puts the offsets into the transaction. Whatever it answers but nil, the transaction must not be committed.
func (p *Producer) commitOffsets(ctx context.Context, offsets []runtime.Offset, c *Consumer) error {
	if len(offsets) == 0 {
		return nil
	}
	id, epoch := p.id, p.epoch
	if !p.tv2 {
		err := c.retry(ctx, "add offsets to transaction", func() error {
			add := kmsg.NewPtrAddOffsetsToTxnRequest()
			add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = p.txnID, id, epoch, p.config.ApplicationID
			resp, err := add.RequestWith(ctx, p.cl)
			if err != nil {
				return err
			}
			return kerr.ErrorForCode(resp.ErrorCode)
		})
		if err != nil {
			return err
		}
	}
	return c.retry(ctx, "transactional offset commit", func() error {
		member, generation, err := c.membership()
		if err != nil {
			return err
		}
		req := kmsg.NewPtrTxnOffsetCommitRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch = p.txnID, id, epoch
		req.Group, req.Generation, req.MemberID = p.config.ApplicationID, generation, member
		if c.instance != "" {
			req.InstanceID = &c.instance
		}
		for topic, os := range byTopic(offsets) {
			t := kmsg.NewTxnOffsetCommitRequestTopic()
			t.Topic = topic
			for _, o := range os {
				p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
				p.Partition, p.Offset, p.Metadata = o.Partition, o.Offset, kmsg.StringPtr(o.Metadata.String())
				t.Partitions = append(t.Partitions, p)
			}
			req.Topics = append(req.Topics, t)
		}
		resp, err := req.RequestWith(ctx, p.cl)
		if err != nil {
			return err
		}
		for _, t := range resp.Topics {
			for _, x := range t.Partitions {
				if err := partitionError(t.Topic, x.Partition, x.ErrorCode); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// Full implements runtime.Producer.
func (p *Producer) Full() bool { return p.cl.BufferedProduceRecords() >= bufferedRecords }

// Abort implements runtime.Producer.
func (p *Producer) Abort(ctx context.Context) {
	if !p.inTxn || p.cl.AbortBufferedRecords(ctx) != nil {
		return
	}
	if err := p.cl.EndTransaction(ctx, kgo.TryAbort); err != nil {
		p.config.Logger.Debug("the transaction is left to its timeout or to the next producer", "transactional_id", p.txnID, "error", err)
	}
}

// Close implements runtime.Producer.
func (p *Producer) Close() {
	p.cl.UnsafeAbortBufferedRecords()
	p.cl.Close()
}
