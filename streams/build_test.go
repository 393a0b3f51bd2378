package streams_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/window"
)

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
	b.Table("rows", serde.String, serde.String).ToStream().To("out")
	_, err = b.Build(streams.RequireNames())
	require.ErrorContains(t, err, "rows-STATE-STORE", "there is no store yet, but the next verb may make it")

	foreign := func(o ...streams.ForeignKeyOption) error {
		b := streams.NewBuilder()
		rows := b.Table("rows", serde.String, serde.String, streams.As("rows"))
		rows.JoinForeignKey(rows, func(_, v string) (string, bool) { return v, true }, func(v, _ string) string { return v }, o...)
		_, err := b.Build(streams.RequireNames())
		return err
	}
	require.ErrorContains(t, foreign(streams.Named("join")), "KTABLE-FK-JOIN-OUTPUT-STATE-STORE")
	require.NoError(t, foreign(streams.As("joined")), "the names of its topics pass, as in Kafka Streams")

	b = streams.NewBuilder()
	b.Table("rows", serde.String, serde.String, streams.As("rows")).ToStream().To("out")
	b.GlobalTable("all", serde.String, serde.String, streams.As("all"))
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

// TestMergeRepartitionsRefusesTwoMerges checks a plan of which Kafka Streams' rewrite makes nothing either: two merges of streams could each take the repartitions.
func TestMergeRepartitionsRefusesTwoMerges(t *testing.T) {
	t.Parallel()
	b := streams.NewBuilder()
	in := b.Stream("in", serde.String, serde.String)
	keyed := in.MapKey(func(k string) string { return k })
	twice := keyed.Merge(in).Merge(keyed)
	twice.MapValues(func(v string) string { return v }).JoinStream(twice, window.Within(time.Second, 0), func(l, _ string) string { return l })
	_, err := b.Build(streams.Optimize(streams.MergeRepartitions))
	require.ErrorContains(t, err, "cannot be merged with others behind node KSTREAM-MERGE-")
	require.ErrorContains(t, err, "call Repartition before the join or grouping, or leave MergeRepartitions out")
}

// TestSplitWithoutBranches checks that a split without branches is accepted, as by Kafka Streams: it drops what it gets.
func TestSplitWithoutBranches(t *testing.T) {
	t.Parallel()
	b := streams.NewBuilder()
	textIn(b).Split(streams.Named("by"))
	top, err := b.Build()
	require.NoError(t, err)
	require.Contains(t, top.Describe(), "Processor: by (stores: [])\n      --> none")
}
