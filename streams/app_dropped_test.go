package streams_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/window"
)

// What is dropped is told by node and reason while the application runs, by all its threads together, global tables included, and when it has ended.
func TestAppTellsWhatItDrops(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topics(2, "in")
	c.topics(1, "names", "out")
	b := streams.NewBuilder()
	b.GlobalTable("names", serde.String, serde.String, streams.Named("names"))
	b.Stream("in", serde.String, serde.Int64, streams.Named("numbers")).
		TryFilter(func(_ context.Context, r streams.Record[string, int64]) (bool, error) {
			return true, skipIf(r.Value == 13)
		}, streams.Named("no-13")).
		GroupByKey().
		WindowedBy(window.Tumbling[string]{Size: time.Second}).
		Count(streams.As("counts"), streams.Named("count")).
		ToStream(streams.Named("rows")).
		SelectKey(func(w window.Windowed[string], _ int64) string { return w.Key }, streams.Named("keys")).
		To("out", streams.Named("sink"))
	number := func(partition int32, k, v string, at int64) *kgo.Record {
		r := &kgo.Record{Topic: "in", Partition: partition, Value: []byte(v), Timestamp: time.UnixMilli(at)}
		if k != "" {
			r.Key = []byte(k)
		}
		return r
	}
	one, thirteen := string([]byte{0, 0, 0, 0, 0, 0, 0, 1}), string([]byte{0, 0, 0, 0, 0, 0, 0, 13})
	cfg := c.config("dropped")
	cfg.Threads = 2
	cfg.OnDeserializationError = func(context.Context, *streams.Failure) streams.Decision { return streams.Drop }
	a := c.run(build(t, b), cfg)
	cl, err := kgo.NewClient(append(c.options(), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	require.NoError(t, err)
	defer cl.Close()
	for p := range int32(2) {
		require.NoError(t, cl.ProduceSync(c.ctx,
			number(p, "a", one, 10_000),
			number(p, "a", one, 9_999), // its window has closed
			number(p, "a", one, 1),
			number(p, "", one, 10_001),
			number(p, "a", thirteen, 10_002),
			number(p, "a", "no number", 10_003)).FirstErr())
	}
	c.produce("names", "a row without a key")
	want := []streams.Dropped{
		{Node: "count", Reason: "late", Count: 4},
		{Node: "count", Reason: "null key", Count: 2},
		{Node: "names", Reason: "null key", Count: 1},
		{Node: "no-13", Reason: "skip", Count: 2},
		{Node: "numbers", Reason: "deserialization error", Count: 2},
	}
	var got []streams.Dropped
	c.until("all are counted", func() bool {
		got = a.Dropped()
		var n int64
		for _, d := range got {
			n += d.Count
		}
		return n >= 11
	})
	require.Equal(t, want, got)
	a.stop()
	require.Equal(t, want, a.Dropped())
}
