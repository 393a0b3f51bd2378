package streams_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/streamstest"
	"github.com/millrace-go/millrace/window"
)

func nothing() string { return "" }

// mark is an aggregator that says which stream a value came from.
func mark(m string) func(k, v, agg string) string {
	return func(_, v, agg string) string { return agg + m + v }
}

func byValue(_, v string) string { return v[:1] }

// Streams of different types, some re-keyed, in four partitions: each record is added once, by its own stream's function.
func TestCogroupOfRekeyedStreams(t *testing.T) {
	t.Parallel()
	d := drive(t, func(b *streams.Builder) {
		l := b.Stream("l", serde.String, serde.String).GroupBy(byValue)
		n := b.Stream("n", serde.String, serde.Int64).GroupByKey()
		r := b.Stream("r", serde.String, serde.String).SelectKey(byValue).GroupByKey()
		l.Cogroup(mark("<")).
			Cogroup(n, func(_ string, v int64, agg string) string { return agg + string(rune('0'+v)) }).
			Cogroup(r, mark(">")).
			Aggregate(nothing, streams.As("co")).
			ToStream().
			To("out")
	}, streamstest.Partitions(4))
	text := d.Input("l", serde.String, serde.String)
	for _, v := range []string{"a1", "b1", "a2"} {
		require.NoError(t, text.PipeAt("k"+v, v, 5))
	}
	require.NoError(t, d.Input("n", serde.String, serde.Int64).PipeAt("a", 7, 3))
	require.NoError(t, d.Input("r", serde.String, serde.String).PipeAt("k", "a3", 6))
	require.Equal(t, []string{"a=<a1@5", "b=<b1@5", "a=<a1<a2@5", "a=<a1<a27@5", "a=<a1<a27>a3@6"}, lines(t, d, "out"))
	// Kafka Streams refuses a second re-keyed stream without a name. Here its topic is called after its place.
	require.Subset(t, d.Topics(), []string{"app-co-repartition", "app-co-cogroup-2-repartition", "app-co-changelog"})
}

// Aggregates of one cogroup share its repartitions, and adding a stream leaves the cogroup as it was.
func TestCogroupsAreValues(t *testing.T) {
	t.Parallel()
	b := streams.NewBuilder()
	in := b.Stream("l", serde.String, serde.String)
	one := in.GroupBy(byValue, streams.Named("g")).Cogroup(mark("<"))
	two := one.Cogroup(b.Stream("r", serde.String, serde.String).GroupByKey(), mark(">"))
	one.Aggregate(nothing, streams.As("one")).ToStream().To("o1")
	two.Aggregate(nothing, streams.As("two")).ToStream().To("o2")
	one.WindowedBy(window.Tumbling[string]{Size: 10 * time.Millisecond}).Aggregate(nothing, streams.As("w"))
	top, err := b.Build()
	require.NoError(t, err)
	var topics []string
	for _, topic := range top.InternalTopics("app") {
		topics = append(topics, topic.Name)
	}
	require.ElementsMatch(t, []string{"app-g-repartition", "app-one-changelog", "app-two-changelog", "app-w-changelog"}, topics)

	d, err := streamstest.New(top, streams.Config{CacheBytes: new(int64)})
	require.NoError(t, err)
	defer d.Close()
	require.NoError(t, d.Input("l", serde.String, serde.String).PipeAt("x", "a", 1))
	require.NoError(t, d.Input("r", serde.String, serde.String).PipeAt("a", "b", 1))
	for topic, want := range map[string]string{"o1": "<a", "o2": "<a>b"} {
		got, err := streamstest.ReadMap(d.Output(topic, serde.String, serde.String))
		require.NoError(t, err)
		require.Equal(t, map[string]string{"a": want}, got)
	}
}

// One stream may be added twice: both functions see its records, in order.
func TestCogroupOfOneStreamTwice(t *testing.T) {
	t.Parallel()
	d := drive(t, func(b *streams.Builder) {
		g := b.Stream("l", serde.String, serde.String).GroupByKey()
		g.Cogroup(mark("<")).Cogroup(g, mark(">")).Aggregate(nothing).ToStream().To("out")
	})
	require.NoError(t, d.Input("l", serde.String, serde.String).PipeAt("a", "x", 1))
	require.Equal(t, []string{"a=<x@1", "a=<x>x@1"}, lines(t, d, "out"))
}

// A Try function gets the record, deletes by Null and drops by Skip; the plain function of another stream is not asked about tombstones.
func TestCogroupAnswers(t *testing.T) {
	t.Parallel()
	try := func(_ context.Context, r textRow, agg string) (string, error) {
		switch {
		case r.Tombstone:
			return agg + "t", nil
		case r.Value == "null":
			return "", streams.Null
		case r.Value == "skip":
			return "", streams.Skip
		case r.Value == "bad":
			return "", errBad
		}
		return agg + "<" + r.Value, nil
	}
	t.Run("plain", func(t *testing.T) {
		t.Parallel()
		d := drive(t, func(b *streams.Builder) {
			l := b.Stream("l", serde.String, serde.String).GroupByKey()
			r := b.Stream("r", serde.String, serde.String).GroupByKey()
			r.Cogroup(mark(">")).TryCogroup(l, try).Aggregate(nothing).ToStream().To("out")
		})
		l, r := d.Input("l", serde.String, serde.String), d.Input("r", serde.String, serde.String)
		require.NoError(t, l.PipeAt("a", "x", 1))
		require.NoError(t, r.PipeAt("a", "y", 2))
		require.NoError(t, l.PipeAt("a", "skip", 3))
		require.NoError(t, l.PipeAt("a", "null", 4))
		require.NoError(t, r.PipeAt("a", "z", 5))
		require.NoError(t, l.PipeTombstone("a"))
		require.NoError(t, r.PipeTombstone("a"))
		require.Equal(t, []string{"a=<x@1", "a=<x>y@2", "a=null@4", "a=>z@5"}, lines(t, d, "out"))
		require.EqualValues(t, 3, d.Dropped())
		require.ErrorIs(t, l.PipeAt("a", "bad", 6), errBad)
	})
	t.Run("windows", func(t *testing.T) {
		t.Parallel()
		d := drive(t, func(b *streams.Builder) {
			l := b.Stream("l", serde.String, serde.String).GroupByKey()
			r := b.Stream("r", serde.String, serde.String).GroupByKey()
			r.Cogroup(mark(">")).TryCogroup(l, try).
				WindowedBy(window.Tumbling[string]{Size: 10 * time.Millisecond}).
				Aggregate(nothing).
				ToStream().
				SelectKey(func(k window.Windowed[string], _ string) string { return k.Key }).
				To("out")
		})
		l, r := d.Input("l", serde.String, serde.String), d.Input("r", serde.String, serde.String)
		require.NoError(t, r.PipeAt("a", "y", 12))
		require.NoError(t, l.Pipe(textRow{Key: "a", Time: 13, Tombstone: true}))
		require.NoError(t, r.Pipe(textRow{Key: "a", Time: 13, Tombstone: true}))
		require.NoError(t, l.PipeAt("a", "x", 15))
		require.NoError(t, r.PipeAt("a", "late", 9))
		require.Equal(t, []string{"a=>y@12", "a=>yt@13", "a=>yt<x@15"}, lines(t, d, "out"))
		require.EqualValues(t, 2, d.Dropped(), "a tombstone and a late record")
	})
}

// Sessions hold the records of all streams; a merge may fail.
func TestCogroupSessions(t *testing.T) {
	t.Parallel()
	merge := func(_ context.Context, _ string, a, b string) (string, error) {
		if b == "<bad" {
			return "", errBad
		}
		return a + "&" + b, nil
	}
	d := drive(t, func(b *streams.Builder) {
		l := b.Stream("l", serde.String, serde.String).GroupByKey()
		r := b.Stream("r", serde.String, serde.String).GroupByKey()
		l.Cogroup(mark("<")).Cogroup(r, mark(">")).
			WindowedBySession(window.Session[string]{Gap: 5 * time.Millisecond, Grace: time.Second}).
			TryAggregate(nothing, merge).
			ToStream().
			TrySelectKey(func(_ context.Context, r streams.Record[window.Windowed[string], string]) (string, error) {
				return r.Key.Key, nil
			}).
			To("out")
	})
	l, r := d.Input("l", serde.String, serde.String), d.Input("r", serde.String, serde.String)
	require.NoError(t, l.PipeAt("a", "x", 0))
	require.NoError(t, r.PipeAt("a", "y", 10))
	require.NoError(t, l.PipeAt("a", "z", 5))
	require.Equal(t, []string{"a=<x@0", "a=>y@10", "a=null@0", "a=null@10", "a=&<x&>y<z@10"}, lines(t, d, "out"))
	require.NoError(t, l.PipeAt("b", "bad", 20))
	require.ErrorIs(t, l.PipeAt("b", "z", 22), errBad)
}

// TestCogroupReports checks that mistakes are refused, with the node and the fix.
func TestCogroupReports(t *testing.T) {
	t.Parallel()
	text := func(b *streams.Builder, topic string) streams.GroupedStream[string, string] {
		return b.Stream(topic, serde.String, serde.String).GroupByKey()
	}
	cases := []struct {
		name    string
		program func(b *streams.Builder)
		want    []string
	}{
		{"a nil aggregator", func(b *streams.Builder) {
			text(b, "l").Cogroup(mark("<")).Cogroup(text(b, "r"), (func(k, v, a string) string)(nil)).Aggregate(nothing, streams.Named("co"))
		}, []string{"node co-cogroup-agg-1", "function is nil"}},
		{"a nil initialiser", func(b *streams.Builder) { text(b, "l").Cogroup(mark("<")).Aggregate(nil) },
			[]string{"node COGROUPKSTREAM-MERGE-0000000003", "function is nil"}},
		{"a nil merger", func(b *streams.Builder) {
			text(b, "l").Cogroup(mark("<")).WindowedBySession(window.Session[string]{Gap: time.Second}).Aggregate(nothing, nil)
		}, []string{"node COGROUPKSTREAM-MERGE-0000000003", "function is nil"}},
		{"a stream of another builder", func(b *streams.Builder) {
			text(b, "l").Cogroup(mark("<")).Cogroup(text(streams.NewBuilder(), "r"), mark(">")).Aggregate(nothing)
		}, []string{"another Builder"}},
		{"windows without a size", func(b *streams.Builder) {
			text(b, "l").Cogroup(mark("<")).WindowedBy(window.Tumbling[string]{}).Aggregate(nothing, streams.As("w"))
		}, []string{"cogroup with store w", "Tumbling.Size"}},
		{"sessions without a gap", func(b *streams.Builder) {
			text(b, "l").Cogroup(mark("<")).WindowedBySession(window.Session[string]{Gap: -1}).Aggregate(nothing, func(_, a, b string) string { return a + b }, streams.As("s"))
		}, []string{"cogroup with store s"}},
		{"a retention that is too short", func(b *streams.Builder) {
			text(b, "l").Cogroup(mark("<")).WindowedBy(window.Tumbling[string]{Size: time.Minute}).Aggregate(nothing, streams.Retention(time.Second))
		}, []string{"node COGROUPKSTREAM-MERGE-0000000003", "Retention(1s)", "1m0s"}},
		{"a TTL of windows", func(b *streams.Builder) {
			text(b, "l").Cogroup(mark("<")).WindowedBySession(window.Session[string]{Gap: time.Minute}).
				Aggregate(nothing, func(_, a, b string) string { return a + b }, streams.TTL(time.Second))
		}, []string{"node COGROUPKSTREAM-MERGE-0000000003", "TTL", "Retention"}},
		{"a grouping's name that is taken", func(b *streams.Builder) {
			g := b.Stream("l", serde.String, serde.String).GroupBy(byValue, streams.Named("g"))
			g.Count()
			g.Cogroup(mark("<")).Aggregate(nothing)
		}, []string{"internal topic g-repartition", "another Named"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := streams.NewBuilder()
			c.program(b)
			_, err := b.Build()
			for _, w := range c.want {
				require.ErrorContains(t, err, w)
			}
		})
	}
	b := streams.NewBuilder()
	b.Stream("l", serde.String, serde.String).GroupBy(byValue).Cogroup(mark("<")).Aggregate(nothing)
	_, err := b.Build(streams.RequireNames())
	require.ErrorContains(t, err, "the store COGROUPKSTREAM-AGGREGATE-STATE-STORE-0000000002 has a generated name")
	require.ErrorContains(t, err, "the internal topic COGROUPKSTREAM-AGGREGATE-STATE-STORE-0000000002-repartition has a generated name")
}

// A crash loses no record of any stream.
func TestCogroupSurvivesACrash(t *testing.T) {
	t.Parallel()
	b := streams.NewBuilder()
	b.Stream("l", serde.String, serde.String).GroupByKey().Cogroup(mark("<")).
		Cogroup(b.Stream("r", serde.String, serde.String).GroupBy(byValue), mark(">")).
		Aggregate(nothing, streams.As("co")).
		ToStream().To("out")
	top, err := b.Build()
	require.NoError(t, err)
	d, err := streamstest.New(top, streams.Config{Guarantee: streams.ExactlyOnce}, streamstest.ManualCommit())
	require.NoError(t, err)
	defer d.Close()
	l, r := d.Input("l", serde.String, serde.String), d.Input("r", serde.String, serde.String)
	require.NoError(t, l.PipeAt("a", "1", 1))
	require.NoError(t, r.PipeAt("k", "a2", 2))
	require.NoError(t, d.Commit())
	require.NoError(t, l.PipeAt("a", "3", 3))
	require.NoError(t, d.Crash())
	require.NoError(t, l.PipeAt("a", "4", 4))
	for range 3 {
		require.NoError(t, d.Commit())
	}
	out := lines(t, d, "out")
	require.NotEmpty(t, out)
	require.Equal(t, "a=<1>a2<3<4@4", out[len(out)-1])
}
