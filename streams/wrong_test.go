package streams_test

import (
	"context"
	"errors"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/streamstest"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

type order struct {
	Customer string
	Amount   int64
}

type (
	textTable   = streams.Table[string, string]
	textContext = topology.ProcessorContext[string, string]
	textStore   = state.KeyValueStore[string, string]
)

// Parts of programs.
func textIn(b *streams.Builder) textStream { return b.Stream("in", serde.String, serde.String) }
func textRows(b *streams.Builder) textTable {
	return b.Table("rows", serde.String, serde.String)
}
func tumbling(size, grace time.Duration) window.Tumbling[string] {
	return window.Tumbling[string]{Size: size, Grace: grace}
}
func toOrder(string) order               { return order{} }
func always(_, _ string) bool            { return true }
func first(l, _ string) string           { return l }
func firstOr(l string, _ *string) string { return l }
func appended(_, v, agg string) string   { return agg + v }
func empty() string                      { return "" }

// wrongPrograms are programs with a mistake: what Build says to each is in testdata/wrong.txt. What the compiler refuses is not here: a processor of other records, an
// option that a verb has no use for, a sink without a parent, a cycle of nodes, a join of keys of different types.
var wrongPrograms = map[string]func(b *streams.Builder){
	// Windows.
	"window-of-size-0":        func(b *streams.Builder) { textIn(b).GroupByKey().WindowedBy(tumbling(0, 0)).Count() },
	"window-of-negative-size": func(b *streams.Builder) { textIn(b).GroupByKey().WindowedBy(tumbling(-time.Second, 0)).Count() },
	"negative-grace": func(b *streams.Builder) {
		textIn(b).GroupByKey().WindowedBy(tumbling(time.Minute, -time.Second)).Count()
	},
	"window-of-half-a-millisecond": func(b *streams.Builder) {
		textIn(b).GroupByKey().WindowedBy(tumbling(1500*time.Microsecond, 0)).Count()
	},
	"advance-0": func(b *streams.Builder) {
		textIn(b).GroupByKey().WindowedBy(window.Hopping[string]{Size: time.Minute}).Count()
	},
	"advance-above-size": func(b *streams.Builder) {
		textIn(b).GroupByKey().WindowedBy(window.Hopping[string]{Size: time.Minute, Advance: time.Hour, Grace: -1}).Count()
	},
	"sliding-difference-0": func(b *streams.Builder) { textIn(b).GroupByKey().WindowedBy(window.Sliding[string]{}).Count() },
	"session-of-negative-gap": func(b *streams.Builder) {
		textIn(b).GroupByKey().WindowedBySession(window.Session[string]{Gap: -time.Second}).Count()
	},
	"unlimited-window-before-the-epoch": func(b *streams.Builder) {
		textIn(b).GroupByKey().WindowedBy(window.Unlimited[string]{Start: -1}).Count()
	},
	"windows-that-are-nil": func(b *streams.Builder) {
		textIn(b).GroupByKey().WindowedBy(window.Windows[string, window.Windowed[string]](nil)).Count()
	},
	"sessions-that-are-nil": func(b *streams.Builder) {
		textIn(b).GroupByKey().WindowedBySession(window.Sessions[string, window.Windowed[string]](nil)).Count()
	},
	"window-of-a-cogroup-of-size-0": func(b *streams.Builder) {
		textIn(b).GroupByKey().Cogroup(appended).WindowedBy(tumbling(0, 0)).Aggregate(empty)
	},
	"emit-on-close-of-what-never-closes": func(b *streams.Builder) {
		textIn(b).GroupByKey().WindowedBy(window.Unlimited[string]{}).EmitOnClose().Count()
	},
	"late-function-that-is-nil": func(b *streams.Builder) {
		textIn(b).GroupByKey().WindowedBy(tumbling(time.Minute, 0)).OnLate(nil).Count()
	},
	"late-function-of-sessions-that-is-nil": func(b *streams.Builder) {
		textIn(b).GroupByKey().WindowedBySession(window.Session[string]{Gap: time.Minute}).OnLate(nil).Count()
	},
	"retention-below-size-and-grace": func(b *streams.Builder) {
		textIn(b).GroupByKey().WindowedBy(tumbling(time.Minute, time.Second)).Count(streams.Retention(time.Minute))
	},
	"retention-below-twice-the-difference": func(b *streams.Builder) {
		textIn(b).GroupByKey().WindowedBy(window.Sliding[string]{Difference: time.Minute}).Count(streams.Retention(time.Minute))
	},
	"retention-below-gap-and-grace": func(b *streams.Builder) {
		textIn(b).GroupByKey().WindowedBySession(window.Session[string]{Gap: time.Minute, Grace: time.Second}).Count(streams.Retention(time.Minute))
	},
	"negative-retention": func(b *streams.Builder) {
		textIn(b).GroupByKey().WindowedBy(tumbling(time.Minute, 0)).Count(streams.Retention(-time.Minute))
	},
	"windows-that-are-versioned": func(b *streams.Builder) {
		textIn(b).GroupByKey().WindowedBy(tumbling(time.Minute, 0)).Count(streams.Versioned(time.Hour))
	},
	"windows-with-a-ttl": func(b *streams.Builder) {
		textIn(b).GroupByKey().WindowedBy(tumbling(time.Minute, 0)).Count(streams.TTL(time.Hour))
	},
	"sessions-that-are-versioned": func(b *streams.Builder) {
		textIn(b).GroupByKey().WindowedBySession(window.Session[string]{Gap: time.Minute}).Count(streams.Versioned(time.Hour))
	},
	"joined-windows-of-a-cogroup": func(b *streams.Builder) {
		windows := textIn(b).GroupByKey().Cogroup(appended).WindowedBy(tumbling(time.Second, 0)).Aggregate(empty, streams.As("both"))
		windows.Join(windows.MapValues(strings.ToUpper, streams.As("upper")), func(a, b string) string { return a + b })
	},
	"joined-sessions-of-a-cogroup": func(b *streams.Builder) {
		merge := func(_, a, b string) string { return a + b }
		sessions := textIn(b).GroupByKey().Cogroup(appended).WindowedBySession(window.Session[string]{Gap: time.Second}).Aggregate(empty, merge)
		sessions.Filter(func(window.Windowed[string], string) bool { return true }).LeftJoin(sessions, func(a string, b *string) string { return a })
	},

	// Suppress.
	"suppress-until-a-window-closes-without-windows": func(b *streams.Builder) {
		textIn(b).GroupByKey().Count().Suppress(streams.UntilWindowCloses{})
	},
	"suppress-behind-another-key": func(b *streams.Builder) {
		textIn(b).GroupByKey().WindowedBy(tumbling(time.Minute, 0)).Count().
			ToStream().MapKey(func(w window.Windowed[string]) string { return w.Key }).ToTable().Suppress(streams.UntilWindowCloses{})
	},
	"suppress-of-a-versioned-table": func(b *streams.Builder) {
		b.Table("rows", serde.String, serde.String, streams.Versioned(time.Hour)).Suppress(streams.UntilTimeLimit{Wait: time.Minute})
	},
	"suppress-until-nil": func(b *streams.Builder) { textRows(b).Suppress(nil) },
	"suppress-for-a-negative-time-and-size": func(b *streams.Builder) {
		textRows(b).Suppress(streams.UntilTimeLimit{Wait: -time.Minute, MaxRecords: -1, MaxBytes: -1})
	},

	// Topics.
	"sink-of-an-illegal-topic": func(b *streams.Builder) { textIn(b).To("my topic") },
	"sink-of-no-topic":         func(b *streams.Builder) { textIn(b).To("") },
	"sink-of-an-internal-topic": func(b *streams.Builder) {
		s := textIn(b).Repartition(streams.Named("r"))
		s.To("r-repartition")
	},
	"no-function-that-chooses-a-topic": func(b *streams.Builder) { textIn(b).ToDynamic(nil) },
	"source-of-an-illegal-topic":       func(b *streams.Builder) { b.Stream("in/out", serde.String, serde.String).To("out") },
	"source-of-no-topic":               func(b *streams.Builder) { b.StreamOf(nil, serde.String, serde.String) },
	"source-of-an-empty-topic":         func(b *streams.Builder) { b.Stream("", serde.String, serde.String) },
	"source-of-a-pattern-that-is-nil":  func(b *streams.Builder) { b.StreamMatching(nil, serde.String, serde.String) },
	"table-of-no-topic":                func(b *streams.Builder) { b.Table("", serde.String, serde.String) },
	"global-table-of-no-topic":         func(b *streams.Builder) { b.GlobalTable("", serde.String, serde.String) },
	"topic-read-as-stream-and-table": func(b *streams.Builder) {
		textIn(b)
		b.Table("in", serde.String, serde.String)
	},
	"topic-read-as-stream-and-table-from-elsewhere": func(b *streams.Builder) {
		textIn(b)
		b.Table("in", serde.String, serde.String, streams.Latest())
	},
	"topic-read-as-two-tables": func(b *streams.Builder) {
		textRows(b)
		textRows(b)
	},
	"topic-read-as-stream-and-global-table": func(b *streams.Builder) {
		textIn(b)
		b.GlobalTable("in", serde.String, serde.String)
	},
	"topics-that-overlap": func(b *streams.Builder) {
		textIn(b)
		b.StreamOf([]string{"in", "other"}, serde.String, serde.String)
	},
	"topic-that-matches-a-pattern": func(b *streams.Builder) {
		textIn(b)
		b.StreamMatching(regexp.MustCompile("i.*"), serde.String, serde.String)
	},
	"topic-read-with-two-types": func(b *streams.Builder) {
		textIn(b)
		b.Stream("in", serde.String, serde.JSON[order]())
	},
	"topic-read-from-two-starting-points": func(b *streams.Builder) {
		textIn(b)
		b.Stream("in", serde.String, serde.String, streams.Latest())
	},
	"start-that-is-not-whole": func(b *streams.Builder) {
		b.Stream("in", serde.String, serde.String, streams.FromDuration(time.Microsecond))
	},
	"partitioner-of-other-records": func(b *streams.Builder) {
		textIn(b).To("out", streams.Partitioned(func(string, streams.Record[string, order], int32) []int32 { return nil }))
	},
	"partitioner-that-is-nil": func(b *streams.Builder) {
		textIn(b).Repartition(streams.Partitioned(topology.Partitioner[string, string](nil)))
	},
	"partitioner-of-other-keys-of-a-foreign-key-join": func(b *streams.Builder) {
		textRows(b).JoinForeignKey(b.Table("r", serde.String, serde.String), func(_, v string) (string, bool) { return v, true }, first,
			streams.Named("fk"), streams.PartitionedBy[int64, string](func(string, streams.Record[int64, any], int32) []int32 { return nil }, nil))
	},
	"timestamps-of-other-records": func(b *streams.Builder) {
		b.Stream("in", serde.String, serde.String, streams.Timestamps(func(streams.Record[string, order], topology.RecordMetadata, streams.Time) streams.Time { return 0 }))
	},
	"timestamps-that-are-nil": func(b *streams.Builder) {
		b.Stream("in", serde.String, serde.String, streams.Timestamps(topology.TimestampExtractor[string, string](nil)))
	},

	// Repartitions and joins.
	"repartition-into-0": func(b *streams.Builder) { textIn(b).Repartition(streams.Named("r"), streams.Partitions(0)) },
	"repartition-into-too-many": func(b *streams.Builder) {
		textIn(b).Repartition(streams.Named("r"), streams.Partitions(math.MaxInt32+1))
	},
	"repartitions-of-one-name": func(b *streams.Builder) {
		s := textIn(b)
		s.Repartition(streams.Named("r"), streams.Partitions(3))
		s.Repartition(streams.Named("r"), streams.Partitions(4))
	},
	"groupings-of-one-name": func(b *streams.Builder) {
		s := textIn(b)
		s.GroupBy(byValue, streams.Named("g")).Count()
		s.GroupBy(byValue, streams.Named("g")).Count()
	},
	"join-of-different-numbers-of-partitions": func(b *streams.Builder) {
		side := func(topic string, n int) textTable {
			return b.Stream(topic, serde.String, serde.String).Repartition(streams.Named(topic), streams.Partitions(n)).ToTable()
		}
		side("l", 3).Join(side("r", 4), first)
	},
	"join-window-of-negative-size": func(b *streams.Builder) {
		textIn(b).JoinStream(b.Stream("r", serde.String, serde.String), window.Join{Before: -time.Minute, After: time.Second}, first)
	},
	"join-window-of-negative-grace": func(b *streams.Builder) {
		textIn(b).JoinStream(b.Stream("r", serde.String, serde.String), window.Within(time.Minute, -time.Second), first)
	},
	"join-of-streams-with-the-options-of-tables": func(b *streams.Builder) {
		textIn(b).JoinStream(b.Stream("r", serde.String, serde.String), window.Within(time.Minute, 0), first,
			streams.Retention(time.Hour), streams.TTL(time.Hour), streams.Versioned(time.Hour))
	},
	"grace-without-history": func(b *streams.Builder) {
		textIn(b).Join(textRows(b), first, streams.Grace(time.Minute), streams.Named("j"))
	},
	"grace-above-history": func(b *streams.Builder) {
		textIn(b).Join(b.Table("rows", serde.String, serde.String, streams.Versioned(time.Minute)), first, streams.Grace(time.Hour), streams.Named("j"))
	},
	"negative-grace-of-a-join": func(b *streams.Builder) {
		textIn(b).Join(b.Table("rows", serde.String, serde.String, streams.Versioned(time.Minute)), first, streams.Grace(-time.Second), streams.Named("j"))
	},
	"grace-of-a-global-table": func(b *streams.Builder) {
		textIn(b).JoinGlobal(b.GlobalTable("rows", serde.String, serde.String), byValue, first, streams.Grace(time.Second), streams.Named("j"))
	},
	"tolerance-without-history": func(b *streams.Builder) {
		textIn(b).LeftJoin(textRows(b), firstOr, streams.Tolerance(time.Second), streams.Named("j"))
	},
	"tolerance-of-a-global-table": func(b *streams.Builder) {
		textIn(b).JoinGlobal(b.GlobalTable("rows", serde.String, serde.String), byValue, first, streams.Tolerance(time.Second), streams.Named("j"))
	},
	"negative-tolerance": func(b *streams.Builder) {
		textIn(b).Join(b.Table("rows", serde.String, serde.String, streams.Versioned(time.Hour)), first, streams.Tolerance(-time.Second), streams.Named("j"))
	},

	// Names.
	"node-of-an-illegal-name": func(b *streams.Builder) { textIn(b).Filter(always, streams.Named("keep all")) },
	"node-of-an-empty-name":   func(b *streams.Builder) { textIn(b).Filter(always, streams.Named("")) },
	"nodes-of-one-name": func(b *streams.Builder) {
		textIn(b).Filter(always, streams.Named("p")).Filter(always, streams.Named("p"))
	},
	"sources-of-one-name": func(b *streams.Builder) {
		b.Stream("a", serde.String, serde.String, streams.Named("s"))
		b.Stream("b", serde.String, serde.String, streams.Named("s"))
	},
	"store-of-an-illegal-name": func(b *streams.Builder) { textIn(b).GroupByKey().Count(streams.As("my counts")) },
	"store-of-an-empty-name":   func(b *streams.Builder) { textIn(b).GroupByKey().Count(streams.As("")) },
	"stores-of-one-name": func(b *streams.Builder) {
		b.AddStore(state.KeyValue("n", serde.String, serde.String))
		textIn(b).GroupByKey().Count(streams.As("n"))
	},
	"tables-of-one-name": func(b *streams.Builder) {
		g := textIn(b).GroupByKey()
		g.Count(streams.As("n"))
		g.Reduce(first, streams.As("n"))
	},

	// Stores.
	"ttl-0":                     func(b *streams.Builder) { textIn(b).ToTable(streams.TTL(0)) },
	"negative-ttl":              func(b *streams.Builder) { textIn(b).ToTable(streams.TTL(-time.Second)) },
	"ttl-of-versions":           func(b *streams.Builder) { textIn(b).ToTable(streams.Versioned(time.Hour), streams.TTL(time.Hour)) },
	"ttl-of-no-store":           func(b *streams.Builder) { textRows(b).Filter(always, streams.TTL(time.Hour)) },
	"history-of-no-store":       func(b *streams.Builder) { textRows(b).MapValues(strings.ToUpper, streams.Versioned(time.Hour)) },
	"history-that-is-not-whole": func(b *streams.Builder) { textIn(b).ToTable(streams.Versioned(1500 * time.Microsecond)) },
	"negative-history":          func(b *streams.Builder) { textIn(b).ToTable(streams.Versioned(-time.Hour)) },
	"global-table-with-options-and-no-name": func(b *streams.Builder) {
		b.GlobalTable("rows", serde.String, serde.String, streams.InMemory())
	},
	"global-table-that-is-versioned": func(b *streams.Builder) {
		b.GlobalTable("rows", serde.String, serde.String, streams.As("rows"), streams.Versioned(time.Hour))
	},
	"added-store-with-impossible-options": func(b *streams.Builder) {
		b.AddStore(state.KeyValue("lru", serde.String, serde.String, state.LRU(0)))
		b.AddStore(state.KeyValue("ttl", serde.String, serde.String, state.TTL(-time.Second)))
		b.AddStore(state.Window("windows", serde.String, serde.String, time.Minute, time.Second))
		b.AddStore(state.Session("sessions", serde.String, serde.String, time.Minute, state.LRU(3)))
		b.AddStore(state.Versioned("versions", serde.String, serde.String, -time.Minute))
	},
	"added-store-without-serdes": func(b *streams.Builder) {
		b.AddStore(state.KeyValue[string, string]("kv", nil, serde.String))
		b.AddStore(state.Window[string, string]("windows", serde.String, nil, time.Minute, time.Minute))
		b.AddStore(state.Session[string, string]("sessions", nil, nil, time.Minute))
		b.AddStore(state.Versioned[string, string]("versions", nil, serde.String, time.Minute))
		b.AddGlobalStore(state.KeyValue[string, string]("global", serde.String, nil), "topic", serde.String, serde.String, keepText)
	},
	"added-store-without-a-definition": func(b *streams.Builder) {
		b.AddStore(state.Definition[textStore]{})
	},
	"store-that-nobody-added": func(b *streams.Builder) {
		textIn(b).Process(passText, streams.Using(topology.NamedStore[textStore]("lost")), streams.Named("p"))
	},
	"store-of-no-reference": func(b *streams.Builder) {
		textIn(b).Process(passText, streams.Using(nil), streams.Named("p"))
	},
	"global-store-that-is-connected": func(b *streams.Builder) {
		ref := b.AddGlobalStore(state.KeyValue("global", serde.String, serde.String), "topic", serde.String, serde.String, keepText)
		textIn(b).Process(passText, streams.Using(ref), streams.Named("p"))
	},

	// Serdes.
	"sink-without-a-value-serde": func(b *streams.Builder) { textIn(b).MapValues(toOrder).To("out") },
	"sink-without-a-key-serde":   func(b *streams.Builder) { textIn(b).SelectKey(func(_, v string) order { return order{} }).To("out") },
	"source-without-serdes":      func(b *streams.Builder) { b.Stream[order, order]("in", nil, nil) },
	"table-without-serdes":       func(b *streams.Builder) { b.Table[order, order]("in", nil, nil) },
	"global-table-without-serdes": func(b *streams.Builder) {
		b.GlobalTable[order, order]("in", nil, nil)
	},
	"repartition-without-a-value-serde": func(b *streams.Builder) { textIn(b).MapValues(toOrder).Repartition(streams.Named("r")) },
	"grouping-without-a-key-serde": func(b *streams.Builder) {
		textIn(b).GroupBy(func(_, v string) order { return order{} }).Count()
	},
	"grouping-without-a-value-serde": func(b *streams.Builder) {
		textIn(b).MapValues(toOrder).GroupBy(func(k string, _ order) string { return k }).Count()
	},
	"aggregate-without-a-value-serde": func(b *streams.Builder) {
		textIn(b).GroupByKey().Aggregate(func() order { return order{} }, func(_, _ string, o order) order { return o })
	},
	"windows-without-a-value-serde": func(b *streams.Builder) {
		textIn(b).GroupByKey().WindowedBy(tumbling(time.Minute, 0)).Aggregate(func() order { return order{} }, func(_, _ string, o order) order { return o })
	},
	"sessions-without-a-value-serde": func(b *streams.Builder) {
		textIn(b).GroupByKey().WindowedBySession(window.Session[string]{Gap: time.Minute}).
			Aggregate(func() order { return order{} }, func(_, _ string, o order) order { return o }, func(_ string, a, _ order) order { return a })
	},
	"cogroup-without-a-value-serde": func(b *streams.Builder) {
		textIn(b).GroupByKey().Cogroup(func(_, _ string, o order) order { return o }).Aggregate(func() order { return order{} })
	},
	"windows-of-a-key-without-a-serde": func(b *streams.Builder) {
		b.Stream("in", serde.JSON[order](), serde.String).MapKey(func(o order) order { return o }).GroupByKey().WindowedBy(window.Tumbling[order]{Size: time.Minute}).Count()
	},
	"stream-as-table-without-a-value-serde": func(b *streams.Builder) { textIn(b).MapValues(toOrder).ToTable(streams.As("orders")) },
	"mapped-table-without-a-value-serde":    func(b *streams.Builder) { textRows(b).MapValues(toOrder, streams.As("orders")) },
	"grouped-table-without-serdes": func(b *streams.Builder) {
		textRows(b).GroupBy(func(k, v string) (order, order) { return order{}, order{} }).Count()
	},
	"suppress-without-a-value-serde": func(b *streams.Builder) {
		textRows(b).MapValues(toOrder).Suppress(streams.UntilTimeLimit{Wait: time.Minute})
	},
	"join-of-streams-without-value-serdes": func(b *streams.Builder) {
		textIn(b).MapValues(toOrder).OuterJoinStream(b.Stream("r", serde.String, serde.String).MapValues(toOrder), window.Within(time.Minute, 0),
			func(*order, *order) string { return "" })
	},
	"join-with-grace-without-a-value-serde": func(b *streams.Builder) {
		textIn(b).MapValues(toOrder).Join(b.Table("rows", serde.String, serde.String, streams.Versioned(time.Hour)), func(order, string) string { return "" }, streams.Grace(time.Minute))
	},
	"join-of-tables-without-a-value-serde": func(b *streams.Builder) {
		textRows(b).Join(b.Table("r", serde.String, serde.String), func(_, _ string) order { return order{} }, streams.As("joined"))
	},
	"foreign-key-join-without-serdes": func(b *streams.Builder) {
		l := textRows(b).MapValues(toOrder)
		r := b.Stream("r", serde.String, serde.String).SelectKey(func(_, _ string) order { return order{} }).ToTable(streams.As("r"))
		l.JoinForeignKey(r, func(_ string, o order) (order, bool) { return o, true }, func(o order, _ string) order { return o }, streams.As("joined"))
	},
	"table-and-global-table-without-a-value-serde": func(b *streams.Builder) {
		textRows(b).JoinGlobal(b.GlobalTable("g", serde.String, serde.String), byValue, func(_, _ string) order { return order{} }, streams.As("joined"))
	},
	"register-of-a-nil-serde": func(b *streams.Builder) {
		b.Register[order](nil)
		textIn(b).MapValues(toOrder).To("out")
	},

	// Processors.
	"processor-that-is-nil": func(b *streams.Builder) {
		textIn(b).Process((func(*textContext) (topology.Processor[string, string], error))(nil), streams.Named("p"))
	},
	"global-store-without-a-processor": func(b *streams.Builder) {
		b.AddGlobalStore(state.KeyValue("global", serde.String, serde.String), "topic", serde.String, serde.String, nil)
	},
	"no-calls-at-once": func(b *streams.Builder) {
		textIn(b).MapValuesAsync(0, func(_ context.Context, r textRow) (string, error) { return r.Value, nil })
	},

	// Handles.
	"split-with-two-defaults": func(b *streams.Builder) {
		s := textIn(b).Split(streams.Named("by"))
		s.Default()
		s.Default(streams.Named("x"))
	},
	"merge-with-a-stream-of-another-builder": func(b *streams.Builder) { textIn(b).Merge(textIn(streams.NewBuilder())) },
	"join-with-a-stream-of-another-builder": func(b *streams.Builder) {
		textIn(b).JoinStream(textIn(streams.NewBuilder()), window.Within(time.Minute, 0), first)
	},
	"join-with-a-table-of-another-builder": func(b *streams.Builder) { textIn(b).Join(textRows(streams.NewBuilder()), first) },
	"join-of-tables-of-two-builders": func(b *streams.Builder) {
		textRows(b).LeftJoin(textRows(streams.NewBuilder()), firstOr)
	},
	"foreign-key-join-of-tables-of-two-builders": func(b *streams.Builder) {
		textRows(b).JoinForeignKey(textRows(streams.NewBuilder()), foreignKey, first)
	},
	"table-and-global-table-of-two-builders": func(b *streams.Builder) {
		textRows(b).JoinGlobal(streams.NewBuilder().GlobalTable("g", serde.String, serde.String), byValue, first)
	},
	"join-with-a-global-table-of-another-builder": func(b *streams.Builder) {
		textIn(b).JoinGlobal(streams.NewBuilder().GlobalTable("g", serde.String, serde.String), byValue, first)
	},
	"cogroup-with-a-stream-of-another-builder": func(b *streams.Builder) {
		textIn(b).GroupByKey().Cogroup(appended).Cogroup(textIn(streams.NewBuilder()).GroupByKey(), appended).Aggregate(empty)
	},

	// Everything at once: all mistakes are told.
	"several-mistakes": func(b *streams.Builder) {
		s := textIn(b)
		s.MapValues(toOrder).To("out")
		s.Filter(nil).Repartition(streams.Partitions(-1)).GroupByKey().Count(streams.TTL(time.Nanosecond))
		s.GroupByKey().WindowedBy(window.Hopping[string]{Grace: -1}).Count().Suppress(streams.UntilWindowCloses{}).ToStream().To("")
	},
}

func passText(ctx *textContext) (topology.Processor[string, string], error) {
	return topology.ProcessorFunc[string, string](func(_ context.Context, r textRow) error { return ctx.Forward(r) }), nil
}

func keepText(*topology.Context) (topology.Processor[string, string], error) {
	return topology.ProcessorFunc[string, string](func(context.Context, textRow) error { return nil }), nil
}

// wrongNames are programs whose generated names RequireNames refuses.
var wrongNames = map[string]func(b *streams.Builder){
	"generated-store-where-names-are-required": func(b *streams.Builder) {
		textIn(b).GroupBy(byValue, streams.Named("g")).Count().ToStream().To("out")
	},
	"generated-internal-topic-where-names-are-required": func(b *streams.Builder) { textIn(b).Repartition().To("out") },
}

// wrongStarts are programs whose mistake shows when a task starts: Build cannot see into functions.
var wrongStarts = map[string]func(b *streams.Builder){
	"store-that-is-not-connected": func(b *streams.Builder) {
		ref := b.AddStore(state.KeyValue("kv", serde.String, serde.String))
		textIn(b).Process(func(ctx *textContext) (topology.Processor[string, string], error) {
			ctx.Store(ref)
			return passText(ctx)
		}, streams.Named("p"))
		textIn(b).Process(passText, streams.Using(ref), streams.Named("q"))
	},
	"store-of-another-type": func(b *streams.Builder) {
		b.AddStore(state.KeyValue("kv", serde.String, serde.String))
		ref := topology.NamedStore[state.WindowStore[string, string]]("kv")
		textIn(b).Process(func(ctx *textContext) (topology.Processor[string, string], error) {
			ctx.Store(ref)
			return passText(ctx)
		}, streams.Using(ref), streams.Named("p"))
	},
	"no-processor": func(b *streams.Builder) {
		textIn(b).Process(func(*textContext) (topology.Processor[string, string], error) { return nil, nil }, streams.Named("p"))
	},
	"no-processor-of-fixed-keys": func(b *streams.Builder) {
		textIn(b).ProcessValues(func(*topology.FixedKeyContext[string, string]) (topology.FixedKeyProcessor[string, string], error) {
			return nil, nil
		}, streams.Named("p"))
	},
	"no-processor-of-a-global-store": func(b *streams.Builder) {
		textIn(b)
		b.AddGlobalStore(state.KeyValue("global", serde.String, serde.String), "topic", serde.String, serde.String,
			func(*topology.Context) (topology.Processor[string, string], error) { return nil, nil })
	},
	"no-transformer": func(b *streams.Builder) {
		textRows(b).TransformValues(func(*topology.Context) (func(context.Context, string, *string) (string, error), error) {
			return nil, nil
		})
	},
	"supplier-that-fails": func(b *streams.Builder) {
		textIn(b).Process(func(*textContext) (topology.Processor[string, string], error) { return nil, errors.New("no license") }, streams.Named("p"))
	},
}

// TestWrongPrograms reads what a user is told about each mistake: the thing that is wrong and how it is put right.
func TestWrongPrograms(t *testing.T) {
	t.Parallel()
	told := map[string]bool{}
	datadriven.RunTest(t, "testdata/wrong.txt", func(t *testing.T, d *datadriven.TestData) string {
		if told[d.Cmd] {
			d.Fatalf(t, "%s is there twice", d.Cmd)
		}
		told[d.Cmd] = true
		b := streams.NewBuilder()
		if program, ok := wrongPrograms[d.Cmd]; ok {
			program(b)
			_, err := b.Build()
			return said(err)
		}
		if program, ok := wrongNames[d.Cmd]; ok {
			program(b)
			_, err := b.Build(streams.RequireNames())
			return said(err)
		}
		program, ok := wrongStarts[d.Cmd]
		if !ok {
			d.Fatalf(t, "there is no program %s", d.Cmd)
		}
		program(b)
		top, err := b.Build()
		if err != nil {
			d.Fatalf(t, "build: %v", err)
		}
		_, err = streamstest.New(top, streams.Config{})
		return said(err)
	})
	for _, programs := range []map[string]func(*streams.Builder){wrongPrograms, wrongNames, wrongStarts} {
		for name := range programs {
			require.True(t, told[name], "testdata/wrong.txt does not say what %s is told", name)
		}
	}
}

func said(err error) string {
	if err == nil {
		return "nothing\n"
	}
	return strings.TrimPrefix(err.Error(), "streams: the topology cannot be built:\n") + "\n"
}
