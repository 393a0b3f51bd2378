package broker_test

import (
	"context"
	"crypto/rand"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace-go/millrace/broker"
)

// transports are the ways to reach a broker: over loopback TCP, and within the process.
var transports = []struct {
	name   string
	listen string
}{{"tcp", "127.0.0.1:0"}, {"process", ""}}

func benchBroker(b *testing.B, listen string, sync broker.Sync) (*broker.Broker, []kgo.Opt) {
	b.Helper()
	br, err := broker.Start(broker.Config{Dir: b.TempDir(), Listen: listen, Sync: sync})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, br.Close()) })
	opts := []kgo.Opt{kgo.SeedBrokers(br.Seeds()...), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(100_000)}
	if listen == "" {
		opts = append(opts, kgo.Dialer(br.Dialer()))
	} else {
		opts = append(opts, kgo.Dialer((&net.Dialer{}).DialContext))
	}
	return br, opts
}

func benchClient(b *testing.B, opts ...kgo.Opt) *kgo.Client {
	b.Helper()
	c, err := kgo.NewClient(opts...)
	require.NoError(b, err)
	b.Cleanup(c.Close)
	return c
}

func benchTopic(b *testing.B, opts []kgo.Opt, partitions int32) {
	b.Helper()
	_, err := kadm.NewClient(benchClient(b, opts...)).CreateTopic(b.Context(), partitions, 1, nil, "t")
	require.NoError(b, err)
}

func benchRecords(size int) []byte {
	v := make([]byte, size)
	_, _ = rand.Read(v) // never fails
	return v
}

// BenchmarkProduce and BenchmarkConsume measure one kgo client against one broker, per record.
func BenchmarkProduce(b *testing.B) {
	for _, tr := range transports {
		for _, size := range []struct {
			name string
			n    int
		}{{"100B", 100}, {"1KiB", 1024}} {
			b.Run(tr.name+"/"+size.name, func(b *testing.B) {
				_, opts := benchBroker(b, tr.listen, broker.SyncNever)
				benchTopic(b, opts, 6)
				c := benchClient(b, append(opts, kgo.DefaultProduceTopic("t"))...)
				v := benchRecords(size.n)
				b.SetBytes(int64(size.n))
				b.ReportAllocs()
				for b.Loop() {
					c.Produce(b.Context(), &kgo.Record{Value: v}, nil)
				}
				require.NoError(b, c.Flush(context.Background()))
			})
		}
	}
}

func BenchmarkConsume(b *testing.B) {
	for _, tr := range transports {
		b.Run(tr.name+"/100B", func(b *testing.B) {
			_, opts := benchBroker(b, tr.listen, broker.SyncNever)
			benchTopic(b, opts, 6)
			p := benchClient(b, append(opts, kgo.DefaultProduceTopic("t"))...)
			v := benchRecords(100)
			b.SetBytes(100)
			for range b.N {
				p.Produce(b.Context(), &kgo.Record{Value: v}, nil)
			}
			require.NoError(b, p.Flush(b.Context()))
			b.ResetTimer()
			c := benchClient(b, append(opts, kgo.ConsumeTopics("t"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))...)
			for n := 0; n < b.N; {
				fs := c.PollFetches(b.Context())
				require.NoError(b, fs.Err0())
				n += fs.NumRecords()
			}
		})
	}
}

// BenchmarkRoundTrip is the latency of one acknowledged record.
func BenchmarkRoundTrip(b *testing.B) {
	for _, tr := range transports {
		for _, sync := range []broker.Sync{broker.SyncNever, broker.SyncAlways} {
			b.Run(tr.name+"/sync "+sync.String(), func(b *testing.B) {
				_, opts := benchBroker(b, tr.listen, sync)
				benchTopic(b, opts, 1)
				c := benchClient(b, append(opts, kgo.DefaultProduceTopic("t"), kgo.ProducerLinger(0))...)
				v := benchRecords(100)
				for b.Loop() {
					if err := c.ProduceSync(b.Context(), &kgo.Record{Value: v}).FirstErr(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkTransaction is a transaction of 100 records over 6 partitions.
func BenchmarkTransaction(b *testing.B) {
	for _, sync := range []broker.Sync{broker.SyncNever, broker.SyncAlways} {
		b.Run("sync "+sync.String(), func(b *testing.B) {
			_, opts := benchBroker(b, "", sync)
			benchTopic(b, opts, 6)
			c := benchClient(b, append(opts, kgo.DefaultProduceTopic("t"), kgo.TransactionalID("x"), kgo.ProducerLinger(0))...)
			v := benchRecords(100)
			for b.Loop() {
				require.NoError(b, c.BeginTransaction())
				for range 100 {
					c.Produce(b.Context(), &kgo.Record{Value: v}, nil)
				}
				require.NoError(b, c.Flush(b.Context()))
				require.NoError(b, c.EndTransaction(b.Context(), kgo.TryCommit))
			}
		})
	}
}

// BenchmarkStart is from Start on an empty directory to the end of Close.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		br, err := broker.Start(broker.Config{Dir: b.TempDir(), Listen: "127.0.0.1:0"})
		require.NoError(b, err)
		require.NoError(b, br.Close())
	}
}
