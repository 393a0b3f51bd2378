package streamstest_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/streamstest"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

// programs read the topics a and b and write to out.
var programs = map[string]func(b *streams.Builder, left, right streams.Stream[string, string]) []streams.BuildOption{
	"reduce": func(_ *streams.Builder, left, _ streams.Stream[string, string]) []streams.BuildOption {
		left.GroupBy(func(_, v string) string { return v[:1] }).Reduce(func(a, v string) string { return tail(a + v) }).ToStream().To("out")
		return nil
	},
	"tumbling count": func(_ *streams.Builder, left, _ streams.Stream[string, string]) []streams.BuildOption {
		left.GroupByKey().WindowedBy(window.Tumbling[string]{Size: 20 * time.Millisecond}).Count().ToStream().To("out")
		return nil
	},
	"hopping reduce in memory": func(_ *streams.Builder, left, _ streams.Stream[string, string]) []streams.BuildOption {
		left.GroupByKey().WindowedBy(window.Hopping[string]{Size: 20 * time.Millisecond, Advance: 5 * time.Millisecond}).
			Reduce(func(a, v string) string { return tail(a + v) }, streams.InMemory()).ToStream().To("out")
		return nil
	},
	"sliding count": func(_ *streams.Builder, left, _ streams.Stream[string, string]) []streams.BuildOption {
		left.GroupByKey().WindowedBy(window.Sliding[string]{Difference: 10 * time.Millisecond}).Count().ToStream().To("out")
		return nil
	},
	"session count": func(_ *streams.Builder, left, _ streams.Stream[string, string]) []streams.BuildOption {
		left.GroupByKey().WindowedBySession(window.Session[string]{Gap: 15 * time.Millisecond}).Count().ToStream().To("out")
		return nil
	},
	"table join": func(_ *streams.Builder, left, right streams.Stream[string, string]) []streams.BuildOption {
		left.ToTable().LeftJoin(right.ToTable(), func(l string, r *string) string {
			if r == nil {
				return l
			}
			return l + *r
		}).ToStream().To("out")
		return nil
	},
	"stream-table join": func(_ *streams.Builder, left, right streams.Stream[string, string]) []streams.BuildOption {
		left.Join(right.ToTable(), func(l, r string) string { return l + r }).To("out")
		return nil
	},
	"versioned table join": func(_ *streams.Builder, left, right streams.Stream[string, string]) []streams.BuildOption {
		left.Join(right.ToTable(streams.As("versions"), streams.Versioned(time.Second)), func(l, r string) string { return l + r }).To("out")
		return nil
	},
	"table grouping": func(_ *streams.Builder, left, _ streams.Stream[string, string]) []streams.BuildOption {
		left.ToTable().GroupBy(func(_, v string) (string, string) { return v[:1], v }).Count().ToStream().To("out")
		return nil
	},
	"table restored from its source topic": func(b *streams.Builder, left, _ streams.Stream[string, string]) []streams.BuildOption {
		left.Join(b.Table("c", serde.String, serde.String), func(l, r string) string { return l + r }).To("out")
		return []streams.BuildOption{streams.Optimize(streams.AllRewrites)}
	},
	"global join": func(b *streams.Builder, left, _ streams.Stream[string, string]) []streams.BuildOption {
		left.JoinGlobal(b.GlobalTable("c", serde.String, serde.String), func(k, _ string) string { return k }, func(l, r string) string { return l + r }).To("out")
		return nil
	},
}

// tail keeps values short.
func tail(s string) string { return s[max(0, len(s)-12):] }

// TestRestoredStoresAnswerAsTheyDid plays records in order of time with and without crashes between them, with and without a cache, in one task and in several: what
// is written to the output must not differ.
func TestRestoredStoresAnswerAsTheyDid(t *testing.T) {
	t.Parallel()
	for name, program := range programs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(6) {
				build := func(crashes bool) []string {
					b := streams.NewBuilder()
					options := program(b, b.Stream("a", serde.String, serde.String), b.Stream("b", serde.String, serde.String))
					top, err := b.Build(options...)
					require.NoError(t, err)
					var o []streamstest.Option
					if seed%2 == 1 {
						o = append(o, streamstest.Partitions(3))
					}
					cache := int64(seed/2%2) << 20
					return play(t, top, streams.Config{CacheBytes: &cache}, seed, crashes, o)
				}
				want := build(false)
				require.NotEmpty(t, want)
				require.Equal(t, want, build(true), "seed %d", seed)
			}
		})
	}
}

func play(t *testing.T, top *topology.Topology, c streams.Config, seed uint64, crashes bool, o []streamstest.Option) (out []string) {
	t.Helper()
	d := driver(t, top, c, o...)
	rnd := rand.New(rand.NewPCG(seed, 7))
	topics := []string{"a", "b", "c"}
	at := streams.Time(0)
	for range 150 {
		at += streams.Time(rnd.IntN(6))
		r := streamstest.Raw{Topic: topics[rnd.IntN(3)], Key: fmt.Append(nil, "k", rnd.IntN(4)), Value: fmt.Append(nil, string(rune('a'+rnd.IntN(4))), rnd.IntN(100)), Time: at}
		if err := d.Pipe(r); err != nil {
			require.ErrorContains(t, err, "no source reads topic")
		}
		if crash := rnd.IntN(5) == 0; crash && crashes {
			require.NoError(t, d.Crash())
		}
		for _, r := range d.Produced() {
			if r.Topic == "out" {
				out = append(out, fmt.Sprintf("%q=%q@%d", r.Key, r.Value, int64(r.Time)))
			}
		}
	}
	return out
}
