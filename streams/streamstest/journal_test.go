package streamstest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/internal/runtime"
	"github.com/millrace-go/millrace/window"
)

// TestProducedAndOutputsReadForThemselves reads records of all sizes, some of them larger than a journal's pieces, at two speeds.
func TestProducedAndOutputsReadForThemselves(t *testing.T) {
	t.Parallel()
	b := streams.NewBuilder()
	b.Stream("in", serde.Bytes, serde.Bytes).To("out")
	d := open(t, b, Partitions(3))
	out := d.Output("out", serde.Bytes, serde.Bytes)
	rnd := rand.New(rand.NewPCG(1, 2))
	var want, produced, read []Raw
	for range 600 {
		r := Raw{Topic: "in", Time: window.Time(rnd.IntN(1 << 40)), Partition: int32(rnd.IntN(3)), Key: some(rnd, 20), Value: some(rnd, []int{10, 1000, 2 * largePiece}[rnd.IntN(3)])}
		for range rnd.IntN(3) {
			r.Headers = append(r.Headers, serde.Header{Key: fmt.Sprint("h", rnd.IntN(9)), Value: some(rnd, 5)})
		}
		require.NoError(t, d.PipeTo(int(r.Partition), r))
		r.Topic = "out"
		if r.Key != nil {
			r.Partition = runtime.Partition(r.Key, 3)
		} else {
			r.Partition = 0
		}
		want = append(want, r)
		if rnd.IntN(20) == 0 {
			produced = append(produced, d.Produced()...)
		}
		for rnd.IntN(2) == 0 {
			if r, ok := out.ReadRaw(); ok {
				read = append(read, r)
			}
		}
	}
	produced = append(produced, d.Produced()...)
	for !out.Empty() {
		r, _ := out.ReadRaw()
		read = append(read, r)
	}
	require.Equal(t, want, produced)
	require.Equal(t, want, read)
	require.Equal(t, len(d.named["out"].made.pieces)-1, d.named["out"].made.freed, "what both have had is forgotten")
}

// some are up to n bytes, or nil.
func some(rnd *rand.Rand, n int) []byte {
	if rnd.IntN(8) == 0 {
		return nil
	}
	return bytes.Repeat([]byte{byte(rnd.IntN(256))}, rnd.IntN(n))
}

func open(t *testing.T, b *streams.Builder, o ...Option) *Driver {
	t.Helper()
	top, err := b.Build()
	require.NoError(t, err)
	d, err := New(top, streams.Config{}, o...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// TestDiscardKeepsWhatStoresAreRestoredFrom writes and deletes the rows of a table again and again: its changelog does not grow, and a crash loses nothing.
func TestDiscardKeepsWhatStoresAreRestoredFrom(t *testing.T) {
	t.Parallel()
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).ToTable(streams.As("rows")).ToStream().To("out")
	d := open(t, b, Partitions(2))
	in := d.Input("in", serde.String, serde.String)
	out := d.Output("out", serde.String, serde.String)
	rnd := rand.New(rand.NewPCG(3, 4))
	want := map[string]string{}
	changelog := d.named["app-rows-changelog"]
	for i := range 6000 {
		key := fmt.Sprintf("%0100d", rnd.IntN(50))
		if rnd.IntN(4) == 0 {
			require.NoError(t, in.PipeTombstone(key))
			delete(want, key)
		} else {
			want[key] = fmt.Sprint(i)
			require.NoError(t, in.PipeKeyValue(key, want[key]))
		}
		if i%500 == 499 {
			require.Contains(t, d.Topics(), "out")
			d.Discard()
			require.Empty(t, d.Topics())
			require.Empty(t, d.Produced())
			require.True(t, out.Empty())
			require.Less(t, changelog.made.bytes, 2*largePiece)
		}
		if i%1300 == 1299 {
			require.NoError(t, d.Crash())
			got := map[string]string{}
			rows, ok := d.Dump("rows")
			require.True(t, ok)
			for row := range rows {
				got[string(row[0].([]byte))] = string(row[1].([]byte))
			}
			require.Equal(t, want, got)
		}
	}
}
