package streams_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/streamstest"
	"github.com/millrace-go/millrace/topology"
)

// Programs whose last result per key must not depend on how they are run: with or without caches, rewrites, several partitions, one commit for each
// record or one for many. Behind a change of the key only sums are made: the order between partitions is nobody's promise.

type metamorphic struct {
	name    string
	program func(b *streams.Builder)
	// looksUp: a node reads a table whose cache has not told it yet, and is never told of a row that was made and deleted between two flushes:
	// Kafka Streams' caches have that, too. Caches that overflow are left out.
	looksUp bool
}

func sum(a, n int64) int64   { return a + n }
func minus(a, n int64) int64 { return a - n }

var metamorphics = []metamorphic{
	{name: "count by value", program: func(b *streams.Builder) {
		longs(b, "in").GroupBy(func(_ string, n int64) string { return "k" + strconv.FormatInt(n%5, 10) }).Count().ToStream().To("out")
	}},
	{name: "latest", program: func(b *streams.Builder) {
		longs(b, "in").GroupByKey().Reduce(func(_, n int64) int64 { return n }).ToStream().To("out")
	}},
	{name: "two groupings of one change of key", program: func(b *streams.Builder) {
		s := longs(b, "in").SelectKey(func(_ string, n int64) string { return "k" + strconv.FormatInt(n%3, 10) })
		s.GroupByKey().Reduce(sum).ToStream().To("out")
		s.Filter(func(_ string, n int64) bool { return n%2 == 0 }).GroupByKey().Count().ToStream().To("out2")
	}},
	{name: "merge behind two changes of key", program: func(b *streams.Builder) {
		by := func(m int64) func(string, int64) string {
			return func(_ string, n int64) string { return "k" + strconv.FormatInt(n%m, 10) }
		}
		s := longs(b, "in").SelectKey(by(3)).Merge(longs(b, "in2").SelectKey(by(4)))
		s.GroupByKey().Reduce(sum).ToStream().To("out")
		s.GroupByKey().Count().ToStream().To("out2")
	}},
	{name: "table grouped twice", program: func(b *streams.Builder) {
		t := b.Table("in", serde.String, serde.Int64)
		even := t.GroupBy(func(_ string, n int64) (string, int64) { return strconv.FormatBool(n%2 == 0), n })
		even.Reduce(sum, minus).ToStream().To("out")
		t.Filter(func(_ string, n int64) bool { return n%3 != 0 }).
			GroupBy(func(k string, n int64) (string, int64) { return k[:1], n }).
			Aggregate(func() int64 { return 0 }, func(_ string, n, a int64) int64 { return a + n }, func(_ string, n, a int64) int64 { return a - n }).
			ToStream().To("out2")
	}},
	{name: "tables joined", program: func(b *streams.Builder) {
		l, r := b.Table("in", serde.String, serde.Int64), b.Table("in2", serde.String, serde.Int64)
		l.OuterJoin(r, func(x, y *int64) string { return show2(x, y) }).ToStream().To("out")
		l.MapValues(func(n int64) int64 { return n % 10 }).LeftJoin(r.Filter(func(_ string, n int64) bool { return n%2 == 0 }),
			func(x int64, y *int64) string { return show2(&x, y) }, streams.As("joined")).ToStream().To("out2")
	}, looksUp: true},
	{name: "table of a re-keyed stream", program: func(b *streams.Builder) {
		longs(b, "in").MapKey(func(k string) string { return k + "!" }).ToTable().
			Filter(func(_ string, n int64) bool { return n > 20 }, streams.As("kept")).ToStream().To("out")
	}},
}

func longs(b *streams.Builder, topic string) streams.Stream[string, int64] {
	return b.Stream(topic, serde.String, serde.Int64)
}

func show2(x, y *int64) string {
	part := func(n *int64) string {
		if n == nil {
			return "-"
		}
		return strconv.FormatInt(*n, 10)
	}
	return part(x) + "/" + part(y)
}

func TestResultsDoNotDependOnHowTheyAreMade(t *testing.T) {
	t.Parallel()
	for _, m := range metamorphics {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			plain := lastResults(t, m, seed, 0, false, 1, false)
			require.NotEmpty(t, plain)
			for _, cache := range []int64{0, 500, 1 << 20} {
				if m.looksUp && cache == 500 {
					continue
				}
				for _, optimize := range []bool{false, true} {
					for _, partitions := range []int{1, 3} {
						for _, batches := range []bool{false, true} {
							got := lastResults(t, m, seed, cache, optimize, partitions, batches)
							require.Equal(t, plain, got, "seed %d, cache %d, optimized %v, %d partitions, batches %v", seed, cache, optimize, partitions, batches)
						}
					}
				}
			}
		})
	}
}

// lastResults runs a program on random input and answers the last value of each key of its outputs, without those that were deleted.
func lastResults(t *testing.T, m metamorphic, seed uint64, cache int64, optimize bool, partitions int, batches bool) map[string]string {
	t.Helper()
	b := streams.NewBuilder()
	m.program(b)
	var rewrites streams.Rewrite
	if optimize {
		rewrites = streams.AllRewrites
	}
	top, err := b.Build(streams.Optimize(rewrites))
	require.NoError(t, err)
	var opts []streamstest.Option
	if partitions > 1 {
		opts = append(opts, streamstest.Partitions(partitions))
	}
	if batches {
		opts = append(opts, streamstest.Batches())
	}
	d, err := streamstest.New(top, streams.Config{CacheBytes: &cache}, opts...)
	require.NoError(t, err)
	defer func() { require.NoError(t, d.Close()) }()

	r := rand.New(rand.NewPCG(seed, 0))
	topics := sourceTopics(top)
	var raws []streamstest.Raw
	for i := range 300 {
		raw := streamstest.Raw{Topic: topics[r.IntN(len(topics))], Key: fmt.Appendf(nil, "%c%d", 'a'+r.IntN(3), r.IntN(4)), Time: streams.Time(i)}
		if r.IntN(6) > 0 {
			raw.Value, err = serde.Int64.Append(nil, r.Int64N(40))
			require.NoError(t, err)
		}
		raws = append(raws, raw)
	}
	require.NoError(t, d.PipeAll(slices.Values(raws)))
	last := map[string]string{}
	for _, p := range d.Produced() {
		if !strings.HasPrefix(p.Topic, "out") {
			continue
		}
		k := p.Topic + " " + string(p.Key)
		// The sum of no rows is 0 if there were some once, and nothing if a cache has not seen them apart.
		if p.Value == nil || bytes.Equal(p.Value, make([]byte, 8)) {
			delete(last, k)
		} else {
			last[k] = string(p.Value)
		}
	}
	return last
}

// sourceTopics are the topics that a program of these reads.
func sourceTopics(top *topology.Topology) []string {
	if strings.Contains(top.Describe(), "[in2]") {
		return []string{"in", "in2"}
	}
	return []string{"in"}
}
