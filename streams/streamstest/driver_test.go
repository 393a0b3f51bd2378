package streamstest_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/streamstest"
	"github.com/millrace-go/millrace/topology"
)

type record = topology.Record[string, string]

func driver(t testing.TB, top *topology.Topology, c streams.Config, o ...streamstest.Option) *streamstest.Driver {
	t.Helper()
	if c.CacheBytes == nil {
		c.CacheBytes = new(int64)
	}
	d, err := streamstest.New(top, c, o...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func build(t testing.TB, b *streams.Builder) *topology.Topology {
	t.Helper()
	top, err := b.Build()
	require.NoError(t, err)
	return top
}

// text prints records as topic k=v@time, numbers as such.
func text(rs []streamstest.Raw) []string {
	out := []string{}
	for _, r := range rs {
		part := ""
		if r.Partition > 0 {
			part = fmt.Sprintf("/%d", r.Partition)
		}
		out = append(out, fmt.Sprintf("%s%s %s=%s@%d", r.Topic, part, bytes(r.Key), bytes(r.Value), int64(r.Time)))
	}
	return out
}

func bytes(b []byte) string {
	switch {
	case b == nil:
		return "null"
	case len(b) == 8 && b[0] == 0:
		n, _ := serde.Int64.Decode(b)
		return fmt.Sprint(n)
	}
	return string(b)
}

func TestRecordIsWorkedOffThroughItsRepartitionTopic(t *testing.T) {
	t.Parallel()
	b := streams.NewBuilder()
	b.Stream("lines", serde.String, serde.String).
		FlatMapValues(strings.Fields).
		GroupBy(func(_, w string) string { return w }).
		Count(streams.As("counts")).
		ToStream().
		To("out")
	d := driver(t, build(t, b), streams.Config{ApplicationID: "wc"})
	in := d.Input("lines", serde.String, serde.String).At(time.UnixMilli(100), 10*time.Millisecond)
	require.NoError(t, in.PipeValues("a b", "a"))
	require.Equal(t, []string{
		"wc-counts-repartition a=a@100", "wc-counts-repartition b=b@100",
		"wc-counts-changelog a=1@100", "out a=1@100", "wc-counts-changelog b=1@100", "out b=1@100",
		"wc-counts-repartition a=a@110", "wc-counts-changelog a=2@110", "out a=2@110",
	}, text(d.Produced()))
	require.Empty(t, d.Produced())
	require.Equal(t, []string{"out", "wc-counts-changelog", "wc-counts-repartition"}, d.Topics())
	require.Equal(t, []string{"counts"}, d.Stores())

	out := d.Output("out", serde.String, serde.Int64)
	require.Equal(t, 3, out.Len(), "Produced leaves Outputs alone")
	r, ok, err := out.Read()
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, topology.Of("a", int64(1), 100), r)
	rest, err := streamstest.ReadMap(out)
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"a": 2, "b": 1}, rest)
	require.True(t, out.Empty())
	_, ok, err = out.Read()
	require.NoError(t, err)
	require.False(t, ok)

	rows, ok := d.Dump("counts")
	require.True(t, ok)
	require.Len(t, slices.Collect(rows), 2)
	_, ok = d.Dump("unknown")
	require.False(t, ok)
}

func TestCachesFlushAfterEachRecordOrBatch(t *testing.T) {
	t.Parallel()
	cache := int64(1 << 20)
	values := []string{"x", "y", "z"}
	for _, c := range []struct {
		options []streamstest.Option
		want    []string
	}{
		{nil, []string{"app-counts-changelog null=1@0", "out null=1@0"}},
		{[]streamstest.Option{streamstest.Batches()}, []string{"app-counts-changelog k=3@0", "out k=3@0"}},
	} {
		d := driver(t, build(t, countPerKey(t)), streams.Config{CacheBytes: &cache}, c.options...)
		in := d.Input("in", serde.String, serde.String)
		require.NoError(t, in.PipeKeyValues(func(yield func(string, string) bool) {
			for _, v := range values {
				if !yield("k", v) {
					return
				}
			}
		}))
		got := text(d.Produced())
		if c.options == nil {
			require.Equal(t, []string{"app-counts-changelog k=1@0", "out k=1@0", "app-counts-changelog k=2@0", "out k=2@0", "app-counts-changelog k=3@0", "out k=3@0"}, got)
			continue
		}
		require.Equal(t, c.want, got)
	}
}

func TestUnknownTopicsAreErrorsThatNameTheOthers(t *testing.T) {
	t.Parallel()
	top := topology.New()
	top.Source("a", serde.String, serde.String, "a").Merge("m",
		top.AddSource(topology.SourceSpec[string, string]{Name: "p", Pattern: regexp.MustCompile("^x-"), Key: serde.String, Value: serde.String})).
		Sink("snk", "out", serde.String, serde.String)
	d := driver(t, top, streams.Config{})
	require.EqualError(t, d.Pipe(streamstest.Raw{Topic: "b"}), `streamstest: no source reads topic "b": the topology reads a, those that match ^x-`)
	require.EqualError(t, d.Input("out", serde.String, serde.String).PipeValue("v"), `streamstest: no source reads topic "out": the topology reads a, those that match ^x-`)
	require.NoError(t, d.Input("x-1", serde.String, serde.String).PipeValue("v"))
	require.Equal(t, []string{"out null=v@0"}, text(d.Produced()))
	require.ErrorContains(t, d.PipeTo(1, streamstest.Raw{Topic: "a"}), `topic "a" has partitions 0 to 0, not 1`)
}

func TestWallClockMovesOnlyWhenItIsAdvanced(t *testing.T) {
	t.Parallel()
	top := topology.New()
	top.Source("src", serde.String, serde.String, "in").Process("p", func(c *topology.ProcessorContext[string, string]) (topology.Processor[string, string], error) {
		tick := func(name string) func(context.Context, topology.Time) error {
			return func(_ context.Context, now topology.Time) error { return c.Forward(topology.Of(name, "", now)) }
		}
		c.Schedule(10*time.Millisecond, topology.WallClock, tick("wall"))
		c.Schedule(10*time.Millisecond, topology.StreamTime, tick("stream"))
		return topology.ProcessorFunc[string, string](func(context.Context, record) error { return nil }), nil
	}).Sink("snk", "out", serde.String, serde.String)
	d := driver(t, top, streams.Config{}, streamstest.StartAt(time.UnixMilli(1000)))
	require.NoError(t, d.AdvanceWallClock(9*time.Millisecond))
	require.Empty(t, d.Produced())
	require.NoError(t, d.AdvanceWallClock(26*time.Millisecond))
	require.Equal(t, []string{"out wall=@1035"}, text(d.Produced()))
	require.Equal(t, time.UnixMilli(1035).UTC(), d.WallClock())
	require.NoError(t, d.Input("in", serde.String, serde.String).PipeAt("k", "v", 25))
	require.NoError(t, d.Input("in", serde.String, serde.String).PipeAt("k", "v", 29))
	require.Equal(t, []string{"out stream=@25"}, text(d.Produced()))
	require.NoError(t, d.Input("in", serde.String, serde.String).PipeValue("v"))
	require.Equal(t, []string{"out stream=@1035"}, text(d.Produced()), "an input's record has the wall clock's time")
	require.Error(t, d.AdvanceWallClock(-time.Millisecond))
}

// withRates looks the value up in a global store.
func withRates() *topology.Topology {
	top := topology.New()
	kv := state.KeyValue("rates", serde.String, serde.Int64)
	ref := top.GlobalStore("global", kv, "rates-in", serde.String, serde.Int64, func(c *topology.Context) (topology.Processor[string, int64], error) {
		st := c.Store(topology.NamedStore[state.KeyValueStore[string, int64]]("rates"))
		return topology.ProcessorFunc[string, int64](func(_ context.Context, r topology.Record[string, int64]) error {
			if r.Tombstone {
				return st.Delete(r.Key)
			}
			return st.Put(r.Key, r.Value)
		}), nil
	})
	top.Source("src", serde.String, serde.String, "in").Process("look", func(c *topology.ProcessorContext[string, string]) (topology.Processor[string, string], error) {
		st := c.Store(ref)
		return topology.ProcessorFunc[string, string](func(_ context.Context, r record) error {
			v, ok, err := st.Get(r.Value)
			if err != nil {
				return err
			}
			return c.Forward(r.WithValue(fmt.Sprint(v, ok)))
		}), nil
	}).Sink("snk", "out", serde.String, serde.String)
	return top
}

func TestGlobalTopicsAreAppliedAtOnceAndSkipWhatCannotBeDecoded(t *testing.T) {
	t.Parallel()
	for _, o := range [][]streamstest.Option{nil, {streamstest.Partitions(3)}} {
		d := driver(t, withRates(), streams.Config{}, o...)
		rates := d.Input("rates-in", serde.String, serde.Int64)
		in := d.Input("in", serde.String, serde.String)
		require.NoError(t, in.PipeKeyValue("k", "eur"))
		require.NoError(t, rates.PipeKeyValue("eur", 5))
		require.NoError(t, d.Pipe(streamstest.Raw{Topic: "rates-in", Key: []byte("eur"), Value: []byte("not eight bytes")}))
		require.NoError(t, in.PipeKeyValue("k", "eur"))
		require.NoError(t, d.Crash())
		require.NoError(t, in.PipeKeyValue("k", "eur"))
		require.NoError(t, rates.PipeTombstone("eur"))
		require.NoError(t, in.PipeKeyValue("k", "eur"))
		values, err := d.Output("out", serde.String, serde.String).ReadValues()
		require.NoError(t, err)
		require.Equal(t, []string{"0 false", "5 true", "5 true", "0 false"}, values)
		require.Equal(t, []string{"rates"}, d.Stores())
		_, ok := d.Dump("rates")
		require.True(t, ok)
		st, err := d.Store(topology.NamedStore[state.KeyValueStore[string, int64]]("rates"))
		require.NoError(t, err)
		_, ok, err = st.Get("eur")
		require.NoError(t, err)
		require.False(t, ok)
	}
}

func TestErrorStopsTheDriverUntilACrash(t *testing.T) {
	t.Parallel()
	failing := true
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		TryMapValues(func(_ context.Context, r record) (string, error) {
			if failing && r.Value == "bad" {
				return "", errors.New("boom")
			}
			return r.Value + "!", nil
		}).To("out")
	d := driver(t, build(t, b), streams.Config{})
	in := d.Input("in", serde.String, serde.String)
	require.NoError(t, in.PipeKeyValue("k", "good"))
	err := in.PipeKeyValue("k", "bad")
	var node *topology.NodeError
	require.ErrorAs(t, err, &node)
	require.Equal(t, topology.RecordMetadata{Topic: "in", Offset: 1}, node.Record)
	require.ErrorIs(t, in.PipeKeyValue("k", "later"), err)
	require.ErrorIs(t, d.AdvanceWallClock(time.Second), err)
	failing = false
	require.NoError(t, d.Crash())
	require.NoError(t, in.PipeKeyValue("k", "later"))
	values, err := d.Output("out", serde.String, serde.String).ReadValues()
	require.NoError(t, err)
	require.Equal(t, []string{"good!", "bad!", "later!"}, values)
}

func TestHandlersAndDeadLetters(t *testing.T) {
	t.Parallel()
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.Int64).
		TryMapValues(func(_ context.Context, r topology.Record[string, int64]) (int64, error) {
			if r.Value == 13 {
				return 0, errors.New("unlucky")
			}
			return r.Value, nil
		}).To("out")
	dead := func(context.Context, *streams.Failure) streams.Decision { return streams.DeadLetter }
	d := driver(t, build(t, b), streams.Config{OnProcessingError: dead, OnDeserializationError: dead, DeadLetterTopic: "dlq"})
	in := d.Input("in", serde.String, serde.Int64)
	require.NoError(t, in.PipeKeyValue("a", 13))
	require.NoError(t, d.Input("in", serde.String, serde.String).PipeKeyValue("b", "text"))
	require.NoError(t, in.PipeKeyValue("c", 1))
	require.Equal(t, []string{"dlq a=13@0", "dlq b=text@0", "out c=1@0"}, text(d.Produced()))
	require.Equal(t, int64(2), d.Dropped())
	require.Len(t, d.DroppedByNode(), 2)
	require.NoError(t, d.Crash())
	require.Equal(t, int64(2), d.Dropped())
}

func TestStoreIsReadAndWrittenByTheTest(t *testing.T) {
	t.Parallel()
	top := topology.New()
	ref := top.AddStore(state.KeyValue("seen", serde.String, serde.String))
	top.Source("src", serde.String, serde.String, "in").Process("p", func(c *topology.ProcessorContext[string, string]) (topology.Processor[string, string], error) {
		st := c.Store(ref)
		return topology.ProcessorFunc[string, string](func(_ context.Context, r record) error {
			old, _, err := st.Get(r.Key)
			if err != nil {
				return err
			}
			if err := st.Put(r.Key, r.Value); err != nil {
				return err
			}
			return c.Forward(r.WithValue(old + ">" + r.Value))
		}), nil
	}, ref).Sink("snk", "out", serde.String, serde.String)
	d := driver(t, top, streams.Config{})
	st, err := d.Store(ref)
	require.NoError(t, err)
	require.NoError(t, st.Put("k", "before"))
	require.NoError(t, d.Input("in", serde.String, serde.String).PipeKeyValue("k", "after"))
	v, ok, err := st.Get("k")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "after", v)
	values, err := d.Output("out", serde.String, serde.String).ReadValues()
	require.NoError(t, err)
	require.Equal(t, []string{"before>after"}, values)
	_, err = d.Store(topology.NamedStore[any]("unknown"))
	require.ErrorContains(t, err, `there is no store "unknown"; there are ["seen"]`)
	_, err = d.Store(topology.NamedStore[state.WindowStore[string, string]]("seen"))
	require.ErrorContains(t, err, "store seen is a")
}

func TestBadConfigurationAndTopologyAreRefused(t *testing.T) {
	t.Parallel()
	bad := topology.New()
	bad.Source("src", serde.String, serde.String)
	_, err := streamstest.New(bad, streams.Config{})
	require.ErrorContains(t, err, "source src reads no topic")
	_, err = streamstest.New(topology.New(), streams.Config{ApplicationID: "not allowed"})
	require.ErrorContains(t, err, "ApplicationID")
	_, err = streamstest.New(topology.New(), streams.Config{}, streamstest.Partitions(-1))
	require.ErrorContains(t, err, "Partitions(-1)")
}

func TestClosedDriverSaysSo(t *testing.T) {
	t.Parallel()
	d := driver(t, build(t, countPerKey(t)), streams.Config{})
	require.NoError(t, d.Close())
	require.ErrorContains(t, d.Pipe(streamstest.Raw{Topic: "in"}), "the driver is closed")
	require.ErrorContains(t, d.Crash(), "the driver is closed")
}

func TestHeadersAndNullsPassThrough(t *testing.T) {
	t.Parallel()
	top := topology.New()
	top.Source("src", serde.String, serde.String, "in").Sink("snk", "out", serde.String, serde.String)
	d := driver(t, top, streams.Config{})
	h := serde.Headers{{Key: "h", Value: []byte("v")}, {Key: "n"}}
	require.NoError(t, d.Pipe(streamstest.Raw{Topic: "in", Key: []byte{}, Value: []byte{}, Headers: h, Time: 3}))
	require.NoError(t, d.Pipe(streamstest.Raw{Topic: "in"}))
	require.Equal(t, []streamstest.Raw{{Topic: "out", Key: []byte{}, Value: []byte{}, Headers: h, Time: 3}, {Topic: "out"}}, d.Produced())
}
