package streams_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/window"
)

// Golden names: how nodes, stores and topics are named and numbered, so that an existing application's topics and state fit.
//
// A graph is written as chains, A>B>C, with {stores} and (topics) behind a node where it has any (once is enough); | starts the next
// sub-topology. KS- is KSTREAM-, KT- is KTABLE-, and of a number's ten digits the last two are shown.

type names struct {
	law   string
	build func(b *streams.Builder)
	want  string
	opts  []streams.BuildOption
}

// graph is a set of facts about nodes: "A", "A>B", "A{store}", "A(topic)", each behind the number of its sub-topology.
func graph(chains string) []string {
	var facts []string
	for i, sub := range strings.Split(chains, "|") {
		for chain := range strings.FieldsSeq(sub) {
			before := ""
			for node := range strings.SplitSeq(chain, ">") {
				name, rest := node, ""
				if at := strings.IndexAny(node, "{("); at >= 0 {
					name, rest = node[:at], node[at:]
				}
				facts = append(facts, fmt.Sprint(i, " ", name))
				if before != "" {
					facts = append(facts, fmt.Sprint(i, " ", before, ">", name))
				}
				before = name
				for inner := range strings.SplitSeq(strings.Trim(rest, "{}()"), ",") {
					if inner != "" {
						facts = append(facts, fmt.Sprint(i, " ", name, rest[:1], inner))
					}
				}
			}
		}
	}
	slices.Sort(facts)
	return slices.Compact(facts)
}

var (
	nodeLine = regexp.MustCompile(`^    (Source|Processor|Sink): (\S+) \((?:topics|topic|stores): \[?(.*?)\]?\)$`)
	digits   = regexp.MustCompile(`0{8}(\d\d)`)
)

// graphOf reads a description.
func graphOf(t *testing.T, description string) []string {
	t.Helper()
	text := digits.ReplaceAllString(strings.NewReplacer("KSTREAM-", "KS-", "KTABLE-", "KT-").Replace(description), "$1")
	var facts []string
	sub, node := -1, ""
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "Sub-topology:") {
			sub++
		} else if m := nodeLine.FindStringSubmatch(line); m != nil {
			node = m[2]
			facts = append(facts, fmt.Sprint(sub, " ", node))
			bracket := "("
			if m[1] == "Processor" {
				bracket = "{"
			}
			for inner := range strings.SplitSeq(m[3], ", ") {
				if inner != "" {
					facts = append(facts, fmt.Sprint(sub, " ", node, bracket, inner))
				}
			}
		} else if rest, ok := strings.CutPrefix(line, "      --> "); ok && rest != "none" {
			for child := range strings.SplitSeq(rest, ", ") {
				facts = append(facts, fmt.Sprint(sub, " ", node, ">", child))
			}
		}
	}
	require.NotEmpty(t, facts, description)
	slices.Sort(facts)
	return facts
}

func checkNames(t *testing.T, tables []names) {
	t.Helper()
	for _, n := range tables {
		t.Run(n.law, func(t *testing.T) {
			b := streams.NewBuilder()
			n.build(b)
			top, err := b.Build(n.opts...)
			require.NoError(t, err)
			require.Equal(t, graph(n.want), graphOf(t, top.Describe()))
		})
	}
}

func one(_, v string) string { return v[:1] }

func in(b *streams.Builder) stringStream { return b.Stream("in", serde.String, serde.String) }

func TestGoldenNamesOfAggregates(t *testing.T) {
	grouped := func(b *streams.Builder, o ...streams.StoreOption) {
		in(b).GroupBy(one).Count(o...).ToStream().To("out")
	}
	checkNames(t, []names{
		{law: "count by key", build: func(b *streams.Builder) { in(b).GroupByKey().Count().ToStream().To("out") },
			want: "KS-SOURCE-00(in)>KS-AGGREGATE-02{KS-AGGREGATE-STATE-STORE-01}>KT-TOSTREAM-03>KS-SINK-04(out)"},
		{law: "count behind groupBy", build: func(b *streams.Builder) { grouped(b) },
			want: `KS-SOURCE-00(in)>KS-KEY-SELECT-01>KS-FILTER-05>KS-SINK-04(KS-AGGREGATE-STATE-STORE-02-repartition)
				| KS-SOURCE-06(KS-AGGREGATE-STATE-STORE-02-repartition)>KS-AGGREGATE-03{KS-AGGREGATE-STATE-STORE-02}>KT-TOSTREAM-07>KS-SINK-08(out)`},
		{law: "count's materialized without a name draws a number", build: func(b *streams.Builder) { grouped(b, streams.Materialized()) },
			want: `KS-SOURCE-00(in)>KS-KEY-SELECT-01>KS-FILTER-06>KS-SINK-05(KS-AGGREGATE-STATE-STORE-03-repartition)
				| KS-SOURCE-07(KS-AGGREGATE-STATE-STORE-03-repartition)>KS-AGGREGATE-04{KS-AGGREGATE-STATE-STORE-03}>KT-TOSTREAM-08>KS-SINK-09(out)`},
		{law: "a store's name names the repartition", build: func(b *streams.Builder) { grouped(b, streams.As("cnt")) },
			want: `KS-SOURCE-00(in)>KS-KEY-SELECT-01>cnt-repartition-filter>cnt-repartition-sink(cnt-repartition)
				| cnt-repartition-source(cnt-repartition)>KS-AGGREGATE-02{cnt}>KT-TOSTREAM-06>KS-SINK-07(out)`},
		{law: "a grouping's name names key select and repartition", build: func(b *streams.Builder) {
			in(b).GroupBy(one, streams.Named("grp")).Count().ToStream().To("out")
		}, want: `KS-SOURCE-00(in)>grp>grp-repartition-filter>grp-repartition-sink(grp-repartition)
				| grp-repartition-source(grp-repartition)>KS-AGGREGATE-03{KS-AGGREGATE-STATE-STORE-02}>KT-TOSTREAM-07>KS-SINK-08(out)`},
		{law: "windowed count, suppressed", build: func(b *streams.Builder) {
			in(b).GroupByKey().WindowedBy(window.Tumbling[string]{Size: time.Second}).Count(streams.As("c")).
				Suppress(streams.UntilWindowCloses{}).ToStream().To("out")
		}, want: "KS-SOURCE-00(in)>KS-AGGREGATE-01{c}>KT-SUPPRESS-02{KT-SUPPRESS-STATE-STORE-03}>KT-TOSTREAM-04>KS-SINK-05(out)"},
		{law: "table groupBy has no filter", build: func(b *streams.Builder) {
			b.Table("in", serde.String, serde.String).GroupBy(func(_, v string) (string, string) { return v, v }).Count().ToStream().To("out")
		}, want: `KS-SOURCE-01(in)>KT-SOURCE-02{in-STATE-STORE-00}>KT-SELECT-03>KS-SINK-05(KT-AGGREGATE-STATE-STORE-04-repartition)
				| KS-SOURCE-06(KT-AGGREGATE-STATE-STORE-04-repartition)>KT-AGGREGATE-07{KT-AGGREGATE-STATE-STORE-04}>KT-TOSTREAM-08>KS-SINK-09(out)`},
		{law: "cogroup of a plain and a re-keyed stream", build: func(b *streams.Builder) {
			add := func(_, v, agg string) string { return agg + v }
			a, c := b.Stream("a", serde.String, serde.String), b.Stream("b", serde.String, serde.String)
			a.GroupByKey().Cogroup(add).Cogroup(c.GroupBy(one), add).Aggregate(func() string { return "" }).ToStream().To("out")
		}, want: `KS-SOURCE-00(a)>COGROUPKS-AGGREGATE-07{COGROUPKS-AGGREGATE-STATE-STORE-03}>COGROUPKS-MERGE-09>KT-TOSTREAM-10>KS-SINK-11(out)
				COGROUPKS-AGGREGATE-STATE-STORE-03-repartition-source(COGROUPKS-AGGREGATE-STATE-STORE-03-repartition)>COGROUPKS-AGGREGATE-08{COGROUPKS-AGGREGATE-STATE-STORE-03}>COGROUPKS-MERGE-09
				| KS-SOURCE-01(b)>KS-KEY-SELECT-02>COGROUPKS-AGGREGATE-STATE-STORE-03-repartition-filter>COGROUPKS-AGGREGATE-STATE-STORE-03-repartition-sink(COGROUPKS-AGGREGATE-STATE-STORE-03-repartition)`},
	})
}

func TestGoldenNamesOfTables(t *testing.T) {
	checkNames(t, []names{
		{law: "a table nobody asks is not stored", build: func(b *streams.Builder) {
			b.Table("in", serde.String, serde.String).ToStream().To("out")
		}, want: "KS-SOURCE-01(in)>KT-SOURCE-02>KT-TOSTREAM-03>KS-SINK-04(out)"},
		{law: "materialized without a name draws a number and stores nothing", build: func(b *streams.Builder) {
			b.Table("in", serde.String, serde.String).
				Filter(func(_, _ string) bool { return true }, streams.Materialized()).
				MapValues(strings.ToUpper, streams.As("mv")).ToStream().To("out")
		}, want: "KS-SOURCE-01(in)>KT-SOURCE-02>KT-FILTER-04>KT-MAPVALUES-05{mv}>KT-TOSTREAM-06>KS-SINK-07(out)"},
		{law: "outer join of tables", build: func(b *streams.Builder) {
			l, r := b.Table("l", serde.String, serde.String), b.Table("r", serde.String, serde.String)
			l.OuterJoin(r, eitherMaybe).ToStream().To("out")
		}, want: `KS-SOURCE-01(l)>KT-SOURCE-02{l-STATE-STORE-00}>KT-JOINTHIS-07{r-STATE-STORE-03}>KT-MERGE-06>KT-TOSTREAM-09>KS-SINK-10(out)
				KS-SOURCE-04(r)>KT-SOURCE-05{r-STATE-STORE-03}>KT-JOINOTHER-08{l-STATE-STORE-00}>KT-MERGE-06`},
		{law: "a stream turned table, by name", build: func(b *streams.Builder) {
			in(b).SelectKey(one).ToTable(streams.As("tt")).ToStream().To("out")
		}, want: `KS-SOURCE-00(in)>KS-KEY-SELECT-01>KS-FILTER-04>KS-SINK-03(KS-TOTABLE-02-repartition)
				| KS-SOURCE-05(KS-TOTABLE-02-repartition)>KS-TOTABLE-02{tt}>KT-TOSTREAM-06>KS-SINK-07(out)`},
		{law: "foreign-key left join", build: func(b *streams.Builder) {
			l, r := b.Table("l", serde.String, serde.String), b.Table("r", serde.String, serde.String)
			l.LeftJoinForeignKey(r, func(_, v string) (string, bool) { return v, true }, rightMaybe).ToStream().To("out")
		}, want: `KS-SOURCE-01(l)>KT-SOURCE-02{l-STATE-STORE-00}>KT-FK-JOIN-SUBSCRIPTION-REGISTRATION-07>KT-SINK-08(KT-FK-JOIN-SUBSCRIPTION-REGISTRATION-06-topic)
				KT-SOURCE-16(KT-FK-JOIN-SUBSCRIPTION-RESPONSE-14-topic)>KT-FK-JOIN-SUBSCRIPTION-RESPONSE-RESOLVER-PROCESSOR-17{l-STATE-STORE-00}>KT-FK-JOIN-OUTPUT-18>KT-TOSTREAM-20>KS-SINK-21(out)
				| KS-SOURCE-04(r)>KT-SOURCE-05{r-STATE-STORE-03}>KT-FK-JOIN-SUBSCRIPTION-PROCESSOR-13{KT-FK-JOIN-SUBSCRIPTION-STATE-STORE-10}>KT-SINK-15(KT-FK-JOIN-SUBSCRIPTION-RESPONSE-14-topic)
				KT-SOURCE-09(KT-FK-JOIN-SUBSCRIPTION-REGISTRATION-06-topic)>KT-FK-JOIN-SUBSCRIPTION-PROCESSOR-11{KT-FK-JOIN-SUBSCRIPTION-STATE-STORE-10}>KT-FK-JOIN-SUBSCRIPTION-PROCESSOR-12{r-STATE-STORE-03}>KT-SINK-15`},
	})
}

func TestGoldenNamesOfStreamJoins(t *testing.T) {
	w := window.Within(time.Second, 0)
	two := func(join func(l, r stringStream)) func(*streams.Builder) {
		return func(b *streams.Builder) {
			l, r := leftAndRight(b)
			join(l, r)
		}
	}
	rekeyed := func(b *streams.Builder) {
		s := in(b).SelectKey(one)
		s.GroupByKey().Count().ToStream().To("o1")
		s.GroupByKey().Reduce(func(a, _ string) string { return a }).ToStream().To("o2")
	}
	checkNames(t, []names{
		{law: "inner", build: two(func(l, r stringStream) { l.JoinStream(r, w, bothThere).To("out") }),
			want: `KS-SOURCE-00(left)>KS-WINDOWED-02{KS-JOINTHIS-04-store}>KS-JOINTHIS-04{KS-JOINOTHER-05-store}>KS-MERGE-06>KS-SINK-07(out)
				KS-SOURCE-01(right)>KS-WINDOWED-03{KS-JOINOTHER-05-store}>KS-JOINOTHER-05{KS-JOINTHIS-04-store}>KS-MERGE-06`},
		{law: "left", build: two(func(l, r stringStream) { l.LeftJoinStream(r, w, rightMaybe).To("out") }),
			want: `KS-SOURCE-00(left)>KS-WINDOWED-02{KS-JOINTHIS-04-store}>KS-JOINTHIS-04{KS-OUTEROTHER-05-store,KS-OUTERSHARED-04-store}>KS-MERGE-06>KS-SINK-07(out)
				KS-SOURCE-01(right)>KS-WINDOWED-03{KS-OUTEROTHER-05-store}>KS-OUTEROTHER-05{KS-JOINTHIS-04-store,KS-OUTERSHARED-04-store}>KS-MERGE-06`},
		{law: "outer, named", build: two(func(l, r stringStream) {
			l.OuterJoinStream(r, w, eitherMaybe, streams.Named("jn"), streams.As("st")).To("out")
		}), want: `KS-SOURCE-00(left)>jn-this-windowed{st-outer-this-join-store}>jn-outer-this-join{st-outer-shared-join-store,st-outer-other-join-store}>jn-merge>KS-SINK-07(out)
				KS-SOURCE-01(right)>jn-other-windowed{st-outer-other-join-store}>jn-outer-other-join{st-outer-shared-join-store,st-outer-this-join-store}>jn-merge`},
		{law: "inner, both sides re-keyed", build: func(b *streams.Builder) {
			l := b.Stream("left", serde.String, serde.String).SelectKey(one)
			r := b.Stream("right", serde.String, serde.String).Map(func(k, v string) (string, string) { return v, k })
			l.JoinStream(r, w, bothThere).To("out")
		}, want: `KS-SOURCE-00(left)>KS-KEY-SELECT-01>KS-FILTER-05>KS-SINK-04(KS-KEY-SELECT-01-repartition)
				| KS-SOURCE-02(right)>KS-MAP-03>KS-FILTER-08>KS-SINK-07(KS-MAP-03-repartition)
				| KS-SOURCE-06(KS-KEY-SELECT-01-repartition)>KS-WINDOWED-10{KS-JOINTHIS-12-store}>KS-JOINTHIS-12{KS-JOINOTHER-13-store}>KS-MERGE-14>KS-SINK-15(out)
				KS-SOURCE-09(KS-MAP-03-repartition)>KS-WINDOWED-11{KS-JOINOTHER-13-store}>KS-JOINOTHER-13{KS-JOINTHIS-12-store}>KS-MERGE-14`},
		{law: "self-join with one store", opts: []streams.BuildOption{streams.Optimize(streams.SingleStoreSelfJoin)}, build: func(b *streams.Builder) {
			s := in(b)
			s.JoinStream(s, w, bothThere).To("out")
		}, want: "KS-SOURCE-00(in)>KS-WINDOWED-01{KS-JOINTHIS-03-store}>KS-MERGE-05{KS-JOINTHIS-03-store}>KS-SINK-06(out)"},
		{law: "a re-keyed stream with a table", build: func(b *streams.Builder) {
			s := in(b).SelectKey(one)
			s.LeftJoin(b.Table("t", serde.String, serde.String), rightMaybe).To("out")
		}, want: `KS-SOURCE-00(in)>KS-KEY-SELECT-01>KS-FILTER-06>KS-SINK-05(KS-KEY-SELECT-01-repartition)
				| KS-SOURCE-03(t)>KT-SOURCE-04{t-STATE-STORE-02} KS-SOURCE-07(KS-KEY-SELECT-01-repartition)>KS-LEFTJOIN-08{t-STATE-STORE-02}>KS-SINK-09(out)`},
		{law: "a stream with a global table", build: func(b *streams.Builder) {
			s := in(b)
			s.JoinGlobal(b.GlobalTable("g", serde.String, serde.String), one, bothThere).To("out")
		}, want: "KS-SOURCE-00(in)>KS-LEFTJOIN-04>KS-SINK-05(out) | KS-SOURCE-02(g)>KT-SOURCE-03{g-STATE-STORE-01}"},
		{law: "two aggregates of a re-keyed stream", build: rekeyed,
			want: `KS-SOURCE-00(in)>KS-KEY-SELECT-01>KS-FILTER-05>KS-SINK-04(KS-AGGREGATE-STATE-STORE-02-repartition)
				KS-KEY-SELECT-01>KS-FILTER-12>KS-SINK-11(KS-REDUCE-STATE-STORE-09-repartition)
				| KS-SOURCE-06(KS-AGGREGATE-STATE-STORE-02-repartition)>KS-AGGREGATE-03{KS-AGGREGATE-STATE-STORE-02}>KT-TOSTREAM-07>KS-SINK-08(o1)
				| KS-SOURCE-13(KS-REDUCE-STATE-STORE-09-repartition)>KS-REDUCE-10{KS-REDUCE-STATE-STORE-09}>KT-TOSTREAM-14>KS-SINK-15(o2)`},
		{law: "two aggregates of a re-keyed stream, one repartition", build: rekeyed,
			opts: []streams.BuildOption{streams.Optimize(streams.MergeRepartitions)},
			want: `KS-SOURCE-00(in)>KS-KEY-SELECT-01>KS-AGGREGATE-STATE-STORE-02-repartition-filter>KS-AGGREGATE-STATE-STORE-02-repartition-sink(KS-AGGREGATE-STATE-STORE-02-repartition)
				| KS-AGGREGATE-STATE-STORE-02-repartition-source(KS-AGGREGATE-STATE-STORE-02-repartition)>KS-AGGREGATE-03{KS-AGGREGATE-STATE-STORE-02}>KT-TOSTREAM-07>KS-SINK-08(o1)
				KS-AGGREGATE-STATE-STORE-02-repartition-source>KS-REDUCE-10{KS-REDUCE-STATE-STORE-09}>KT-TOSTREAM-14>KS-SINK-15(o2)`},
		{law: "a merge with what comes of the stream is reached by two ways, both behind the one repartition", build: func(b *streams.Builder) {
			s := in(b).SelectKey(func(_, v string) string { return v })
			s.GroupByKey().Count().ToStream().To("o1")
			s.Merge(s.Filter(func(_, v string) bool { return v != "" })).GroupByKey().Count().ToStream().To("o2")
		}, opts: []streams.BuildOption{streams.Optimize(streams.MergeRepartitions)},
			want: `KS-SOURCE-00(in)>KS-KEY-SELECT-01>KS-AGGREGATE-STATE-STORE-02-repartition-filter>KS-AGGREGATE-STATE-STORE-02-repartition-sink(KS-AGGREGATE-STATE-STORE-02-repartition)
				| KS-AGGREGATE-STATE-STORE-02-repartition-source(KS-AGGREGATE-STATE-STORE-02-repartition)>KS-AGGREGATE-03{KS-AGGREGATE-STATE-STORE-02}>KT-TOSTREAM-07>KS-SINK-08(o1)
				KS-AGGREGATE-STATE-STORE-02-repartition-source>KS-MERGE-10>KS-AGGREGATE-12{KS-AGGREGATE-STATE-STORE-11}>KT-TOSTREAM-16>KS-SINK-17(o2)
				KS-AGGREGATE-STATE-STORE-02-repartition-source>KS-FILTER-09>KS-MERGE-10`},
		{law: "a cogroup with one repartition of its own left calls it after the store", build: func(b *streams.Builder) {
			s := in(b)
			keyed := s.SelectKey(func(_, v string) string { return v })
			keyed.GroupByKey().Count().ToStream().To("o1")
			add := func(_, v, agg string) string { return agg + v }
			keyed.GroupByKey().Cogroup(add).Cogroup(s.GroupBy(func(_, v string) string { return v }), add).Aggregate(func() string { return "" }).ToStream().To("o2")
		}, opts: []streams.BuildOption{streams.Optimize(streams.MergeRepartitions)},
			want: `KS-SOURCE-00(in)>KS-KEY-SELECT-01>KS-AGGREGATE-STATE-STORE-02-repartition-filter>KS-AGGREGATE-STATE-STORE-02-repartition-sink(KS-AGGREGATE-STATE-STORE-02-repartition)
				KS-SOURCE-00>KS-KEY-SELECT-09>COGROUPKS-AGGREGATE-STATE-STORE-10-repartition-filter>COGROUPKS-AGGREGATE-STATE-STORE-10-repartition-sink(COGROUPKS-AGGREGATE-STATE-STORE-10-repartition)
				| KS-AGGREGATE-STATE-STORE-02-repartition-source(KS-AGGREGATE-STATE-STORE-02-repartition)>KS-AGGREGATE-03{KS-AGGREGATE-STATE-STORE-02}>KT-TOSTREAM-07>KS-SINK-08(o1)
				KS-AGGREGATE-STATE-STORE-02-repartition-source>COGROUPKS-AGGREGATE-17{COGROUPKS-AGGREGATE-STATE-STORE-10}>COGROUPKS-MERGE-19>KT-TOSTREAM-20>KS-SINK-21(o2)
				COGROUPKS-AGGREGATE-STATE-STORE-10-repartition-source(COGROUPKS-AGGREGATE-STATE-STORE-10-repartition)>COGROUPKS-AGGREGATE-18{COGROUPKS-AGGREGATE-STATE-STORE-10}>COGROUPKS-MERGE-19`},
	})
}

func TestGoldenNamesOfStreams(t *testing.T) {
	checkNames(t, []names{
		{law: "branches are named behind the split's node, index or own name", build: func(b *streams.Builder) {
			s := in(b).Split()
			has := func(x string) func(string, string) bool {
				return func(_, v string) bool { return strings.Contains(v, x) }
			}
			a, x, rest := s.Branch(has("a")), s.Branch(has("b"), streams.Named("x")), s.Default()
			a.To("oa")
			x.To("ob")
			rest.To("od")
		}, want: "KS-SOURCE-00(in)>KS-BRANCH-01>KS-BRANCH-011>KS-SINK-05(oa) KS-BRANCH-01>KS-BRANCH-01x>KS-SINK-06(ob) KS-BRANCH-01>KS-BRANCH-010>KS-SINK-07(od)"},
		{law: "a topic read twice is one source, and a number is lost", build: func(b *streams.Builder) {
			in(b).To("o1")
			in(b).To("o2")
		}, want: "KS-SOURCE-00(in)>KS-SINK-01(o1) KS-SOURCE-00>KS-SINK-03(o2)"},
	})
	refused := map[string]func(*streams.Builder){
		"sources that overlap and differ": func(b *streams.Builder) {
			b.Stream("a", serde.String, serde.String).To("o1")
			b.StreamOf([]string{"a", "b"}, serde.String, serde.String).To("o2")
		},
		"a topic as stream and as table": func(b *streams.Builder) {
			b.Stream("a", serde.String, serde.String).To("o1")
			b.Table("a", serde.String, serde.String).ToStream().To("o2")
		},
	}
	for law, build := range refused {
		t.Run(law, func(t *testing.T) {
			b := streams.NewBuilder()
			build(b)
			_, err := b.Build()
			require.Error(t, err)
		})
	}
}
