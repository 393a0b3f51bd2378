package streams_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

// The stores of a running application can be read from outside: those of tables, windows, sessions, versions, processors and global ones.
func TestAppShowsItsStores(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topics(3, "in")
	c.topics(2, "names", "rates")
	b := streams.NewBuilder()
	in := b.Stream("in", serde.String, serde.String)
	counts := in.GroupByKey().Count(streams.As("counts"))
	in.GroupByKey().WindowedBy(window.Tumbling[string]{Size: time.Minute}).Count(streams.As("per-minute"))
	in.GroupByKey().WindowedBySession(window.Session[string]{Gap: time.Minute}).Count(streams.As("visits"))
	seen := b.AddStore(state.KeyValue("seen", serde.String, serde.String))
	in.Process(func(ctx *topology.ProcessorContext[string, string]) (topology.Processor[string, string], error) {
		s := ctx.Store(seen)
		return topology.ProcessorFunc[string, string](func(_ context.Context, r topology.Record[string, string]) error {
			return s.Put(r.Key, r.Value)
		}), nil
	}, streams.Using(seen))
	names := b.GlobalTable("names", serde.String, serde.String)
	rates := b.Table("rates", serde.String, serde.String, streams.As("rates"), streams.Versioned(time.Hour))
	nameless := counts.MapValues(func(n int64) int64 { return n })
	app := c.run(build(t, b), c.config("view"))
	c.produce("names", "a=Ada", "b=Bob")
	at := func(topic, k, v string, ms int64) *kgo.Record {
		return &kgo.Record{Topic: topic, Key: []byte(k), Value: []byte(v), Timestamp: time.UnixMilli(ms)}
	}
	c.produceRaw(at("in", "a", "1", 1000), at("in", "b", "1", 2000), at("in", "c", "1", 3000), at("in", "a", "2", 61_000), at("rates", "r", "low", 10), at("rates", "r", "high", 20))
	app.caughtUp()

	table, err := app.View(counts)
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"a": 2, "b": 1, "c": 1}, entries(t, table))
	n, ok, err := table.Get("a")
	require.NoError(t, err)
	require.True(t, ok)
	require.EqualValues(t, 2, n)
	_, ok, err = table.Get("z")
	require.NoError(t, err)
	require.False(t, ok)
	size, err := table.Len()
	require.NoError(t, err)
	require.EqualValues(t, 3, size)
	all := table.All()
	for e, err := range all {
		require.NoError(t, err)
		_, ok, err := table.Get(e.Key) // the thread answers while the list is ranged over
		require.NoError(t, err)
		require.True(t, ok)
	}

	windows, err := app.Store(topology.NamedStore[state.ReadOnlyWindow[string, state.Stamped[int64]]]("per-minute"))
	require.NoError(t, err)
	count, ok, err := windows.Get("a", 60_000)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, state.Stamped[int64]{Value: 1, Time: 61_000}, count)
	var starts []window.Time
	for e, err := range windows.FetchDescending("a", 0, 100_000) {
		require.NoError(t, err)
		starts = append(starts, e.Key)
	}
	require.Equal(t, []window.Time{60_000, 0}, starts)

	sessions, err := app.Store(topology.NamedStore[state.SessionStore[string, int64]]("visits"))
	require.NoError(t, err)
	for e, err := range sessions.Find("a", 0, window.MaxTime) {
		require.NoError(t, err)
		require.Equal(t, state.Entry[window.Windowed[string], int64]{Key: window.Windowed[string]{Key: "a", Window: window.Window{Start: 1000, End: 61_000}}, Value: 2}, e)
	}

	store, err := app.Store(seen)
	require.NoError(t, err)
	v, _, err := store.Get("a")
	require.NoError(t, err)
	require.Equal(t, "2", v)
	require.ErrorContains(t, store.Put("a", "3"), "store seen: a view reads only")
	sum := int64(0)
	require.NoError(t, app.EachStore(seen, func(s state.KeyValueStore[string, string]) error {
		n, err := s.Len()
		sum += n
		return err
	}))
	require.EqualValues(t, 3, sum)

	history, err := app.Store(topology.NamedStore[state.ReadOnlyVersioned[string, string]]("rates"))
	require.NoError(t, err)
	old, ok, err := history.GetAsOf("r", 15)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, state.Stamped[string]{Value: "low", Time: 10}, old)

	global, err := app.ViewGlobal(names)
	require.NoError(t, err)
	c.until("the names are there", func() bool { return len(entries(t, global)) == 2 })
	require.Equal(t, map[string]string{"a": "Ada", "b": "Bob"}, entries(t, global))

	_, err = app.View(nameless)
	require.ErrorContains(t, err, "the table has no store to look into: name one with streams.As")
	_, err = app.View(rates)
	require.ErrorContains(t, err, "store rates is a state.VersionedStore[string,string], not a state.ReadOnlyKeyValue[string,")
	_, err = app.Store(topology.NamedStore[state.KeyValueStore[string, string]]("sene"))
	require.ErrorContains(t, err, `the topology has no store "sene"`)
	app.stop()
	_, _, err = table.Get("a")
	require.ErrorIs(t, err, streams.ErrNotRunning)
	_, _, err = global.Get("a")
	require.ErrorIs(t, err, streams.ErrNotRunning)
}

func entries[V any](t *testing.T, s state.ReadOnlyKeyValue[string, V]) map[string]V {
	out := map[string]V{}
	for e, err := range s.All() {
		require.NoError(t, err)
		out[e.Key] = e.Value
	}
	return out
}

// Under exactly-once a view shows what no abort takes back: it waits for the next commit, which comes early for it.
func TestAppShowsCommittedState(t *testing.T) {
	t.Parallel()
	for _, uncommitted := range []bool{false, true} {
		c := newCluster(t)
		c.topics(1, "lines", "counts")
		b := streams.NewBuilder()
		words := b.Stream("lines", serde.String, serde.String).GroupByKey().Count(streams.As("words"))
		words.ToStream().To("counts")
		cfg := c.config("committed")
		cfg.Guarantee, cfg.ReadUncommitted = streams.ExactlyOnce, uncommitted
		cfg.CommitInterval, cfg.TransactionTimeout = 30*time.Second, 40*time.Second
		app := c.run(build(t, b), cfg)
		require.NoError(t, app.Wait(c.ctx, streams.Running))
		table, err := app.View(words)
		require.NoError(t, err)
		_, ok, err := table.Get("a")
		require.NoError(t, err)
		require.False(t, ok)
		c.produce("lines", "a=1", "a=2")
		c.until("it is processed", func() bool { return app.Processed() == 2 })
		n, _, err := table.Get("a")
		require.NoError(t, err)
		require.EqualValues(t, 2, n)
		if uncommitted {
			require.Empty(t, c.read("counts"))
		} else {
			require.Equal(t, map[string]int64{"a": 2}, c.counts("counts"))
		}
		app.stop()
		require.Equal(t, map[string]int64{"a": 2}, c.counts("counts"))
	}
}
