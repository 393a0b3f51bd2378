package streams_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace-go/millrace/broker"
	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/topology"
)

// cluster is an embedded broker and a client of it.
type cluster struct {
	t      *testing.T
	dir    string // "": in memory
	broker atomic.Pointer[broker.Broker]
	seeds  []string
	cl     *kgo.Client
	adm    *kadm.Client
	ctx    context.Context
}

// patience is how long a test waits for what has to happen.
const patience = time.Minute

// soon is what nothing takes that waits for no timeout: a stop has 4.5 s (the package runtime has the test of that), the rest is
// for a busy machine; a session lasts 45 s.
const soon = 20 * time.Second

func newCluster(t *testing.T) *cluster { return startCluster(t, "") }

func startCluster(t *testing.T, dir string) *cluster {
	c := &cluster{t: t, dir: dir}
	var cancel context.CancelFunc
	c.ctx, cancel = context.WithTimeout(context.Background(), 5*patience) // of many waits
	t.Cleanup(cancel)
	c.start()
	c.seeds = c.broker.Load().Seeds()
	t.Cleanup(func() { c.stop() })
	var err error
	c.cl, err = kgo.NewClient(append(c.options(), kgo.MetadataMinAge(10*time.Millisecond), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))...)
	require.NoError(t, err)
	t.Cleanup(c.cl.Close)
	c.adm = kadm.NewClient(c.cl)
	return c
}

func (c *cluster) start() {
	b, err := broker.Start(broker.Config{Dir: c.dir})
	require.NoError(c.t, err)
	c.broker.Store(b)
}

func (c *cluster) stop() {
	if b := c.broker.Swap(nil); b != nil {
		require.NoError(c.t, b.Close())
	}
}

// options lead to the broker that runs at the moment.
func (c *cluster) options() []kgo.Opt {
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		if b := c.broker.Load(); b != nil {
			return b.Dialer()(ctx, network, addr)
		}
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	return []kgo.Opt{kgo.SeedBrokers(c.seeds...), kgo.Dialer(dial)}
}

func (c *cluster) topics(partitions int32, names ...string) {
	c.t.Helper()
	for _, n := range names {
		_, err := c.adm.CreateTopic(c.ctx, partitions, 1, nil, n)
		require.NoError(c.t, err)
	}
}

// produce writes records, "key=value" each; without "=" there is no key.
func (c *cluster) produce(topic string, records ...string) {
	c.t.Helper()
	var rs []*kgo.Record
	for _, r := range records {
		rec := &kgo.Record{Topic: topic, Value: []byte(r)}
		if k, v, ok := strings.Cut(r, "="); ok {
			rec.Key, rec.Value = []byte(k), []byte(v)
		}
		rs = append(rs, rec)
	}
	c.produceRaw(rs...)
}

func (c *cluster) produceRaw(rs ...*kgo.Record) {
	c.t.Helper()
	require.NoError(c.t, c.cl.ProduceSync(c.ctx, rs...).FirstErr())
}

// read is every committed record of a topic, by partition and offset.
func (c *cluster) read(topic string) []*kgo.Record {
	c.t.Helper()
	ends, err := c.adm.ListEndOffsets(c.ctx, topic)
	require.NoError(c.t, err)
	from, left := map[int32]kgo.Offset{}, map[int32]int64{}
	for _, e := range ends[topic] {
		require.NoError(c.t, e.Err)
		if e.Offset > 0 {
			from[e.Partition], left[e.Partition] = kgo.NewOffset().AtStart(), e.Offset
		}
	}
	if len(left) == 0 {
		return nil
	}
	// Markers are kept in sight: one of them may be what the end is at.
	cl, err := kgo.NewClient(append(c.options(), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(100*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}))...)
	require.NoError(c.t, err)
	defer cl.Close()
	var out []*kgo.Record
	for len(left) > 0 {
		fs := cl.PollFetches(c.ctx)
		require.NoError(c.t, fs.Err())
		for r := range fs.RecordsAll() {
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
			if !r.Attrs.IsControl() {
				out = append(out, r)
			}
		}
	}
	slices.SortFunc(out, func(a, b *kgo.Record) int {
		if a.Partition != b.Partition {
			return int(a.Partition - b.Partition)
		}
		return int(a.Offset - b.Offset)
	})
	return out
}

// values are the values of a topic as text, sorted.
func (c *cluster) values(topic string) []string {
	c.t.Helper()
	var out []string
	for _, r := range c.read(topic) {
		out = append(out, string(r.Value))
	}
	slices.Sort(out)
	return out
}

// counts are the last values of a topic by key, int64s.
func (c *cluster) counts(topic string) map[string]int64 {
	c.t.Helper()
	out := map[string]int64{}
	for _, r := range c.read(topic) {
		n, err := serde.Int64.Decode(r.Value)
		require.NoError(c.t, err)
		out[string(r.Key)] = n
	}
	return out
}

// config is an application's, with its state in a folder of its own.
func (c *cluster) config(id string) streams.Config {
	return streams.Config{
		ApplicationID: id, BootstrapServers: c.seeds, StateDir: c.t.TempDir(), CommitInterval: 20 * time.Millisecond,
		Kafka: streams.KafkaConfig{Options: c.options()}, Logger: slog.New(slog.DiscardHandler),
	}
}

// instance is a running application.
type instance struct {
	*streams.App
	c      *cluster
	cancel context.CancelFunc
	ended  chan struct{}
	err    error
	log    *logbook

	mu       sync.Mutex
	restored map[string]int64 // records, by task and store
}

// run starts an application; its log and restores are noted.
func (c *cluster) run(top *topology.Topology, cfg streams.Config) *instance {
	c.t.Helper()
	i := &instance{c: c, ended: make(chan struct{}), log: &logbook{}, restored: map[string]int64{}}
	cfg.Logger = slog.New(slog.NewTextHandler(i.log, &slog.HandlerOptions{Level: slog.LevelInfo}))
	cfg.OnRestore = func(r streams.RestoreProgress) {
		i.mu.Lock()
		defer i.mu.Unlock()
		if r.Done && r.Records > 0 {
			i.restored[fmt.Sprintf("%s %s", r.Task, r.Store)] += r.Records
		}
	}
	app, err := streams.New(top, cfg)
	require.NoError(c.t, err)
	i.App = app
	ctx, cancel := context.WithCancel(context.Background())
	i.cancel = cancel
	go func() {
		defer close(i.ended)
		i.err = app.Run(ctx)
	}()
	c.t.Cleanup(func() { cancel(); i.wait() })
	return i
}

// wait waits until Run has returned.
func (i *instance) wait() {
	select {
	case <-i.ended:
	case <-time.After(patience):
		i.c.t.Errorf("Run does not return; its log:\n%s", i.log)
	}
}

// caughtUp waits until everything is processed and committed.
func (i *instance) caughtUp() {
	i.c.t.Helper()
	ctx, cancel := context.WithTimeout(i.c.ctx, patience)
	defer cancel()
	require.NoError(i.c.t, i.CaughtUp(ctx), "%s", i.log)
}

// stop stops it cleanly.
func (i *instance) stop() {
	i.c.t.Helper()
	began := time.Now()
	i.cancel()
	i.wait()
	require.NoError(i.c.t, i.err, "%s", i.log)
	require.Less(i.c.t, time.Since(began), soon)
	require.Equal(i.c.t, streams.Stopped, i.State())
}

// failure waits until the application has failed and answers its error, which is one line.
func (i *instance) failure() string {
	i.c.t.Helper()
	i.wait()
	require.Error(i.c.t, i.err)
	require.Equal(i.c.t, streams.Failed, i.State())
	require.NotContains(i.c.t, i.err.Error(), "\n")
	return i.err.Error()
}

func (i *instance) restores() map[string]int64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	out := map[string]int64{}
	for k, n := range i.restored {
		out[k] = n
	}
	return out
}

// logbook keeps the end of what was logged.
type logbook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.b.String()
	return s[max(0, len(s)-8000):]
}

// until waits for a condition that no channel tells of.
func (c *cluster) until(what string, ok func() bool) {
	c.t.Helper()
	require.Eventually(c.t, ok, patience, 5*time.Millisecond, what)
}

// build is Build without a mistake.
func build(t *testing.T, b *streams.Builder) *topology.Topology {
	t.Helper()
	top, err := b.Build()
	require.NoError(t, err)
	return top
}

// wordCount counts the words of "lines" into "counts".
func wordCount(t *testing.T) *topology.Topology {
	b := streams.NewBuilder()
	b.Stream("lines", serde.String, serde.String).
		FlatMapValues(strings.Fields).
		GroupBy(func(_, w string) string { return w }).
		Count(streams.As("words")).
		ToStream().
		To("counts")
	return build(t, b)
}

var guarantees = []streams.Guarantee{streams.AtLeastOnce, streams.ExactlyOnce}

func eachGuarantee(t *testing.T, f func(t *testing.T, g streams.Guarantee)) {
	for _, g := range guarantees {
		t.Run(g.String(), func(t *testing.T) {
			t.Parallel()
			f(t, g)
		})
	}
}

// failures is a word count that fails when it is told to.
type failures struct{ next atomic.Bool }

func (f *failures) wordCount(t *testing.T) *topology.Topology {
	b := streams.NewBuilder()
	b.Stream("lines", serde.String, serde.String).
		TryFlatMapValues(func(_ context.Context, r streams.Record[string, string]) ([]string, error) {
			if f.next.Swap(false) {
				return nil, errors.New("asked to fail")
			}
			return strings.Fields(r.Value), nil
		}).
		GroupBy(func(_, w string) string { return w }).
		Count(streams.As("words")).
		ToStream().
		To("counts")
	return build(t, b)
}
