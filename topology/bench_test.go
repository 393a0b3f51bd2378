package topology_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
)

// silent is a host that only counts.
type silent struct {
	host
	n int
}

func (s *silent) Send(*topology.Outgoing) error { s.n++; return nil }

// five is a source, five stateless nodes (filter, map values, new key, filter, back to text) and a sink.
func five() *topology.Topology {
	top := topology.New()
	src := top.Source("src", serde.String, serde.String, "in")
	keep := topology.Connect(topology.NodeSpec{Name: "keep"}, func(_ *topology.Context, next next) (next, error) {
		return func(r record) error {
			if r.Value == "" {
				return nil
			}
			return next(r)
		}, nil
	}, src)
	length := topology.Connect(topology.NodeSpec{Name: "length"}, func(_ *topology.Context, next func(topology.Record[string, int64]) error) (next, error) {
		return func(r record) error { return next(r.WithValue(int64(len(r.Value)))) }, nil
	}, keep)
	key := topology.Connect(topology.NodeSpec{Name: "key"}, func(_ *topology.Context, next func(topology.Record[int64, int64]) error) (func(topology.Record[string, int64]) error, error) {
		return func(r topology.Record[string, int64]) error { return next(r.WithKey(r.Value % 16)) }, nil
	}, length)
	positive := topology.Connect(topology.NodeSpec{Name: "positive"}, func(_ *topology.Context, next func(topology.Record[int64, int64]) error) (func(topology.Record[int64, int64]) error, error) {
		return func(r topology.Record[int64, int64]) error {
			if r.Value < 0 {
				return nil
			}
			return next(r)
		}, nil
	}, key)
	last := topology.Connect(topology.NodeSpec{Name: "double"}, func(_ *topology.Context, next func(topology.Record[int64, int64]) error) (func(topology.Record[int64, int64]) error, error) {
		return func(r topology.Record[int64, int64]) error { return next(r.WithValue(2 * r.Value)) }, nil
	}, positive)
	last.Sink("snk", "out", serde.Int64, serde.Int64)
	return top
}

func oneRecord(tb testing.TB) (func(), *silent) {
	h := &silent{}
	in := start(tb, five(), h)
	head, err := in.NewHead("in")
	require.NoError(tb, err)
	raw := topology.Raw{Topic: "in", Key: []byte("key-17"), Value: []byte("some value of thirty-two letters"), Time: 5}
	return func() {
		at, err := head.Load(&raw, -1)
		if err != nil {
			panic(err)
		}
		*in.record = state.RecordContext{Topic: raw.Topic, Time: at}
		if err := head.Process(); err != nil {
			panic(err)
		}
	}, h
}

func TestNodesDoNotAllocate(t *testing.T) {
	one, h := oneRecord(t)
	require.Zero(t, testing.AllocsPerRun(1000, one))
	require.NotZero(t, h.n)
}

func BenchmarkFiveNodes(b *testing.B) {
	one, _ := oneRecord(b)
	b.ReportAllocs()
	for b.Loop() {
		one()
	}
}
