package streams_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/streamstest"
)

// TestAsOfJoinIsOneOfTimes joins streams that come out of order, by less than the grace, in tasks that may be lost on the way: each record gets the latest row of
// its key that is not later than itself and not too old, as if all had been there from the beginning.
func TestAsOfJoinIsOneOfTimes(t *testing.T) {
	t.Parallel()
	const late, old, n = 20, 15, 400
	type event struct {
		topic, key, value string
		at                streams.Time
	}
	for _, partitions := range []int{1, 4} {
		for _, crash := range []bool{false, true} {
			t.Run(fmt.Sprint(partitions, " partitions, crash ", crash), func(t *testing.T) {
				t.Parallel()
				rng := rand.New(rand.NewPCG(1, uint64(partitions)))
				events := make([]event, n)
				for i := range events {
					e := event{topic: "trades", key: string(rune('a' + rng.IntN(6))), at: streams.Time(1000 + i + rng.IntN(late-1))}
					if rng.IntN(3) == 0 {
						e.topic = "quotes"
					}
					if e.value = fmt.Sprint(i); e.topic == "quotes" && rng.IntN(5) == 0 {
						e.value = "" // a delete
					}
					events[i] = e
				}
				var want []string
				stale := 0
				for _, e := range events {
					if e.topic != "trades" {
						continue
					}
					row, at := "", streams.Time(-1)
					for _, q := range events { // of two of one time the one that came last
						if q.topic == "quotes" && q.key == e.key && q.at <= e.at && q.at >= at {
							row, at = q.value, q.at
						}
					}
					if row != "" && at < e.at-old {
						row = ""
						stale++
					}
					if row == "" {
						row = "nobody"
					}
					want = append(want, fmt.Sprintf("%s=%s at %s@%d", e.key, e.value, row, e.at))
				}
				require.NotZero(t, stale)

				d := drive(t, func(b *streams.Builder) {
					quotes := b.Stream("quotes", serde.String, serde.String).ToTable(streams.Versioned(time.Hour)).MapValues(strings.Clone)
					b.Stream("trades", serde.String, serde.String).
						LeftJoin(quotes, func(trade string, quote *string) string { return trade + " at " + orNobody(quote) },
							streams.Tolerance(old*time.Millisecond), streams.Grace(late*time.Millisecond)).
						To("out")
				}, streamstest.Partitions(partitions))
				for i, e := range events {
					r := streamstest.Raw{Topic: e.topic, Key: []byte(e.key), Time: e.at}
					if e.value != "" {
						r.Value = []byte(e.value)
					}
					require.NoError(t, d.Pipe(r))
					if crash && i%100 == 50 {
						require.NoError(t, d.Crash())
					}
				}
				for p := range partitions { // time goes on, and all but this is let go
					require.NoError(t, d.PipeTo(p, streamstest.Raw{Topic: "trades", Key: []byte("z"), Value: []byte("end"), Time: 1_000_000}))
				}
				got := lines(t, d, "out")
				slices.Sort(got)
				slices.Sort(want)
				require.Equal(t, want, got)
			})
		}
	}
}

// TestToleranceCountsToTheMillisecond checks the edge, and that a row that is too old is none for an inner join.
func TestToleranceCountsToTheMillisecond(t *testing.T) {
	t.Parallel()
	d := drive(t, func(b *streams.Builder) {
		rows := b.Table("rows", serde.String, serde.String, streams.As("rows"), streams.Versioned(time.Hour))
		in := b.Stream("in", serde.String, serde.String)
		in.Join(rows, func(l, r string) string { return l + r }, streams.Tolerance(0)).To("out")
		in.Join(rows, func(l, r string) string { return r + l }, streams.Tolerance(5*time.Millisecond)).To("out")
	})
	require.NoError(t, d.Input("rows", serde.String, serde.String).PipeAt("k", "r", 10))
	for _, at := range []streams.Time{9, 10, 11, 15, 16} {
		require.NoError(t, d.Input("in", serde.String, serde.String).PipeAt("k", "l", at))
	}
	require.Equal(t, []string{"k=lr@10", "k=rl@10", "k=rl@11", "k=rl@15"}, lines(t, d, "out"))
}
