package streams_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

// TestZeroHandles checks that the verbs of a handle's zero value, which has no builder that could report the mistake, panic with their name and what to do. Those that
// only take notes (WithKeySerde, GroupByKey) leave it to the next one.
func TestZeroHandles(t *testing.T) {
	t.Parallel()
	type windowed = window.Windowed[string]
	var (
		stream   streams.Stream[string, string]
		table    streams.Table[string, string]
		grouped  streams.GroupedStream[string, string]
		rows     streams.GroupedTable[string, string]
		cogroup  streams.CogroupedStream[string, string]
		windows  streams.WindowedStream[string, windowed, string]
		sessions streams.SessionWindowedStream[string, windowed, string]
		globals  streams.GlobalTable[string, string]
		byItself = func(_, v string) string { return v }
		within   = window.Within(0, 0)
	)
	verbs := map[string]func(){ // those with type parameters, which reflection does not see
		"Stream.MapValues":                func() { stream.MapValues(func(v string) string { return v }) },
		"Stream.SelectKey":                func() { stream.SelectKey(byItself) },
		"Stream.GroupBy":                  func() { stream.GroupBy(byItself) },
		"Stream.FlatMapValues":            func() { stream.FlatMapValues(func(v string) []string { return nil }) },
		"Stream.Join":                     func() { stream.Join(table, byItself) },
		"Stream.JoinStream":               func() { stream.JoinStream(stream, within, byItself) },
		"Stream.JoinGlobal":               func() { stream.JoinGlobal(globals, byItself, byItself) },
		"Table.MapValues":                 func() { table.MapValues(func(v string) string { return v }) },
		"Table.GroupBy":                   func() { table.GroupBy(func(k, v string) (string, string) { return k, v }) },
		"Table.Join":                      func() { table.Join(table, byItself) },
		"Table.JoinForeignKey":            func() { table.JoinForeignKey(table, foreignKey, byItself) },
		"GroupedStream.Aggregate":         func() { grouped.Aggregate(empty, appended) },
		"GroupedTable.Aggregate":          func() { rows.Aggregate(empty, appended, appended) },
		"WindowedStream.Aggregate":        func() { windows.Aggregate(empty, appended) },
		"SessionWindowedStream.Aggregate": func() { sessions.Aggregate(empty, appended, func(_, a, _ string) string { return a }) },
	}
	notes := []string{"WithKeySerde", "WithValueSerde", "EmitOnClose", "OnLate", "StoreName", "GroupByKey"}
	for handle, zero := range map[string]any{"Stream": stream, "Table": table, "GroupedStream": grouped, "GroupedTable": rows, "CogroupedStream": cogroup,
		"WindowedStream": windows, "SessionWindowedStream": sessions} {
		v := reflect.ValueOf(zero)
		for i := range v.NumMethod() {
			m := v.Type().Method(i)
			if slices.Contains(notes, m.Name) {
				continue
			}
			var args []reflect.Value
			for j := range m.Type.NumIn() - 1 {
				if !m.Type.IsVariadic() || j < m.Type.NumIn()-2 {
					args = append(args, reflect.Zero(m.Type.In(j+1)))
				}
			}
			verbs[handle+"."+m.Name] = func() { v.Method(i).Call(args) }
		}
	}
	require.Greater(t, len(verbs), 40)
	for name, call := range verbs {
		require.PanicsWithValue(t, "streams: "+name+" is called on a zero value: call it on what Builder.Stream, Builder.Table or another verb returned", call, name)
	}

	_, err := func() (*topology.Topology, error) { // as the other side, it is reported like any other that the builder has not made
		b := streams.NewBuilder()
		in := b.Stream("in", serde.String, serde.String)
		in.Join(table, byItself).To("out")
		in.JoinStream(stream, within, byItself).To("out")
		in.JoinGlobal(globals, byItself, byItself).To("out")
		in.Merge(stream).To("out")
		in.ToTable().Join(table, byItself)
		in.ToTable().JoinForeignKey(table, foreignKey, byItself)
		in.GroupByKey().Cogroup(appended).Cogroup(grouped, appended).Aggregate(empty)
		return b.Build()
	}()
	require.ErrorContains(t, err, "belongs to another Builder")
}
