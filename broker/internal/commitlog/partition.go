package commitlog

import (
	"cmp"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// Partition is one partition's log. All methods are safe for concurrent use.
//
// Locks, in the order in which they are taken: maintenance (one compaction or
// reopening), saving (one snapshot), mu (everything that changes the log), view.mu (what readers
// see). A write holds mu, but never view.mu, so that readers do not wait for the disk.
type Partition struct {
	store *Store
	id    PartitionID
	dir   string
	log   *slog.Logger
	cfg   atomic.Pointer[PartitionConfig]

	// maintenance is held by Maintain, by a compaction in particular, and by what must not run beside one.
	maintenance sync.Mutex

	// saving is held while a snapshot is saved.
	saving sync.Mutex

	mu sync.Mutex
	// err is why the partition is offline, deleted or closed; then nothing below is used.
	err error
	// recovering: the state is being rebuilt; to readers the partition is still offline.
	recovering bool
	// man is the manifest row as committed.
	man       manifest
	active    activeSegment
	producers *producerTable
	// next is the log end offset.
	next int64
	// synced is the offset up to which everything was synced, files and directory entries.
	synced int64
	// syncing: a sync is running; syncDone is signalled when it ends and when the partition fails.
	syncing bool
	// waiting counts the calls of syncTo.
	waiting  int
	syncDone *sync.Cond
	// unsynced are sealed segments that were not synced yet.
	unsynced []unsyncedSegment
	// hasDir: the partition's directory exists; newDir: it was made since the directory of the store was
	// synced; newFiles: a file was made since the partition's directory was synced.
	hasDir, newDir, newFiles bool
	// done are transactions whose marker is in the log above the high watermark: until the marker
	// is as durable as the store promises, readers of committed records must not pass their beginning.
	done []doneTxn
	// abortedPending are aborted transactions without a row, by LastOffset.
	abortedPending []abortedTxn
	// abortedMax is the last abort marker that has a row, -1 if there is none.
	abortedMax int64
	// snapshotOffset is the offset of the newest saved snapshot, -1 if there is none; unsaved
	// counts the bytes appended since then.
	snapshotOffset int64
	unsaved        int64
	// suspectFrom is the offset after which a sync failed, else -1: the operating system may have
	// dropped what it could not write and still serve it from memory, so that recovery writes it anew.
	suspectFrom int64
	// removals counts how often segments were removed or replaced, or the log start moved. Rows of
	// aborted transactions are only deleted after the change that made them superfluous was published: a reader
	// that missed one sees that the count has changed.
	removals int
	// garbage are the files of segments that are no longer part of the log, to be removed after a while.
	garbage []garbageFile

	view view
}

// unsyncedSegment is a sealed segment that has to be synced; handle has a reference of its own.
type unsyncedSegment struct {
	segmentMeta
	handle *handle
}

// view is what readers see. It is a copy, so that they never wait for a write.
type view struct {
	mu sync.Mutex
	viewState
	waiters []*Waiter
	// hint remembers where the last read ended: a reader that goes on finds its position without a search.
	hint readHint
}

type viewState struct {
	err     error
	offsets Offsets
	// segments are all segments, the active one last; never changed in place but for the copy of the last one's
	// size and times in active.
	segments []segmentMeta
	active   segmentMeta
	// handle and index are those of the active segment; handle is nil if it has no file yet.
	handle         *handle
	index          index
	epochs         []epochStart
	abortedPending []abortedTxn
	abortedMax     int64
	// removals counts how often segments were removed or replaced, or the log start moved.
	removals int
}

type readHint struct {
	base   int64
	gen    uint32
	offset int64
	pos    int64
}

// ID returns the partition's id.
func (p *Partition) ID() PartitionID { return p.id }

// Err returns nil or why the partition is offline, deleted or closed.
func (p *Partition) Err() error {
	p.view.mu.Lock()
	defer p.view.mu.Unlock()
	return p.view.err
}

// Config returns the configuration in force.
func (p *Partition) Config() PartitionConfig { return *p.cfg.Load() }

// SetConfig changes the configuration; appends and Maintain use it from now on.
func (p *Partition) SetConfig(cfg PartitionConfig) { p.cfg.Store(&cfg) }

// Offsets returns the partition's offsets, all of one instant.
func (p *Partition) Offsets() Offsets {
	p.view.mu.Lock()
	defer p.view.mu.Unlock()
	return p.view.offsets
}

// Size returns the bytes of the log's segments.
func (p *Partition) Size() int64 {
	p.view.mu.Lock()
	defer p.view.mu.Unlock()
	size := p.view.active.size
	for _, m := range p.view.segments[:max(0, len(p.view.segments)-1)] {
		size += m.size
	}
	return size
}

// publish makes the state of the log visible and wakes the waiters if a reader could notice.
// p.mu is held.
func (p *Partition) publish() {
	o := Offsets{LogStart: p.man.logStart, LogEnd: p.next, HighWatermark: p.next}
	if p.store.opts.Sync == SyncAlways {
		o.HighWatermark = max(p.synced, o.LogStart)
	}
	for len(p.done) > 0 && p.done[0].last < o.HighWatermark {
		p.done = p.done[1:]
	}
	o.LastStable = o.HighWatermark
	if first, ok := p.producers.firstOpen(); ok {
		o.LastStable = min(o.LastStable, first)
	}
	for _, t := range p.done {
		o.LastStable = min(o.LastStable, t.first)
	}
	// The log start can be inside of an open transaction.
	o.LastStable = max(o.LastStable, o.LogStart)

	err := p.err
	if err == nil && p.recovering {
		err = errRecovering
	}
	v := &p.view
	v.mu.Lock()
	changed := v.offsets.HighWatermark != o.HighWatermark || v.offsets.LastStable != o.LastStable ||
		v.offsets.LogStart != o.LogStart || v.err != err
	v.offsets, v.err = o, err
	v.active = p.active.segmentMeta
	old := v.handle
	if old != p.active.handle {
		// The view has a reference of its own: a reader can take the handle until the moment it is replaced here.
		v.handle = p.active.handle
		if v.handle != nil {
			v.handle.retain()
		}
	} else {
		old = nil
	}
	v.index = p.active.index.index
	v.segments, v.epochs = p.man.segments, p.man.epochs
	v.abortedPending, v.abortedMax = p.abortedPending, p.abortedMax
	v.removals = p.removals
	if changed {
		v.wake()
	}
	v.mu.Unlock()
	if old != nil {
		if err := old.release(); err != nil {
			p.log.Warn("segment file not closed", "err", err)
		}
	}
}

var errRecovering = errorf(KindStorage, "the partition is being recovered")

// fail takes the partition offline, unless it already is. p.mu is held.
func (p *Partition) fail(err error) error {
	if p.err == nil {
		p.err = wrap(KindStorage, err, "partition %s is offline until it is recovered", p.id)
		p.log.Error("partition is offline", "err", err)
		p.end()
	}
	return p.err
}

// end publishes an error and lets nobody wait any longer. p.mu is held.
func (p *Partition) end() {
	p.syncDone.Broadcast()
	p.publish()
}

// commit replaces the manifest row, together with what edit adds to the Pebble batch. p.mu is held.
func (p *Partition) commit(m manifest, edit func(b *pebble.Batch) error) error {
	b := p.store.opts.DB.NewBatch()
	defer b.Close()
	err := b.Set(p.store.rowKey(p.id, rowManifest), m.encode(), nil)
	if err == nil && edit != nil {
		err = edit(b)
	}
	if err == nil {
		err = p.store.opts.Commit(b)
	}
	if err != nil {
		return p.fail(err)
	}
	p.man = m
	return nil
}

// now returns the wall clock in ms.
func (p *Partition) now() int64 { return p.store.opts.Now().UnixMilli() }

// LeaderEpoch returns the current leader epoch. It grows when recovery had to truncate the log.
func (p *Partition) LeaderEpoch() int32 {
	p.view.mu.Lock()
	defer p.view.mu.Unlock()
	return p.view.epochs[len(p.view.epochs)-1].epoch
}

// EndOffsetForEpoch returns the largest known epoch that is at most the given one, and the
// offset at which it ended: the log end for the current epoch. An epoch smaller than all known
// ended where the first known one begins. ok is false for an epoch that is negative or
// larger than the current one (OffsetForLeaderEpoch answers -1, -1).
func (p *Partition) EndOffsetForEpoch(epoch int32) (found int32, end int64, ok bool) {
	p.view.mu.Lock()
	defer p.view.mu.Unlock()
	epochs := p.view.epochs
	last := len(epochs) - 1
	if epoch == epochs[last].epoch {
		return epoch, p.view.offsets.LogEnd, true
	}
	i, _ := slices.BinarySearchFunc(epochs, epoch+1, func(e epochStart, want int32) int { return cmp.Compare(e.epoch, want) })
	if epoch < 0 || i > last {
		return -1, -1, false
	}
	if i == 0 {
		return epoch, epochs[0].start, true
	}
	return epochs[i-1].epoch, epochs[i].start, true
}

// EpochAt returns the leader epoch of the record at an offset.
func (p *Partition) EpochAt(offset int64) int32 {
	p.view.mu.Lock()
	defer p.view.mu.Unlock()
	return epochAt(p.view.epochs, offset)
}

func epochAt(epochs []epochStart, offset int64) int32 {
	for i := len(epochs) - 1; i > 0; i-- {
		if epochs[i].start <= offset {
			return epochs[i].epoch
		}
	}
	return epochs[0].epoch
}

// ActiveProducers lists the producers that the partition remembers, by id.
func (p *Partition) ActiveProducers() []ActiveProducer {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return nil
	}
	all := make([]ActiveProducer, 0, len(p.producers.byID))
	for _, e := range p.producers.sorted() {
		all = append(all, ActiveProducer{
			ProducerID: e.id, Epoch: e.epoch, LastSequence: e.lastSeq(), LastTimestamp: e.lastAppend,
			CoordinatorEpoch: e.coordinatorEpoch, TxnFirstOffset: e.txnFirst,
		})
	}
	return all
}

// OpenTransactions lists the open transactions, by first offset.
func (p *Partition) OpenTransactions() []OpenTxn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return nil
	}
	open := make([]OpenTxn, 0, len(p.producers.open))
	for _, e := range p.producers.open {
		open = append(open, OpenTxn{ProducerID: e.id, Epoch: e.epoch, FirstOffset: e.txnFirst})
	}
	return open
}
