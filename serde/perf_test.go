package serde_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
)

// sink keeps the compiler from leaving a call out.
var sink any

func allocs[T any](t *testing.T, name string, s serde.Serde[T], v T, decode float64) {
	t.Helper()
	dst := make([]byte, 0, 256)
	src, err := s.Append(nil, v)
	require.NoError(t, err)
	shared := serde.Shared(s)
	var got T
	require.Zero(t, testing.AllocsPerRun(100, func() { dst, err = s.Append(dst[:0], v) }), "%s: Append into a buffer with room", name)
	require.NoError(t, err)
	require.Equal(t, decode, testing.AllocsPerRun(100, func() { got, err = shared.DecodeShared(src) }), "%s: DecodeShared", name)
	require.NoError(t, err)
	require.Equal(t, v, got)
}

func TestTheRecordPathDoesNotAllocate(t *testing.T) {
	allocs(t, "String", serde.String, "some key", 0)
	allocs(t, "Bytes", serde.Bytes, []byte("some value"), 0)
	allocs(t, "Int16", serde.Int16, -1, 0)
	allocs(t, "Int32", serde.Int32, math.MaxInt32, 0)
	allocs(t, "Int64", serde.Int64, math.MinInt64, 0)
	allocs(t, "Int", serde.Int, 1<<40, 0)
	allocs(t, "Float32", serde.Float32, 1.5, 0)
	allocs(t, "Float64", serde.Float64, 1.5, 0)
	allocs(t, "Bool", serde.Bool, true, 0)
	allocs(t, "UUID", serde.UUID, [16]byte{1, 2, 3}, 0)
	allocs(t, "StringOf", serde.StringOf[customerID](), "c1", 0)
	allocs(t, "List of int64: the slice", serde.List(serde.Int64), []int64{1, 2, 3}, 1)
	allocs(t, "List of string: the slice", serde.List(serde.String), []string{"a", "b"}, 1)
}

func bench[T any](b *testing.B, name string, s serde.Serde[T], v T) {
	src, err := s.Append(nil, v)
	require.NoError(b, err)
	shared := serde.Shared(s)
	b.Run(name+"/append", func(b *testing.B) {
		dst := make([]byte, 0, 256)
		b.ReportAllocs()
		for range b.N {
			dst, _ = s.Append(dst[:0], v)
		}
	})
	b.Run(name+"/decode", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			v, _ = s.Decode(src)
		}
	})
	b.Run(name+"/decode-shared", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			v, _ = shared.DecodeShared(src)
		}
	})
	sink = v
}

func BenchmarkSerde(b *testing.B) {
	bench(b, "string", serde.String, "a key of twenty bytes")
	bench(b, "int64", serde.Int64, 12345)
	bench(b, "uuid", serde.UUID, [16]byte{1, 2, 3})
	bench(b, "list-int64", serde.List(serde.Int64), []int64{1, 2, 3, 4, 5, 6, 7, 8})
	bench(b, "json", serde.JSON[order](), order{ID: "o1", Total: 5, Tags: map[string]string{"a": "1", "b": "2"}})
}
