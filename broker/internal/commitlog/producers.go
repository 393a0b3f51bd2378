package commitlog

import (
	"cmp"
	"slices"

	"github.com/millrace-go/millrace/broker/internal/commitlog/recordbatch"
)

// rememberedBatches is how many batches of a producer are recognised when they
// are sent again: as many as a client may have in flight.
const rememberedBatches = 5

// batchMeta identifies an appended batch of an idempotent producer.
type batchMeta struct {
	firstSeq, lastSeq      int32
	baseOffset, lastOffset int64
	logAppendTime          int64 // -1 if the records keep their own time
}

// producer is what a partition knows of one producer id.
type producer struct {
	id               int64
	epoch            int16
	coordinatorEpoch int32
	// lastAppend is the wall clock of the last append in ms; it decides about expiry.
	lastAppend int64
	// txnFirst is the first offset of the open transaction, -1 if there is none.
	txnFirst int64
	// lastData is the last offset of the last data batch, -1 if there was none: compaction keeps
	// that batch, emptied if need be, so that the sequence can be rebuilt from the log.
	lastData int64
	// batches holds the last batches of this epoch, oldest first; count of them are in use.
	batches [rememberedBatches]batchMeta
	count   int
}

// lastSeq returns the sequence of the last record of this epoch, NoSequence if there is none.
func (e *producer) lastSeq() int32 {
	if e.count == 0 {
		return recordbatch.NoSequence
	}
	return e.batches[e.count-1].lastSeq
}

// remember adds a batch, forgetting the oldest if there are too many.
func (e *producer) remember(m batchMeta) {
	if e.count == rememberedBatches {
		copy(e.batches[:], e.batches[1:])
		e.count--
	}
	e.batches[e.count] = m
	e.count++
}

// doneTxn is a transaction that has got its marker.
type doneTxn struct{ first, last int64 }

// producerTable is the state of a partition's idempotent and transactional
// producers. It is driven by the log: first check, then write, then apply, so
// that a failed write leaves no trace; recovery only applies. It does no I/O.
type producerTable struct {
	byID map[int64]*producer
	// open lists the producers with an open transaction by txnFirst, which is the order in which
	// they began.
	open []*producer
}

func newProducerTable() *producerTable {
	return &producerTable{byID: make(map[int64]*producer)}
}

// check says whether the batch of a client may be appended. If it has been appended
// before, dup is where.
func (t *producerTable) check(b recordbatch.Batch) (dup *batchMeta, err error) {
	pid, epoch := b.ProducerID(), b.ProducerEpoch()
	if pid < 0 {
		return nil, nil
	}
	e := t.byID[pid]
	if e == nil {
		// Nothing is known, perhaps because the producer was idle for so long that it was
		// forgotten: any sequence is accepted (KIP-360).
		return nil, nil
	}
	if epoch < e.epoch {
		return nil, errorf(KindInvalidProducerEpoch,
			"producer %d comes with epoch %d, the partition has seen epoch %d: a newer instance has taken over", pid, epoch, e.epoch)
	}
	first, last := b.BaseSequence(), b.LastSequence()
	if epoch > e.epoch {
		if first != 0 {
			return nil, errorf(KindOutOfOrderSequence,
				"producer %d begins epoch %d with sequence %d instead of 0", pid, epoch, first)
		}
		return nil, nil
	}
	for i := range e.count {
		if m := &e.batches[i]; m.firstSeq == first && m.lastSeq == last {
			return m, nil
		}
	}
	if want := recordbatch.AddSequence(e.lastSeq(), 1); first != want {
		return nil, errorf(KindOutOfOrderSequence,
			"producer %d epoch %d sent sequence %d, the next one is %d", pid, epoch, first, want)
	}
	if e.txnFirst >= 0 && !b.Transactional() {
		return nil, errorf(KindInvalidTxnState,
			"producer %d has a transaction open in the partition and sent a batch outside of it", pid)
	}
	return nil, nil
}

// beginsTxn reports whether appending b would begin a transaction in the partition or take
// one over under a newer epoch.
func (t *producerTable) beginsTxn(b recordbatch.Batch) bool {
	if !b.Transactional() {
		return false
	}
	e := t.byID[b.ProducerID()]
	return e == nil || e.txnFirst < 0 || b.ProducerEpoch() > e.epoch
}

// checkMarker says whether a marker may be written; open is false if the producer has no open
// transaction, so that there is nothing to write.
func (t *producerTable) checkMarker(pid int64, epoch int16, coordinatorEpoch int32) (open bool, err error) {
	e := t.byID[pid]
	if e == nil {
		return false, nil
	}
	if epoch < e.epoch {
		return false, errorf(KindInvalidProducerEpoch,
			"marker of producer %d epoch %d, the partition has seen epoch %d", pid, epoch, e.epoch)
	}
	if coordinatorEpoch < e.coordinatorEpoch {
		return false, errorf(KindCoordinatorFenced,
			"marker of coordinator epoch %d, the partition has seen %d", coordinatorEpoch, e.coordinatorEpoch)
	}
	return e.txnFirst >= 0, nil
}

// entry returns the producer's entry, made if need be, at the given epoch: a newer epoch
// forgets the batches of the older one.
func (t *producerTable) entry(pid int64, epoch int16, now int64) *producer {
	e := t.byID[pid]
	if e == nil {
		e = &producer{id: pid, epoch: epoch, coordinatorEpoch: -1, txnFirst: -1, lastData: -1}
		t.byID[pid] = e
	}
	if epoch > e.epoch {
		e.epoch = epoch
		e.count = 0
	}
	e.lastAppend = now
	return e
}

// applyData takes note of a data batch that is in the log.
func (t *producerTable) applyData(b recordbatch.Batch, now int64) {
	pid := b.ProducerID()
	if pid < 0 {
		return
	}
	e := t.entry(pid, b.ProducerEpoch(), now)
	m := batchMeta{
		firstSeq: b.BaseSequence(), lastSeq: b.LastSequence(),
		baseOffset: b.BaseOffset(), lastOffset: b.LastOffset(), logAppendTime: -1,
	}
	if b.LogAppendTime() {
		m.logAppendTime = b.MaxTimestamp()
	}
	e.remember(m)
	e.lastData = m.lastOffset
	if b.Transactional() && e.txnFirst < 0 {
		e.txnFirst = m.baseOffset
		t.open = append(t.open, e)
	}
}

// applyMarker takes note of a marker at offset and returns the transaction that it ended;
// ok is false if none was open.
func (t *producerTable) applyMarker(m recordbatch.Marker, offset, now int64) (txn doneTxn, ok bool) {
	e := t.entry(m.ProducerID, m.ProducerEpoch, now)
	e.coordinatorEpoch = max(e.coordinatorEpoch, m.CoordinatorEpoch)
	if e.txnFirst < 0 {
		return doneTxn{}, false
	}
	txn = doneTxn{first: e.txnFirst, last: offset}
	e.txnFirst = -1
	t.open = slices.DeleteFunc(t.open, func(o *producer) bool { return o == e })
	return txn, true
}

// firstOpen returns the first offset of the oldest open transaction; ok is false if none is open.
func (t *producerTable) firstOpen() (offset int64, ok bool) {
	if len(t.open) == 0 {
		return 0, false
	}
	return t.open[0].txnFirst, true
}

// expire forgets the producers without an open transaction that were last seen before the
// given time.
func (t *producerTable) expire(before int64) (n int) {
	for id, e := range t.byID {
		if e.txnFirst < 0 && e.lastAppend < before {
			delete(t.byID, id)
			n++
		}
	}
	return n
}

// forget makes room: it forgets a sixteenth of the producers without an open transaction, but at least one, those that
// have been idle the longest.
func (t *producerTable) forget() (n int) {
	idle := make([]*producer, 0, len(t.byID))
	for _, e := range t.byID {
		if e.txnFirst < 0 {
			idle = append(idle, e)
		}
	}
	slices.SortFunc(idle, func(a, b *producer) int {
		return cmp.Or(cmp.Compare(a.lastAppend, b.lastAppend), cmp.Compare(a.id, b.id))
	})
	idle = idle[:min(len(idle), len(idle)/16+1)]
	for _, e := range idle {
		delete(t.byID, e.id)
	}
	return len(idle)
}

// sorted returns the producers by id.
func (t *producerTable) sorted() []*producer {
	all := make([]*producer, 0, len(t.byID))
	for _, e := range t.byID {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b *producer) int { return cmp.Compare(a.id, b.id) })
	return all
}
