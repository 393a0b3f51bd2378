package broker_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker"
)

// TestLongPollsMissNothing: readers that wait for records, for bytes of several partitions or for the end of transactions are
// woken by what writers do at the same time, whatever the order. Time is fake: it would pass only if everybody waited, readers
// for what is there already.
func TestLongPollsMissNothing(t *testing.T) {
	t.Parallel()
	for _, sync := range []broker.Sync{broker.SyncNever, broker.SyncAlways} {
		for round := range 3 {
			t.Run(fmt.Sprint(sync, round), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { longPolls(t, sync) })
			})
		}
	}
}

func longPolls(t *testing.T, mode broker.Sync) {
	const partitions, writers, readers, steps = 3, 3, 4, 60
	b, err := broker.Start(broker.Config{Sync: mode})
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close()) }()
	segment := "2000"
	createTopic(t, b, "t", partitions, map[string]*string{"segment.bytes": &segment})
	began := time.Now()

	var reading, writing sync.WaitGroup
	for reader := range readers {
		r := dialWire(t, b)
		defer r.conn.Close()
		reading.Go(func() { readToTheLast(r, reader, partitions) })
	}
	for w := range writers {
		r := dialWire(t, b)
		defer r.conn.Close()
		writing.Go(func() {
			id := fmt.Sprint("x", w)
			pid, epoch := r.initProducer(id)
			for range steps {
				if rand.IntN(2) == 0 {
					runtime.Gosched()
				}
				if rand.IntN(3) > 0 {
					require.Zero(t, r.produce(9, nil, "t", rand.Int32N(partitions), batch{values: []string{"plain"}}.bytes()).ErrorCode)
					continue
				}
				for p := range int32(1 + rand.IntN(partitions)) {
					txn := batch{values: []string{"in a transaction"}, producer: pid, epoch: epoch, txn: true}
					require.Zero(t, r.produce(12, &id, "t", p, txn.bytes()).ErrorCode)
				}
				resp := r.endTxn(id, pid, epoch, rand.IntN(2) == 0)
				require.Zero(t, resp.ErrorCode)
				pid, epoch = resp.ProducerID, resp.ProducerEpoch
			}
		})
	}
	writing.Wait()
	r := dialWire(t, b)
	defer r.conn.Close()
	for p := range int32(partitions) {
		require.Zero(t, r.produce(9, nil, "t", p, batch{values: []string{last}}.bytes()).ErrorCode)
	}
	reading.Wait()
	require.Zero(t, time.Since(began), "a reader waited for its time to be up")
}

// last ends each partition; no reader waits for more bytes than it has.
var last = strings.Repeat("l", 1000)

// readToTheLast fetches with long polls until it has the last batch of each partition. Every other reader reads what is committed.
func readToTheLast(r *wireConn, reader, partitions int) {
	r.t.Helper()
	next := make([]int64, partitions)
	for left := partitions; left > 0; {
		req := fetchRequest("t", 0, next[0])
		req.IsolationLevel, req.MinBytes = int8(reader%2), 1+rand.Int32N(int32(len(last)))*rand.Int32N(2)
		req.MaxWaitMillis = int32((50 * time.Second).Milliseconds())
		first := req.Topics[0].Partitions[0]
		req.Topics[0].Partitions = nil
		for p, offset := range next {
			if offset >= 0 {
				first.Partition, first.FetchOffset = int32(p), offset
				req.Topics[0].Partitions = append(req.Topics[0].Partitions, first)
			}
		}
		for _, p := range do[*kmsg.FetchResponse](r, 12, req).Topics[0].Partitions {
			require.Zero(r.t, p.ErrorCode)
			if bases := baseOffsets(p.RecordBatches); len(bases) > 0 {
				next[p.Partition] = bases[len(bases)-1] + 1 // each batch has one record
			}
			if strings.Contains(string(p.RecordBatches), last) {
				next[p.Partition] = -1
				left--
			}
		}
	}
}
