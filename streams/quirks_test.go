package streams_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/streamstest"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

// What Millrace does where it does not repeat Kafka Streams: docs/decisions/0003-quirks-of-kafka-streams.md. The names are the recorded cases'.
func TestQuirks(t *testing.T) {
	const ms = time.Millisecond
	add := func(_, v, agg string) string { return agg + v }
	empty := func() string { return "" }
	merge := func(_, a, b string) string { return a + b }
	key := func(k window.Windowed[string]) string { return short(k) }
	tumbling := window.Tumbling[string]{Size: 10 * ms, Grace: 5 * ms}
	playGolden(t, []golden{
		{law: "emit-close-loss", build: func(b *streams.Builder) {
			b.Stream("in", serde.String, serde.String).GroupByKey().WindowedBy(tumbling).EmitOnClose().
				Aggregate(empty, add).ToStream().MapKey(key).To("out")
		},
			in:   "in:a@1 in:b@12 in:c@1000 in:d@100000 in:e@99999 in:f@200000",
			want: "3:k[0/10]=a@1,k[10/20]=b@12 4:k[1000/1010]=c@1000 6:k[99990/100000]=e@99999,k[100000/100010]=d@100000"},
		{law: "emit-close-loss, sessions in memory", build: func(b *streams.Builder) {
			b.Stream("in", serde.String, serde.String).GroupByKey().WindowedBySession(window.Session[string]{Gap: 5 * ms}).EmitOnClose().
				Aggregate(empty, add, merge, streams.InMemory()).ToStream().MapKey(key).To("out")
		},
			in: "in:a@1 in:b@3 in:c@8 in:d@14 in:e@1000", want: "4:k[1/8]=abc@8 5:k[14/14]=d@14"},
		{law: "suppress-old-value", build: func(b *streams.Builder) {
			b.Table("in", serde.String, serde.String).
				Suppress(streams.UntilTimeLimit{Wait: 5 * ms}).
				GroupBy(func(_, v string) (string, string) { return "k", v }).
				Aggregate(empty, func(_, v, agg string) string { return agg + "+" + v }, func(_, v, agg string) string { return agg + "-" + v }).
				ToStream().To("out")
		},
			in: "in:a=1@10 in:b=1@15 in:a=2@16 in:a=3@17 in:c=1@30", want: "2:+1@10 5:+1+1@15,+1+1-1+3@17"},
		{law: "table-self-join", build: func(b *streams.Builder) {
			t := b.Table("in", serde.String, serde.String)
			t.Join(t, bothThere).ToStream().To("out")
		},
			in: "in:A@1 in:B@2 in:-@3 in:C@4", want: "1:A-A@1,A-A@1 2:B-B@2,B-B@2 3:null@3 4:C-C@4,C-C@4"},
		{law: "table-self-join, a grouping behind it", build: func(b *streams.Builder) {
			t := b.Table("in", serde.String, serde.String)
			toOut(t.Join(t, bothThere).GroupBy(func(k, v string) (string, string) { return v, k }).Count())
		},
			in: "in:a=A@1 in:b=A@2 in:a=B@3 in:b=-@4 in:c=-@5", want: "1:A-A=1@1,A-A=1@1 2:A-A=2@2,A-A=2@2 3:A-A=1@3,B-B=1@3,B-B=1@3 4:A-A=0@4"},
		{law: "merged repartitions lose no null keys that somebody sees", opts: []streams.BuildOption{streams.Optimize(streams.MergeRepartitions)}, build: func(b *streams.Builder) {
			keyed := b.Stream("in", serde.String, serde.String).TrySelectKey(func(_ context.Context, r streams.Record[string, string]) (string, error) {
				if r.Value == "none" {
					return "", streams.Null
				}
				return r.Value, nil
			})
			kept := keyed.Filter(func(_, _ string) bool { return true })
			kept.GroupByKey().Count().ToStream().To("counts")
			kept.To("out")
		},
			in: "in:a@1 in:none@2 in:a@3", want: "1:a=a@1 2:null=none@2 3:a=a@3"},
		{law: "zero-join-window", build: func(b *streams.Builder) {
			l, r := leftAndRight(b)
			l.LeftJoinStream(r, window.Join{}, rightMaybe).To("out")
		},
			in: "l:A@5 r:a@5 l:B@6 r:b@7 l:C@8", want: "2:A-a@5 4:B-null@6"},
		{law: "grace-left-null-key", build: func(b *streams.Builder) {
			table := b.Table("right", serde.String, serde.String, streams.As("versions"), streams.Versioned(time.Minute))
			b.Stream("left", serde.String, serde.String).LeftJoin(table, rightMaybe, streams.Grace(5*ms)).To("out")
		},
			in: "r:a@1 l:A@3 l:null=B@4 l:C@9", want: "3:null=B-null@4 4:A-a@3"},
		{law: "self-join-optimized, a left one keeps its null keys", opts: []streams.BuildOption{streams.Optimize(streams.AllRewrites)}, build: func(b *streams.Builder) {
			s := b.Stream("left", serde.String, serde.String)
			s.LeftJoinStream(s, window.Within(10*ms, 0), rightMaybe).To("out")
		},
			in: "l:A@1 l:null=B@2", want: "1:A-A@1 2:null=B-null@2"},
		{law: "self-join-optimized, bounds", opts: []streams.BuildOption{streams.Optimize(streams.AllRewrites)}, build: func(b *streams.Builder) {
			s := b.Stream("left", serde.String, serde.String)
			s.JoinStream(s, window.Join{Before: -3 * ms, After: 10 * ms}, bothThere).To("out")
		},
			in: "l:A@20 l:B@22 l:C@24", want: "3:A-C@24"},
	})

	t.Run("session-headers", func(t *testing.T) {
		for _, cache := range []int64{0, 1 << 20} {
			b := streams.NewBuilder()
			b.Stream("in", serde.String, serde.String).GroupByKey().WindowedBySession(window.Session[string]{Gap: 5 * ms}).
				Reduce(func(a, v string) string { return a + v }).ToStream().MapKey(key).To("out")
			d := started(t, b, streams.Config{CacheBytes: &cache})
			in, out := d.Input("in", serde.String, serde.String), d.Output("out", serde.String, serde.String)
			for i, v := range []string{"a", "b"} {
				r := topology.Of("k", v, window.Time(i))
				r.Headers = topology.Headers{{Key: "trace", Value: []byte(v)}}
				require.NoError(t, in.Pipe(r))
			}
			var got []string
			for {
				r, ok, err := out.Read()
				require.NoError(t, err)
				if !ok {
					break
				}
				require.Len(t, r.Headers, 1)
				got = append(got, formatRecord(r)+" "+string(r.Headers[0].Value))
			}
			require.Equal(t, []string{"k[0/0]=a@0 a", "k[0/0]=null@0 b", "k[0/1]=ab@1 b"}, got)
		}
	})
}

// What is odd and repeated: the same page.
func TestRepeatedQuirks(t *testing.T) {
	playGolden(t, []golden{
		{law: "store options without a name make no store, but end the order of versions", build: func(b *streams.Builder) {
			rows := b.Table("in", serde.String, serde.String, streams.As("rows"), streams.Versioned(time.Second))
			rows.MapValues(strings.ToUpper, streams.Caching(false)).
				GroupBy(func(k, v string) (string, string) { return k, v }).
				Aggregate(func() string { return "" }, func(_, v, agg string) string { return agg + "+" + v }, func(_, v, agg string) string { return agg + "-" + v }).
				ToStream().To("out")
		},
			in: "in:a@5 in:b@3 in:c@9", want: "1:+A@5 2:+A-A+B@5 3:+A-A+B-A+C@9"},
		{law: "a session that a record leaves as long as it is has no old value without a cache", build: func(b *streams.Builder) {
			b.Stream("in", serde.String, serde.String).GroupByKey().WindowedBySession(window.Session[string]{Gap: 5 * time.Millisecond}).
				Aggregate(func() string { return "" }, func(_, v, agg string) string { return agg + v }, func(_, a, b string) string { return a + b }).
				GroupBy(func(_ window.Windowed[string], v string) (string, string) { return "k", v }).
				Aggregate(func() string { return "" }, func(_, v, agg string) string { return agg + "+" + v }, func(_, v, agg string) string { return agg + "-" + v }).
				ToStream().To("out")
		},
			in: "in:a@1 in:b@1 in:c@2", want: "1:+a@1 2:+a+ab@1 3:+a+ab-ab@1,+a+ab-ab+abc@2"},
	})
}

// started builds and starts a driver, which is closed with the test.
func started(t *testing.T, b *streams.Builder, c streams.Config) *streamstest.Driver {
	t.Helper()
	top, err := b.Build()
	require.NoError(t, err)
	d, err := streamstest.New(top, c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}
