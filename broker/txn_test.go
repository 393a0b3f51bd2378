package broker_test

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker"
)

// transaction runs one transaction over both partitions of out, with an offset, step by step, and stops at the first
// step that is not acknowledged. It reports whether the end was.
type transaction struct {
	id     string
	pid    int64
	epoch  int16
	value  string
	offset int64
	commit bool
}

// try sends a request like do, but accepts that there is no answer.
func try[R kmsg.Response](r *wireConn, version int16, req kmsg.Request) (resp R, ok bool) {
	req.SetVersion(version)
	r.next++
	if _, err := r.conn.Write(kmsg.NewRequestFormatter().AppendRequest(nil, req, r.next)); err != nil {
		return resp, false
	}
	a, ok := r.receive(req)
	if !ok {
		return resp, false
	}
	return a.(R), true
}

func (x *transaction) run(r *wireConn) (ended bool) {
	for p := range int32(2) {
		req := kmsg.NewPtrProduceRequest()
		req.Acks, req.TransactionID = -1, &x.id
		b := batch{values: []string{x.value}, producer: x.pid, epoch: x.epoch, txn: true}
		req.Topics = []kmsg.ProduceRequestTopic{{Topic: "out", Partitions: []kmsg.ProduceRequestTopicPartition{{Partition: p, Records: b.bytes()}}}}
		resp, ok := try[*kmsg.ProduceResponse](r, 12, req)
		if !ok || resp.Topics[0].Partitions[0].ErrorCode != 0 {
			return false
		}
	}
	resp, ok := try[*kmsg.TxnOffsetCommitResponse](r, 5, x.offsets())
	if !ok || resp.Topics[0].Partitions[0].ErrorCode != 0 {
		return false
	}
	end := kmsg.NewPtrEndTxnRequest()
	end.TransactionalID, end.ProducerID, end.ProducerEpoch, end.Commit = x.id, x.pid, x.epoch, x.commit
	ended2, ok := try[*kmsg.EndTxnResponse](r, 5, end)
	if !ok || ended2.ErrorCode != 0 {
		return false
	}
	x.pid, x.epoch = ended2.ProducerID, ended2.ProducerEpoch
	return true
}

func (x *transaction) offsets() *kmsg.TxnOffsetCommitRequest {
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.Group, req.ProducerID, req.ProducerEpoch, req.Generation = x.id, "g", x.pid, x.epoch, -1
	p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	p.Offset, p.LeaderEpoch = x.offset, -1
	req.Topics = []kmsg.TxnOffsetCommitRequestTopic{{Topic: "in", Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{p}}}
	return req
}

// committedOffset returns what the group has committed for in, -1 if nothing.
func (r *wireConn) committedOffset(stable bool) (int64, int16) {
	r.t.Helper()
	req := kmsg.NewPtrOffsetFetchRequest()
	req.RequireStable = stable
	req.Groups = []kmsg.OffsetFetchRequestGroup{{Group: "g", MemberEpoch: -1, Topics: []kmsg.OffsetFetchRequestGroupTopic{{Topic: "in", Partitions: []int32{0}}}}}
	g := do[*kmsg.OffsetFetchResponse](r, 8, req).Groups[0]
	require.Zero(r.t, g.ErrorCode)
	return g.Topics[0].Partitions[0].Offset, g.Topics[0].Partitions[0].ErrorCode
}

// visible returns the values that a read-committed reader of a partition sees, and whether the last stable offset is
// the end.
func (r *wireConn) visible(partition int32) (values []string, stable bool) {
	r.t.Helper()
	f := r.fetch("out", partition, 0, func(r *kmsg.FetchRequest) { r.IsolationLevel = 1 })
	require.Zero(r.t, f.ErrorCode)
	aborted := map[int64][]int64{}
	for _, a := range f.AbortedTransactions {
		aborted[a.ProducerID] = append(aborted[a.ProducerID], a.FirstOffset)
	}
	skip := map[int64]bool{}
	for b := f.RecordBatches; len(b) > 0; {
		var rb kmsg.RecordBatch
		n := 12 + int(binary.BigEndian.Uint32(b[8:]))
		require.NoError(r.t, rb.ReadFrom(b[:n]))
		b = b[n:]
		if first := aborted[rb.ProducerID]; len(first) > 0 && rb.FirstOffset >= first[0] {
			skip[rb.ProducerID] = true
			aborted[rb.ProducerID] = first[1:]
		}
		switch {
		case rb.Attributes&0x20 != 0:
			skip[rb.ProducerID] = false
		case skip[rb.ProducerID]:
		default:
			for rest := rb.Records; len(rest) > 0; {
				size, width := kbin.Varint(rest)
				var rec kmsg.Record
				require.NoError(r.t, rec.ReadFrom(rest[:width+int(size)]))
				values = append(values, string(rec.Value))
				rest = rest[width+int(size):]
			}
		}
	}
	return values, f.LastStableOffset == f.HighWatermark
}

// deaths are the ways in which a broker ends, by what is left of what it has written and not synced, in percent.
var deaths = []struct {
	name string
	sync broker.Sync
	kept int
}{{"killed, sync never", broker.SyncNever, 100}, {"killed, sync always", broker.SyncAlways, 100}, {"loss of power, sync always", broker.SyncAlways, 0}}

// TestDeathAtEveryStepOfATransaction ends the broker at every single operation on its files while a transaction
// commits and another one aborts, and starts it again on what was left. By default, and not before a change lands, it is
// one operation of five.
func TestDeathAtEveryStepOfATransaction(t *testing.T) {
	t.Parallel()
	for _, d := range deaths {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			done, step := false, int64(1)
			if os.Getenv(killsEnv) == "" {
				step = 5
			}
			for n := int64(0); !done; n += step {
				if done = dieAfter(t, d.sync, d.kept, n); done {
					t.Logf("%d operations", n)
				}
			}
		})
	}
}

// dieAfter lets n operations happen. It reports whether the transactions were over by then.
func dieAfter(t *testing.T, sync broker.Sync, kept int, n int64) (survived bool) {
	disk := vfs.NewCrashableMem()
	left := &atomic.Int64{}
	left.Store(1 << 40)
	cfg := broker.Config{FS: dyingFS{disk, left}, Dir: "d", Sync: sync, Logger: slog.New(slog.DiscardHandler)}
	b, err := broker.Start(cfg)
	require.NoError(t, err)
	createTopic(t, b, "in", 1, nil)
	createTopic(t, b, "out", 2, nil)
	r := dialWire(t, b)
	good := &transaction{id: "x", value: "kept", offset: 5, commit: true}
	good.pid, good.epoch = r.initProducer("x")
	left.Store(n)
	committed := good.run(r)
	bad := *good
	bad.value, bad.offset, bad.commit = "dropped", 6, false
	if committed {
		survived = bad.run(dialWire(t, b))
	}
	left.Store(-1)
	disk = corpse(disk, kept)
	_ = b.Close() // it can write nothing any more

	// The start after that dies too, again and again, a little later every time.
	for ops := n % 4; ; ops += 4 {
		left.Store(ops)
		cfg.FS = dyingFS{disk, left}
		b, err := broker.Start(cfg)
		alive := left.Swap(-1) >= 0
		disk = corpse(disk, kept)
		if err == nil {
			_ = b.Close() // as above
		}
		if alive {
			break
		}
	}
	cfg.FS, cfg.Logger = disk, logger(t)
	b, err = broker.Start(cfg)
	require.NoError(t, err, "after %d operations", n)
	defer func() { require.NoError(t, b.Close()) }()
	r = dialWire(t, b)
	r.initProducer("x") // the next instance of the application
	offset, code := r.committedOffset(true)
	require.Zero(t, code, "after %d operations", n)
	seen := offset == 5
	for p := range int32(2) {
		values, stable := r.visible(p)
		require.True(t, stable, "after %d operations: partition %d has an open transaction", n, p)
		want := []string(nil)
		if seen {
			want = []string{"kept"}
		}
		require.Equal(t, want, values, "after %d operations: partition %d does not agree with the offset %d", n, p, offset)
	}
	if committed {
		require.True(t, seen, "after %d operations: a transaction that was acknowledged is gone", n)
	} else {
		require.Contains(t, []int64{5, -1}, offset)
	}
	return survived
}

// corpse returns what is left on a disk: everything when the process dies, perhaps nothing that was not synced when the
// machine does.
func corpse(disk *vfs.MemFS, kept int) *vfs.MemFS {
	return disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: rand.New(rand.NewPCG(1, 1))})
}

// TestOpenTransactionSurvives: what was written before a stop or a death is committed after it, by the same producer, or
// aborted when its time is up.
func TestOpenTransactionSurvives(t *testing.T) {
	t.Parallel()
	for _, d := range deaths {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			openTransaction(t, d.sync, func(disk *vfs.MemFS, b *broker.Broker) *vfs.MemFS {
				left := corpse(disk, d.kept)
				require.NoError(t, b.Close())
				return left
			})
		})
	}
	t.Run("stopped", func(t *testing.T) {
		t.Parallel()
		openTransaction(t, broker.SyncNever, func(disk *vfs.MemFS, b *broker.Broker) *vfs.MemFS {
			require.NoError(t, b.Close())
			return disk
		})
	})
}

func openTransaction(t *testing.T, sync broker.Sync, stop func(*vfs.MemFS, *broker.Broker) *vfs.MemFS) {
	disk := vfs.NewCrashableMem()
	var ahead atomic.Int64 // of the clock, in ns
	cfg := broker.Config{FS: disk, Dir: "d", Sync: sync, Logger: logger(t), Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }}
	b, err := broker.Start(cfg)
	require.NoError(t, err)
	createTopic(t, b, "in", 1, nil)
	createTopic(t, b, "out", 2, nil)
	r := dialWire(t, b)
	id := "x"
	pid, epoch := r.initProducer(id)
	require.Zero(t, r.produce(12, &id, "out", 0, batch{values: []string{"a"}, producer: pid, epoch: epoch, txn: true}.bytes()).ErrorCode)
	x := &transaction{id: id, pid: pid, epoch: epoch, offset: 3}
	require.Zero(t, do[*kmsg.TxnOffsetCommitResponse](r, 5, x.offsets()).Topics[0].Partitions[0].ErrorCode)
	other := "y"
	pid2, epoch2 := r.initProducer(other)
	require.Zero(t, r.produce(12, &other, "out", 1, batch{values: []string{"late"}, producer: pid2, epoch: epoch2, txn: true}.bytes()).ErrorCode)
	disk = stop(disk, b)

	cfg.FS = disk
	b, err = broker.Start(cfg)
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close()) }()
	r = dialWire(t, b)
	values, stable := r.visible(0)
	require.Empty(t, values)
	require.False(t, stable, "the transaction is still open")
	_, code := r.committedOffset(true)
	require.Equal(t, kerr.UnstableOffsetCommit.Code, code)
	require.Zero(t, r.produce(12, &id, "out", 1, batch{values: []string{"b"}, producer: pid, epoch: epoch, txn: true}.bytes()).ErrorCode)
	end := r.endTxn(id, pid, epoch, true)
	require.Zero(t, end.ErrorCode)
	require.Equal(t, epoch+1, end.ProducerEpoch)
	values, stable = r.visible(0)
	require.Equal(t, []string{"a"}, values)
	require.True(t, stable)
	values, stable = r.visible(1)
	require.Empty(t, values)
	require.False(t, stable, "the other transaction is still open")
	ahead.Store(int64(2 * time.Minute)) // longer than the transaction may last
	require.Eventually(t, func() bool {
		values, stable = r.visible(1)
		return stable
	}, patience, 10*time.Millisecond)
	require.Equal(t, []string{"b"}, values)
	require.Equal(t, kerr.InvalidTxnState.Code, r.endTxn(other, pid2, epoch2, true).ErrorCode)
	offset, code := r.committedOffset(true)
	require.Zero(t, code)
	require.EqualValues(t, 3, offset)

	// The end again, and the opposite: the same answer, and a refusal.
	again := r.endTxn(id, pid, epoch, true)
	require.Zero(t, again.ErrorCode)
	require.Equal(t, end.ProducerEpoch, again.ProducerEpoch)
	require.Equal(t, kerr.InvalidTxnState.Code, r.endTxn(id, pid, epoch, false).ErrorCode)
}

// TestZombiesAreFenced: after a new instance has taken over, nothing of the old one gets through.
func TestZombiesAreFenced(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	createTopic(t, b, "in", 1, nil)
	createTopic(t, b, "out", 1, nil)
	r := dialWire(t, b)
	id := "x"
	pid, old := r.initProducer(id)
	write := func(epoch int16, v string) int16 {
		return r.produce(12, &id, "out", 0, batch{values: []string{v}, producer: pid, epoch: epoch, txn: true}.bytes()).ErrorCode
	}
	require.Zero(t, write(old, "lost"))
	_, fresh := r.initProducer(id)
	require.Greater(t, fresh, old)
	require.Equal(t, kerr.InvalidProducerEpoch.Code, write(old, "zombie"))
	zombie := &transaction{id: id, pid: pid, epoch: old, offset: 9}
	require.Equal(t, kerr.InvalidProducerEpoch.Code, do[*kmsg.TxnOffsetCommitResponse](r, 5, zombie.offsets()).Topics[0].Partitions[0].ErrorCode)
	require.Equal(t, kerr.ProducerFenced.Code, r.endTxn(id, pid, old, true).ErrorCode)
	// Older clients know only the older of the two codes.
	for version, code := range map[int16]int16{1: kerr.InvalidProducerEpoch.Code, 2: kerr.ProducerFenced.Code} {
		add := &kmsg.AddPartitionsToTxnRequest{TransactionalID: id, ProducerID: pid, ProducerEpoch: old, Topics: []kmsg.AddPartitionsToTxnRequestTopic{{Topic: "out", Partitions: []int32{0}}}}
		require.Equal(t, code, do[*kmsg.AddPartitionsToTxnResponse](r, version, add).Topics[0].Partitions[0].ErrorCode)
		group := &kmsg.AddOffsetsToTxnRequest{TransactionalID: id, ProducerID: pid, ProducerEpoch: old, Group: "g"}
		require.Equal(t, code, do[*kmsg.AddOffsetsToTxnResponse](r, version, group).ErrorCode)
		end := &kmsg.EndTxnRequest{TransactionalID: id, ProducerID: pid, ProducerEpoch: old}
		require.Equal(t, code, do[*kmsg.EndTxnResponse](r, version, end).ErrorCode)
		again := &kmsg.InitProducerIDRequest{TransactionalID: &id, TransactionTimeoutMillis: 1000, ProducerID: pid, ProducerEpoch: old}
		require.Equal(t, code, do[*kmsg.InitProducerIDResponse](r, version+2, again).ErrorCode)
	}
	require.Zero(t, write(fresh, "kept"))
	require.Zero(t, r.endTxn(id, pid, fresh, true).ErrorCode)
	values, _ := r.visible(0)
	require.Equal(t, []string{"kept"}, values)

	// A batch of the transaction that has ended, which was on its way for long, cannot join the next one.
	require.Equal(t, kerr.InvalidProducerEpoch.Code, write(fresh, "late"))
	// A batch cannot go around its coordinator by calling itself something else.
	require.NotZero(t, r.produce(12, nil, "out", 0, batch{values: []string{"sly"}, idempotent: true, producer: pid, epoch: old}.bytes()).ErrorCode)
	other := "y"
	require.Equal(t, kerr.InvalidProducerIDMapping.Code,
		r.produce(12, &other, "out", 0, batch{values: []string{"sly"}, producer: pid, epoch: fresh + 1, txn: true}.bytes()).ErrorCode)
	// KIP-447: a member of no generation of the group.
	gone := &transaction{id: id, pid: pid, epoch: fresh + 1, offset: 9}
	req := gone.offsets()
	req.Generation, req.MemberID = 3, "nobody"
	require.NotZero(t, do[*kmsg.TxnOffsetCommitResponse](r, 5, req).Topics[0].Partitions[0].ErrorCode)
}

// TestVersion1ClientsRegisterFirst: without KIP-890 a partition has to be registered before it is written to.
func TestVersion1ClientsRegisterFirst(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	createTopic(t, b, "in", 1, nil)
	createTopic(t, b, "out", 2, nil)
	r := dialWire(t, b)
	id := "x"
	pid, epoch := r.initProducer(id)
	write := func(p int32) int16 {
		return r.produce(11, &id, "out", p, batch{values: []string{"a"}, producer: pid, epoch: epoch, txn: true}.bytes()).ErrorCode
	}
	require.Equal(t, kerr.InvalidTxnState.Code, write(0))
	add := kmsg.NewPtrAddPartitionsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch = id, pid, epoch
	add.Topics = []kmsg.AddPartitionsToTxnRequestTopic{{Topic: "out", Partitions: []int32{0, 7}}}
	got := do[*kmsg.AddPartitionsToTxnResponse](r, 3, add).Topics[0].Partitions
	require.Equal(t, kerr.OperationNotAttempted.Code, got[0].ErrorCode)
	require.Equal(t, kerr.UnknownTopicOrPartition.Code, got[1].ErrorCode)
	add.Topics[0].Partitions = []int32{0}
	require.Zero(t, do[*kmsg.AddPartitionsToTxnResponse](r, 3, add).Topics[0].Partitions[0].ErrorCode)
	require.Zero(t, write(0))
	require.Equal(t, kerr.InvalidTxnState.Code, write(1))

	x := &transaction{id: id, pid: pid, epoch: epoch, offset: 4}
	require.Equal(t, kerr.InvalidTxnState.Code, do[*kmsg.TxnOffsetCommitResponse](r, 4, x.offsets()).Topics[0].Partitions[0].ErrorCode)
	group := kmsg.NewPtrAddOffsetsToTxnRequest()
	group.TransactionalID, group.ProducerID, group.ProducerEpoch, group.Group = id, pid, epoch, "g"
	require.Zero(t, do[*kmsg.AddOffsetsToTxnResponse](r, 4, group).ErrorCode)
	require.Zero(t, do[*kmsg.TxnOffsetCommitResponse](r, 4, x.offsets()).Topics[0].Partitions[0].ErrorCode)
	end := kmsg.NewPtrEndTxnRequest()
	end.TransactionalID, end.ProducerID, end.ProducerEpoch, end.Commit = id, pid, epoch, true
	for range 2 { // a repeated end has the same answer
		require.Zero(t, do[*kmsg.EndTxnResponse](r, 4, end).ErrorCode)
	}
	offset, _ := r.committedOffset(true)
	require.EqualValues(t, 4, offset)
}

// TestOperatorsSeeTransactions: what is open can be listed, described and ended by hand.
func TestOperatorsSeeTransactions(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	createTopic(t, b, "out", 1, nil)
	r := dialWire(t, b)
	id := "x"
	pid, epoch := r.initProducer(id)
	require.Zero(t, r.produce(12, &id, "out", 0, batch{values: []string{"a"}, producer: pid, epoch: epoch, txn: true}.bytes()).ErrorCode)

	list := kmsg.NewPtrListTransactionsRequest()
	list.StateFilters = []string{"Ongoing", "Nonsense"}
	listed := do[*kmsg.ListTransactionsResponse](r, 1, list)
	require.Equal(t, []string{"Nonsense"}, listed.UnknownStateFilters)
	require.Len(t, listed.TransactionStates, 1)
	describe := kmsg.NewPtrDescribeTransactionsRequest()
	describe.TransactionalIDs = []string{id, "nobody"}
	described := do[*kmsg.DescribeTransactionsResponse](r, 0, describe).TransactionStates
	require.Equal(t, "Ongoing", described[0].State)
	require.Equal(t, "out", described[0].Topics[0].Topic)
	require.Equal(t, kerr.TransactionalIDNotFound.Code, described[1].ErrorCode)
	producers := kmsg.NewPtrDescribeProducersRequest()
	producers.Topics = []kmsg.DescribeProducersRequestTopic{{Topic: "out", Partitions: []int32{0, 5}}}
	ps := do[*kmsg.DescribeProducersResponse](r, 0, producers).Topics[0].Partitions
	require.Equal(t, pid, ps[0].ActiveProducers[0].ProducerID)
	require.Zero(t, ps[0].ActiveProducers[0].CurrentTxnStartOffset)
	require.Equal(t, kerr.UnknownTopicOrPartition.Code, ps[1].ErrorCode)

	markers := kmsg.NewPtrWriteTxnMarkersRequest()
	m := kmsg.NewWriteTxnMarkersRequestMarker()
	m.ProducerID, m.ProducerEpoch, m.Topics = pid, epoch, []kmsg.WriteTxnMarkersRequestMarkerTopic{{Topic: "out", Partitions: []int32{0}}}
	markers.Markers = append(markers.Markers, m)
	require.Zero(t, do[*kmsg.WriteTxnMarkersResponse](r, 1, markers).Markers[0].Topics[0].Partitions[0].ErrorCode)
	_, stable := r.visible(0)
	require.True(t, stable)
}

// TestInterleavedTransactions: committed and aborted transactions of several producers in one partition are told apart,
// after a restart too.
func TestInterleavedTransactions(t *testing.T) {
	t.Parallel()
	cfg := broker.Config{FS: vfs.NewMem(), Dir: "d", Logger: logger(t)}
	b, err := broker.Start(cfg)
	require.NoError(t, err)
	createTopic(t, b, "out", 1, nil)
	r := dialWire(t, b)
	type producer struct {
		id    string
		pid   int64
		epoch int16
	}
	var ps []producer
	for i := range 4 {
		p := producer{id: fmt.Sprint("x", i)}
		p.pid, p.epoch = r.initProducer(p.id)
		ps = append(ps, p)
	}
	var want []string
	for round := range 10 {
		for seq := range int32(2) {
			for i, p := range ps {
				v := fmt.Sprint(round, "-", i, "-", seq)
				require.Zero(t, r.produce(12, &p.id, "out", 0, batch{values: []string{v}, producer: p.pid, epoch: p.epoch, sequence: seq, txn: true}.bytes()).ErrorCode)
				if (round+i)%3 != 0 {
					want = append(want, v)
				}
			}
		}
		for i := range ps {
			end := r.endTxn(ps[i].id, ps[i].pid, ps[i].epoch, (round+i)%3 != 0)
			require.Zero(t, end.ErrorCode)
			ps[i].epoch = end.ProducerEpoch
		}
	}
	got, stable := r.visible(0)
	require.True(t, stable)
	require.Equal(t, want, got)
	require.NoError(t, b.Close())
	b, err = broker.Start(cfg)
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close()) }()
	got, _ = dialWire(t, b).visible(0)
	require.Equal(t, want, got)
}

// TestReaderWaitsBetweenAnAbortAndAnOpenTransaction: the records below the last stable offset are aborted, and their marker lies
// above it, behind those of a transaction that is open. A reader of committed records gets as far as that, waits, and goes on
// when the other transaction ends, and what it has asked behind its wait is answered then.
func TestReaderWaitsBetweenAnAbortAndAnOpenTransaction(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	createTopic(t, b, "out", 1, nil)
	r := dialWire(t, b)
	write := func(id string, pid int64, epoch int16, values ...string) {
		require.Zero(t, r.produce(12, &id, "out", 0, batch{values: values, producer: pid, epoch: epoch, txn: true}.bytes()).ErrorCode)
	}
	pid, epoch := r.initProducer("aborts")
	write("aborts", pid, epoch, "lost", "lost too") // 0, 1
	pid2, epoch2 := r.initProducer("commits")
	write("commits", pid2, epoch2, "kept", "kept too") // 2, 3
	require.Zero(t, r.endTxn("aborts", pid, epoch, false).ErrorCode)

	committed := func(wait time.Duration) func(*kmsg.FetchRequest) {
		return func(r *kmsg.FetchRequest) { r.IsolationLevel, r.MaxWaitMillis = 1, int32(wait.Milliseconds()) }
	}
	got := r.fetch("out", 0, 0, committed(0))
	require.EqualValues(t, 2, got.LastStableOffset)
	require.Equal(t, []int64{0}, baseOffsets(got.RecordBatches))
	require.Len(t, got.AbortedTransactions, 1)
	require.EqualValues(t, 0, got.AbortedTransactions[0].FirstOffset)
	require.Empty(t, r.fetch("out", 0, 2, committed(0)).RecordBatches)

	poll := dialWire(t, b)
	req := fetchRequest("out", 0, 2)
	req.SetVersion(12)
	committed(2 * patience)(req)
	poll.send(req)
	behind := kmsg.NewPtrListOffsetsRequest()
	behind.SetVersion(7)
	behind.IsolationLevel = 1
	behind.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: "out", Partitions: []kmsg.ListOffsetsRequestTopicPartition{{Timestamp: -1, CurrentLeaderEpoch: -1}}}}
	poll.send(behind)
	require.Zero(t, r.endTxn("commits", pid2, epoch2, true).ErrorCode)
	resp, ok := poll.receive(req)
	require.True(t, ok)
	p := resp.(*kmsg.FetchResponse).Topics[0].Partitions[0]
	require.Equal(t, []int64{2, 4, 5}, baseOffsets(p.RecordBatches), "two records, and both markers")
	require.EqualValues(t, 6, p.LastStableOffset)
	resp, ok = poll.receive(behind)
	require.True(t, ok)
	require.Zero(t, resp.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].ErrorCode)
}
