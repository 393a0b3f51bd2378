package broker_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace-go/millrace/broker"
)

// groupLoad produces records for as long as members of a group come, go and are killed, and checks that the group
// reads every one of them, from its commits on.
func groupLoad(t *testing.T, opts ...kgo.Opt) {
	const partitions, records = 6, 6000
	b := start(t, func(c *broker.Config) { c.Groups = broker.Groups{MinSessionTimeout: time.Second} })
	createTopic(t, b, "t", partitions, nil)
	producer := client(t, b, kgo.DefaultProduceTopic("t"))
	var mu sync.Mutex
	seen := make(map[string]int)
	all := make(chan struct{})
	member := func(ctx context.Context, name string) (stopped <-chan struct{}) {
		done := make(chan struct{})
		t.Cleanup(func() { <-done })
		c := client(t, b, append([]kgo.Opt{
			kgo.ConsumeTopics("t"), kgo.ConsumerGroup("g"), kgo.ClientID(name), kgo.DisableAutoCommit(), kgo.SessionTimeout(2 * time.Second),
			kgo.HeartbeatInterval(100 * time.Millisecond), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100 * time.Millisecond),
			kgo.BlockRebalanceOnPoll(),
		}, opts...)...)
		go func() {
			defer close(done)
			defer c.CloseAllowingRebalance()
			for ctx.Err() == nil {
				fs := c.PollRecords(ctx, 100)
				mu.Lock()
				fs.EachRecord(func(r *kgo.Record) {
					if seen[string(r.Value)]++; len(seen) == records && seen[string(r.Value)] == 1 {
						close(all)
					}
				})
				mu.Unlock()
				if err := c.CommitUncommittedOffsets(t.Context()); err != nil {
					t.Logf("%s: commit: %v", name, err) // a rebalance came first: the records are read again
				}
				c.AllowRebalance()
				select {
				case <-all:
					return
				default:
				}
			}
		}()
		return done
	}
	some, stop := context.WithCancel(t.Context())
	defer stop()
	first := member(some, "first")
	member(t.Context(), "second")
	for i := range records {
		producer.Produce(ctx(t), kgo.StringRecord(fmt.Sprint(i)), func(_ *kgo.Record, err error) {
			if err != nil {
				t.Errorf("produce: %v", err)
			}
		})
		switch i {
		case records / 3:
			require.NoError(t, producer.Flush(ctx(t)))
			stop()
			<-first
			member(t.Context(), "third")
		case records / 2:
			member(t.Context(), "fourth")
		}
	}
	require.NoError(t, producer.Flush(ctx(t)))
	select {
	case <-all:
	case <-time.After(patience):
		mu.Lock()
		defer mu.Unlock()
		require.Len(t, seen, records, "records nobody has read")
	}
}

func TestGroupsReadEverything(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]kgo.Opt{
		"eager":                {kgo.Balancers(kgo.RangeBalancer())},
		"cooperative":          {kgo.Balancers(kgo.CooperativeStickyBalancer())},
		"server-side, uniform": {kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer())},
		"server-side, range":   {kgo.ServerSideBalancer(), kgo.Balancers(kgo.RangeBalancer())},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			groupLoad(t, opts...)
		})
	}
}

// TestConsumerGroupsOfBothKinds: an operator sees them for what they are.
func TestConsumerGroupsOfBothKinds(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	createTopic(t, b, "t", 2, nil)
	for group, opts := range map[string][]kgo.Opt{"old": nil, "new": {kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer())}} {
		assigned := make(chan struct{})
		client(t, b, append(opts, kgo.ConsumeTopics("t"), kgo.ConsumerGroup(group), kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, _ map[string][]int32) {
			close(assigned)
		}))...)
		<-assigned
	}
	adm := kadm.NewClient(client(t, b))
	listed, err := adm.ListGroups(ctx(t))
	require.NoError(t, err)
	require.Equal(t, []string{"new", "old"}, listed.Groups())
	require.Equal(t, "consumer", listed["new"].ProtocolType)
	require.Eventually(t, func() bool {
		ds, err := adm.DescribeGroups(ctx(t), "old")
		return err == nil && ds["old"].State == "Stable" && len(ds["old"].Members) == 1
	}, patience, 10*time.Millisecond)
	require.Eventually(t, func() bool {
		ds, err := adm.DescribeConsumerGroups(ctx(t), "new")
		return err == nil && ds["new"].State == "Stable" && len(ds["new"].Members) == 1
	}, patience, 10*time.Millisecond)
}
