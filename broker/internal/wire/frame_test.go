package wire

import (
	"bytes"
	"encoding/binary"
	"io"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestFrameLengthIsNotTrusted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		n    int32
		ok   bool
	}{
		{"negative", -1, false}, {"zero", 0, false}, {"shorter than a header", 7, false}, {"shortest", 8, true},
		{"limit - 1", 999, true}, {"limit", 1000, true}, {"limit + 1", 1001, false}, {"2 GiB", 1<<31 - 1, false},
	} {
		_, err := readSize(bytes.NewReader(binary.BigEndian.AppendUint32(nil, uint32(c.n))), 1000)
		if c.ok {
			require.NoError(t, err, c.name)
		} else {
			require.ErrorIs(t, err, ErrFrame, c.name)
		}
	}
	_, err := readSize(bytes.NewReader([]byte("GET / HTTP/1.1")), 1000)
	require.ErrorContains(t, err, "HTTP")
	_, err = readSize(bytes.NewReader([]byte{0x16, 3, 1, 0}), 1000)
	require.ErrorContains(t, err, "TLS")
}

// free has memory for everything.
func free(int) error { return nil }

func TestDeclaredLengthBuysNoMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := readBody(bytes.NewReader(make([]byte, 100_000)), nil, 1<<30, free)
	runtime.ReadMemStats(&after)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
}

func TestBodyIsReadWhole(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, growStep - 1, growStep, growStep + 1, 3*growStep + 7} {
		want := bytes.Repeat([]byte("abc"), n)[:n]
		for _, buf := range [][]byte{nil, make([]byte, 5), make([]byte, 10*growStep)} {
			got, err := readBody(bytes.NewReader(want), buf, n, free)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
	}
}

func FuzzHeader(f *testing.F) {
	for _, req := range []kmsg.Request{kmsg.NewPtrApiVersionsRequest(), kmsg.NewPtrProduceRequest()} {
		for v := range req.MaxVersion() + 1 {
			req.SetVersion(v)
			f.Add(kmsg.NewRequestFormatter(kmsg.FormatterClientID("id")).AppendRequest(nil, req, 7)[4:])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, body, err := parseHeader(b, isFlexible)
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(body), len(b)-8)
		require.Equal(t, h.key, int16(binary.BigEndian.Uint16(b)))
	})
}
