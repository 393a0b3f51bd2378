package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams/internal/assignor"
	"github.com/millrace-go/millrace/streams/internal/runtime"
	"github.com/millrace-go/millrace/topology"
)

// Consumer is a thread's member of the group. Assigned partitions are paused at once, in kgo's own goroutine, so that nothing is fetched
// before their task runs; every change waits for the thread.
type Consumer struct {
	cl       *kgo.Client
	config   *Config
	balancer *assignor.Balancer
	instance string    // "" for a dynamic member
	moved    time.Time // the assignment for which a rebalance was asked for, because it left partitions to no one
	stale    bool      // the last assignment was for another topology, and a rebalance was asked for

	hangUp context.CancelFunc // ends the client's requests

	member atomic.Pointer[string] // what the group calls the owner of the partitions; nil until it has answered

	mu     sync.Mutex
	starts map[runtime.TopicPartition]int64 // of the member's partitions that had no committed offset when they were given to it
	events []runtime.Event
	wake   context.CancelFunc
	gone   chan struct{} // closed when the thread no longer answers

	raws []topology.Raw
}

// NewConsumer makes the member and lets it join.
func NewConsumer(c *Config, thread string, plan *Plan) (*Consumer, error) {
	b := &assignor.Balancer{Hash: fmt.Sprintf("%016x", plan.Topology.Hash()), Groups: plan.Groups}
	k := &Consumer{config: c, balancer: b, gone: make(chan struct{}), starts: map[runtime.TopicPartition]int64{}}
	ctx, cancel := context.WithCancel(context.Background())
	k.hangUp = cancel
	topics, pattern := plan.Subscription()
	outOfRange := kgo.NewOffset().AtStart() // where a partition goes on whose committed offset its log does not have any more
	if c.Reset == topology.ResetLatest {
		outOfRange = kgo.NewOffset().AtEnd()
	}
	opts := append(c.lasting(c.ClientID+"-StreamThread-"+thread+"-consumer"),
		kgo.WithContext(ctx),
		kgo.ConsumerGroup(c.ApplicationID),
		kgo.ConsumeResetOffset(outOfRange),
		kgo.Balancers(b),
		kgo.DisableAutoCommit(),
		kgo.FetchMaxWait(100*time.Millisecond),
		kgo.FetchMaxBytes(2<<20),
		kgo.FetchMaxPartitionBytes(512<<10),
		kgo.SessionTimeout(c.SessionTimeout),
		kgo.RebalanceTimeout(c.Rebalance),
		kgo.HeartbeatInterval(min(time.Second, c.SessionTimeout/3)),
		kgo.OnPartitionsAssigned(func(_ context.Context, cl *kgo.Client, m map[string][]int32) {
			cl.PauseFetchPartitions(m)
			if id, _ := cl.GroupMetadata(); !k.member.CompareAndSwap(nil, &id) && *k.member.Load() != id {
				k.post(runtime.Event{Kind: runtime.Lost, Partitions: flatten(m)}, true)
				return
			}
			_, moving := b.Moving()
			k.post(runtime.Event{Kind: runtime.Assigned, Partitions: flatten(m), Moving: moving}, true) // an instance may get nothing: it must know
		}),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, m map[string][]int32) {
			if len(m) > 0 {
				k.forget(m)
				k.post(runtime.Event{Kind: runtime.Revoked, Partitions: flatten(m)}, true)
			}
		}),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, m map[string][]int32) {
			k.post(runtime.Event{Kind: runtime.Lost, Partitions: flatten(m)}, true)
		}),
		kgo.OnOffsetsFetched(func(ctx context.Context, cl *kgo.Client, r *kmsg.OffsetFetchResponse) error {
			return k.fetched(ctx, cl, plan, committed(r))
		}),
		kgo.AdjustFetchOffsetsFn(func(_ context.Context, m map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
			k.begin(m)
			return m, nil
		}),
	)
	if pattern != "" {
		names := []string{pattern}
		for _, t := range topics {
			names = append(names, "^"+regexp.QuoteMeta(t)+"$")
		}
		opts = append(opts, kgo.ConsumeRegex(), kgo.ConsumeTopics(names...))
	} else {
		opts = append(opts, kgo.ConsumeTopics(topics...))
	}
	if c.ExactlyOnce {
		opts = append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	if c.Static {
		k.instance = c.ProcessID + "-" + thread
		opts = append(opts, kgo.InstanceID(k.instance))
	}
	var err error
	k.cl, err = c.open(opts)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("consumer: %w", err)
	}
	return k, nil
}

// membership is what the thread's commits are made as. A member that the group has thrown out and that joins again has another id: the client goes on with the
// partitions that it had, as if nobody else could have had them meanwhile. What was done as the former member is not committed as the new one.
func (k *Consumer) membership() (id string, generation int32, err error) {
	id, generation = k.cl.GroupMetadata()
	if owner := k.member.Load(); owner == nil || *owner != id {
		return "", 0, fmt.Errorf("the group has taken another member in this one's place: %w", kerr.UnknownMemberID)
	}
	return id, generation, nil
}

// fetched tells the thread of committed offsets and, where there are none, of where its partitions start. A rebalance may end it and come with the same partitions again:
// they keep their starts.
func (k *Consumer) fetched(ctx context.Context, cl *kgo.Client, plan *Plan, cs map[runtime.TopicPartition]runtime.Committed) error {
	if err := plan.checkStarts(k.config.Reset, cs); err != nil {
		k.post(runtime.Event{Kind: runtime.Fetched, Err: err}, false)
		return nil
	}
	k.mu.Lock()
	starts := maps.Clone(k.starts)
	k.mu.Unlock()
	if err := k.config.starts(ctx, cl, plan, cs, starts); err != nil {
		return err
	}
	k.mu.Lock()
	k.starts = starts
	k.mu.Unlock()
	for tp, c := range cs {
		if at, ok := starts[tp]; ok {
			c.Start = at
			cs[tp] = c
		}
	}
	k.post(runtime.Event{Kind: runtime.Fetched, Committed: cs}, false)
	return nil
}

// begin lets the client start where the thread was told.
func (k *Consumer) begin(m map[string]map[int32]kgo.Offset) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for t, ps := range m {
		for p, o := range ps {
			switch at, ok := k.starts[runtime.TopicPartition{Topic: t, Partition: p}]; {
			case o.EpochOffset().Offset >= 0:
			case ok:
				ps[p] = kgo.NewOffset().At(at)
			default:
				ps[p] = kgo.NewOffset().AtStart()
			}
		}
	}
}

// forget is for partitions that are no longer the member's: when they come back they have a committed offset, or start anew.
func (k *Consumer) forget(m map[string][]int32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, tp := range flatten(m) {
		delete(k.starts, tp)
	}
}

// post hands an event to the thread and wakes it out of its poll. With wait it returns when the thread is done with it, or gone.
func (k *Consumer) post(e runtime.Event, wait bool) {
	done := make(chan struct{})
	e.Done = sync.OnceFunc(func() { close(done) })
	k.mu.Lock()
	k.events = append(k.events, e)
	if k.wake != nil {
		k.wake()
	}
	k.mu.Unlock()
	if wait {
		select {
		case <-done:
		case <-k.gone:
		}
	}
}

// Events implements runtime.Consumer.
func (k *Consumer) Events() []runtime.Event {
	k.mu.Lock()
	defer k.mu.Unlock()
	es := k.events
	k.events = nil
	return es
}

// Poll implements runtime.Consumer.
func (k *Consumer) Poll(ctx context.Context, wait time.Duration, max int, push func(runtime.TopicPartition, []topology.Raw, int64)) error {
	var fs kgo.Fetches
	if wait <= 0 {
		//lint:ignore SA1012 nil asks for what is buffered, at once
		fs = k.cl.PollRecords(nil, max)
	} else {
		ctx, cancel := context.WithTimeout(ctx, wait)
		defer cancel()
		k.mu.Lock()
		if len(k.events) > 0 {
			k.mu.Unlock()
			return nil
		}
		k.wake = cancel
		k.mu.Unlock()
		fs = k.cl.PollRecords(ctx, max)
		k.mu.Lock()
		k.wake = nil
		k.mu.Unlock()
	}
	var failed error
	for i := range fs {
		for j := range fs[i].Topics {
			t := &fs[i].Topics[j]
			for l := range t.Partitions {
				p := &t.Partitions[l]
				if p.Err != nil && failed == nil && !errors.Is(p.Err, context.Canceled) && !errors.Is(p.Err, context.DeadlineExceeded) {
					failed = fetchError(t.Topic, p.Partition, p.Err)
				}
				if len(p.Records) > 0 {
					push(runtime.TopicPartition{Topic: t.Topic, Partition: p.Partition}, k.convert(t.Topic, p.Records), p.HighWatermark)
				}
			}
		}
	}
	return failed
}

// fetchError is what a poll has brought instead of records; what concerns the group as a whole comes with no topic.
func fetchError(topic string, partition int32, err error) error {
	switch {
	case errors.Is(err, kerr.InconsistentGroupProtocol):
		return fmt.Errorf("the group has members that are no instances of this application, such as Java Kafka Streams: stop them before it starts: %w", err)
	case errors.Is(err, kerr.InvalidSessionTimeout):
		return fmt.Errorf("Config.SessionTimeout is outside of what the broker allows (group.min.session.timeout.ms to group.max.session.timeout.ms): %w", err)
	case topic == "":
		return err
	}
	return fmt.Errorf("fetch %s/%d: %w", topic, partition, err)
}

func (k *Consumer) convert(topic string, rs []*kgo.Record) []topology.Raw {
	k.raws = k.raws[:0]
	for _, r := range rs {
		raw := topology.Raw{Topic: topic, Partition: r.Partition, Offset: r.Offset, Key: r.Key, Value: r.Value, Time: topology.Time(r.Timestamp.UnixMilli())}
		if len(r.Headers) > 0 {
			raw.Headers = make(serde.Headers, len(r.Headers))
			for i, h := range r.Headers {
				raw.Headers[i] = serde.Header{Key: h.Key, Value: h.Value}
			}
		}
		k.raws = append(k.raws, raw)
	}
	return k.raws
}

// Pause implements runtime.Consumer.
func (k *Consumer) Pause(ps []runtime.TopicPartition) { k.cl.PauseFetchPartitions(group(ps)) }

// Resume implements runtime.Consumer.
func (k *Consumer) Resume(ps []runtime.TopicPartition) { k.cl.ResumeFetchPartitions(group(ps)) }

// movingTime is how long a member that gives partitions up may take to join again, before others ask for a rebalance.
const movingTime = 3 * time.Second

// Rejoin implements runtime.Consumer.
func (k *Consumer) Rejoin() error {
	if since, moving := k.balancer.Moving(); moving && time.Since(since) > movingTime && since != k.moved {
		k.moved = since
		k.cl.ForceRebalance()
	}
	hash, stale := k.balancer.Stale()
	if !stale {
		return nil
	}
	if k.stale { // a rebalance did not help
		return &runtime.LocalError{Err: fmt.Errorf("the group %s runs another topology (%s) than this instance (%s): stop its other instances before this version starts, or give "+
			"this application an ApplicationID of its own", k.config.ApplicationID, hash, k.balancer.Hash)}
	}
	k.stale = true
	k.cl.ForceRebalance()
	return nil
}

// Commit implements runtime.Consumer. A rebalance that has begun is no reason to fail: the partitions are this member's until its own callback
// was answered.
func (k *Consumer) Commit(ctx context.Context, offsets []runtime.Offset) error {
	if len(offsets) == 0 {
		return nil
	}
	return k.retry(ctx, "offset commit", func() error {
		member, generation, err := k.membership()
		if err != nil {
			return err
		}
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Group, req.Generation, req.MemberID = k.config.ApplicationID, generation, member
		if k.instance != "" {
			req.InstanceID = &k.instance
		}
		for topic, os := range byTopic(offsets) {
			t := kmsg.NewOffsetCommitRequestTopic()
			t.Topic = topic
			for _, o := range os {
				p := kmsg.NewOffsetCommitRequestTopicPartition()
				p.Partition, p.Offset, p.Metadata = o.Partition, o.Offset, kmsg.StringPtr(o.Metadata.String())
				t.Partitions = append(t.Partitions, p)
			}
			req.Topics = append(req.Topics, t)
		}
		resp, err := req.RequestWith(ctx, k.cl)
		if err != nil {
			return err
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				if err := partitionError(t.Topic, p.Partition, p.ErrorCode); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// retry repeats a request of a group member while the group says that a moment later it may pass, at most for the rebalance timeout.
func (k *Consumer) retry(ctx context.Context, what string, f func() error) error {
	deadline := time.Now().Add(k.config.Rebalance)
	for {
		err := f()
		if err == nil {
			return nil
		}
		retriable := errors.Is(err, kerr.RebalanceInProgress) || errors.Is(err, kerr.IllegalGeneration) || errors.Is(err, kerr.ConcurrentTransactions) ||
			errors.Is(err, kerr.CoordinatorLoadInProgress) || errors.Is(err, kerr.CoordinatorNotAvailable) || errors.Is(err, kerr.NotCoordinator)
		if !retriable || time.Now().After(deadline) {
			return fmt.Errorf("%s: %w", what, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// TakenOver implements runtime.Consumer: a fenced producer alone does not tell, a transaction that timed out looks the same.
func (k *Consumer) TakenOver(ctx context.Context) bool {
	member, generation := k.cl.GroupMetadata()
	if k.instance == "" || member == "" {
		return false
	}
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.MemberID, req.Generation, req.InstanceID = k.config.ApplicationID, member, generation, &k.instance
	resp, err := req.RequestWith(ctx, k.cl)
	return err == nil && resp.ErrorCode == kerr.FencedInstanceID.Code
}

// Abandon says that the thread answers no event any more: Close runs callbacks and would wait for it.
func (k *Consumer) Abandon() {
	select {
	case <-k.gone:
	default:
		close(k.gone)
	}
}

// Close implements runtime.Consumer. The client is closed as Kill does, and the member taken out of the group by another one: kgo would not do so for a static
// member, and it waits for a rebalance to end in which the group may be waiting for a dead member.
func (k *Consumer) Close(ctx context.Context) error {
	member, _ := k.cl.GroupMetadata()
	k.Kill()
	if member == "" && k.instance == "" {
		return nil // a static member may have joined without having heard of it: its instance id is enough
	}
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group, req.MemberID = k.config.ApplicationID, member
	m := kmsg.NewLeaveGroupRequestMember()
	m.MemberID = member
	if k.instance != "" {
		m.InstanceID = &k.instance
	}
	req.Members = append(req.Members, m)
	cl, err := k.config.open(k.config.common(k.config.ClientID + "-leave"))
	if err != nil {
		return fmt.Errorf("leave group: %w", err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, leaveTime)
	defer cancel()
	resp, err := req.RequestWith(ctx, cl)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err == nil && len(resp.Members) > 0 {
		err = kerr.ErrorForCode(resp.Members[0].ErrorCode)
	}
	if err != nil && !errors.Is(err, kerr.UnknownMemberID) { // it had not joined, or was taken out
		return fmt.Errorf("leave group: %w", err)
	}
	return nil
}

// leaveTime is how long leaving the group may take.
const leaveTime = 2 * time.Second

// Kill closes the client without leaving the group: what a crash would look like to the others.
func (k *Consumer) Kill() {
	k.Abandon()
	k.hangUp()
	k.cl.Close()
}

func flatten(m map[string][]int32) []runtime.TopicPartition {
	var out []runtime.TopicPartition
	for t, ps := range m {
		for _, p := range ps {
			out = append(out, runtime.TopicPartition{Topic: t, Partition: p})
		}
	}
	return out
}

func group(ps []runtime.TopicPartition) map[string][]int32 {
	m := map[string][]int32{}
	for _, p := range ps {
		m[p.Topic] = append(m[p.Topic], p.Partition)
	}
	return m
}

// committed are the offsets of an answer; a partition with an error has none yet and comes again.
func committed(r *kmsg.OffsetFetchResponse) map[runtime.TopicPartition]runtime.Committed {
	out := map[runtime.TopicPartition]runtime.Committed{}
	add := func(t string, p int32, code int16, offset int64, metadata *string) {
		if code != 0 {
			return
		}
		c := runtime.Committed{Offset: max(offset, -1), Start: -1}
		if metadata != nil {
			c.Metadata = *metadata
		}
		out[runtime.TopicPartition{Topic: t, Partition: p}] = c
	}
	for _, g := range r.Groups {
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				add(t.Topic, p.Partition, p.ErrorCode, p.Offset, p.Metadata)
			}
		}
	}
	for _, t := range r.Topics {
		for _, p := range t.Partitions {
			add(t.Topic, p.Partition, p.ErrorCode, p.Offset, p.Metadata)
		}
	}
	return out
}
