package streams_test

import (
	"context"
	"fmt"
	"strconv"
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

// Golden tables: what Kafka Streams' own tests pin, played through the DSL and the test driver.
//
// A script is a list of records, topic:value@time or topic:key=value@time; l is the topic left, r is right, anything else its own name;
// the key is k unless given; - is a null value, null a null key. An answer lists by step (from 1) what reached the topic out, in order:
// 3:A-a@3,B-a@3 5:other=null@5.

// golden is one line of a table.
type golden struct {
	law    string
	in     string
	build  func(b *streams.Builder)
	want   string
	config func(*streams.Config)
	opts   []streams.BuildOption
}

func playGolden(t *testing.T, tables []golden) {
	t.Helper()
	for _, g := range tables {
		t.Run(g.law, func(t *testing.T) {
			require.Equal(t, strings.Join(strings.Fields(g.want), " "), g.play(t))
		})
	}
}

func (g golden) play(t *testing.T) string {
	b := streams.NewBuilder()
	g.build(b)
	top, err := b.Build(g.opts...)
	require.NoError(t, err)
	none := int64(0)
	cfg := streams.Config{ApplicationID: "golden", CacheBytes: &none}
	if g.config != nil {
		g.config(&cfg)
	}
	d, err := streamstest.New(top, cfg)
	require.NoError(t, err)
	defer func() { require.NoError(t, d.Close()) }()
	out := d.Output("out", serde.String, serde.String)
	var answer []string
	for i, record := range strings.Fields(g.in) {
		topic, r := parseRecord(t, record)
		require.NoError(t, d.Input(topic, serde.String, serde.String).Pipe(r))
		var made []string
		for {
			r, ok, err := out.Read()
			require.NoError(t, err)
			if !ok {
				break
			}
			made = append(made, formatRecord(r))
		}
		if made != nil {
			answer = append(answer, fmt.Sprintf("%d:%s", i+1, strings.Join(made, ",")))
		}
	}
	return strings.Join(answer, " ")
}

func parseRecord(t *testing.T, s string) (topic string, r topology.Record[string, string]) {
	t.Helper()
	topic, rest, ok := strings.Cut(s, ":")
	require.True(t, ok, s)
	switch topic {
	case "l":
		topic = "left"
	case "r":
		topic = "right"
	}
	at := strings.LastIndexByte(rest, '@')
	require.Positive(t, at, s)
	n, err := strconv.ParseInt(rest[at+1:], 10, 64)
	require.NoError(t, err)
	r = topology.Of("k", rest[:at], window.Time(n))
	if key, value, ok := strings.Cut(r.Value, "="); ok {
		r.Key, r.Value = key, value
	}
	if r.Key == "null" {
		r.Key, r.NoKey = "", true
	}
	if r.Value == "-" {
		r.Value, r.Tombstone = "", true
	}
	return topic, r
}

func formatRecord(r topology.Record[string, string]) string {
	s := r.Value
	if r.Tombstone {
		s = "null"
	}
	switch {
	case r.NoKey:
		s = "null=" + s
	case r.Key != "k":
		s = r.Key + "=" + s
	}
	return fmt.Sprintf("%s@%d", s, int64(r.Time))
}

func orNull(s *string) string {
	if s == nil {
		return "null"
	}
	return *s
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// short is a windowed key as key[start/end].
func short(k window.Windowed[string]) string {
	return fmt.Sprintf("%s[%d/%d]", k.Key, int64(k.Start), int64(k.End))
}

// countsByValue counts the rows of the table in by their value.
func countsByValue(b *streams.Builder) streams.Table[string, int64] {
	return b.Table("in", serde.String, serde.String).
		GroupBy(func(_, v string) (string, string) { return v, v }).
		Count(streams.As("counts"))
}

func toOut(t streams.Table[string, int64]) { t.ToStream().MapValues(decimal).To("out") }

func toOutWindowed(t streams.Table[window.Windowed[string], int64]) {
	t.ToStream().MapKey(short).MapValues(decimal).To("out")
}

func TestGoldenSuppressOfATable(t *testing.T) {
	const in = "in:k1=v1@0 in:k1=v2@1 in:k2=v1@2"
	suppressed := func(s streams.Suppression) func(*streams.Builder) {
		return func(b *streams.Builder) { toOut(countsByValue(b).Suppress(s)) }
	}
	playGolden(t, []golden{
		{law: "raw", in: in, want: "1:v1=1@0 2:v1=0@1,v2=1@1 3:v1=1@2", build: func(b *streams.Builder) { toOut(countsByValue(b)) }},
		{law: "a time limit of 0 is as raw", in: in, want: "1:v1=1@0 2:v1=0@1,v2=1@1 3:v1=1@2", build: suppressed(streams.UntilTimeLimit{})},
		{law: "a time limit counts from a key's first update", in: in + " in:tick=tick@3 in:tick=tock@4",
			want: "3:v1=1@2 4:v2=1@1", build: suppressed(streams.UntilTimeLimit{Wait: 2 * time.Millisecond})},
		{law: "a full buffer emits the oldest early", in: in + " in:x=x@3",
			want: "2:v1=0@1 3:v2=1@1 4:v1=1@2", build: suppressed(streams.UntilTimeLimit{Wait: window.Forever, MaxRecords: 1, EmitEarly: true})},
	})
}

func TestGoldenFinalResults(t *testing.T) {
	tumbling := func(size, grace time.Duration) func(*streams.Builder) streams.Table[window.Windowed[string], int64] {
		return func(b *streams.Builder) streams.Table[window.Windowed[string], int64] {
			return b.Stream("in", serde.String, serde.String).GroupByKey().
				WindowedBy(window.Tumbling[string]{Size: size * time.Millisecond, Grace: grace * time.Millisecond}).Count()
		}
	}
	sessions := func(b *streams.Builder) streams.Table[window.Windowed[string], int64] {
		return b.Stream("in", serde.String, serde.String).GroupByKey().
			WindowedBySession(window.Session[string]{Gap: 5 * time.Millisecond}).Count()
	}
	sliding := func(b *streams.Builder) streams.Table[window.Windowed[string], int64] {
		return b.Stream("in", serde.String, serde.String).GroupByKey().
			WindowedBy(window.Sliding[string]{Difference: 5 * time.Millisecond, Grace: 15 * time.Millisecond}).Count()
	}
	raw := func(t func(*streams.Builder) streams.Table[window.Windowed[string], int64]) func(*streams.Builder) {
		return func(b *streams.Builder) { toOutWindowed(t(b)) }
	}
	final := func(t func(*streams.Builder) streams.Table[window.Windowed[string], int64]) func(*streams.Builder) {
		return func(b *streams.Builder) { toOutWindowed(t(b).Suppress(streams.UntilWindowCloses{})) }
	}
	const (
		grace1   = "in:x@0 in:x@1 in:x@2 in:x@1 in:x@0 in:x@5 in:x@0"
		grace2   = "in:x@0 in:x@1 in:x@2 in:x@0 in:x@3 in:x@0 in:x@4 in:x@0 in:x@30"
		session  = "in:x@0 in:x@5 in:x@1 in:k2=x@11 in:x@5 in:x@30"
		slidings = "in:x@10 in:x@11 in:x@10 in:x@13 in:x@10 in:x@24 in:x@5 in:x@7 in:x@90"
	)
	playGolden(t, []golden{
		{law: "tumbling 2, grace 1, raw", in: grace1, build: raw(tumbling(2, 1)),
			want: "1:k[0/2]=1@0 2:k[0/2]=2@1 3:k[2/4]=1@2 4:k[0/2]=3@1 5:k[0/2]=4@1 6:k[4/6]=1@5"},
		{law: "tumbling 2, grace 1, final", in: grace1, build: final(tumbling(2, 1)), want: "6:k[0/2]=4@1,k[2/4]=1@2"},
		{law: "tumbling 2, grace 2, final", in: grace2, build: final(tumbling(2, 2)), want: "7:k[0/2]=4@1 9:k[2/4]=2@3,k[4/6]=1@4"},
		{law: "sessions with gap 5, raw", in: session, build: raw(sessions),
			want: "1:k[0/0]=1@0 2:k[0/0]=null@0,k[0/5]=2@5 3:k[0/5]=null@5,k[0/5]=3@5 4:k2[11/11]=1@11 6:k[30/30]=1@30"},
		{law: "sessions with gap 5, final", in: session, build: final(sessions), want: "4:k[0/5]=3@5 6:k2[11/11]=1@11"},
		{law: "sliding 5, grace 15, final", in: slidings, build: final(sliding),
			want: "9:k[5/10]=5@10,k[6/11]=5@11,k[8/13]=5@13,k[11/16]=2@13,k[12/17]=1@13,k[19/24]=1@24"},
	})
}

func TestGoldenSlidingOutOfOrder(t *testing.T) {
	appended := func(opts ...streams.StoreOption) func(*streams.Builder) {
		return func(b *streams.Builder) {
			b.Stream("in", serde.String, serde.String).GroupByKey().
				WindowedBy(window.Sliding[string]{Difference: 10 * time.Millisecond, Grace: 50 * time.Millisecond}).
				Aggregate(func() string { return "0" }, func(_, v, agg string) string { return agg + "+" + v }, opts...).
				ToStream().MapKey(short).To("out")
		}
	}
	late := golden{
		law: "a record between others updates every window that it falls into",
		in:  "in:A=1@10 in:A=2@20 in:A=3@22 in:A=4@15",
		want: `1:A[0/10]=0+1@10 2:A[11/21]=0+2@20,A[10/20]=0+1+2@20 3:A[21/31]=0+3@22,A[12/22]=0+2+3@22
			4:A[12/22]=0+2+3+4@22,A[11/21]=0+2+4@20,A[10/20]=0+1+2+4@20,A[5/15]=0+1+4@15,A[16/26]=0+2+3@22`,
		build: appended(),
	}
	six := golden{
		law: "late among six",
		in:  "in:A=1@12 in:A=2@13 in:A=3@18 in:A=4@19 in:A=5@25 in:A=6@14",
		want: `1:A[2/12]=0+1@12 2:A[13/23]=0+2@13,A[3/13]=0+1+2@13 3:A[13/23]=0+2+3@18,A[14/24]=0+3@18,A[8/18]=0+1+2+3@18
			4:A[14/24]=0+3+4@19,A[13/23]=0+2+3+4@19,A[19/29]=0+4@19,A[9/19]=0+1+2+3+4@19
			5:A[19/29]=0+4+5@25,A[20/30]=0+5@25,A[15/25]=0+3+4+5@25
			6:A[14/24]=0+3+4+6@19,A[13/23]=0+2+3+4+6@19,A[9/19]=0+1+2+3+4+6@19,A[8/18]=0+1+2+3+6@18,A[4/14]=0+1+2+6@14`,
		build: appended(),
	}
	inMemory := six
	inMemory.law, inMemory.build = "late among six, in memory", appended(streams.InMemory())
	playGolden(t, []golden{late, six, inMemory,
		{law: "records nearer to the epoch than the difference share one window", build: appended(),
			in: "in:a@3 in:b@7 in:c@12 in:d@5 in:e@12",
			want: `1:k[0/10]=0+a@3 2:k[4/14]=0+b@7,k[0/10]=0+a+b@7 3:k[4/14]=0+b+c@12,k[8/18]=0+c@12,k[2/12]=0+a+b+c@12
				4:k[2/12]=0+a+b+c+d@12,k[4/14]=0+b+c+d@12,k[6/16]=0+b+c@12,k[0/10]=0+a+b+d@7
				5:k[8/18]=0+c+e@12,k[6/16]=0+b+c+e@12,k[4/14]=0+b+c+d+e@12,k[2/12]=0+a+b+c+d+e@12`},
	})
}

func TestGoldenTableAggregate(t *testing.T) {
	aggregate := func(g streams.GroupedTable[string, string]) {
		g.Aggregate(func() string { return "0" },
			func(_, v, agg string) string { return agg + "+" + v },
			func(_, v, agg string) string { return agg + "-" + v }).
			ToStream().To("out")
	}
	playGolden(t, []golden{
		{law: "a grouping that keeps the key subtracts, then adds",
			in:   "in:A=1@10 in:B=2@15 in:A=3@20 in:B=4@18 in:C=5@5 in:D=6@25 in:B=7@15 in:C=8@10",
			want: "1:A=0+1@10 2:B=0+2@15 3:A=0+1-1+3@20 4:B=0+2-2+4@18 5:C=0+5@5 6:D=0+6@25 7:B=0+2-2+4-4+7@18 8:C=0+5-5+8@10",
			build: func(b *streams.Builder) {
				aggregate(b.Table("in", serde.String, serde.String).GroupBy(func(k, v string) (string, string) { return k, v }))
			}},
		{law: "grouped by value; a row without a group is left out",
			in:   "in:A=1@10 in:A=-@15 in:A=1@12 in:B=2@20 in:none=3@25 in:B=4@23 in:none=5@24 in:B=7@22",
			want: "1:1=0+1@10 2:1=0+1-1@15 3:1=0+1-1+1@15 4:2=0+2@20 6:2=0+2-2@23,4=0+4@23 8:4=0+4-4@23,7=0+7@22",
			build: func(b *streams.Builder) {
				aggregate(b.Table("in", serde.String, serde.String).TryGroupBy(func(_ context.Context, k, v string) (string, string, error) {
					if k == "none" {
						return "", "", streams.Null
					}
					return v, v, nil
				}))
			}},
	})
}
