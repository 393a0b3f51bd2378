package kafka

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace-go/millrace/streams/internal/runtime"
)

func (c *cluster) reader() *Reader {
	c.t.Helper()
	r, err := NewReader(c.config(), "1")
	require.NoError(c.t, err)
	c.t.Cleanup(r.Close)
	return r
}

// readAll reads partitions from their starts to their ends and answers the offsets of what it found.
func (c *cluster) readAll(r *Reader, ends map[runtime.TopicPartition]runtime.Ends, l runtime.FetchLimits) (found map[runtime.TopicPartition][]int64, at map[runtime.TopicPartition]int64) {
	c.t.Helper()
	found, at = map[runtime.TopicPartition][]int64{}, map[runtime.TopicPartition]int64{}
	for p, e := range ends {
		at[p] = e.Start
	}
	for {
		from := map[runtime.TopicPartition]int64{}
		for p, e := range ends {
			if at[p] < e.High {
				from[p] = at[p]
			}
		}
		if len(from) == 0 {
			return found, at
		}
		b := <-r.Fetch(c.ctx, from, l)
		require.NoError(c.t, b.Err)
		for _, p := range b.Partitions {
			require.GreaterOrEqual(c.t, p.Next, at[p.TopicPartition])
			at[p.TopicPartition] = p.Next
			for _, rec := range p.Records {
				found[p.TopicPartition] = append(found[p.TopicPartition], rec.Offset)
			}
		}
	}
}

// An answer holds 16 MiB and a broker leaves empty what does not fit: a partition that was left empty is not at its end.
func TestReaderReadsMoreThanOneAnswerHolds(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	const partitions, records = 12, 4
	c.topic("log", partitions)
	value := make([]byte, 600_000)
	var tps []runtime.TopicPartition
	for p := range int32(partitions) {
		tps = append(tps, tp("log", p))
		for range records {
			c.produce(&kgo.Record{Topic: "log", Partition: p, Value: value})
		}
	}
	r := c.reader()
	ends, err := r.Ends(c.ctx, tps)
	require.NoError(t, err)
	found, at := c.readAll(r, ends, runtime.FetchLimits{Wait: 20 * time.Millisecond, Partition: 4 << 20})
	for _, p := range tps {
		require.Equal(t, []int64{0, 1, 2, 3}, found[p], p)
		require.EqualValues(t, records, at[p])
	}
}

// Threads ask for several silent partitions at a time: the race detector has to see it.
func TestReaderMayBeAskedForSeveralPartitionsAtATime(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	const partitions = 8
	c.topic("log", partitions)
	r := c.reader()
	var asking sync.WaitGroup
	for p := range int32(partitions) {
		asking.Go(func() {
			for range 20 {
				ends, err := r.Ends(c.ctx, []runtime.TopicPartition{tp("log", p)})
				assert.NoError(t, err)
				assert.NotZero(t, ends[tp("log", p)].TopicID)
				b := <-r.Fetch(c.ctx, map[runtime.TopicPartition]int64{tp("log", p): 0}, runtime.FetchLimits{Partition: 1})
				assert.NoError(t, b.Err)
			}
		})
	}
	asking.Wait()
}

// Aborted records, markers at the end, a partition that holds nothing else, one with nothing at all, one whose beginning was deleted: reading ends behind all of them.
func TestReaderStepsOverWhatHoldsNoRecord(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("log", 4)
	txn := c.client(kgo.TransactionalID("t"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	write := func(end kgo.TransactionEndTry, partitions ...int32) {
		require.NoError(t, txn.BeginTransaction())
		for _, p := range partitions {
			require.NoError(t, txn.ProduceSync(c.ctx, &kgo.Record{Topic: "log", Partition: p, Value: []byte("v")}).FirstErr())
		}
		require.NoError(t, txn.EndTransaction(c.ctx, end))
	}
	write(kgo.TryCommit, 0)   // 0: record, marker
	write(kgo.TryAbort, 0, 1) // 0: and an aborted one; 1: nothing else
	write(kgo.TryCommit, 0)   // 0: record, marker
	for range 3 {
		c.produce(&kgo.Record{Topic: "log", Partition: 2, Value: []byte("v")})
	}
	r := c.reader()
	tps := []runtime.TopicPartition{tp("log", 0), tp("log", 1), tp("log", 2), tp("log", 3)}
	_, err := r.Ends(c.ctx, tps)
	require.NoError(t, err)
	require.NoError(t, r.Purge(c.ctx, map[runtime.TopicPartition]int64{tps[2]: 2}))
	var ends map[runtime.TopicPartition]runtime.Ends
	require.Eventually(t, func() bool { // markers come a little after the transaction's end
		ends, err = r.Ends(c.ctx, tps)
		require.NoError(t, err)
		return ends[tps[0]].High == 6 && ends[tps[1]].High == 2
	}, time.Minute, time.Millisecond)
	require.NotZero(t, ends[tps[0]].TopicID)
	require.EqualValues(t, 2, ends[tps[2]].Start)
	found, at := c.readAll(r, ends, runtime.FetchLimits{Partition: 1})
	require.Equal(t, map[runtime.TopicPartition][]int64{tps[0]: {0, 4}, tps[2]: {2}}, found)
	require.Equal(t, map[runtime.TopicPartition]int64{tps[0]: 6, tps[1]: 2, tps[2]: 3, tps[3]: 0}, at)
}

// The records of an open transaction are not read, and reading does not step over them.
func TestReaderWaitsForAnOpenTransaction(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("log", 1)
	txn := c.client(kgo.TransactionalID("t"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	require.NoError(t, txn.BeginTransaction())
	require.NoError(t, txn.ProduceSync(c.ctx, &kgo.Record{Topic: "log", Value: []byte("v")}).FirstErr())
	r := c.reader()
	ends, err := r.Ends(c.ctx, []runtime.TopicPartition{tp("log", 0)})
	require.NoError(t, err)
	require.EqualValues(t, 1, ends[tp("log", 0)].High, "what is uncommitted counts")
	b := <-r.Fetch(c.ctx, map[runtime.TopicPartition]int64{tp("log", 0): 0}, runtime.FetchLimits{Partition: 1 << 20})
	require.NoError(t, b.Err)
	require.Len(t, b.Partitions, 1)
	require.Empty(t, b.Partitions[0].Records)
	require.Zero(t, b.Partitions[0].Next)
	require.NoError(t, txn.EndTransaction(c.ctx, kgo.TryCommit))
	found, _ := c.readAll(r, ends, runtime.FetchLimits{Wait: 20 * time.Millisecond, Partition: 1 << 20})
	require.Equal(t, []int64{0}, found[tp("log", 0)])
}

func TestReaderNamesWhatIsNotThere(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("log", 1)
	r := c.reader()
	_, err := r.Ends(c.ctx, []runtime.TopicPartition{tp("log", 1)})
	require.ErrorContains(t, err, "topic log has no partition 1")
	_, err = r.Ends(c.ctx, []runtime.TopicPartition{tp("nothing", 0)})
	require.ErrorContains(t, err, "topic nothing: UNKNOWN_TOPIC_OR_PARTITION")
	_, err = r.Ends(c.ctx, []runtime.TopicPartition{tp("log", 0)})
	require.NoError(t, err)
	b := <-r.Fetch(c.ctx, map[runtime.TopicPartition]int64{tp("log", 0): 7}, runtime.FetchLimits{Partition: 1 << 20})
	require.ErrorContains(t, b.Err, "read changelog log/0 at 7: OFFSET_OUT_OF_RANGE")
}

func TestReaderKnowsHowLongACompactedTopicKeepsDeletes(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("compacted", 1, "cleanup.policy", "compact", "delete.retention.ms", "1234")
	c.topic("both", 1, "cleanup.policy", "compact,delete", "delete.retention.ms", "99")
	c.topic("deleted", 1, "cleanup.policy", "delete", "delete.retention.ms", "1234")
	for topic, want := range map[string]int64{"compacted": 1234, "both": 99, "deleted": -1} {
		got, err := c.reader().DeleteRetention(c.ctx, topic)
		require.NoError(t, err)
		require.Equal(t, want, got, topic)
	}
}

// Unowned counts what this instance says of itself, and what the group says of the others.
func TestUnowned(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("in", 2)
	cfg := c.config()
	plan, err := c.prepare(cfg, counts(t))
	require.NoError(t, err)
	r := c.reader()
	own := map[runtime.TopicPartition]int64{}
	unowned := func() bool {
		t.Helper()
		u, err := r.Unowned(c.ctx, cfg, plan, own)
		require.NoError(t, err)
		return u
	}
	join := func(id string, topics ...string) *kgo.Client {
		cl := c.client(kgo.ConsumerGroup("app"), kgo.ClientID(id), kgo.ConsumeTopics(topics...), kgo.Balancers(kgo.RangeBalancer()))
		require.Eventually(t, func() bool {
			gs, err := c.adm.DescribeGroups(c.ctx, "app")
			require.NoError(t, err)
			return gs["app"].State == "Stable" && has(members(gs["app"]), id)
		}, time.Minute, 5*time.Millisecond)
		return cl
	}
	require.True(t, unowned(), "there is no member")
	for p := range int32(2) {
		own[tp("in", p)], own[tp(repartition, p)] = 0, -1
	}
	require.False(t, unowned())
	delete(own, tp("in", 1))
	require.True(t, unowned())

	other := join("another instance", "in", repartition)
	require.False(t, unowned(), "the other has it")
	clear(own)
	require.False(t, unowned(), "and the rest")
	other.Close()
	require.Eventually(t, unowned, time.Minute, 5*time.Millisecond, "it has left")
	join(cfg.ClientID+"-StreamThread-1-consumer", "in", repartition)
	require.True(t, unowned(), "what the group says of this instance's own threads does not count: they may not know yet")
}

func members(g kadm.DescribedGroup) map[string]bool {
	out := map[string]bool{}
	for _, m := range g.Members {
		out[m.ClientID] = true
	}
	return out
}
