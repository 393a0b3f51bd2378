package commitlog

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/broker/internal/commitlog/recordbatch"
)

// producerCall is a batch, or a marker if n is 0, and what should come of it.
type producerCall struct {
	epoch  int16
	seq    int32
	n      int // records
	txn    bool
	commit bool
	want   Kind // KindUnknown: accepted
	dup    bool
}

func TestProducerRules(t *testing.T) {
	t.Parallel()
	const top = math.MaxInt32
	for _, c := range []struct {
		name  string
		calls []producerCall
	}{
		{"sequences follow one another", []producerCall{{seq: 0, n: 3}, {seq: 3, n: 1}, {seq: 4, n: 1}}},
		{"a gap is out of order", []producerCall{{seq: 0, n: 3}, {seq: 4, n: 1, want: KindOutOfOrderSequence}, {seq: 3, n: 1}}},
		{"an unknown producer may begin anywhere", []producerCall{{seq: 99, n: 1}, {seq: 100, n: 1}}},
		{"the last five batches are recognised", []producerCall{
			{seq: 0, n: 1}, {seq: 1, n: 2}, {seq: 3, n: 1}, {seq: 4, n: 1}, {seq: 5, n: 1}, {seq: 6, n: 1},
			{seq: 1, n: 2, dup: true}, {seq: 6, n: 1, dup: true}, {seq: 0, n: 1, want: KindOutOfOrderSequence}, {seq: 7, n: 1},
		}},
		{"a batch with another length is no duplicate", []producerCall{{seq: 0, n: 2}, {seq: 0, n: 1, want: KindOutOfOrderSequence}}},
		{"0 follows 2^31-1", []producerCall{{seq: top, n: 1}, {seq: 0, n: 1}, {seq: top, n: 1, dup: true}}},
		{"a batch may wrap inside", []producerCall{{seq: top - 1, n: 4}, {seq: 2, n: 1}, {seq: top - 1, n: 4, dup: true}}},
		{"after 2^31-1 nothing else follows", []producerCall{{seq: top, n: 1}, {seq: 1, n: 1, want: KindOutOfOrderSequence}}},
		{"an older epoch is fenced", []producerCall{{epoch: 1, seq: 0, n: 1}, {epoch: 0, seq: 0, n: 1, want: KindInvalidProducerEpoch}}},
		{"a new epoch begins with 0", []producerCall{
			{seq: 0, n: 5}, {epoch: 1, seq: 5, n: 1, want: KindOutOfOrderSequence}, {epoch: 1, seq: 0, n: 1}, {epoch: 1, seq: 1, n: 1},
		}},
		{"a new epoch forgets batches of the old", []producerCall{{seq: 0, n: 1}, {epoch: 1, seq: 0, n: 1}, {epoch: 1, seq: 0, n: 1, dup: true}}},
		{"a transaction takes no other batches", []producerCall{
			{seq: 0, n: 1, txn: true}, {seq: 1, n: 1, want: KindInvalidTxnState}, {seq: 1, n: 1, txn: true}, {commit: true}, {seq: 2, n: 1},
		}},
		{"a marker of a new epoch fences and resets", []producerCall{
			{seq: 0, n: 1, txn: true}, {epoch: 1}, {seq: 1, n: 1, txn: true, want: KindInvalidProducerEpoch}, {epoch: 1, seq: 0, n: 1, txn: true},
		}},
		{"a marker of an old epoch is refused", []producerCall{{epoch: 1, seq: 0, n: 1, txn: true}, {epoch: 0, want: KindInvalidProducerEpoch}, {epoch: 1}}},
		{"sequences go on after a marker of the same epoch", []producerCall{{seq: 0, n: 2, txn: true}, {commit: true}, {seq: 2, n: 1, txn: true}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, func(e *env) { e.opts.SnapshotBytes = 1 })
			for i, call := range c.calls {
				var r AppendResult
				var err error
				if call.n == 0 {
					_, err = e.part().AppendMarker(9, call.epoch, 0, call.commit)
				} else {
					s := values(make([]string, call.n)...).from(9, call.epoch, call.seq)
					s.txn = call.txn
					before := e.part().Offsets().LogEnd
					r, err = e.part().Append(s.build(), AppendOptions{})
					if call.dup || call.want != KindUnknown {
						require.Equal(t, before, e.part().Offsets().LogEnd, "call %d wrote something", i)
					}
				}
				if call.want != KindUnknown {
					requireKind(t, call.want, err)
				} else {
					require.NoError(t, err, "call %d", i)
					require.Equal(t, call.dup, r.Duplicate, "call %d", i)
				}
				// The rules hold across restarts, from the log and from a snapshot.
				if i%2 == 0 {
					e.kill()
				} else {
					e.reopen()
				}
			}
		})
	}
}

func TestMarkersAreFencedByCoordinatorEpoch(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	mustAppend(t, e.part(), values("a").from(1, 0, 0).inTxn())
	_, err := e.part().AppendMarker(1, 0, 5, true)
	require.NoError(t, err)
	mustAppend(t, e.part(), values("a").from(1, 0, 1).inTxn())
	_, err = e.part().AppendMarker(1, 0, 4, true)
	requireKind(t, KindCoordinatorFenced, err)
	e.kill()
	_, err = e.part().AppendMarker(1, 0, 4, true)
	requireKind(t, KindCoordinatorFenced, err)
	r, err := e.part().AppendMarker(1, 0, 5, true)
	require.NoError(t, err)
	require.True(t, r.Written)
	r, err = e.part().AppendMarker(1, 0, 5, true)
	require.NoError(t, err)
	require.False(t, r.Written)
	r, err = e.part().AppendMarker(2, 0, 5, false)
	require.NoError(t, err)
	require.False(t, r.Written)
}

func TestBeginTxnIsAskedWhereATransactionBegins(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	var asked int
	no := errors.New("not in the transaction")
	opts := AppendOptions{BeginTxn: func(pid int64, epoch int16) error {
		asked++
		require.EqualValues(t, 1, pid)
		if epoch == 9 {
			return no
		}
		return nil
	}}
	add := func(s batchSpec) error {
		_, err := e.part().Append(s.build(), opts)
		return err
	}
	require.NoError(t, add(values("x")))
	require.NoError(t, add(values("x").from(1, 0, 0)))
	require.Zero(t, asked)
	require.NoError(t, add(values("x").from(1, 0, 1).inTxn()))
	require.Equal(t, 1, asked)
	require.NoError(t, add(values("x").from(1, 0, 2).inTxn()))
	require.NoError(t, add(values("x").from(1, 0, 2).inTxn())) // a duplicate
	require.Equal(t, 1, asked)
	require.ErrorIs(t, add(values("x").from(1, 9, 0).inTxn()), no)
	require.Equal(t, 2, asked)
	require.EqualValues(t, 4, e.part().Offsets().LogEnd)
	_, err := e.part().AppendMarker(1, 0, 0, false)
	require.NoError(t, err)
	require.ErrorIs(t, add(values("x").from(1, 9, 0).inTxn()), no)
	require.Equal(t, []ActiveProducer{{ProducerID: 1, LastSequence: 2, LastTimestamp: e.clock.ms(), TxnFirstOffset: -1}}, e.part().ActiveProducers())
}

func TestOpenTransactionsAndAbortedOnesSurvive(t *testing.T) {
	t.Parallel()
	for _, snapshotBytes := range []int64{1, 1 << 20} {
		e := newEnv(t, func(e *env) { e.cfg.SegmentBytes = 150; e.opts.SnapshotBytes = snapshotBytes })
		mustAppend(t, e.part(), values("0").from(1, 0, 0).inTxn())
		mustAppend(t, e.part(), values("1").from(2, 0, 0).inTxn())
		mustAppend(t, e.part(), values("2"))
		mustAppend(t, e.part(), values("3").from(1, 0, 1).inTxn())
		_, err := e.part().AppendMarker(1, 0, 0, false) // 4
		require.NoError(t, err)
		mustAppend(t, e.part(), values("5").from(3, 4, 0).inTxn())
		check := func() {
			p := e.part()
			require.Equal(t, []OpenTxn{{2, 0, 1}, {3, 4, 5}}, p.OpenTransactions())
			require.Equal(t, Offsets{0, 1, 6, 6}, p.Offsets())
			require.Empty(t, readAll(t, p, 0, ReadCommitted, 1000))
		}
		check()
		require.NoError(t, e.store.Maintain(t.Context()))
		check()
		e.kill()
		check()
		e.reopen()
		check()
		_, err = e.part().AppendMarker(2, 0, 0, true) // 6
		require.NoError(t, err)
		require.EqualValues(t, 5, e.part().Offsets().LastStable)
		for range 2 {
			require.Equal(t, []string{"1", "2"}, valuesOf(readAll(t, e.part(), 0, ReadCommitted, 1000)))
			r, err := e.part().Read(ReadRequest{Offset: 3, MaxBytes: 1, MinOneBatch: true, Isolation: ReadCommitted})
			require.NoError(t, err)
			require.Equal(t, []AbortedTxn{{1, 0, 4}}, r.Aborted)
			e.reopen()
		}
		r, err := e.part().Read(ReadRequest{Offset: 2, MaxBytes: 1, MinOneBatch: true})
		require.NoError(t, err)
		require.Nil(t, r.Aborted)
	}
}

func TestIdleProducersAreForgotten(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(e *env) { e.opts.ProducerExpiry = time.Minute })
	p := e.part()
	mustAppend(t, p, values("a").from(1, 0, 0))
	mustAppend(t, p, values("b").from(2, 0, 0).inTxn())
	e.clock.advance(30 * time.Second)
	mustAppend(t, p, values("c").from(3, 0, 0))
	e.clock.advance(31 * time.Second)
	require.NoError(t, e.store.Maintain(t.Context()))
	var left []int64
	for _, a := range p.ActiveProducers() {
		left = append(left, a.ProducerID)
	}
	require.Equal(t, []int64{2, 3}, left) // 2 has a transaction open
	_, err := p.Append(values("c").from(3, 0, 7).build(), AppendOptions{})
	requireKind(t, KindOutOfOrderSequence, err)
	mustAppend(t, p, values("d").from(1, 0, 7))
}

// TestProducersAreBounded: beyond the bound, a partition that meets a new producer forgets the one that has been idle the
// longest, never one with a transaction.
func TestProducersAreBounded(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(e *env) { e.opts.Producers = 4 })
	known := func() (ids []int64) {
		for _, a := range e.part().ActiveProducers() {
			ids = append(ids, a.ProducerID)
		}
		slices.Sort(ids)
		return ids
	}
	add := func(pid int64, txn bool) {
		s := values("x").from(pid, 0, 0)
		s.txn = txn
		mustAppend(t, e.part(), s)
		e.clock.advance(time.Second)
	}
	add(1, true)
	add(2, false)
	add(3, false)
	require.Equal(t, []int64{1, 2, 3}, known())
	add(4, false)
	require.Equal(t, []int64{1, 2, 3, 4}, known())
	require.True(t, mustAppend(t, e.part(), values("x").from(2, 0, 0)).Duplicate)
	mustAppend(t, e.part(), values("x").from(2, 0, 1)) // is idle no more
	add(5, false)
	require.Equal(t, []int64{1, 2, 4, 5}, known())
	require.NoError(t, e.store.Maintain(t.Context())) // counts them
	add(6, false)
	require.Equal(t, []int64{1, 2, 5, 6}, known())
	// What has begun again from nothing is as any other.
	add(3, false)
	require.Equal(t, []int64{1, 3, 5, 6}, known())
	// A partition forgets only its own, so that the bound is passed where it knows nobody yet.
	require.NoError(t, e.store.Create(testTopic, []int32{1}, e.cfg))
	q, _ := e.store.Partition(PartitionID{testTopic, 1})
	mustAppend(t, q, values("x").from(9, 0, 0))
	require.Len(t, q.ActiveProducers(), 1)
	require.Len(t, known(), 4)
	e.kill() // recovery reads all of them again
	require.LessOrEqual(t, len(known()), 4)
	require.Contains(t, known(), int64(1))
}

func TestSnapshotFormat(t *testing.T) {
	t.Parallel()
	s := &snapshot{offset: 100, base: 50, gen: 3, pos: 999, maxTimestamp: -1, firstAppend: 7, lastAppend: 8, producers: newProducerTable()}
	for pid := int64(1); pid < 5; pid++ {
		for i := range pid {
			b := recordbatch.Batch(values("x", "y").from(pid, int16(pid), int32(2*i)).build())
			b.SetPosition(pid*10+2*i, 0)
			s.producers.applyData(b, 5)
		}
	}
	b := recordbatch.Batch(values("x").from(2, 2, 4).inTxn().build())
	b.SetPosition(77, 0)
	s.producers.applyData(b, 6)
	content := s.encode()
	got, err := decodeSnapshot(content)
	require.NoError(t, err)
	require.Equal(t, s, got)
	for i := range content {
		_, err := decodeSnapshot(content[:i])
		require.Error(t, err)
		bad := append([]byte{}, content...)
		bad[i] ^= 0x10
		_, err = decodeSnapshot(bad)
		require.Error(t, err)
	}
}
