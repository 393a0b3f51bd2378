package streams_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/streamstest"
	"github.com/millrace-go/millrace/window"
)

// smoke is the topology of Kafka Streams' smoke test: of each key, which names a range of numbers, minimum, maximum, sum, count, difference and average in long windows,
// the number of keys for each count, and sliding sums, raw and final. The key flush, which only moves time, is left out of all results.
func smoke(b *streams.Builder) {
	const day = 24 * time.Hour
	real := func(k string, _ int64) bool { return k != "flush" }
	plain := func(k window.Windowed[string]) string { return k.Key }
	in := b.Stream("data", serde.String, serde.Int64)
	in.Filter(real).To("echo")
	grouped := in.GroupByKey()
	unwindowed := func(t streams.Table[window.Windowed[string], int64], topic string) streams.Table[string, int64] {
		t.ToStream().MapKey(plain).Filter(real).To(topic)
		return b.Table(topic, serde.String, serde.Int64)
	}
	labelled := func(t streams.Table[window.Windowed[string], int64], topic string) {
		t.ToStream().Filter(func(k window.Windowed[string], _ int64) bool { return k.Key != "flush" }).MapKey(short).To(topic)
	}

	minimum := grouped.WindowedBy(window.Tumbling[string]{Size: day, Grace: time.Minute}).Reduce(func(a, v int64) int64 { return min(a, v) }, streams.As("uwin-min"))
	labelled(minimum, "min-raw")
	labelled(minimum.Suppress(streams.UntilWindowCloses{}), "min-suppressed")
	mins := unwindowed(minimum, "min")
	sums := grouped.WindowedBy(window.Sliding[string]{Difference: 20 * time.Millisecond, Grace: 30 * time.Second}).Reduce(func(a, v int64) int64 { return a + v })
	labelled(sums, "sws-raw")
	labelled(sums.Suppress(streams.UntilWindowCloses{}), "sws-suppressed")
	twoDays := grouped.WindowedBy(window.Tumbling[string]{Size: 2 * day})
	maxs := unwindowed(twoDays.Reduce(func(a, v int64) int64 { return max(a, v) }), "max")
	sum := unwindowed(twoDays.Reduce(func(a, v int64) int64 { return a + v }), "sum")
	cnt := unwindowed(grouped.WindowedBy(window.Tumbling[string]{Size: day}).Count(), "cnt")

	maxs.Join(mins, func(hi, lo int64) int64 { return hi - lo }).ToStream().To("dif")
	sum.Join(cnt, func(s, n int64) float64 { return float64(s) / float64(n) }).ToStream().To("avg")
	cnt.GroupBy(func(_ string, n int64) (string, int64) { return decimal(n), 1 }).
		Aggregate(func() int64 { return 0 }, func(_ string, v, a int64) int64 { return a + v }, func(_ string, v, a int64) int64 { return a - v }).
		ToStream().To("tagg")
}

// TestGoldenSmoke plays Kafka Streams' smoke test: its results are known in advance, whatever is committed and whatever crashes meanwhile.
func TestGoldenSmoke(t *testing.T) {
	const keys, values, partitions = 10, 40, 3
	b := streams.NewBuilder()
	smoke(b)
	top, err := b.Build()
	require.NoError(t, err)
	d, err := streamstest.New(top, streams.Config{ApplicationID: "smoke", Guarantee: streams.ExactlyOnce}, streamstest.Partitions(partitions), streamstest.ManualCommit())
	require.NoError(t, err)
	defer func() { require.NoError(t, d.Close()) }()

	r := rand.New(rand.NewPCG(1, 1))
	type one struct {
		key string
		val int64
	}
	var data []one
	for k := range int64(keys) {
		for v := range int64(values) {
			data = append(data, one{fmt.Sprintf("%d-%d", k, k+values-1), k + v})
		}
	}
	r.Shuffle(len(data), func(i, j int) { data[i], data[j] = data[j], data[i] })
	base := window.Time(20 * 24 * time.Hour / time.Millisecond)
	in := d.Input("data", serde.String, serde.Int64)
	for i, o := range data {
		require.NoError(t, in.PipeAt(o.key, o.val, base+window.Time(3*i)))
		switch n := r.IntN(40); {
		case n < 3:
			require.NoError(t, d.Commit())
		case n == 3:
			require.NoError(t, d.Crash())
		}
	}
	flush, err := serde.Int64.Append(nil, 0)
	require.NoError(t, err)
	for p := range partitions {
		require.NoError(t, d.PipeTo(p, streamstest.Raw{Topic: "data", Key: []byte("flush"), Value: flush, Time: base + window.Time(5*24*time.Hour/time.Millisecond)}))
	}
	for range 8 { // what one commit lets through the next sub-topology works on
		require.NoError(t, d.Commit())
	}

	echo, _ := allOf(t, d, "echo", serde.Int64)
	seen := map[one]int{}
	for _, o := range echo {
		seen[one{o.Key, o.Value}]++
	}
	require.Len(t, echo, len(data), "each record is seen once")
	require.Len(t, seen, len(data))
	want := map[string]map[string]int64{"min": {}, "max": {}, "sum": {}, "cnt": {}, "dif": {}}
	averages := map[string]float64{}
	for k := range int64(keys) {
		key := fmt.Sprintf("%d-%d", k, k+values-1)
		want["min"][key], want["max"][key], want["cnt"][key], want["dif"][key] = k, k+values-1, values, values-1
		want["sum"][key] = (2*k + values - 1) * values / 2
		averages[key] = float64(2*k+values-1) / 2
	}
	for _, topic := range []string{"min", "max", "sum", "cnt", "dif"} {
		_, last := allOf(t, d, topic, serde.Int64)
		require.Equal(t, want[topic], last, topic)
	}
	_, avg := allOf(t, d, "avg", serde.Float64)
	require.Equal(t, averages, avg)
	_, tagg := allOf(t, d, "tagg", serde.Int64)
	for n, of := range tagg {
		if n == decimal(values) {
			require.EqualValues(t, keys, of, "keys with all their values")
		} else {
			require.Zero(t, of, "keys with %s values", n)
		}
	}
	for _, name := range []string{"min", "sws"} {
		_, raw := allOf(t, d, name+"-raw", serde.Int64)
		final, last := allOf(t, d, name+"-suppressed", serde.Int64)
		require.Equal(t, raw, last, "the final results of %s", name)
		require.Len(t, final, len(last), "they come once")
	}
}

// allOf reads a topic, and each key's last value.
func allOf[V any](t *testing.T, d *streamstest.Driver, topic string, v serde.Serde[V]) ([]streams.Record[string, V], map[string]V) {
	t.Helper()
	all, err := d.Output(topic, serde.String, v).ReadAll()
	require.NoError(t, err)
	last := map[string]V{}
	for _, r := range all {
		last[r.Key] = r.Value
	}
	return all, last
}
