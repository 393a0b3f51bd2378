package commitlog

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/broker/internal/commitlog/codec"
)

// diskEnv is a store on the real file system.
func diskEnv(b *testing.B, change ...func(*env)) *env {
	dir := b.TempDir()
	e := &env{t: b, fs: vfs.Default, dbFS: vfs.Default, clock: newClock(), cfg: DefaultPartitionConfig()}
	e.cfg.MaxMessageBytes = 16 << 20
	for _, f := range change {
		f(e)
	}
	var err error
	e.db, err = pebble.Open(dir+"/meta", &pebble.Options{Logger: quiet{}})
	require.NoError(b, err)
	e.opts.FS, e.opts.Dir, e.opts.DB, e.opts.Now = e.fs, dir+"/log", e.db, e.clock.now
	e.store, err = Open(e.opts)
	require.NoError(b, err)
	require.NoError(b, e.store.Create(testTopic, []int32{0}, e.cfg))
	b.Cleanup(e.close)
	return e
}

// ofSize returns a batch of about size bytes in records of 100 bytes.
func ofSize(size int) batchSpec {
	rng := rand.New(rand.NewPCG(1, 2))
	var s batchSpec
	for n := 0; n < size; n += 110 {
		v := make([]byte, 90)
		for i := range v {
			v[i] = byte('a' + rng.IntN(26))
		}
		s.recs = append(s.recs, rec{key: fmt.Sprint("key", n), value: string(v)})
	}
	return s
}

var benchSizes = []int{200, 16 << 10, 1 << 20}

func BenchmarkAppend(b *testing.B) {
	for _, size := range benchSizes {
		for _, kind := range []string{"plain", "compacted", "compactedLZ4"} {
			b.Run(fmt.Sprint(kind, "/", size), func(b *testing.B) {
				e := diskEnv(b, func(e *env) {
					e.cfg.CleanupCompact = kind != "plain"
					e.cfg.SegmentBytes = 256 << 20
					e.cfg.RetentionBytes = 512 << 20
				})
				s := ofSize(size)
				if kind == "compactedLZ4" {
					s.codec = codec.LZ4
				}
				batch := s.build()
				sent := make([]byte, len(batch))
				b.SetBytes(int64(len(batch)))
				b.ReportAllocs()
				for b.Loop() {
					copy(sent, batch)
					if _, err := e.part().Append(sent, AppendOptions{}); err != nil {
						b.Fatal(err)
					}
					if e.part().Size() > 1<<30 {
						b.StopTimer()
						_, err := e.part().DeleteRecordsBefore(-1)
						require.NoError(b, err)
						require.NoError(b, e.store.Maintain(b.Context()))
						b.StartTimer()
					}
				}
			})
		}
	}
}

func BenchmarkAppendSyncAlways(b *testing.B) {
	for _, writers := range []int{1, 8, 32} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) {
			e := diskEnv(b, func(e *env) { e.opts.Sync = SyncAlways })
			batch := ofSize(4096).build()
			b.SetBytes(int64(len(batch)))
			var wg sync.WaitGroup
			b.ResetTimer()
			for w := range writers {
				wg.Go(func() {
					sent := make([]byte, len(batch))
					for i := w; i < b.N; i += writers {
						copy(sent, batch)
						if _, err := e.part().Append(sent, AppendOptions{}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			e := diskEnv(b, func(e *env) { e.cfg.SegmentBytes = 32 << 20 })
			batch := ofSize(size).build()
			for n := 0; n < 128<<20; n += len(batch) {
				_, err := e.part().Append(append([]byte{}, batch...), AppendOptions{})
				require.NoError(b, err)
			}
			end := e.part().Offsets().HighWatermark
			for _, kind := range []string{"sequential", "random"} {
				b.Run(kind, func(b *testing.B) {
					var buf []byte
					next, bytes := int64(0), int64(0)
					rng := rand.New(rand.NewPCG(1, 1))
					b.ReportAllocs()
					for b.Loop() {
						if kind == "random" {
							next = rng.Int64N(end)
						}
						r, err := e.part().Read(ReadRequest{Offset: next, MaxBytes: 1 << 20, MinOneBatch: true, Buffer: buf, Isolation: ReadCommitted})
						if err != nil {
							b.Fatal(err)
						}
						buf = r.Buffer
						bytes += int64(len(r.Records))
						if next = e.part().view.hint.offset; next >= end {
							next = 0
						}
					}
					b.SetBytes(bytes / int64(b.N))
				})
			}
		})
	}
}

func BenchmarkRecover(b *testing.B) {
	for _, size := range benchSizes[:2] {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			e := diskEnv(b)
			batch := ofSize(size).build()
			const total = 64 << 20
			for n := 0; n < total; n += len(batch) {
				_, err := e.part().Append(append([]byte{}, batch...), AppendOptions{})
				require.NoError(b, err)
			}
			p := e.part()
			b.SetBytes(total)
			b.ReportAllocs()
			for b.Loop() {
				p.mu.Lock()
				p.closeFiles()
				p.recoverFrom(p.man)
				p.mu.Unlock()
				require.NoError(b, p.Err())
			}
		})
	}
}

func BenchmarkCompact(b *testing.B) {
	for _, c := range []codec.Codec{codec.None, codec.LZ4} {
		b.Run(c.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				e := diskEnv(b, func(e *env) { e.cfg.CleanupCompact = true; e.cfg.SegmentBytes = 16 << 20 })
				s := batchSpec{codec: c}
				for i := range 100 {
					s.recs = append(s.recs, rec{key: fmt.Sprint("k", i), value: strings.Repeat("v", 100)})
				}
				for i := range 5000 {
					for j := range s.recs {
						s.recs[j].key = fmt.Sprint("k", (i*100+j)%200_000)
					}
					_, err := e.part().Append(s.build(), AppendOptions{})
					require.NoError(b, err)
				}
				seal(b, e.part())
				b.SetBytes(e.part().Size())
				b.StartTimer()
				require.NoError(b, e.store.Compact(b.Context()))
				b.StopTimer()
				e.close()
				b.StartTimer()
			}
		})
	}
}
