package broker_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace-go/millrace/broker"
)

// TestReadersOfEveryKindGetTheSame: records that go from the files of several segments to a socket, and through memory to a
// client within the process, are those that were produced, whatever the reader's limits.
func TestReadersOfEveryKindGetTheSame(t *testing.T) {
	t.Parallel()
	const n, partitions = 20_000, 3
	b := start(t, func(c *broker.Config) { c.Dir, c.Listen = t.TempDir(), "127.0.0.1:0" })
	size := "1000000"
	createTopic(t, b, "t", partitions, map[string]*string{"segment.bytes": &size})
	p := client(t, b, kgo.DefaultProduceTopic("t"), kgo.TransactionalID("x"), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerBatchMaxBytes(200_000))
	value := func(i int) string { return fmt.Sprint(i, strings.Repeat("x", i%700)) }
	const perTxn = n / 10
	aborted := func(i int) bool { return i/perTxn%3 == 1 }
	for txn := range 10 {
		require.NoError(t, p.BeginTransaction())
		for i := txn * perTxn; i < (txn+1)*perTxn; i++ {
			p.Produce(t.Context(), &kgo.Record{Partition: int32(i % partitions), Value: []byte(value(i))}, func(_ *kgo.Record, err error) {
				if err != nil {
					t.Errorf("produce: %v", err)
				}
			})
		}
		require.NoError(t, p.Flush(t.Context()))
		require.NoError(t, p.EndTransaction(t.Context(), kgo.TransactionEndTry(!aborted(txn*perTxn))))
	}
	for _, process := range []bool{true, false} {
		for _, committed := range []bool{true, false} {
			for _, limit := range []int32{1, 100_000, 1 << 20} {
				t.Run(fmt.Sprintf("process %t, committed %t, %d bytes", process, committed, limit), func(t *testing.T) {
					t.Parallel()
					opts := []kgo.Opt{kgo.ConsumeTopics("t"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxPartitionBytes(limit)}
					if !process {
						opts = append(opts, kgo.Dialer((&net.Dialer{}).DialContext))
					}
					if committed {
						opts = append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
					}
					var want [partitions][]int
					total := 0
					for i := range n {
						if !committed || !aborted(i) {
							want[i%partitions] = append(want[i%partitions], i)
							total++
						}
					}
					for _, r := range consume(t, client(t, b, opts...), total) {
						left := want[r.Partition]
						require.NotEmpty(t, left, "partition %d has more", r.Partition)
						require.True(t, value(left[0]) == string(r.Value), "partition %d: offset %d is not record %d", r.Partition, r.Offset, left[0])
						want[r.Partition] = left[1:]
					}
				})
			}
		}
	}
}
