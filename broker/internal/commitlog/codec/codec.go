// Package codec compresses and decompresses the records of a batch with the
// codecs of the Kafka protocol. Decompression is bounded: a small batch cannot
// make the broker allocate without limit.
package codec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Codec is the number of a codec in a batch's attributes.
type Codec int8

// The codecs of message format 2.
const (
	None Codec = iota
	Gzip
	Snappy
	LZ4
	Zstd
)

// Valid reports whether c is one of the five codecs.
func (c Codec) Valid() bool { return c >= None && c <= Zstd }

// String returns Kafka's name of the codec.
func (c Codec) String() string {
	switch c {
	case None:
		return "none"
	case Gzip:
		return "gzip"
	case Snappy:
		return "snappy"
	case LZ4:
		return "lz4"
	case Zstd:
		return "zstd"
	}
	return fmt.Sprintf("codec %d", int8(c))
}

// The bounds of what decompression may produce: maxRatio times the input, but
// never more than maxDecompressed. Up to minDecompressed is always allowed, since
// a batch of equal records legitimately compresses better than maxRatio.
const (
	maxDecompressed = 64 << 20
	maxRatio        = 1000
	minDecompressed = 4 << 20
)

// ErrTooLarge is returned for data that expands beyond the bound.
var ErrTooLarge = errors.New("decompressed records exceed the bound of 64 MiB or 1000 times their size")

// Bound returns how many bytes n compressed bytes may expand to.
func Bound(n int) int {
	return min(maxDecompressed, max(minDecompressed, n*maxRatio))
}

// Decompress returns src decompressed. The result uses dst's memory if it
// suffices and belongs to the caller; with None it is src itself.
func Decompress(dst []byte, c Codec, src []byte) ([]byte, error) {
	dst = dst[:0]
	switch c {
	case None:
		return src, nil
	case Gzip:
		r := gzipReaders.Get().(*gzip.Reader)
		defer gzipReaders.Put(r)
		if err := r.Reset(bytes.NewReader(src)); err != nil {
			return dst, err
		}
		return readBounded(dst, r, len(src))
	case Snappy:
		return decompressSnappy(dst, src)
	case LZ4:
		r := lz4Readers.Get().(*lz4.Reader)
		defer lz4Readers.Put(r)
		r.Reset(bytes.NewReader(src))
		return readBounded(dst, r, len(src))
	case Zstd:
		r := zstdReaders.Get().(*zstd.Decoder)
		defer zstdReaders.Put(r)
		if err := r.Reset(bytes.NewReader(src)); err != nil {
			return dst, err
		}
		return readBounded(dst, r, len(src))
	}
	return dst, fmt.Errorf("%s is not a codec of message format 2", c)
}

// Compress returns src compressed, appended to dst.
func Compress(dst []byte, c Codec, src []byte) ([]byte, error) {
	switch c {
	case None:
		return append(dst, src...), nil
	case Gzip:
		w := gzipWriters.Get().(*gzip.Writer)
		defer gzipWriters.Put(w)
		buf := bytes.NewBuffer(dst)
		w.Reset(buf)
		if _, err := w.Write(src); err != nil {
			return dst, err
		}
		err := w.Close()
		return buf.Bytes(), err
	case Snappy:
		return compressSnappy(dst, src), nil
	case LZ4:
		w := lz4Writers.Get().(*lz4.Writer)
		defer lz4Writers.Put(w)
		buf := bytes.NewBuffer(dst)
		w.Reset(buf)
		if _, err := w.Write(src); err != nil {
			return dst, err
		}
		err := w.Close()
		return buf.Bytes(), err
	case Zstd:
		return zstdEncoder().EncodeAll(src, dst), nil
	}
	return dst, fmt.Errorf("%s is not a codec of message format 2", c)
}

// readBounded reads r to its end into dst, up to the bound for n compressed bytes.
func readBounded(dst []byte, r io.Reader, n int) ([]byte, error) {
	bound := Bound(n)
	if cap(dst) == 0 {
		dst = make([]byte, 0, min(bound, max(512, 4*n)))
	}
	for {
		if len(dst) == cap(dst) {
			dst = slices.Grow(dst, len(dst)+512)
		}
		m, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+m]
		if len(dst) > bound {
			return dst, ErrTooLarge
		}
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
}

// Coders are pooled: each holds buffers of up to several MiB.
var (
	gzipReaders = sync.Pool{New: func() any { return new(gzip.Reader) }}
	gzipWriters = sync.Pool{New: func() any { return gzip.NewWriter(io.Discard) }}
	lz4Readers  = sync.Pool{New: func() any { return lz4.NewReader(nil) }}
	lz4Writers  = sync.Pool{New: func() any {
		w := lz4.NewWriter(io.Discard)
		// Java readers skip a content checksum without looking at it, and refuse dependent blocks,
		// which this writer never makes.
		if err := w.Apply(lz4.ChecksumOption(false), lz4.BlockSizeOption(lz4.Block64Kb)); err != nil {
			panic(err) // constant options
		}
		return w
	}}
	zstdReaders = sync.Pool{New: func() any {
		r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(maxDecompressed), zstd.WithDecoderMaxWindow(maxDecompressed))
		if err != nil {
			panic(err) // constant options
		}
		return r
	}}
	zstdEncoder = sync.OnceValue(func() *zstd.Encoder {
		w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(2), zstd.WithLowerEncoderMem(true))
		if err != nil {
			panic(err) // constant options
		}
		return w
	})
)
