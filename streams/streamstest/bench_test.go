package streamstest_test

import (
	"fmt"
	"testing"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/streamstest"
)

// countPerKey counts the records of each key.
func countPerKey(tb testing.TB) *streams.Builder {
	tb.Helper()
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).GroupByKey().Count(streams.As("counts")).ToStream().To("out")
	return b
}

// BenchmarkCountPerKey counts 1,000,000 records of 100,000 keys, with values of 64 bytes.
func BenchmarkCountPerKey(b *testing.B) {
	const records, keys, size = 1_000_000, 100_000, 100_000
	raws := make([]streamstest.Raw, records)
	value := make([]byte, 64)
	names := make([][]byte, keys)
	for i := range names {
		names[i] = fmt.Appendf(nil, "key-%06d", i)
	}
	for i := range raws {
		raws[i] = streamstest.Raw{Topic: "in", Key: names[i*7919%keys], Value: value, Time: streams.Time(i)}
	}
	run := func(b *testing.B, cache int64) {
		b.ReportAllocs()
		for b.Loop() {
			top, err := countPerKey(b).Build()
			if err != nil {
				b.Fatal(err)
			}
			d, err := streamstest.New(top, streams.Config{CacheBytes: &cache}, streamstest.Batches())
			if err != nil {
				b.Fatal(err)
			}
			for i := 0; i < records; i += size {
				if err := d.PipeAll(func(yield func(streamstest.Raw) bool) {
					for _, r := range raws[i : i+size] {
						if !yield(r) {
							return
						}
					}
				}); err != nil {
					b.Fatal(err)
				}
				d.Discard()
			}
			if err := d.Close(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(records)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
	}
	b.Run("uncached", func(b *testing.B) { run(b, 0) })
	b.Run("cached", func(b *testing.B) { run(b, 64<<20) })
}

// BenchmarkPipe is one record at a time, with a commit after each.
func BenchmarkPipe(b *testing.B) {
	top, err := countPerKey(b).Build()
	if err != nil {
		b.Fatal(err)
	}
	d := driver(b, top, streams.Config{})
	in := d.Input("in", serde.String, serde.String)
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = fmt.Sprint("key-", i)
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if err := in.PipeAt(keys[n%len(keys)], "value", 5); err != nil {
			b.Fatal(err)
		}
		if n++; n%10_000 == 0 {
			d.Discard()
		}
	}
}
