package streams_test

import (
	"context"
	"go/ast"
	"iter"
	"maps"
	"regexp"
	"slices"
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

// The functions of verbs, all nil.
type (
	ctxt = context.Context
)

var (
	nilPredicate    func(_, _ string) bool
	nilRowPredicate func(ctxt, string, string) (bool, error)
	nilValue        func(string) string
	nilWithKey      func(_, _ string) string
	nilTry          func(ctxt, textRow) (string, error)
	nilValues       func(string) []string
	nilAggregator   func(_, _, _ string) string
	nilTryAdd       func(ctxt, textRow, string) (string, error)
	nilTryReduce    func(ctxt, string, textRow) (string, error)
	nilTryMerge     func(_ ctxt, _, _, _ string) (string, error)
	nilTryRow       func(_ ctxt, _, _ string) (string, error)
	nilTryRowAdd    func(_ ctxt, _, _, _ string) (string, error)
	nilTryLeft      func(_ ctxt, _, _ string, _ *string) (string, error)
	nilTryOuter     func(_ ctxt, _ string, _, _ *string) (string, error)
	nilLeft         func(string, *string) string
	nilOuter        func(_, _ *string) string
	nilPair         func(_, _ string) (string, string)
	nilForeignKey   func(_, _ string) (string, bool)
	foreignKey      = func(_, v string) (string, bool) { return v, true }
)

// TestNilFunctions checks that no verb takes a function that is nil: Build names the node, before a record is lost on it.
func TestNilFunctions(t *testing.T) {
	t.Parallel()
	within := window.Within(time.Minute, 0)
	session := window.Session[string]{Gap: time.Minute}
	programs := map[string]func(*streams.Builder){
		"Stream.Filter":             func(b *streams.Builder) { textIn(b).Filter(nil) },
		"Stream.FilterNot":          func(b *streams.Builder) { textIn(b).FilterNot(nil) },
		"Stream.TryFilter":          func(b *streams.Builder) { textIn(b).TryFilter(nil) },
		"Stream.TryFilterNot":       func(b *streams.Builder) { textIn(b).TryFilterNot(nil) },
		"Stream.MapValues":          func(b *streams.Builder) { textIn(b).MapValues(nilValue) },
		"Stream.MapValuesWithKey":   func(b *streams.Builder) { textIn(b).MapValuesWithKey(nilWithKey) },
		"Stream.TryMapValues":       func(b *streams.Builder) { textIn(b).TryMapValues(nilTry) },
		"Stream.MapValuesAsync":     func(b *streams.Builder) { textIn(b).MapValuesAsync(3, nilTry) },
		"Stream.FlatMapValues":      func(b *streams.Builder) { textIn(b).FlatMapValues(nilValues) },
		"Stream.Peek":               func(b *streams.Builder) { textIn(b).Peek(nil) },
		"Stream.TryPeek":            func(b *streams.Builder) { textIn(b).TryPeek(nil) },
		"Stream.ForEach":            func(b *streams.Builder) { textIn(b).ForEach(nil) },
		"Stream.TryForEach":         func(b *streams.Builder) { textIn(b).TryForEach(nil) },
		"Stream.Print":              func(b *streams.Builder) { textIn(b).Print(nil) },
		"Stream.SelectKey":          func(b *streams.Builder) { textIn(b).SelectKey(nilWithKey) },
		"Stream.TrySelectKey":       func(b *streams.Builder) { textIn(b).TrySelectKey(nilTry) },
		"Stream.MapKey":             func(b *streams.Builder) { textIn(b).MapKey(nilValue) },
		"Stream.GroupBy":            func(b *streams.Builder) { textIn(b).GroupBy(nilWithKey) },
		"Stream.TryGroupBy":         func(b *streams.Builder) { textIn(b).TryGroupBy(nilTry) },
		"Splitter.Branch":           func(b *streams.Builder) { textIn(b).Split().Branch(nil) },
		"Splitter.TryBranch":        func(b *streams.Builder) { textIn(b).Split().TryBranch(nil) },
		"Stream.Join":               func(b *streams.Builder) { textIn(b).Join(textRows(b), nilWithKey) },
		"Stream.LeftJoin":           func(b *streams.Builder) { textIn(b).LeftJoin(textRows(b), nilLeft) },
		"Stream.JoinStream":         func(b *streams.Builder) { s := textIn(b); s.JoinStream(s, within, nilWithKey) },
		"Stream.LeftJoinStream":     func(b *streams.Builder) { s := textIn(b); s.LeftJoinStream(s, within, nilLeft) },
		"Stream.OuterJoinStream":    func(b *streams.Builder) { s := textIn(b); s.OuterJoinStream(s, within, nilOuter) },
		"Stream.TryJoinStream":      func(b *streams.Builder) { s := textIn(b); s.TryJoinStream(s, within, nilTryMerge) },
		"Stream.JoinGlobal, key":    func(b *streams.Builder) { textIn(b).JoinGlobal(global(b), nilWithKey, first) },
		"Stream.JoinGlobal, joiner": func(b *streams.Builder) { textIn(b).JoinGlobal(global(b), byValue, nilWithKey) },
		"Stream.LeftJoinGlobal":     func(b *streams.Builder) { textIn(b).LeftJoinGlobal(global(b), byValue, nilLeft) },
		"Stream.ProcessValues": func(b *streams.Builder) {
			textIn(b).ProcessValues((func(*topology.FixedKeyContext[string, string]) (topology.FixedKeyProcessor[string, string], error))(nil))
		},
		"GroupedStream.Reduce":          func(b *streams.Builder) { textIn(b).GroupByKey().Reduce(nil) },
		"GroupedStream.TryReduce":       func(b *streams.Builder) { textIn(b).GroupByKey().TryReduce(nilTryReduce) },
		"GroupedStream.Aggregate, init": func(b *streams.Builder) { textIn(b).GroupByKey().Aggregate(nil, appended) },
		"GroupedStream.Aggregate, add":  func(b *streams.Builder) { textIn(b).GroupByKey().Aggregate(empty, nilAggregator) },
		"GroupedStream.TryAggregate":    func(b *streams.Builder) { textIn(b).GroupByKey().TryAggregate(empty, nilTryAdd) },
		"GroupedStream.Cogroup":         func(b *streams.Builder) { textIn(b).GroupByKey().Cogroup(nilAggregator).Aggregate(empty) },
		"CogroupedStream.Cogroup": func(b *streams.Builder) {
			textIn(b).GroupByKey().Cogroup(appended).Cogroup(textIn(b).GroupByKey(), nilAggregator).Aggregate(empty)
		},
		"CogroupedStream.TryCogroup": func(b *streams.Builder) {
			textIn(b).GroupByKey().Cogroup(appended).TryCogroup(textIn(b).GroupByKey(), nilTryAdd).Aggregate(empty)
		},
		"CogroupedStream.Aggregate": func(b *streams.Builder) { textIn(b).GroupByKey().Cogroup(appended).Aggregate(nil) },
		"CogroupedWindowedStream.Aggregate": func(b *streams.Builder) {
			textIn(b).GroupByKey().Cogroup(appended).WindowedBy(tumbling(time.Minute, 0)).Aggregate(nil)
		},
		"CogroupedSessionWindowedStream.Aggregate": func(b *streams.Builder) {
			textIn(b).GroupByKey().Cogroup(appended).WindowedBySession(session).Aggregate(empty, nil)
		},
		"CogroupedSessionWindowedStream.TryAggregate": func(b *streams.Builder) {
			textIn(b).GroupByKey().Cogroup(appended).WindowedBySession(session).TryAggregate(empty, nil)
		},
		"WindowedStream.Reduce":    func(b *streams.Builder) { textIn(b).GroupByKey().WindowedBy(tumbling(time.Minute, 0)).Reduce(nil) },
		"WindowedStream.TryReduce": func(b *streams.Builder) { textIn(b).GroupByKey().WindowedBy(tumbling(time.Minute, 0)).TryReduce(nil) },
		"WindowedStream.Aggregate, init": func(b *streams.Builder) {
			textIn(b).GroupByKey().WindowedBy(tumbling(time.Minute, 0)).Aggregate(nil, appended)
		},
		"WindowedStream.TryAggregate": func(b *streams.Builder) {
			textIn(b).GroupByKey().WindowedBy(tumbling(time.Minute, 0)).TryAggregate(empty, nilTryAdd)
		},
		"SessionWindowedStream.Reduce": func(b *streams.Builder) { textIn(b).GroupByKey().WindowedBySession(session).Reduce(nil) },
		"SessionWindowedStream.TryReduce": func(b *streams.Builder) {
			textIn(b).GroupByKey().WindowedBySession(session).TryReduce(nilTryReduce, nil)
		},
		"SessionWindowedStream.Aggregate": func(b *streams.Builder) {
			textIn(b).GroupByKey().WindowedBySession(session).Aggregate(empty, appended, nil)
		},
		"SessionWindowedStream.TryAggregate": func(b *streams.Builder) {
			textIn(b).GroupByKey().WindowedBySession(session).TryAggregate(empty, nilTryAdd, nilTryMerge)
		},
		"Table.Filter":           func(b *streams.Builder) { textRows(b).Filter(nilPredicate) },
		"Table.FilterNot":        func(b *streams.Builder) { textRows(b).FilterNot(nilPredicate) },
		"Table.TryFilter":        func(b *streams.Builder) { textRows(b).TryFilter(nilRowPredicate) },
		"Table.TryFilterNot":     func(b *streams.Builder) { textRows(b).TryFilterNot(nilRowPredicate) },
		"Table.MapValues":        func(b *streams.Builder) { textRows(b).MapValues(nilValue) },
		"Table.MapValuesWithKey": func(b *streams.Builder) { textRows(b).MapValuesWithKey(nilWithKey) },
		"Table.TryMapValues":     func(b *streams.Builder) { textRows(b).TryMapValues(nilTryRow) },
		"Table.TransformValues": func(b *streams.Builder) {
			textRows(b).TransformValues((func(*topology.Context) (func(ctxt, string, *string) (string, error), error))(nil))
		},
		"Table.GroupBy":             func(b *streams.Builder) { textRows(b).GroupBy(nilPair).Count() },
		"GroupedTable.Reduce":       func(b *streams.Builder) { textRows(b).GroupBy(swap).Reduce(first, nil) },
		"GroupedTable.TryReduce":    func(b *streams.Builder) { textRows(b).GroupBy(swap).TryReduce(nilTryRow, nilTryRow) },
		"GroupedTable.Aggregate":    func(b *streams.Builder) { textRows(b).GroupBy(swap).Aggregate(empty, appended, nil) },
		"GroupedTable.TryAggregate": func(b *streams.Builder) { textRows(b).GroupBy(swap).TryAggregate(empty, nilTryRowAdd, nilTryRowAdd) },
		"Table.Join":                func(b *streams.Builder) { r := textRows(b); r.Join(r, nilWithKey) },
		"Table.LeftJoin":            func(b *streams.Builder) { r := textRows(b); r.LeftJoin(r, nilLeft) },
		"Table.OuterJoin":           func(b *streams.Builder) { r := textRows(b); r.OuterJoin(r, nilOuter) },
		"Table.TryJoin":             func(b *streams.Builder) { r := textRows(b); r.TryJoin(r, nilTryMerge) },
		"Table.JoinForeignKey, key": func(b *streams.Builder) { r := textRows(b); r.JoinForeignKey(r, nilForeignKey, first) },
		"Table.JoinForeignKey, f":   func(b *streams.Builder) { r := textRows(b); r.JoinForeignKey(r, foreignKey, nilWithKey) },
		"Table.LeftJoinForeignKey":  func(b *streams.Builder) { r := textRows(b); r.LeftJoinForeignKey(r, foreignKey, nilLeft) },
		"Table.JoinGlobal, key":     func(b *streams.Builder) { textRows(b).JoinGlobal(global(b), nilWithKey, first) },
		"Table.LeftJoinGlobal":      func(b *streams.Builder) { textRows(b).LeftJoinGlobal(global(b), byValue, nilLeft) },
		"Builder.AddGlobalStore": func(b *streams.Builder) {
			b.AddGlobalStore(state.KeyValue("g", serde.String, serde.String), "t", serde.String, serde.String, nil)
		},
		"Stream.ToDynamic": func(b *streams.Builder) { textIn(b).ToDynamic(nil) },
		"Stream.Map":       func(b *streams.Builder) { textIn(b).Map(nilPair) },
		"Stream.TryMap":    func(b *streams.Builder) { textIn(b).TryMap((func(ctxt, textRow) (textRow, error))(nil)) },
		"Stream.FlatMap":   func(b *streams.Builder) { textIn(b).FlatMap((func(_, _ string, emit func(_, _ string)))(nil)) },
		"Stream.TryFlatMap": func(b *streams.Builder) {
			textIn(b).TryFlatMap((func(_ ctxt, _ textRow, emit func(textRow)) error)(nil))
		},
		"Stream.FlatMapValuesSeq": func(b *streams.Builder) { textIn(b).FlatMapValuesSeq((func(string) iter.Seq[string])(nil)) },
		"Stream.TryFlatMapValues": func(b *streams.Builder) { textIn(b).TryFlatMapValues((func(ctxt, textRow) ([]string, error))(nil)) },
		"Stream.TryJoin": func(b *streams.Builder) {
			textIn(b).TryJoin(textRows(b), (func(ctxt, textRow, string) (string, error))(nil))
		},
		"Stream.TryLeftJoin": func(b *streams.Builder) {
			textIn(b).TryLeftJoin(textRows(b), (func(ctxt, textRow, *string) (string, error))(nil))
		},
		"Stream.TryLeftJoinStream":  func(b *streams.Builder) { s := textIn(b); s.TryLeftJoinStream(s, within, nilTryLeft) },
		"Stream.TryOuterJoinStream": func(b *streams.Builder) { s := textIn(b); s.TryOuterJoinStream(s, within, nilTryOuter) },
		"Stream.TryJoinGlobal": func(b *streams.Builder) {
			textIn(b).TryJoinGlobal(global(b), nilTry, func(_ ctxt, r textRow, _, _ string) (string, error) { return r.Value, nil })
		},
		"Stream.TryLeftJoinGlobal": func(b *streams.Builder) {
			textIn(b).TryLeftJoinGlobal(global(b), nilTry, func(_ ctxt, r textRow, _ string, _ *string) (string, error) { return r.Value, nil })
		},
		"Stream.Process": func(b *streams.Builder) {
			textIn(b).Process((func(*textContext) (topology.Processor[string, string], error))(nil))
		},
		"GroupedStream.TryCogroup": func(b *streams.Builder) { textIn(b).GroupByKey().TryCogroup(nilTryAdd).Aggregate(empty) },
		"WindowedStream.OnLate": func(b *streams.Builder) {
			textIn(b).GroupByKey().WindowedBy(tumbling(time.Minute, 0)).OnLate(nil).Count()
		},
		"SessionWindowedStream.OnLate": func(b *streams.Builder) { textIn(b).GroupByKey().WindowedBySession(session).OnLate(nil).Count() },
		"Table.TryGroupBy": func(b *streams.Builder) {
			textRows(b).TryGroupBy((func(_ ctxt, _, _ string) (string, string, error))(nil)).Count()
		},
		"Table.TryLeftJoin":           func(b *streams.Builder) { r := textRows(b); r.TryLeftJoin(r, nilTryLeft) },
		"Table.TryOuterJoin":          func(b *streams.Builder) { r := textRows(b); r.TryOuterJoin(r, nilTryOuter) },
		"Table.TryJoinForeignKey":     func(b *streams.Builder) { r := textRows(b); r.TryJoinForeignKey(r, foreignKey, nilTryMerge) },
		"Table.TryLeftJoinForeignKey": func(b *streams.Builder) { r := textRows(b); r.TryLeftJoinForeignKey(r, foreignKey, nilTryLeft) },
		"Table.TryJoinGlobal": func(b *streams.Builder) {
			textRows(b).TryJoinGlobal(global(b), nilTryRow, func(_ ctxt, _, l, _, _ string) (string, error) { return l, nil })
		},
		"Table.TryLeftJoinGlobal": func(b *streams.Builder) {
			textRows(b).TryLeftJoinGlobal(global(b), nilTryRow, func(_ ctxt, _, l, _ string, _ *string) (string, error) { return l, nil })
		},
	}
	for verb := range verbsOf(t, takesFunction) {
		require.True(t, slices.ContainsFunc(slices.Collect(maps.Keys(programs)), func(name string) bool { return strings.Split(name, ",")[0] == verb }),
			"%s takes a function: give it nil here", verb)
	}
	for verb, program := range programs {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			b := streams.NewBuilder()
			program(b)
			_, err := b.Build()
			require.Error(t, err)
			require.Len(t, regexp.MustCompile("function is nil|give ToDynamic a function").FindAllString(err.Error(), -1), 1, "told once: %v", err)
		})
	}
}

func swap(k, v string) (string, string) { return v, k }

func global(b *streams.Builder) streams.GlobalTable[string, string] {
	return b.GlobalTable("g", serde.String, serde.String)
}

// takesFunction says that a verb has a parameter of a function's type.
func takesFunction(m *ast.FuncDecl) bool {
	return slices.ContainsFunc(m.Type.Params.List, func(f *ast.Field) bool { _, ok := f.Type.(*ast.FuncType); return ok })
}
