package streams

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/window"
)

// windowPaths are programs of windows and joins, with the allocations of the framework that a record may cost.
var windowPaths = map[string]struct {
	allocs  float64
	program func(b *Builder)
}{
	"tumbling count": {0, func(b *Builder) {
		b.Stream("in", serde.String, serde.Int64).GroupByKey().
			WindowedBy(window.Tumbling[string]{Size: time.Hour}).Count().ToStream().To("out")
	}},
	"hopping aggregate": {0, func(b *Builder) {
		b.Stream("in", serde.String, serde.Int64).GroupByKey().
			WindowedBy(window.Hopping[string]{Size: time.Hour, Advance: 15 * time.Minute}).
			Aggregate(func() int64 { return 0 }, func(_ string, v, a int64) int64 { return a + v }).ToStream().To("out")
	}},
	"emit on close": {0, func(b *Builder) {
		b.Stream("in", serde.String, serde.Int64).GroupByKey().
			WindowedBy(window.Tumbling[string]{Size: time.Hour}).EmitOnClose().Count().ToStream().To("out")
	}},
	"stream-table join": {0, func(b *Builder) {
		s := b.Stream("in", serde.String, serde.Int64)
		s.Join(s.ToTable(), func(x, y int64) int64 { return x + y }).To("out")
	}},
	"left stream-table join": {1, func(b *Builder) { // the pointer
		s := b.Stream("in", serde.String, serde.Int64)
		s.LeftJoin(s.ToTable(), func(x int64, y *int64) int64 { return x + *y }).To("out")
	}},
	"session count": {20, func(b *Builder) {
		b.Stream("in", serde.String, serde.Int64).GroupByKey().
			WindowedBySession(window.Session[string]{Gap: time.Hour}).Count().ToStream().To("out")
	}},
	"sliding count": {30, func(b *Builder) {
		b.Stream("in", serde.String, serde.Int64).GroupByKey().
			WindowedBy(window.Sliding[string]{Difference: time.Millisecond}).Count().ToStream().To("out")
	}},
	"stream-stream join": {20, func(b *Builder) {
		s, o := b.Stream("in", serde.String, serde.Int64), b.Stream("other", serde.String, serde.Int64)
		s.JoinStream(o, window.Within(time.Millisecond, 0), func(x, y int64) int64 { return x + y }).To("out")
	}},
	"suppressed count": {20, func(b *Builder) {
		b.Stream("in", serde.String, serde.Int64).GroupByKey().
			WindowedBy(window.Tumbling[string]{Size: time.Hour}).Count().Suppress(UntilWindowCloses{}).ToStream().To("out")
	}},
}

func TestRecordsInWindowsDoNotAllocate(t *testing.T) {
	for name, path := range windowPaths {
		t.Run(name, func(t *testing.T) {
			one, q := looped(t, path.program, "in", keyed("in", 50))
			for range 400 { // every key is in its store
				one()
			}
			got := testing.AllocsPerRun(1000, one)
			t.Log(got)
			require.LessOrEqual(t, got, path.allocs)
			require.NotZero(t, q.sent)
		})
	}
}

func BenchmarkWindows(b *testing.B) {
	for name, path := range windowPaths {
		b.Run(name, func(b *testing.B) {
			one, _ := looped(b, path.program, "in", keyed("in", 1000))
			b.ReportAllocs()
			for b.Loop() {
				one()
			}
		})
	}
}
