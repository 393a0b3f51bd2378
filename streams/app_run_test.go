package streams_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
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

func TestAppMapsATopicToUpperCase(t *testing.T) {
	t.Parallel()
	eachGuarantee(t, func(t *testing.T, g streams.Guarantee) {
		c := newCluster(t)
		c.topics(3, "in", "out")
		b := streams.NewBuilder()
		b.Stream("in", serde.String, serde.String).MapValues(strings.ToUpper).To("out")
		cfg := c.config("upper")
		cfg.Guarantee = g
		c.produceRaw(&kgo.Record{Topic: "in", Key: []byte("k"), Value: []byte("first"), Timestamp: time.UnixMilli(1234),
			Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("v")}}})
		a := c.run(build(t, b), cfg)
		c.produce("in", "a=b", "keyless", "empty=")
		c.produceRaw(&kgo.Record{Topic: "in", Key: []byte("tombstone")})
		a.caughtUp()
		require.EqualValues(t, 5, a.Processed())
		a.stop()

		require.Equal(t, []string{"", "", "B", "FIRST", "KEYLESS"}, c.values("out"))
		for _, r := range c.read("out") {
			switch string(r.Value) {
			case "FIRST":
				require.EqualValues(t, 1234, r.Timestamp.UnixMilli())
				require.Equal(t, []kgo.RecordHeader{{Key: "h", Value: []byte("v")}}, r.Headers)
			case "KEYLESS":
				require.Nil(t, r.Key)
			case "":
				require.Equal(t, string(r.Key) == "tombstone", r.Value == nil, "an empty value is not a tombstone")
			}
		}
	})
}

// visits counts the records of each key and minute in a window store of its own and passes them on with the count.
func visits(ref topology.StoreRef[state.WindowStore[string, int64]]) topology.Supplier[string, string, string, string] {
	return func(ctx *topology.ProcessorContext[string, string]) (topology.Processor[string, string], error) {
		store := ctx.Store(ref)
		return topology.ProcessorFunc[string, string](func(_ context.Context, r topology.Record[string, string]) error {
			start := r.Time - r.Time%60_000
			n, _, err := store.Get(r.Key, start)
			if err != nil {
				return err
			}
			if err := store.Put(r.Key, start, n+1); err != nil {
				return err
			}
			return ctx.Forward(r.WithValue(fmt.Sprintf("%s %s:%d", r.Value, ref.Name(), n+1)))
		}), nil
	}
}

// A chain of processors, each with its own window store, from one source to one sink that the first and the last of them feed.
func TestAppRunsAChainOfProcessorsWithWindowStores(t *testing.T) {
	t.Parallel()
	const length = 5
	eachGuarantee(t, func(t *testing.T, g streams.Guarantee) {
		c := newCluster(t)
		c.topics(2, "in", "out")
		top := topology.New()
		edge := top.Source("source", serde.String, serde.String, "in")
		var first *topology.Edge[string, string]
		for n := range length {
			name := fmt.Sprintf("p%d", n)
			ref := top.AddStore(state.Window(name, serde.String, serde.Int64, time.Minute, time.Hour))
			if edge = edge.Process(name, visits(ref), ref); first == nil {
				first = edge
			}
		}
		edge.AddSink(topology.SinkSpec[string, string]{Name: "sink", Topic: "out", Key: serde.String, Value: serde.String}, first)
		cfg := c.config("chain")
		cfg.Guarantee = g
		for i := range 20 {
			c.produceRaw(&kgo.Record{Topic: "in", Key: []byte(fmt.Sprint("k", i%4)), Value: []byte("v"), Timestamp: time.UnixMilli(int64(i/10) * 60_000)})
		}
		a := c.run(top, cfg)
		a.caughtUp()
		a.stop()
		got := map[string]int{}
		for _, v := range c.values("out") {
			got[v]++
		}
		want := map[string]int{}
		for minute := range 2 {
			seen := map[int]int{}
			for i := minute * 10; i < minute*10+10; i++ {
				seen[i%4]++
				n := seen[i%4]
				v := fmt.Sprintf("v p0:%d", n)
				want[v]++
				for p := 1; p < length; p++ {
					v += fmt.Sprintf(" p%d:%d", p, n)
				}
				want[v]++
			}
		}
		require.Equal(t, want, got)

		// The stores are there after a restart, and after the loss of the state directory.
		for _, lost := range []bool{false, true} {
			if lost {
				cfg.StateDir = t.TempDir()
			}
			a := c.run(top, cfg)
			c.produceRaw(&kgo.Record{Topic: "in", Key: []byte("k0"), Value: []byte("again"), Timestamp: time.UnixMilli(60_001)})
			a.caughtUp()
			a.stop()
			require.Equal(t, lost, len(a.restores()) > 0)
		}
		require.Subset(t, c.values("out"), []string{"again p0:3 p1:3 p2:3 p3:3 p4:3", "again p0:4 p1:4 p2:4 p3:4 p4:4"})
	})
}

func TestAppCountsWordsWithThreads(t *testing.T) {
	t.Parallel()
	eachGuarantee(t, func(t *testing.T, g streams.Guarantee) {
		c := newCluster(t)
		c.topics(4, "lines", "counts")
		cfg := c.config("words")
		cfg.Guarantee, cfg.Threads = g, 2
		want := map[string]int64{}
		var lines []string
		for i := range 500 {
			lines = append(lines, fmt.Sprintf("w%d w%d", i%7, i%50))
			want[fmt.Sprintf("w%d", i%7)]++
			want[fmt.Sprintf("w%d", i%50)]++
		}
		c.produce("lines", lines...)
		a := c.run(wordCount(t), cfg)
		a.caughtUp()
		a.stop()
		require.Equal(t, want, c.counts("counts"))
		r := a.Report()
		require.Equal(t, []string{"words-words-repartition", "words-words-changelog"}, r.Created)
		require.Empty(t, r.Existing)
		require.NotZero(t, r.Ready)
	})
}

// More threads than tasks: some have nothing to do, and the application runs all the same.
func TestAppRunsWithThreadsThatHaveNoTask(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topics(1, "in", "out")
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).To("out")
	cfg := c.config("idle")
	cfg.Threads = 3
	a := c.run(build(t, b), cfg)
	c.produce("in", "x")
	a.caughtUp()
	a.stop()
	require.Equal(t, []string{"x"}, c.values("out"))
}

func TestAppJoinsWithAGlobalTable(t *testing.T) {
	t.Parallel()
	eachGuarantee(t, func(t *testing.T, g streams.Guarantee) {
		c := newCluster(t)
		c.topics(3, "orders", "out")
		c.topics(2, "customers")
		c.produce("customers", "c1=Ada", "c2=Grace", "c3=Edsger")
		b := streams.NewBuilder()
		customers := b.GlobalTable("customers", serde.String, serde.String)
		b.Stream("orders", serde.String, serde.String).
			LeftJoinGlobal(customers, func(_, customer string) string { return customer }, func(order string, name *string) string {
				if name == nil {
					return order + " nobody"
				}
				return order + " " + *name
			}).
			To("out")
		cfg := c.config("global")
		cfg.Guarantee = g
		a := c.run(build(t, b), cfg)
		c.produce("orders", "o1=c1", "o2=c3", "o3=c9")
		a.caughtUp()
		require.Equal(t, []string{"c1 Ada", "c3 Edsger", "c9 nobody"}, c.values("out"))

		// It follows the topic while the application runs.
		c.produce("customers", "c9=Alan")
		n := 4
		c.until("the new customer is known", func() bool {
			c.produce("orders", fmt.Sprintf("o%d=c9", n))
			n++
			a.caughtUp()
			for _, v := range c.values("out") {
				if v == "c9 Alan" {
					return true
				}
			}
			return false
		})
		a.stop()
	})
}

func TestAppEmitsFinalCountsOfWindows(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topics(1, "in", "out")
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		GroupByKey().
		WindowedBy(window.Tumbling[string]{Size: time.Minute}).
		EmitOnClose().
		Count(streams.As("per-minute")).
		ToStream().
		MapKey(func(w window.Windowed[string]) string { return fmt.Sprintf("%s@%d", w.Key, w.Start) }).
		To("out")
	cfg := c.config("windows")
	cfg.Guarantee = streams.ExactlyOnce
	top := build(t, b)
	at := func(key string, ms int64) *kgo.Record {
		return &kgo.Record{Topic: "in", Key: []byte(key), Value: []byte("v"), Timestamp: time.UnixMilli(ms)}
	}
	a := c.run(top, cfg)
	c.produceRaw(at("a", 1), at("a", 2), at("b", 3))
	a.caughtUp()
	require.Empty(t, c.read("out"))
	a.stop()
	// What is open stays open over a restart, and closes then.
	a = c.run(top, cfg)
	c.produceRaw(at("a", 60_000))
	a.caughtUp()
	a.stop()
	require.Equal(t, map[string]int64{"a@0": 2, "b@0": 1}, c.counts("out"))
}

// A source with an option of its own starts where that says, whatever Config.Reset says for the others.
func TestAppStartsASourceWhereItsOptionSays(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topics(1, "old", "new", "out")
	b := streams.NewBuilder()
	b.Stream("old", serde.String, serde.String, streams.Earliest()).Merge(b.Stream("new", serde.String, serde.String)).To("out")
	c.produce("old", "a=old 1", "a=old 2")
	c.produce("new", "a=new 1")
	cfg := c.config("resets")
	cfg.Reset = topology.ResetLatest
	a := c.run(build(t, b), cfg)
	// When the end of a topic was looked up is not to be seen: what is written goes on until it comes through.
	c.until("both topics are read", func() bool {
		c.produce("new", "a=new 2")
		out := c.values("out")
		return slices.Contains(out, "new 2") && slices.Contains(out, "old 2")
	})
	a.stop()
	out := slices.Compact(c.values("out"))
	require.Equal(t, []string{"new 2", "old 1", "old 2"}, out)
}
