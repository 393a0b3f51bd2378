package commitlog

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// described gives the files of a file system a descriptor, though not one to use.
type described struct{ vfs.FS }

type describedFile struct{ vfs.File }

func (describedFile) Fd() uintptr { return 3 }

func (d described) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := d.FS.Open(name, opts...)
	return describedFile{f}, err
}

func (d described) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := d.FS.OpenReadWrite(name, c, opts...)
	return describedFile{f}, err
}

// bytes reads a span as the socket would.
func (s Span) bytes(t tb) []byte {
	b := make([]byte, s.Len)
	_, err := s.handle.file.ReadAt(b, s.Pos)
	require.NoError(t, err)
	require.NoError(t, s.Release())
	return b
}

// TestSpansAreWhatIsRead: whatever the batches, the offset and the limits, a span is where the bytes are that the same
// request reads.
func TestSpansAreWhatIsRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := newEnv(t, func(e *env) {
			e.fs = described{e.fs}
			e.cfg.SegmentBytes = 300_000
		})
		p := e.part()
		for range rapid.IntRange(1, 40).Draw(t, "batches") {
			var s batchSpec
			for range rapid.IntRange(1, 3).Draw(t, "records") {
				size := rapid.SampledFrom([]int{1, 100, 5_000, 20_000, 70_000}).Draw(t, "size")
				s.recs = append(s.recs, rec{key: "k", value: strings.Repeat("v", size)})
			}
			mustAppend(t, p, s)
		}
		if rapid.Bool().Draw(t, "open transaction") {
			mustAppend(t, p, values("open").from(7, 0, 0).inTxn())
			for range 5 {
				mustAppend(t, p, values(strings.Repeat("v", 20_000), "beyond the last stable offset"))
			}
		}
		spans := 0
		for offset := int64(0); offset < p.Offsets().LogEnd; offset++ {
			req := ReadRequest{
				Offset: offset, MinOneBatch: rapid.Bool().Draw(t, "one"),
				MaxBytes:  rapid.SampledFrom([]int{0, 100, 20_000, 100_000, 150_000, 1 << 20}).Draw(t, "max"),
				Isolation: Isolation(rapid.IntRange(0, 1).Draw(t, "isolation")),
			}
			want, err := p.Read(req)
			require.NoError(t, err)
			req.SpanFrom = rapid.SampledFrom([]int{1, 1000, 100_000}).Draw(t, "from")
			got, err := p.Read(req)
			require.NoError(t, err)
			name := fmt.Sprintf("%+v", req)
			require.Equal(t, want.Size(), got.Size(), name)
			if got.Span.Len == 0 {
				require.Equal(t, want.Records, got.Records, name)
				continue
			}
			spans++
			require.GreaterOrEqual(t, got.Size(), req.SpanFrom, name)
			require.Empty(t, got.Records, name)
			require.Equal(t, want.Records, got.Span.bytes(t), name)
		}
		t.Logf("%d spans", spans)
	})
}

// TestSpanOutlivesItsSegment: a span can be sent although its segment was deleted meanwhile.
func TestSpanOutlivesItsSegment(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(e *env) {
		e.fs = described{e.fs}
		e.cfg.SegmentBytes = 1000
	})
	p := e.part()
	mustAppend(t, p, values(strings.Repeat("v", 800)))
	mustAppend(t, p, values(strings.Repeat("w", 800)))
	want, err := p.Read(ReadRequest{MaxBytes: 1 << 20})
	require.NoError(t, err)
	r, err := p.Read(ReadRequest{MaxBytes: 1 << 20, SpanFrom: 1})
	require.NoError(t, err)
	require.NoError(t, e.store.DeleteTopic(testTopic))
	require.Equal(t, want.Records, r.Span.bytes(t))
}
