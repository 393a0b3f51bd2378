package streams_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

type order struct {
	Customer string
	Amount   int64
}

// TestBuildReports checks that each mistake is refused with an error that names the node and the fix.
func TestBuildReports(t *testing.T) {
	t.Parallel()
	orders := serde.JSON[order]()
	text := func(b *streams.Builder) streams.Stream[string, string] {
		return b.Stream("in", serde.String, serde.String)
	}
	cases := []struct {
		name    string
		program func(b *streams.Builder)
		build   []streams.BuildOption
		want    []string // in one line of the error
	}{
		{"a value without a serde", func(b *streams.Builder) {
			text(b).MapValues(func(s string) order { return order{Customer: s} }).To("out")
		}, nil, []string{"KSTREAM-SINK-0000000002", "value", "streams_test.order", "WithValueSerde", "Register"}},
		{"a key without a serde, behind the repartition of a group", func(b *streams.Builder) {
			text(b).GroupBy(func(_, v string) order { return order{} }).Count()
		}, nil, []string{"KSTREAM-SINK-0000000004", "key", "streams_test.order", "WithKeySerde"}},
		{"an aggregate without a serde", func(b *streams.Builder) {
			text(b).GroupByKey().Aggregate(func() order { return order{} }, func(_, _ string, o order) order { return o })
		}, nil, []string{"KSTREAM-AGGREGATE-0000000002", "value", "WithValueSerde"}},
		{"a joined cogroup in windows", func(b *streams.Builder) {
			add := func(_, v, agg string) string { return agg + v }
			windows := text(b).GroupByKey().Cogroup(add).WindowedBy(window.Tumbling[string]{Size: time.Second}).Aggregate(func() string { return "" }, streams.As("both"))
			windows.Join(windows.MapValues(strings.ToUpper, streams.As("upper")), func(a, b string) string { return a + b })
		}, nil, []string{"store both", "windows of a cogroup", "MapValues with streams.As"}},
		{"a joined cogroup in sessions", func(b *streams.Builder) {
			add := func(_, v, agg string) string { return agg + v }
			merge := func(_, a, b string) string { return a + b }
			sessions := text(b).GroupByKey().Cogroup(add).WindowedBySession(window.Session[string]{Gap: time.Second}).Aggregate(func() string { return "" }, merge)
			sessions.Filter(func(window.Windowed[string], string) bool { return true }).LeftJoin(sessions, func(a string, b *string) string { return a })
		}, nil, []string{"windows of a cogroup"}},
		{"a function that is nil", func(b *streams.Builder) {
			text(b).Filter(nil, streams.Named("keep"))
		}, nil, []string{"node keep", "function is nil"}},
		{"a join's function that is nil", func(b *streams.Builder) {
			l, r := b.Table("l", serde.String, orders), b.Table("r", serde.String, orders)
			l.TryOuterJoin(r, (func(context.Context, string, *order, *order) (order, error))(nil))
		}, nil, []string{"KTABLE-MERGE-0000000006", "function is nil"}},
		{"a reducer that is nil", func(b *streams.Builder) { text(b).GroupByKey().Reduce(nil) },
			nil, []string{"KSTREAM-REDUCE-0000000002", "function is nil"}},
		{"a processor that is nil", func(b *streams.Builder) {
			text(b).Process((func(*topology.ProcessorContext[string, string]) (topology.Processor[string, string], error))(nil), streams.Named("p"))
		}, nil, []string{"node p", "function is nil"}},
		{"no partitions", func(b *streams.Builder) { text(b).Repartition(streams.Named("r"), streams.Partitions(0)) },
			nil, []string{"node r", "Partitions(0)", "at least 1"}},
		{"no calls at once", func(b *streams.Builder) {
			text(b).MapValuesAsync(0, func(_ context.Context, r streams.Record[string, string]) (string, error) { return r.Value, nil })
		}, nil, []string{"KSTREAM-MAPVALUES-0000000001", "0 calls at once"}},
		{"a part of a millisecond", func(b *streams.Builder) {
			text(b).ToTable(streams.Versioned(1500 * time.Microsecond))
		}, nil, []string{"KSTREAM-TOTABLE-0000000001", "Versioned(1.5ms)", "round it"}},
		{"a negative time", func(b *streams.Builder) { text(b).ToTable(streams.TTL(-time.Second)) },
			nil, []string{"KSTREAM-TOTABLE-0000000001", "TTL(-1s)", "negative"}},
		{"a start that is not whole", func(b *streams.Builder) {
			b.Stream("in", serde.String, serde.String, streams.FromDuration(time.Microsecond))
		}, nil, []string{"KSTREAM-SOURCE-0000000000", "FromDuration(1µs)"}},
		{"an empty name", func(b *streams.Builder) { text(b).Peek(func(_, _ string) {}, streams.Named("")) },
			nil, []string{"KSTREAM-PEEK-0000000001", `Named("")`}},
		{"a name that no topic can have", func(b *streams.Builder) { text(b).GroupByKey().Count(streams.As("my counts")) },
			nil, []string{`"my counts"`, "letters, digits"}},
		{"two nodes of one name", func(b *streams.Builder) {
			text(b).Peek(func(_, _ string) {}, streams.Named("p")).Peek(func(_, _ string) {}, streams.Named("p"))
		}, nil, []string{`two nodes are called "p"`, "another name"}},
		{"two stores of one name", func(b *streams.Builder) {
			b.AddStore(state.KeyValue("n", serde.String, serde.String))
			text(b).GroupByKey().Count(streams.As("n"))
		}, nil, []string{`two stores are called "n"`}},
		{"a store that nobody added", func(b *streams.Builder) {
			text(b).Process(func(*topology.ProcessorContext[string, string]) (topology.Processor[string, string], error) {
				return nil, nil
			},
				streams.Using(topology.NamedStore[state.KeyValueStore[string, string]]("lost")), streams.Named("p"))
		}, nil, []string{"node p", `"lost"`, "does not exist"}},
		{"a topic read as stream and as table", func(b *streams.Builder) {
			text(b)
			b.Table("in", serde.String, serde.String)
		}, nil, []string{"KSTREAM-SOURCE-0000000000", "KSTREAM-SOURCE-0000000002", "topic in", "ToTable"}},
		{"topics that overlap", func(b *streams.Builder) {
			text(b)
			b.StreamOf([]string{"in", "other"}, serde.String, serde.String)
		}, nil, []string{"KSTREAM-SOURCE-0000000000", "KSTREAM-SOURCE-0000000001", "Merge"}},
		{"a topic read with two types", func(b *streams.Builder) {
			text(b)
			b.Stream("in", serde.String, orders)
		}, nil, []string{"KSTREAM-SOURCE-0000000001", "streams_test.order", "map its values"}},
		{"a topic read from two starting points", func(b *streams.Builder) {
			text(b)
			b.Stream("in", serde.String, serde.String, streams.Latest())
		}, nil, []string{"KSTREAM-SOURCE-0000000001", "Latest"}},
		{"no topic to read", func(b *streams.Builder) { b.StreamOf(nil, serde.String, serde.String) },
			nil, []string{"KSTREAM-SOURCE-0000000000", "no topic"}},
		{"no topic to write", func(b *streams.Builder) { text(b).To("") },
			nil, []string{"KSTREAM-SINK-0000000001", "no topic"}},
		{"no function that chooses a topic", func(b *streams.Builder) { text(b).ToDynamic(nil) },
			nil, []string{"KSTREAM-SINK-0000000001", "ToDynamic"}},
		{"a partitioner for other records", func(b *streams.Builder) {
			text(b).To("out", streams.Partitioned(func(string, streams.Record[string, order], int32) []int32 { return nil }))
		}, nil, []string{"KSTREAM-SINK-0000000001", "Partitioned", "Record[string,string]"}},
		{"timestamps of other records", func(b *streams.Builder) {
			b.Stream("in", serde.String, serde.String, streams.Timestamps(func(streams.Record[string, order], topology.RecordMetadata, streams.Time) streams.Time { return 0 }))
		}, nil, []string{"KSTREAM-SOURCE-0000000000", "Timestamps"}},
		{"two defaults of a split", func(b *streams.Builder) {
			s := text(b).Split(streams.Named("by"))
			s.Default()
			s.Default(streams.Named("x"))
		}, nil, []string{"node by", "Default was called twice"}},
		{"handles of two builders", func(b *streams.Builder) { text(b).Merge(text(streams.NewBuilder())) },
			nil, []string{"KSTREAM-MERGE-0000000001", "another Builder"}},
		{"a join of different numbers of partitions", func(b *streams.Builder) {
			side := func(topic string, n int) streams.Table[string, string] {
				return b.Stream(topic, serde.String, serde.String).Repartition(streams.Named(topic), streams.Partitions(n)).ToTable()
			}
			side("l", 3).Join(side("r", 4), func(l, _ string) string { return l })
		}, nil, []string{"KTABLE-MERGE-", "l-repartition of 3", "r-repartition of 4", "same number"}},
		{"a TTL of versions", func(b *streams.Builder) { text(b).ToTable(streams.Versioned(time.Hour), streams.TTL(time.Hour)) },
			nil, []string{"KSTREAM-TOTABLE-0000000001", "TTL", "Versioned"}},
		{"a tolerance without history", func(b *streams.Builder) {
			text(b).LeftJoin(b.Table("rows", serde.String, serde.String), func(l string, _ *string) string { return l }, streams.Tolerance(time.Second), streams.Named("j"))
		}, nil, []string{"node j", "Tolerance needs a table that is Versioned"}},
		{"a tolerance of a global table", func(b *streams.Builder) {
			text(b).JoinGlobal(b.GlobalTable("rows", serde.String, serde.String), func(k, _ string) string { return k }, func(l, _ string) string { return l }, streams.Tolerance(time.Second), streams.Named("j"))
		}, nil, []string{"node j", "Tolerance is for joins with a table"}},
		{"a negative tolerance", func(b *streams.Builder) {
			text(b).Join(b.Table("rows", serde.String, serde.String, streams.Versioned(time.Hour)), func(l, _ string) string { return l }, streams.Tolerance(-time.Second), streams.Named("j"))
		}, nil, []string{"node j", "Tolerance(-1s)", "negative"}},
		{"generated names where names are required", func(b *streams.Builder) {
			text(b).GroupBy(func(_, v string) string { return v }).Count().ToStream().To("out")
		}, []streams.BuildOption{streams.RequireNames()}, []string{"store KSTREAM-AGGREGATE-STATE-STORE-0000000002", "streams.As"}},
		{"a generated internal topic where names are required", func(b *streams.Builder) {
			text(b).Repartition().To("out")
		}, []streams.BuildOption{streams.RequireNames()}, []string{"internal topic KSTREAM-REPARTITION-0000000001-repartition", "streams.Named"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := streams.NewBuilder()
			c.program(b)
			_, err := b.Build(c.build...)
			require.Error(t, err)
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if containsAll(line, c.want) {
					return
				}
			}
			t.Fatalf("no line of the error has %q:\n%v", c.want, err)
		})
	}
}

func containsAll(s string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}

func TestBuildReportsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	b := streams.NewBuilder()
	s := b.Stream("in", serde.String, serde.String)
	s.MapValues(func(string) order { return order{} }).To("out")
	s.Filter(nil).Repartition(streams.Partitions(-1)).GroupByKey().Count(streams.TTL(time.Nanosecond))
	s.To("")
	_, err := b.Build()
	for _, part := range []string{"needs a serde", "function is nil", "Partitions(-1)", "TTL(1ns)", "no topic"} {
		require.ErrorContains(t, err, part)
	}
}

func TestBuildBuildsOnce(t *testing.T) {
	t.Parallel()
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).To("out")
	_, err := b.Build()
	require.NoError(t, err)
	_, err = b.Build()
	require.ErrorContains(t, err, "twice")
}

// TestRequireNamesAcceptsNames checks that a program with names for all that lives on a broker passes.
func TestRequireNamesAcceptsNames(t *testing.T) {
	t.Parallel()
	b := streams.NewBuilder()
	s := b.Stream("in", serde.String, serde.String)
	s.GroupBy(func(_, v string) string { return v }, streams.Named("by")).Count(streams.As("counts"))
	s.SelectKey(func(_, v string) string { return v }).GroupByKey().Count(streams.As("more"))
	s.SelectKey(func(_, v string) string { return v }).ToTable(streams.Named("t"), streams.As("table"))
	tab := b.Table("rows", serde.String, serde.String)
	tab.GroupBy(func(k, v string) (string, string) { return v, k }, streams.Named("rows-by")).Count(streams.As("row-counts"))
	_, err := b.Build(streams.RequireNames())
	require.ErrorContains(t, err, "rows-STATE-STORE", "the grouping made the table's store")

	b = streams.NewBuilder()
	b.Table("rows", serde.String, serde.String).ToStream().To("out") // needs no store
	_, err = b.Build(streams.RequireNames())
	require.NoError(t, err)
}

// TestSerdes checks where serdes are found: on the handle, in the registry, among the built-in scalars.
func TestSerdes(t *testing.T) {
	t.Parallel()
	builds := func(name string, program func(b *streams.Builder), ok bool) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := streams.NewBuilder()
			program(b)
			_, err := b.Build()
			if ok {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, "needs a serde")
			}
		})
	}
	made := func(b *streams.Builder) streams.Stream[string, order] {
		return b.Stream("in", serde.String, serde.String).MapValues(func(string) order { return order{} })
	}
	builds("not known", func(b *streams.Builder) { made(b).To("out") }, false)
	builds("set on the handle", func(b *streams.Builder) { made(b).WithValueSerde(serde.JSON[order]()).To("out") }, true)
	builds("set too late", func(b *streams.Builder) { s := made(b); s.To("out"); s.WithValueSerde(serde.JSON[order]()) }, false)
	builds("registered", func(b *streams.Builder) { b.Register(serde.JSON[order]()); made(b).To("out") }, true)
	builds("carried by a filter", func(b *streams.Builder) {
		b.Stream("in", serde.String, serde.JSON[order]()).Filter(func(string, order) bool { return true }).To("out")
	}, true)
	builds("cleared by MapValues of the same type", func(b *streams.Builder) {
		b.Stream("in", serde.String, serde.JSON[order]()).MapValues(func(o order) order { return o }).To("out")
	}, false)
	builds("carried by a merge of the same", func(b *streams.Builder) {
		o := b.Stream("in", serde.String, serde.JSON[order]())
		o.Filter(func(string, order) bool { return true }).Merge(o.Peek(func(string, order) {})).To("out")
	}, true)
	builds("cleared by a merge of others", func(b *streams.Builder) {
		b.Stream("in", serde.String, serde.JSON[order]()).Merge(b.Stream("in2", serde.String, serde.List(serde.String)).
			MapValues(func([]string) order { return order{} })).To("out")
	}, false)
	builds("set behind an aggregate for its store", func(b *streams.Builder) {
		b.Stream("in", serde.String, serde.String).GroupByKey().
			Aggregate(func() order { return order{} }, func(_, _ string, o order) order { return o }).
			WithValueSerde(serde.JSON[order]()).ToStream().To("out")
	}, true)
	builds("a table's filter does not reach back", func(b *streams.Builder) {
		b.Stream("in", serde.String, serde.String).GroupByKey().
			Aggregate(func() order { return order{} }, func(_, _ string, o order) order { return o }).
			Filter(func(string, order) bool { return true }, streams.As("f")).
			WithValueSerde(serde.JSON[order]()).ToStream().To("out")
	}, false)
	builds("built in", func(b *streams.Builder) {
		b.Stream("in", serde.String, serde.String).MapValues(func(s string) int { return len(s) }).GroupByKey().Count().ToStream().To("out")
	}, true)
}
