package streamstest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/streamstest"
	"github.com/millrace-go/millrace/topology"
)

func TestCrashLosesWhatIsNotCommitted(t *testing.T) {
	t.Parallel()
	t.Run("exactly once: it is done again and seen once", func(t *testing.T) {
		t.Parallel()
		d := driver(t, build(t, countPerKey(t)), streams.Config{Guarantee: streams.ExactlyOnce}, streamstest.ManualCommit())
		in := d.Input("in", serde.String, serde.String)
		require.NoError(t, in.PipeKeyValue("k", "1"))
		require.NoError(t, d.Commit())
		require.Equal(t, []string{"app-counts-changelog k=1@0", "out k=1@0"}, text(d.Produced()))
		require.NoError(t, in.PipeKeyValue("k", "2"))
		require.NoError(t, in.PipeKeyValue("k", "3"))
		require.Empty(t, d.Produced())
		require.NoError(t, d.Crash())
		require.NoError(t, d.Commit())
		require.Empty(t, d.Produced(), "Commit commits, then works")
		require.NoError(t, d.Commit())
		require.Equal(t, []string{"app-counts-changelog k=2@0", "out k=2@0", "app-counts-changelog k=3@0", "out k=3@0"}, text(d.Produced()))
	})
	t.Run("at least once: it is seen again", func(t *testing.T) {
		t.Parallel()
		d := driver(t, build(t, countPerKey(t)), streams.Config{}, streamstest.ManualCommit())
		in := d.Input("in", serde.String, serde.String)
		require.NoError(t, in.PipeKeyValue("k", "1"))
		require.NoError(t, d.Crash())
		require.NoError(t, in.PipeKeyValue("k", "2"))
		require.Equal(t, []string{
			"app-counts-changelog k=1@0", "out k=1@0",
			"app-counts-changelog k=2@0", "out k=2@0", // the first record again, on the restored store
			"app-counts-changelog k=3@0", "out k=3@0",
		}, text(d.Produced()))
	})
}

func TestWhatWasSentBeforeAnErrorStaysUnlessExactlyOnce(t *testing.T) {
	t.Parallel()
	for guarantee, want := range map[streams.Guarantee][]string{streams.AtLeastOnce: {"out k=v@0"}, streams.ExactlyOnce: {}} {
		b := streams.NewBuilder()
		in := b.Stream("in", serde.String, serde.String)
		in.To("out")
		in.TryForEach(func(context.Context, record) error { return errors.New("after that") })
		d := driver(t, build(t, b), streams.Config{Guarantee: guarantee})
		require.ErrorContains(t, d.Input("in", serde.String, serde.String).PipeKeyValue("k", "v"), "after that")
		require.Empty(t, d.Produced())
		require.NoError(t, d.Crash())
		require.Equal(t, want, text(d.Produced()))
	}
}

func TestStreamTimeSurvivesACrash(t *testing.T) {
	t.Parallel()
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String, streams.Timestamps(func(r record, _ topology.RecordMetadata, partition streams.Time) streams.Time {
		return max(r.Time, partition)
	})).To("out")
	d := driver(t, build(t, b), streams.Config{})
	in := d.Input("in", serde.String, serde.String)
	require.NoError(t, in.PipeAt("k", "v", 50))
	require.NoError(t, d.Crash())
	require.NoError(t, in.PipeAt("k", "w", 5))
	require.Equal(t, []string{"out k=v@50", "out k=w@50"}, text(d.Produced()))
}

// Under exactly once, crashes at any point must not show in the outputs.
func TestRandomCrashesUnderExactlyOnceChangeNothing(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		options := []streamstest.Option{streamstest.ManualCommit()}
		if n := rnd.IntN(4); n > 0 {
			options = append(options, streamstest.Partitions(n))
		}
		cache := int64(rnd.IntN(2) << 20)
		d := driver(t, build(t, byFirst()), streams.Config{Guarantee: streams.ExactlyOnce, CacheBytes: &cache}, options...)
		in := d.Input("in", serde.String, serde.String)
		want := map[string]int64{}
		for i := range 200 {
			v := fmt.Sprint(string(rune('a'+rnd.IntN(9))), i)
			want[v[:1]]++
			require.NoError(t, in.PipeKeyValue(fmt.Sprint("k", rnd.IntN(20)), v))
			switch rnd.IntN(10) {
			case 0:
				require.NoError(t, d.Commit())
			case 1:
				require.NoError(t, d.Crash())
			}
		}
		for range 4 { // what one commit lets through the next sub-topology works on
			require.NoError(t, d.Commit())
		}
		out, err := d.Output("out", serde.String, serde.Int64).ReadAll()
		require.NoError(t, err)
		got := map[string]int64{}
		for _, r := range out {
			require.Greater(t, r.Value, got[r.Key], "seed %d: a count is seen once, and in order", seed)
			got[r.Key] = r.Value
		}
		require.Equal(t, want, got, "seed %d", seed)
		rows, _ := d.Dump("counts")
		require.Len(t, slices.Collect(rows), len(want))
	}
}
