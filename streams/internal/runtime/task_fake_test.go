package runtime_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams/internal/runtime"
	"github.com/millrace-go/millrace/topology"
)

type (
	record = topology.Record[string, string]
	next   = func(record) error
	edge   = *topology.Edge[string, string]
)

// sink is a collector that keeps what it gets as text.
type sink struct {
	sent   []string
	dead   []topology.Outgoing // to the topic "dlq"
	err    error
	logErr error
}

func (c *sink) Send(o *topology.Outgoing) error {
	if o.To.Topic == "dlq" {
		c.dead = append(c.dead, *o)
		return c.err
	}
	c.sent = append(c.sent, fmt.Sprintf("%s %s=%s@%d", o.To.Topic, o.Key, o.Value, int64(o.Time)))
	return c.err
}

func (c *sink) Changelog(topic string, p int32) (state.Changelog, error) {
	return changelog{c, fmt.Sprintf("%s/%d", topic, p)}, c.err
}
func (c *sink) Partitions(string) (int32, error) { return 1, nil }
func (c *sink) take() (s []string)               { s, c.sent = c.sent, nil; return s }

type changelog struct {
	c  *sink
	to string
}

func (l changelog) Log(r state.LogRecord) error {
	l.c.sent = append(l.c.sent, fmt.Sprintf("%s %s=%s@%d", l.to, r.Key, r.Value, int64(r.Time)))
	return l.c.logErr
}

// fixture is a started task and what it writes.
type fixture struct {
	*runtime.Task
	t    testing.TB
	c    *sink
	now  runtime.Time
	next map[string]int64 // offset by topic

	dropped func() []runtime.Dropped
}

// fixed starts a task that reads partition 0 of topics.
func fixed(t testing.TB, top *topology.Topology, config runtime.Config, committed map[runtime.TopicPartition]runtime.Committed, topics ...string) *fixture {
	t.Helper()
	f := opened(t, top, config, topics...)
	require.NoError(t, f.Start(context.Background(), committed))
	return f
}

// opened is fixed before Start.
func opened(t testing.TB, top *topology.Topology, config runtime.Config, topics ...string) *fixture {
	t.Helper()
	return openedIn(t, nil, top, config, topics...)
}

// openedIn is opened with a database.
func openedIn(t testing.TB, db *state.DB, top *topology.Topology, config runtime.Config, topics ...string) *fixture {
	t.Helper()
	require.NoError(t, top.Err())
	config.ApplicationID = "app"
	f := &fixture{t: t, c: &sink{}, next: map[string]int64{}}
	config.Drops = new(runtime.Drops)
	f.dropped = config.Drops.List
	spec := runtime.TaskSpec{ID: topology.TaskID{Subtopology: 0, Partition: 0}, Topology: top, Config: &config, Collector: f.c, DB: db,
		Now: func() runtime.Time { return f.now }, Logger: slog.New(slog.DiscardHandler)}
	for _, topic := range topics {
		spec.Inputs = append(spec.Inputs, runtime.TopicPartition{Topic: topic})
	}
	var err error
	f.Task, err = runtime.OpenTask(spec)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

func (f *fixture) queue(topic string) *runtime.Queue {
	q, err := f.Queue(runtime.TopicPartition{Topic: topic})
	require.NoError(f.t, err)
	return q
}

// push pushes records with these times, value "topic@time".
func (f *fixture) push(topic string, times ...runtime.Time) {
	f.t.Helper()
	var rs []topology.Raw
	for _, at := range times {
		rs = append(rs, topology.Raw{Topic: topic, Offset: f.next[topic], Key: []byte("k"), Value: fmt.Appendf(nil, "%s%d", topic, int64(at)), Time: at})
		f.next[topic]++
	}
	f.Push(f.queue(topic), rs)
}

// pushValue pushes one record.
func (f *fixture) pushValue(topic, key, value string, at runtime.Time) {
	f.t.Helper()
	f.Push(f.queue(topic), []topology.Raw{{Topic: topic, Offset: f.next[topic], Key: []byte(key), Value: []byte(value), Time: at}})
	f.next[topic]++
}

func (f *fixture) process(limit int) int {
	f.t.Helper()
	n, err := f.Process(limit)
	require.NoError(f.t, err)
	return n
}

// merged copies the topics to "out".
func merged(topics ...string) *topology.Topology {
	top := topology.New()
	var sources []edge
	for _, name := range topics {
		sources = append(sources, top.Source(name, serde.String, serde.String, name))
	}
	sources[0].Merge("merge", sources[1:]...).Sink("snk", "out", serde.String, serde.String)
	return top
}

// processed sends every record through f and then to "out".
func processed(f topology.Supplier[string, string, string, string], stores ...topology.AnyStore) *topology.Topology {
	top := topology.New()
	top.Source("src", serde.String, serde.String, "in").Process("p", f, stores...).Sink("snk", "out", serde.String, serde.String)
	return top
}

type processor = topology.ProcessorFunc[string, string]

func always(d runtime.Decision) runtime.Handler {
	return func(context.Context, *runtime.Failure) runtime.Decision { return d }
}
