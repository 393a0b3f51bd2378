package broker_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

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

// TestUnreadableFile: a file that lost its end is told in the log, by topic, partition and name. A client gets what is left and for the
// rest an error that says what is wrong, once the connection that was to carry the records was closed.
func TestUnreadableFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var log bytes.Buffer
	b, err := broker.Start(broker.Config{Dir: dir, Listen: "127.0.0.1:0", AutoCreateTopics: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	createTopic(t, b, "t", 1, nil)
	r := dialWire(t, b)
	value := strings.Repeat("x", 100_000)
	for range 3 {
		require.Zero(t, r.produce(9, nil, "t", 0, batch{values: []string{value}}.bytes()).ErrorCode)
	}
	files, err := filepath.Glob(filepath.Join(dir, "log", "*", "*.log"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	require.NoError(t, os.Truncate(files[0], 250_000))

	fetch := func(offset int64, bytes int32) (kmsg.FetchResponseTopicPartition, error) {
		req := fetchRequest("t", 0, offset)
		req.Topics[0].Partitions[0].PartitionMaxBytes = bytes
		resp, err := dialRaw(t, b).try(versioned(req, 12))
		if err != nil {
			return kmsg.FetchResponseTopicPartition{}, err
		}
		return resp.(*kmsg.FetchResponse).Topics[0].Partitions[0], nil
	}
	p, err := fetch(0, 250_000)
	require.NoError(t, err)
	require.Equal(t, []int64{0, 1}, baseOffsets(p.RecordBatches))
	p, err = fetch(0, 1<<20)
	if err != nil { // where files are sent, the answer had begun
		p, err = fetch(0, 1<<20)
	}
	require.NoError(t, err)
	require.Equal(t, kerr.KafkaStorageError.Code, p.ErrorCode)
	p, err = fetch(0, 210_000)
	require.NoError(t, err)
	require.Equal(t, []int64{0, 1}, baseOffsets(p.RecordBatches))
	require.NoError(t, b.Close())
	if runtime.GOOS == "linux" {
		require.Contains(t, log.String(), "topic=t partition=0")
	}
	require.Contains(t, log.String(), filepath.Base(files[0]))
	require.Contains(t, log.String(), "unexpected EOF")
}
