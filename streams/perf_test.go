package streams

import (
	"context"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
)

// quiet is a task that counts what it sends.
type quiet struct{ sent int }

func (q *quiet) Send(*topology.Outgoing) error      { q.sent++; return nil }
func (q *quiet) Partitions(string) (int32, error)   { return 1, nil }
func (q *quiet) Dropped(string, string)             {}
func (q *quiet) Failed(e *topology.NodeError) error { return e }
func (q *quiet) GlobalStore(string) any             { return nil }
func (q *quiet) Input() *topology.Raw               { return nil }
func (q *quiet) SetInput(*topology.Raw)             {}
func (q *quiet) RequestCommit()                     {}
func (q *quiet) StreamTime() topology.Time          { return 0 }
func (q *quiet) WallClock() topology.Time           { return 0 }

// Log is a changelog that nobody keeps.
func (q *quiet) Log(state.LogRecord) error { q.sent++; return nil }

// looped starts a program and answers what pipes the next of some records, round and round, into topic.
func looped(tb testing.TB, program func(b *Builder), topic string, raws []topology.Raw) (func(), *quiet) {
	tb.Helper()
	b := NewBuilder()
	program(b)
	t, err := b.Build()
	require.NoError(tb, err)
	q := &quiet{}
	record := &state.RecordContext{}
	in, err := t.Start(context.Background(), nil, topology.TaskID{}, topology.Env{ApplicationID: "app",
		Stores: state.Env{Record: record, Changelog: func(string) state.Changelog { return q }}}, q)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, in.Close()) })
	head, err := in.NewHead(topic)
	require.NoError(tb, err)
	i := 0
	return func() {
		raw := &raws[i%len(raws)]
		i++
		at, err := head.Load(raw, -1)
		if err != nil {
			panic(err)
		}
		*record = state.RecordContext{Topic: raw.Topic, Time: at}
		if err := head.Process(); err != nil {
			panic(err)
		}
	}, q
}

// keyed are n records with different keys, and their changes: each key comes twice with different values.
func keyed(topic string, n int) (raws []topology.Raw) {
	for i := range 2 * n {
		raws = append(raws, topology.Raw{Topic: topic, Key: []byte("key-" + strconv.Itoa(i%n)), Value: serde8(int64(i)), Time: Time(i)})
	}
	return raws
}

func serde8(n int64) []byte {
	b, err := serde.Int64.Append(nil, n)
	if err != nil {
		panic(err)
	}
	return b
}

// paths are programs whose records must cost no allocation of the framework.
var paths = map[string]func(b *Builder){
	"stateless": func(b *Builder) {
		p := b.Stream("in", serde.String, serde.Int64).
			Filter(func(_ string, n int64) bool { return n >= 0 }).
			MapValues(func(n int64) int64 { return 2 * n }).
			FlatMap(func(k string, n int64, emit func(string, int64)) { emit(k, n); emit(k, n+1) }).
			Split()
		p.Branch(func(_ string, n int64) bool { return n%2 == 0 }).Peek(func(string, int64) {}).To("even")
		p.Default().SelectKey(func(_ string, n int64) int64 { return n }).To("odd")
	},
	"tried": func(b *Builder) {
		b.Stream("in", serde.String, serde.Int64).
			TryFilter(func(_ context.Context, r Record[string, int64]) (bool, error) { return true, nil }).
			TryMapValues(func(_ context.Context, r Record[string, int64]) (int64, error) {
				if r.Value%2 == 0 {
					return 0, Skip
				}
				return 0, Null
			}).To("out")
	},
	"count": func(b *Builder) {
		b.Stream("in", serde.String, serde.Int64).GroupByKey().Count().ToStream().To("out")
	},
	"table": func(b *Builder) {
		b.Table("in", serde.String, serde.Int64, As("rows")).
			Filter(func(_ string, n int64) bool { return n%3 != 0 }, As("kept")).
			MapValues(func(n int64) int64 { return n / 2 }).
			GroupBy(func(_ string, n int64) (int64, int64) { return n % 7, n })
	},
	"table self-join": func(b *Builder) {
		t := b.Table("in", serde.String, serde.Int64)
		t.Join(t, func(x, y int64) int64 { return x + y }, As("sums")).ToStream().To("out")
	},
}

func TestRecordsDoNotAllocate(t *testing.T) {
	for name, program := range paths {
		t.Run(name, func(t *testing.T) {
			one, q := looped(t, program, "in", keyed("in", 50))
			for range 200 { // every key is in its store
				one()
			}
			require.Zero(t, testing.AllocsPerRun(1000, one))
			require.NotZero(t, q.sent)
		})
	}
}

// TestGroupedTableDoesNotAllocate is about the node behind the internal topic.
func TestGroupedTableDoesNotAllocate(t *testing.T) {
	raws := keyed("app-g-repartition", 50)
	for i := range raws {
		raws[i].Value = append(append([]byte{16}, serde8(int64(i))...), append(serde8(int64(i+1)), oldAndNew)...)
	}
	one, q := looped(t, func(b *Builder) {
		b.Table("in", serde.String, serde.Int64).GroupBy(func(k string, n int64) (string, int64) { return k, n }, Named("g")).
			Reduce(func(a, n int64) int64 { return a + n }, func(a, n int64) int64 { return a - n }).ToStream().To("out")
	}, "app-g-repartition", raws)
	for range 200 {
		one()
	}
	require.Zero(t, testing.AllocsPerRun(1000, one))
	require.NotZero(t, q.sent)
}

func BenchmarkRecord(b *testing.B) {
	for name, program := range paths {
		b.Run(name, func(b *testing.B) {
			one, _ := looped(b, program, "in", keyed("in", 1000))
			b.ReportAllocs()
			for b.Loop() {
				one()
			}
		})
	}
}
