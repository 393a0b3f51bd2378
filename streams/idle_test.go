package streams_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/streamstest"
	"github.com/millrace-go/millrace/window"
)

func atWindow(w window.Windowed[string]) string {
	return fmt.Sprintf("%s@%d-%d", w.Key, w.Start, w.End)
}

// ExampleConfig_idleAdvance closes the last window of a topic that has fallen silent.
func ExampleConfig_idleAdvance() {
	b := streams.NewBuilder()
	b.Stream("clicks", serde.String, serde.String).
		GroupByKey().
		WindowedBy(window.Tumbling[string]{Size: time.Minute}).
		EmitOnClose().
		Count(streams.As("per-minute")).
		ToStream().
		MapKey(atWindow).
		To("counts")
	top, err := b.Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	d, err := streamstest.New(top, streams.Config{IdleAdvance: 10 * time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	counts := d.Output("counts", serde.String, serde.Int64)
	if err := d.Input("clicks", serde.String, serde.String).PipeAt("ann", "home", 50_000); err != nil {
		fmt.Println(err)
		return
	}
	for range 3 {
		if err := d.AdvanceWallClock(5 * time.Second); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(d.WallClock().Second(), counts.Len())
	}
	r, _, err := counts.Read()
	fmt.Println(r.Key, r.Value, err)
	// Output:
	// 5 0
	// 10 1
	// 15 1
	// ann@0-60000 1 <nil>
}

// Whatever waits for stream time goes on when it advances by itself, and what comes later is late.
func TestIdleAdvance(t *testing.T) {
	t.Parallel()
	minute := window.Tumbling[string]{Size: time.Minute}
	programs := map[string]func(in streams.Stream[string, string], other streams.Stream[string, string]) streams.Stream[string, string]{
		"emit on close": func(in, _ streams.Stream[string, string]) streams.Stream[string, string] {
			return in.GroupByKey().WindowedBy(minute).EmitOnClose().Reduce(join).ToStream().MapKey(atWindow)
		},
		"sliding": func(in, _ streams.Stream[string, string]) streams.Stream[string, string] {
			return in.GroupByKey().WindowedBy(window.Sliding[string]{Difference: time.Minute}).EmitOnClose().Reduce(join).ToStream().MapKey(atWindow)
		},
		"sessions": func(in, _ streams.Stream[string, string]) streams.Stream[string, string] {
			return in.GroupByKey().WindowedBySession(window.Session[string]{Gap: time.Minute}).EmitOnClose().Reduce(join).ToStream().MapKey(atWindow)
		},
		"suppress behind a repartition": func(in, _ streams.Stream[string, string]) streams.Stream[string, string] {
			return in.SelectKey(func(k, _ string) string { return k }).GroupByKey().WindowedBy(minute).Reduce(join).Suppress(streams.UntilWindowCloses{}).ToStream().MapKey(atWindow)
		},
		"left join": func(in, other streams.Stream[string, string]) streams.Stream[string, string] {
			return in.LeftJoinStream(other, window.Within(time.Minute, 0), func(l string, _ *string) string { return l })
		},
		"outer join, right": func(in, other streams.Stream[string, string]) streams.Stream[string, string] {
			return other.OuterJoinStream(in, window.Within(time.Minute, 0), func(_, r *string) string { return *r })
		},
		"join with grace": func(in, other streams.Stream[string, string]) streams.Stream[string, string] {
			table := other.ToTable(streams.Versioned(time.Hour), streams.As("rows"))
			return in.LeftJoin(table, func(l string, _ *string) string { return l }, streams.Grace(time.Minute))
		},
	}
	for name, program := range programs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := streams.NewBuilder()
			program(b.Stream("in", serde.String, serde.String), b.Stream("other", serde.String, serde.String)).WithValueSerde(serde.String).To("out")
			top := build(t, b)
			d, err := streamstest.New(top, streams.Config{IdleAdvance: 10 * time.Second})
			require.NoError(t, err)
			defer func() { require.NoError(t, d.Close()) }()
			in, out := d.Input("in", serde.String, serde.String), d.Output("out", serde.String, serde.String)
			require.NoError(t, in.PipeAt("k", "v", 1000))
			for range 12 { // a record each 5 s of the wall clock: nothing is idle
				require.NoError(t, d.AdvanceWallClock(5*time.Second))
				require.NoError(t, in.PipeAt("other", "v", 1001))
				require.Zero(t, out.Len())
			}
			require.NoError(t, d.AdvanceWallClock(9*time.Second))
			require.Zero(t, out.Len())
			require.NoError(t, d.AdvanceWallClock(2*time.Minute))
			rs, err := out.ReadAll()
			require.NoError(t, err)
			require.NotEmpty(t, rs)
			require.Contains(t, rs[0].Key, "k")
			require.Equal(t, "v", rs[0].Value)
		})
	}
}

func join(a, b string) string { return a + b }

func TestIdleAdvanceMakesLate(t *testing.T) {
	t.Parallel()
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).GroupByKey().WindowedBy(window.Tumbling[string]{Size: time.Minute}).EmitOnClose().Count().ToStream().MapKey(atWindow).To("out")
	top := build(t, b)
	d, err := streamstest.New(top, streams.Config{IdleAdvance: time.Second})
	require.NoError(t, err)
	defer func() { require.NoError(t, d.Close()) }()
	in, out := d.Input("in", serde.String, serde.String), d.Output("out", serde.String, serde.Int64)
	require.NoError(t, in.PipeAt("k", "v", 1000))
	require.NoError(t, d.AdvanceWallClock(time.Minute))
	require.Equal(t, 1, out.Len())
	require.NoError(t, in.PipeAt("k", "late", 2000))
	require.Equal(t, 1, out.Len())
	require.EqualValues(t, 1, d.Dropped())
	require.NoError(t, d.Crash())
	require.NoError(t, in.PipeAt("k", "late", 3000))
	require.EqualValues(t, 2, d.Dropped(), "what was emitted stays closed over a crash")
	require.NoError(t, in.PipeAt("k", "v", 61_000))
	require.NoError(t, d.AdvanceWallClock(time.Minute))
	require.Equal(t, 2, out.Len())
}
