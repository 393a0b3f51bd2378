package codec

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/stretchr/testify/require"
)

var all = []Codec{None, Gzip, Snappy, LZ4, Zstd}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 300_000)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	for _, c := range all {
		for _, src := range [][]byte{{}, []byte("a"), bytes.Repeat([]byte("abc"), 100_000), noise} {
			packed, err := Compress([]byte("head"), c, src)
			require.NoError(t, err, c)
			require.Equal(t, "head", string(packed[:4]), c)
			plain, err := Decompress(make([]byte, 10), c, packed[4:])
			require.NoError(t, err, c)
			require.True(t, bytes.Equal(src, plain), "%s of %d bytes", c, len(src))
		}
	}
}

func TestSnappyOfJava(t *testing.T) {
	t.Parallel()
	framed := append([]byte{}, xerialMagic...)
	framed = append(framed, 0, 0, 0, 1, 0, 0, 0, 1)
	for _, part := range []string{"hello, ", "", "world"} {
		block := s2.EncodeSnappy(nil, []byte(part))
		framed = binary.BigEndian.AppendUint32(framed, uint32(len(block)))
		framed = append(framed, block...)
	}
	plain, err := Decompress(nil, Snappy, framed)
	require.NoError(t, err)
	require.Equal(t, "hello, world", string(plain))
	for n := range framed {
		// A cut is an error or, at a block's end, fewer bytes; never a panic.
		plain, err := Decompress(nil, Snappy, framed[:n])
		if err == nil {
			require.True(t, bytes.HasPrefix([]byte("hello, world"), plain), n)
		}
	}
}

func TestDecompressionIsBounded(t *testing.T) {
	t.Parallel()
	// Zeros: of gzip and lz4 the 64 MiB are the bound, of zstd, which packs them much tighter, the ratio.
	for c, size := range map[Codec]int{Gzip: maxDecompressed + 1, LZ4: maxDecompressed + 1, Zstd: minDecompressed + 1} {
		zeros, err := Compress(nil, c, make([]byte, size))
		require.NoError(t, err)
		_, err = Decompress(nil, c, zeros)
		require.ErrorIs(t, err, ErrTooLarge, c)
	}
	// A snappy block that claims 1 GiB in five bytes.
	_, err := Decompress(nil, Snappy, binary.AppendUvarint(nil, 1<<30))
	require.ErrorIs(t, err, ErrTooLarge)
}

func TestUnknownCodec(t *testing.T) {
	t.Parallel()
	_, err := Decompress(nil, 5, []byte("x"))
	require.Error(t, err)
	_, err = Compress(nil, 7, []byte("x"))
	require.Error(t, err)
	require.False(t, Codec(5).Valid())
	require.Equal(t, "codec 5", Codec(5).String())
}

func FuzzDecompress(f *testing.F) {
	for _, c := range all {
		packed, err := Compress(nil, c, bytes.Repeat([]byte("seed "), 50))
		require.NoError(f, err)
		f.Add(int8(c), packed)
	}
	f.Add(int8(Snappy), append(append([]byte{}, xerialMagic...), 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9))
	f.Fuzz(func(t *testing.T, c int8, src []byte) {
		out, err := Decompress(nil, Codec(c), src)
		if err == nil && len(out) > Bound(len(src)) && Codec(c) != None {
			t.Fatalf("%d bytes became %d", len(src), len(out))
		}
	})
}
