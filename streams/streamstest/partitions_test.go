package streamstest_test

import (
	"fmt"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/internal/runtime"
	"github.com/millrace-go/millrace/streams/streamstest"
	"github.com/millrace-go/millrace/topology"
)

// byFirst counts values by their first letter: a repartition topic lies between.
func byFirst() *streams.Builder {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		GroupBy(func(_, v string) string { return v[:1] }).
		Count(streams.As("counts")).
		ToStream().
		To("out")
	return b
}

func TestPartitionsGiveTheSameCountsAsOneTask(t *testing.T) {
	t.Parallel()
	for _, o := range [][]streamstest.Option{
		nil, {streamstest.Partitions(1)}, {streamstest.Partitions(7)}, {streamstest.Partitions(4), streamstest.Batches()},
		{streamstest.Partitions(3), streamstest.Partitions(5, "in")},
	} {
		d := driver(t, build(t, byFirst()), streams.Config{}, o...)
		in := d.Input("in", serde.String, serde.String)
		want := map[string]int64{}
		require.NoError(t, in.PipeKeyValues(func(yield func(string, string) bool) {
			for i := range 500 {
				v := fmt.Sprint(string(rune('a'+i*i%17)), i)
				want[v[:1]]++
				if !yield(fmt.Sprint("k", i%50), v) {
					return
				}
			}
		}))
		got, err := streamstest.ReadMap(d.Output("out", serde.String, serde.Int64))
		require.NoError(t, err)
		require.Equal(t, want, got)
		n := 0
		rows, ok := d.Dump("counts")
		require.True(t, ok)
		for range rows {
			n++
		}
		require.Len(t, want, n, "each key is in one partition of the store")
	}
}

func TestRecordsLieInTheirKeysPartition(t *testing.T) {
	t.Parallel()
	d := driver(t, build(t, byFirst()), streams.Config{}, streamstest.Partitions(5))
	in := d.Input("in", serde.String, serde.String)
	for i := range 20 {
		require.NoError(t, in.PipeKeyValue(fmt.Sprint(i), string(rune('a'+i))))
	}
	for _, r := range d.Produced() {
		require.Equal(t, runtime.Partition(r.Key, 5), r.Partition, "topic %s", r.Topic)
	}
	ref := topology.NamedStore[state.KeyValueStore[string, state.Stamped[int64]]]("counts")
	_, err := d.Store(ref)
	require.ErrorContains(t, err, `store "counts" has 5 partitions: use StoreOf`)
	st, err := d.StoreOf(ref, int(runtime.Partition([]byte("a"), 5)))
	require.NoError(t, err)
	v, ok, err := st.Get("a")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, int64(1), v.Value)
	_, err = d.StoreOf(ref, 5)
	require.ErrorContains(t, err, `no store "counts" for partition 5`)
}

func TestPipeToChoosesThePartition(t *testing.T) {
	t.Parallel()
	top := topology.New()
	top.Source("src", serde.String, serde.String, "in").Sink("snk", "out", serde.String, serde.String)
	d := driver(t, top, streams.Config{}, streamstest.Partitions(2), streamstest.Partitions(1, "out"))
	require.NoError(t, d.PipeTo(1, streamstest.Raw{Topic: "in", Value: []byte("v")}))
	require.Equal(t, []string{"out null=v@0"}, text(d.Produced()))
}

func TestTopicsThatAreJoinedMustBeCoPartitioned(t *testing.T) {
	t.Parallel()
	top := topology.New()
	top.Source("l", serde.String, serde.String, "orders").Merge("m", top.Source("r", serde.String, serde.String, "users"))
	top.Copartition("orders", "users")
	_, err := streamstest.New(top, streams.Config{}, streamstest.Partitions(6), streamstest.Partitions(4, "users"))
	require.ErrorContains(t, err, `topics "orders" (6 partitions) and "users" (4) are joined but not co-partitioned`)
}

func TestTopicsOfAPatternMakeTasksIfTheyAreNamed(t *testing.T) {
	t.Parallel()
	top := func() *topology.Topology {
		top := topology.New()
		top.AddSource(topology.SourceSpec[string, string]{Name: "p", Pattern: regexp.MustCompile("^x-"), Key: serde.String, Value: serde.String}).
			Sink("snk", "out", serde.String, serde.String)
		return top
	}
	d := driver(t, top(), streams.Config{}, streamstest.Partitions(3, "x-1"))
	require.NoError(t, d.PipeTo(2, streamstest.Raw{Topic: "x-1", Value: []byte("v")}))
	require.NoError(t, d.PipeTo(0, streamstest.Raw{Topic: "x-2", Value: []byte("w")}))
	require.NoError(t, d.Crash())
	require.NoError(t, d.PipeTo(0, streamstest.Raw{Topic: "x-2", Value: []byte("again")}))
	require.Equal(t, []string{"out null=v@0", "out null=w@0", "out null=again@0"}, text(d.Produced()))

	d = driver(t, top(), streams.Config{}, streamstest.Partitions(3))
	require.ErrorContains(t, d.Pipe(streamstest.Raw{Topic: "x-1"}), "name it there with Partitions")
}
