package broker_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/semaphore"

	"github.com/millrace-go/millrace/broker"
)

// childEnv makes the test binary a broker: its value is the sync mode, the directory and the address.
const childEnv = "MILLRACE_TEST_BROKER"

// killsEnv says how often each test kills its broker: 6 times by default, 25 times, which is 125 in all, before a change lands.
const killsEnv = "MILLRACE_TEST_KILLS"

func TestMain(m *testing.M) {
	if v := os.Getenv(childEnv); v != "" {
		runChild(v)
		return
	}
	os.Exit(m.Run())
}

// runChild is a broker that ends when its process is killed.
func runChild(v string) {
	parts := strings.SplitN(v, ",", 3)
	sync, _ := strconv.Atoi(parts[0])
	_, err := broker.Start(broker.Config{
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Sync:   broker.Sync(sync), Dir: parts[1], Listen: parts[2], Groups: broker.Groups{MinSessionTimeout: time.Millisecond},
		MaintainEvery: 20 * time.Millisecond, RetentionEvery: 20 * time.Millisecond, // so that kills meet them at work
	})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ready")
	select {}
}

// child is a broker in a process of its own, which can be killed and started again on the same directory and address.
type child struct {
	t    *testing.T
	env  string
	addr string
	cmd  *exec.Cmd
}

func startChild(t *testing.T, sync broker.Sync) *child {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	c := &child{t: t, addr: addr, env: fmt.Sprintf("%s=%d,%s,%s", childEnv, sync, t.TempDir(), addr)}
	c.start()
	t.Cleanup(c.kill)
	return c
}

func (c *child) start() {
	c.t.Helper()
	c.cmd = exec.Command(os.Args[0])
	c.cmd.Env = append(os.Environ(), c.env)
	c.cmd.Stderr = os.Stderr
	out, err := c.cmd.StdoutPipe()
	require.NoError(c.t, err)
	require.NoError(c.t, c.cmd.Start())
	var line string
	_, err = fmt.Fscanln(out, &line)
	require.NoError(c.t, err)
	require.Equal(c.t, "ready", line)
}

// kill ends the process without a chance to do anything.
func (c *child) kill() {
	if c.cmd == nil {
		return
	}
	_ = c.cmd.Process.Kill() // it may have ended by itself, which start reports
	_ = c.cmd.Wait()         // always an error: it was killed
	c.cmd = nil
}

// options are those of a client that outlives every kill. One that is told nothing takes a connection that ends before its
// first answer for the wrong protocol, and gives its records up.
func (c *child) options(opts ...kgo.Opt) []kgo.Opt {
	return append([]kgo.Opt{
		kgo.SeedBrokers(c.addr), kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }), kgo.AlwaysRetryEOF(),
		kgo.MetadataMinAge(20 * time.Millisecond), kgo.RecordRetries(1 << 30), kgo.RequestRetries(1 << 20),
	}, opts...)
}

// client is a client that is closed with the test. What asks often closes it earlier: the broker serves 1,000 connections.
func (c *child) client(opts ...kgo.Opt) *kgo.Client {
	c.t.Helper()
	cl, err := kgo.NewClient(c.options(opts...)...)
	require.NoError(c.t, err)
	c.t.Cleanup(cl.Close)
	return cl
}

func kills(t *testing.T) int {
	v := os.Getenv(killsEnv)
	if v == "" {
		return 6
	}
	n, err := strconv.Atoi(v)
	require.NoError(t, err)
	return n
}

// killLoop kills and restarts the broker n times at random moments, and calls restarted each time.
func (c *child) killLoop(ctx context.Context, n int, restarted func()) {
	for range n {
		select {
		case <-time.After(time.Duration(10+rand.IntN(190)) * time.Millisecond):
		case <-ctx.Done():
			return
		}
		c.kill()
		c.start()
		restarted()
	}
}

// createTopic makes a topic of small segments: the batches that a producer sends again lie on both sides of a roll.
func (c *child) createTopic(name string, partitions int32, policy string) {
	c.t.Helper()
	configs := map[string]*string{"segment.bytes": kmsg.StringPtr("65536"), "cleanup.policy": &policy, "min.cleanable.dirty.ratio": kmsg.StringPtr("0.01")}
	_, err := kadm.NewClient(c.client()).CreateTopic(ctx(c.t), partitions, 1, configs, name)
	require.NoError(c.t, err)
}

// readCommitted hands every record of a topic to visit, each partition's by offset. A long run has millions.
func (c *child) readCommitted(topic string, visit func(*kgo.Record)) {
	c.t.Helper()
	adm := kadm.NewClient(c.client())
	defer adm.Close()
	ends, err := adm.ListCommittedOffsets(ctx(c.t), topic)
	require.NoError(c.t, err)
	require.NoError(c.t, ends.Error())
	cl := c.client(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	defer cl.Close()
	next := map[int32]int64{}
	done := func() bool {
		all := true
		ends.Each(func(o kadm.ListedOffset) { all = all && next[o.Partition] >= o.Offset })
		return all
	}
	for !done() {
		fs := cl.PollFetches(ctx(c.t))
		if err := fs.Err(); err != nil {
			c.diagnose(topic, next)
			require.NoError(c.t, err, "read up to %v of %v", next, ends)
		}
		fs.EachRecord(func(r *kgo.Record) {
			next[r.Partition] = r.Offset + 1
			if !r.Attrs.IsControl() {
				visit(r)
			}
		})
		// Aborted records at the end of a partition are not handed out, only what follows them. One producer at most has
		// transactions there, so that the last offset before the end is a marker, which always comes.
	}
}

// diagnose says all there is to know about a reader that does not get what it waits for: what the broker has and answers, and
// what every goroutine of both does. The broker ends with that.
func (c *child) diagnose(topic string, next map[int32]int64) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	cl := c.client(kgo.RequestRetries(0))
	adm := kadm.NewClient(cl)
	starts, err := adm.ListStartOffsets(ctx, topic)
	c.t.Logf("log starts: %v %v", starts, err)
	committed, err := adm.ListCommittedOffsets(ctx, topic)
	c.t.Logf("last stable offsets: %v %v", committed, err)
	ends, err := adm.ListEndOffsets(ctx, topic)
	c.t.Logf("log ends: %v %v", ends, err)
	txns, err := adm.DescribeProducers(ctx, nil)
	c.t.Logf("producers: %+v %v", txns, err)
	meta, err := adm.ListTopics(ctx, topic)
	c.t.Logf("metadata: %+v %v", meta, err)
	ends.Each(func(o kadm.ListedOffset) {
		for _, isolation := range []int8{0, 1} {
			req := kmsg.NewPtrFetchRequest()
			req.MaxWaitMillis, req.MaxBytes, req.IsolationLevel = 100, 1<<20, isolation
			rt := kmsg.NewFetchRequestTopic()
			rt.Topic, rt.TopicID = topic, meta[topic].ID
			rp := kmsg.NewFetchRequestTopicPartition()
			rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes = o.Partition, next[o.Partition], 1<<20
			rt.Partitions = append(rt.Partitions, rp)
			req.Topics = append(req.Topics, rt)
			resp, err := cl.Broker(1).Request(ctx, req)
			if err != nil {
				c.t.Logf("fetch of partition %d: %v", o.Partition, err)
				continue
			}
			for _, p := range resp.(*kmsg.FetchResponse).Topics[0].Partitions {
				n := len(p.RecordBatches)
				p.RecordBatches = p.RecordBatches[:min(n, 200)]
				c.t.Logf("fetch of partition %d from %d, isolation %d: %d bytes, %+v", o.Partition, next[o.Partition], isolation, n, p)
			}
		}
	})
	stack := make([]byte, 1<<20)
	c.t.Logf("goroutines of the test:\n%s", stack[:runtime.Stack(stack, true)])
	if c.cmd != nil {
		_ = c.cmd.Process.Signal(syscall.SIGQUIT) // the broker writes its goroutines to standard error; it may be gone already
		_ = c.cmd.Wait()                          // always an error
		c.cmd = nil
	}
}

// TestKilledBrokerKeepsWhatItAcknowledged: idempotent producers go on over kills of the broker; every record that was
// acknowledged is there once, at its offset, and nothing is there twice.
func TestKilledBrokerKeepsWhatItAcknowledged(t *testing.T) {
	t.Parallel()
	for _, s := range []broker.Sync{broker.SyncNever, broker.SyncAlways} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			c := startChild(t, s)
			c.createTopic("t", 3, "delete")
			// place is where a record is: the partition, -1 if nothing is known, and the offset.
			type place struct {
				partition int32
				offset    int64
			}
			var mu sync.Mutex
			var acked, seen [2][]place // by producer and number of the record
			at := func(ps *[2][]place, p, i int) *place {
				for len(ps[p]) <= i {
					ps[p] = append(ps[p], place{partition: -1})
				}
				return &ps[p][i]
			}
			stop, cancel := context.WithCancel(t.Context())
			// So many records for each life of the broker: a long run has many lives, not ever more records.
			const perLife = 15_000
			all := int64(kills(t)+1) * perLife
			room := semaphore.NewWeighted(all)
			require.NoError(t, room.Acquire(t.Context(), all-perLife))
			var wg sync.WaitGroup
			for p := range 2 {
				cl := c.client(kgo.DefaultProduceTopic("t"), kgo.MaxBufferedRecords(200), kgo.ProducerLinger(0))
				wg.Go(func() {
					for i := 0; room.Acquire(stop, 1) == nil; i++ {
						cl.Produce(context.Background(), &kgo.Record{Value: fmt.Append(nil, p, "-", i)}, func(r *kgo.Record, err error) {
							mu.Lock()
							defer mu.Unlock()
							// A client that was connecting while the broker died may give a record up: it was not acknowledged then.
							if err == nil {
								*at(&acked, p, i) = place{r.Partition, r.Offset}
							}
						})
					}
					if err := cl.Flush(ctx(t)); err != nil {
						t.Errorf("flush: %v", err)
					}
				})
			}
			c.killLoop(t.Context(), kills(t), func() { room.Release(perLife) })
			cancel()
			wg.Wait()

			next := map[int32]int64{}
			c.readCommitted("t", func(r *kgo.Record) {
				v := string(r.Value)
				var p, i int
				_, err := fmt.Sscanf(v, "%d-%d", &p, &i)
				require.NoError(t, err, "record %q from nowhere", v)
				if r.Offset != next[r.Partition] {
					t.Fatalf("partition %d goes on with offset %d after %d", r.Partition, r.Offset, next[r.Partition]-1)
				}
				next[r.Partition]++
				here, before, promised := place{r.Partition, r.Offset}, at(&seen, p, i), at(&acked, p, i)
				if before.partition >= 0 {
					t.Fatalf("record %s is there twice, at %v and %v", v, *before, here)
				}
				*before = here
				if promised.partition >= 0 && *promised != here {
					t.Fatalf("record %s was acknowledged at %v and is at %v", v, *promised, here)
				}
			})
			n := 0
			for p := range acked {
				for i, a := range acked[p] {
					if a.partition < 0 {
						continue
					}
					n++
					if *at(&seen, p, i) != a {
						t.Fatalf("acknowledged record %d-%d is lost", p, i)
					}
				}
			}
			require.Greater(t, n, 100)
			t.Logf("%d records acknowledged", n)
		})
	}
}

// TestKilledBrokerKeepsTheLastValues: a compacted topic is written to and compacted all the time, over kills of the broker.
// At the end it holds the last value of every key, and far fewer records than were written.
func TestKilledBrokerKeepsTheLastValues(t *testing.T) {
	t.Parallel()
	const keys, atLeast = 50, 10_000 // ten segments: all but the last are compacted
	c := startChild(t, broker.SyncNever)
	c.createTopic("t", 1, "compact")
	cl := c.client(kgo.DefaultProduceTopic("t"), kgo.MaxBufferedRecords(100), kgo.ProducerLinger(0))
	stop, cancel := context.WithCancel(t.Context())
	written := make([]int, keys) // the last value of each key
	n := 0
	var wg sync.WaitGroup
	wg.Go(func() {
		for ; n < atLeast || stop.Err() == nil; n++ {
			k := rand.IntN(keys)
			written[k] = n
			cl.Produce(context.Background(), &kgo.Record{Key: fmt.Append(nil, k), Value: fmt.Append(nil, n)}, func(_ *kgo.Record, err error) {
				if err != nil {
					t.Errorf("produce: %v", err)
				}
			})
		}
		if err := cl.Flush(ctx(t)); err != nil {
			t.Errorf("flush: %v", err)
		}
	})
	c.killLoop(t.Context(), kills(t), func() {})
	cancel()
	wg.Wait()

	// The compactor comes every 20 ms to a broker that is not killed any more.
	read := func() (all []*kgo.Record) {
		c.readCommitted("t", func(r *kgo.Record) { all = append(all, r) })
		return all
	}
	left := read()
	for begun := time.Now(); len(left) >= n/2; left = read() {
		if time.Since(begun) > time.Minute {
			c.diagnose("t", nil)
			t.Fatalf("%d records of %d are left: nothing was compacted", len(left), n)
		}
	}
	got := make(map[string]string)
	offset := int64(-1)
	for _, r := range left {
		require.Greater(t, r.Offset, offset)
		offset = r.Offset
		got[string(r.Key)] = string(r.Value)
	}
	for k, v := range written {
		if v > 0 {
			require.Equal(t, fmt.Sprint(v), got[fmt.Sprint(k)], "key %d", k)
		}
	}
	t.Logf("%d records written, %d left", n, len(left))
}

// TestKilledBrokerNeverTearsATransaction: a consume-transform-produce loop over several partitions goes on over kills of
// the broker. At the end every input record was answered once in every output partition, and the group's offsets say so.
func TestKilledBrokerNeverTearsATransaction(t *testing.T) {
	t.Parallel()
	for _, s := range []broker.Sync{broker.SyncNever, broker.SyncAlways} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			c := startChild(t, s)
			c.createTopic("in", 2, "delete")
			c.createTopic("out", 3, "delete")
			stop, cancel := context.WithCancel(t.Context())
			defer cancel()

			feed := c.client(kgo.DefaultProduceTopic("in"))
			// The client has its producer id before the first kill: it gives up if it loses its connection while it asks.
			require.NoError(t, feed.ProduceSync(ctx(t), kgo.StringRecord("0")).FirstErr())
			produced := 1
			var wg sync.WaitGroup
			wg.Go(func() {
				for ; stop.Err() == nil; produced++ {
					if err := feed.ProduceSync(ctx(t), &kgo.Record{Value: fmt.Append(nil, produced)}).FirstErr(); err != nil {
						t.Errorf("feed: %v", err)
						return
					}
				}
			})

			drained := make(chan struct{})
			wg.Go(func() { c.transact(stop, drained) })
			c.killLoop(t.Context(), kills(t), func() {})
			cancel()
			<-drained
			wg.Wait()

			count := map[string]int{}
			c.readCommitted("out", func(r *kgo.Record) { count[fmt.Sprintf("%s in partition %d", r.Value, r.Partition)]++ })
			for i := range produced {
				for p := range 3 {
					k := fmt.Sprintf("%d in partition %d", i, p)
					require.Equal(t, 1, count[k], "record %s; %d answers to %d records are there", k, len(count), produced)
				}
			}
			require.Len(t, count, 3*produced)
			require.True(t, c.drained(ctx(t)), "the group's offsets are not the ends of the input")
			t.Logf("%d records", produced)
		})
	}
}

// transact copies every record of in to every partition of out, exactly once, until stop is done and in is drained. A
// client that does not know how its transaction ended is replaced by a new one, as an application would be restarted.
func (c *child) transact(stop context.Context, drained chan<- struct{}) {
	defer close(drained)
	deadline, cancel := context.WithTimeout(context.Background(), time.Minute+time.Duration(kills(c.t))*3*time.Second)
	defer cancel()
	for !c.transactOnce(stop, deadline) {
		if deadline.Err() != nil {
			c.t.Error("the input was not drained in time")
			return
		}
	}
}

func (c *child) transactOnce(stop, deadline context.Context) (drained bool) {
	s, err := kgo.NewGroupTransactSession(c.options(
		kgo.TransactionalID("x"), kgo.ConsumerGroup("g"), kgo.ConsumeTopics("in"), kgo.InstanceID("i"),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.SessionTimeout(6*time.Second), kgo.TransactionTimeout(10*time.Second),
		kgo.FetchMaxWait(200*time.Millisecond),
	)...)
	if err != nil {
		c.t.Errorf("session: %v", err)
		return true
	}
	defer s.Close()
	for deadline.Err() == nil {
		poll, cancel := context.WithTimeout(deadline, 500*time.Millisecond)
		fs := s.PollFetches(poll)
		cancel()
		if fs.NumRecords() == 0 {
			if stop.Err() != nil && c.drained(deadline) {
				return true
			}
			continue
		}
		if err := s.Begin(); err != nil {
			c.t.Logf("begin: %v", err)
			return false
		}
		fs.EachRecord(func(r *kgo.Record) {
			for p := range int32(3) {
				s.Produce(deadline, &kgo.Record{Topic: "out", Partition: p, Value: r.Value}, nil)
			}
		})
		if _, err := s.End(deadline, kgo.TryCommit); err != nil {
			c.t.Logf("end: %v", err)
			return false
		}
	}
	return false
}

// drained reports whether the group has committed the end of every partition of in. The client's Lag does not tell: a group
// that has no offsets and whose members have no partitions yet, because they join again after a kill, has a lag of zero.
func (c *child) drained(ctx context.Context) bool {
	adm := kadm.NewClient(c.client())
	defer adm.Close()
	ends, err := adm.ListEndOffsets(ctx, "in")
	if err != nil || ends.Error() != nil {
		return false
	}
	committed, err := adm.FetchOffsets(ctx, "g")
	if err != nil || committed.Error() != nil {
		return false
	}
	all := len(ends["in"]) > 0
	ends.Each(func(end kadm.ListedOffset) {
		at, ok := committed.Lookup("in", end.Partition)
		all = all && (end.Offset == 0 || ok && at.At == end.Offset)
	})
	return all
}
