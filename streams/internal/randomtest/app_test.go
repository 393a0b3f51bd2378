package randomtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"github.com/millrace-go/millrace/broker"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/topology"
)

// Random programs on the real runtime and the embedded broker, exactly once, with several threads and instances that fail, stop, come and lose their
// state, must have the oracle's answer too. The name of a subtest is its seed. MILLRACE_RANDOM_APPS says how many there are, MILLRACE_RANDOM_SEED which comes first.
func TestRandomProgramsInApplications(t *testing.T) {
	t.Parallel()
	number := func(name string, def uint64) uint64 {
		if s := os.Getenv(name); s != "" {
			n, err := strconv.ParseUint(s, 10, 64)
			require.NoError(t, err, name)
			return n
		}
		return def
	}
	first := number("MILLRACE_RANDOM_SEED", rand.Uint64N(1<<40))
	together := make(chan struct{}, 4)
	for i := range number("MILLRACE_RANDOM_APPS", 12) {
		seed := first + i
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			together <- struct{}{}
			defer func() { <-together }()
			var in input
			p := rapid.Custom(func(t *rapid.T) *randomProgram {
				p := drawProgram(t, false)
				in = drawInput(t, p)
				return p
			}).Example(int(seed))
			r := rand.New(rand.NewPCG(seed, 0))
			a := newAppRun(t, p, in, r)
			a.run()
			a.check()
		})
	}
}

// appPartitions is how many partitions the topics of applications have.
const appPartitions = 4

// appRun is a program that runs as an application, on a broker of its own.
type appRun struct {
	t      *testing.T
	p      *randomProgram
	in     input
	r      *rand.Rand
	broker *broker.Broker
	client *kgo.Client // writes to the partitions that records name
	config streams.Config
	top    *topology.Topology
	left   atomic.Int64 // records until an instance fails
	said   string
	want   map[string]string

	first, second *instance
}

func newAppRun(t *testing.T, p *randomProgram, in input, r *rand.Rand) *appRun {
	a := &appRun{t: t, p: p, in: in, r: r, want: p.answer(in.byTopic(appPartitions), appPartitions)}
	var err error
	a.broker, err = broker.Start(broker.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.broker.Close()) })
	a.client, err = kgo.NewClient(append(a.options(), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	require.NoError(t, err)
	t.Cleanup(a.client.Close)
	topics := p.topics(append(slices.Concat(tableTopics, streamTopics), globalTopic)...)
	_, err = kadm.NewClient(a.client).CreateTopics(t.Context(), appPartitions, 1, nil, slices.Concat(topics, slices.Collect(maps.Keys(a.want)))...)
	require.NoError(t, err)

	cache := int64(r.IntN(2)) << 20
	a.config = streams.Config{
		ApplicationID: "random", BootstrapServers: a.broker.Seeds(), StateDir: t.TempDir(), Guarantee: streams.ExactlyOnce, CacheBytes: &cache, Threads: 1 + r.IntN(4),
		CommitInterval: ms(1 + r.Int64N(20)), EmitInterval: -time.Millisecond, Kafka: streams.KafkaConfig{Options: a.options()},
	}
	a.left.Store(1 << 40)
	p.onRecord = func() error {
		if a.left.Add(-1) == 0 {
			return errors.New("this record is the last one")
		}
		return nil
	}
	rewrites := streams.Rewrite(r.IntN(2)) * streams.AllRewrites
	a.top, err = p.topology(rewrites)
	require.NoError(t, err, "%s", p)
	a.note("cache %d, rewrites %v, %d threads, commits each %v", cache, rewrites, a.config.Threads, a.config.CommitInterval)
	return a
}

func (a *appRun) options() []kgo.Opt {
	return []kgo.Opt{kgo.SeedBrokers(a.broker.Seeds()...), kgo.Dialer(a.broker.Dialer())}
}

func (a *appRun) note(format string, args ...any) { a.said += fmt.Sprintf(format, args...) + "\n" }

func (a *appRun) String() string { return a.p.String() + a.in.String() + a.said }

// run writes the input phase by phase, while instances come and go.
func (a *appRun) run() {
	for i, phase := range a.p.withClosers(a.in) {
		if phase[0].topic == globalTopic { // complete before the first task runs
			a.write(phase)
			continue
		}
		if a.first != nil && a.second == nil && a.r.IntN(4) == 0 {
			c := a.config
			c.StateDir = a.t.TempDir()
			a.second = a.start(c)
			a.note("a second instance before phase %d", i)
		}
		fails := a.first != nil && a.second == nil && a.r.IntN(2) == 0
		if fails {
			a.left.Store(1 + a.r.Int64N(int64(len(phase))))
			a.note("phase %d fails at record %d", i, a.left.Load())
		}
		a.write(phase)
		if fails {
			<-a.first.ended
			require.Error(a.t, a.first.err)
			if a.r.IntN(3) == 0 {
				require.NoError(a.t, os.RemoveAll(a.config.StateDir))
				a.note("and loses its state")
			}
			a.first = nil
		}
		if a.first == nil {
			a.first = a.start(a.config)
		}
		a.first.caughtUp()
		if a.second != nil {
			a.second.caughtUp()
			a.first.caughtUp()
			if a.r.IntN(2) == 0 {
				a.second.stop()
				a.second = nil
				a.note("the second instance stops behind phase %d", i)
				a.first.caughtUp()
			}
		}
	}
	if a.first != nil {
		a.first.stop()
	}
	if a.second != nil {
		a.second.stop()
	}
}

func (a *appRun) write(phase []piped) {
	var records []*kgo.Record
	for _, x := range phase {
		raw := x.raw()
		records = append(records, &kgo.Record{Topic: x.topic, Partition: int32(partitionOf(x.key, x.noKey, appPartitions)), Key: raw.Key, Value: raw.Value, Timestamp: raw.Time.Time()})
	}
	require.NoError(a.t, a.client.ProduceSync(a.t.Context(), records...).FirstErr())
}

// check compares what is in the output topics with the answer.
func (a *appRun) check() {
	for _, out := range slices.Sorted(maps.Keys(a.want)) {
		i, err := strconv.Atoi(out[len("out"):])
		require.NoError(a.t, err)
		require.Equal(a.t, a.want[out], a.p.outcome(i, a.read(out)), "%s of\n%s", out, a)
	}
}

// read is what is committed in a topic, in the order of each partition.
func (a *appRun) read(topic string) (out []rec) {
	ends, err := kadm.NewClient(a.client).ListEndOffsets(a.t.Context(), topic)
	require.NoError(a.t, err)
	from, left := map[int32]kgo.Offset{}, map[int32]int64{}
	for _, e := range ends[topic] {
		require.NoError(a.t, e.Err)
		if e.Offset > 0 {
			from[e.Partition], left[e.Partition] = kgo.NewOffset().At(0), e.Offset
		}
	}
	if len(left) == 0 {
		return nil
	}
	// Markers are kept in sight: one of them may be what the end is at.
	cl, err := kgo.NewClient(append(a.options(), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(100*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}))...)
	require.NoError(a.t, err)
	defer cl.Close()
	for len(left) > 0 {
		fs := cl.PollFetches(a.t.Context())
		require.NoError(a.t, fs.Err())
		for r := range fs.RecordsAll() {
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
			if !r.Attrs.IsControl() {
				out = append(out, recOf(r.Key, r.Value, r.Timestamp.UnixMilli()))
			}
		}
	}
	return out
}

// instance is a running application.
type instance struct {
	*streams.App
	a      *appRun
	cancel context.CancelFunc
	ended  chan struct{}
	err    error
	log    *bytes.Buffer // read it when the application has ended
}

func (a *appRun) start(c streams.Config) *instance {
	i := &instance{a: a, ended: make(chan struct{}), log: &bytes.Buffer{}}
	c.Logger = slog.New(slog.NewTextHandler(i.log, nil))
	app, err := streams.New(a.top, c)
	require.NoError(a.t, err, "%s", a)
	i.App = app
	ctx, cancel := context.WithCancel(context.Background())
	i.cancel = cancel
	go func() {
		defer close(i.ended)
		i.err = app.Run(ctx)
	}()
	a.t.Cleanup(func() { cancel(); <-i.ended })
	return i
}

// caughtUp waits until everything is processed and committed.
func (i *instance) caughtUp() {
	ctx, cancel := context.WithCancel(i.a.t.Context())
	defer cancel()
	go func() {
		select {
		case <-i.ended: // it will never catch up
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := i.CaughtUp(ctx); err != nil {
		i.cancel()
		<-i.ended
		require.NoError(i.a.t, errors.Join(err, i.err), "%s\n%s", i.a, i.log)
	}
}

// stop stops it cleanly.
func (i *instance) stop() {
	i.cancel()
	<-i.ended
	require.NoError(i.a.t, i.err, "%s\n%s", i.a, i.log)
}
