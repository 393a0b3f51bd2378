package commitlog

import (
	"math"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/millrace-go/millrace/broker/internal/commitlog/recordbatch"
)

// Append validates one record batch of a client, appends it and waits until it
// is as durable as the store promises. The bytes belong to Append until it
// returns and are changed by it.
func (p *Partition) Append(batch []byte, opts AppendOptions) (AppendResult, error) {
	r, err := p.AppendStart(batch, opts)
	if err != nil {
		return r, err
	}
	return r, p.WaitDurable(r.LastOffset)
}

// AppendStart is Append without the wait: the batch is in the log, and must not
// be acknowledged before WaitDurable(LastOffset) returned nil. A produce request
// to several partitions starts all of them, then waits.
func (p *Partition) AppendStart(batch []byte, opts AppendOptions) (AppendResult, error) {
	cfg := p.cfg.Load()
	now := p.now()
	b, err := validate(batch, cfg, now)
	if err != nil {
		return AppendResult{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return AppendResult{}, p.err
	}
	dup, err := p.producers.check(b)
	if err != nil {
		return AppendResult{}, err
	}
	if dup != nil {
		return AppendResult{
			BaseOffset: dup.baseOffset, LastOffset: dup.lastOffset, LogAppendTime: dup.logAppendTime,
			LogStartOffset: p.man.logStart, Duplicate: true,
		}, nil
	}
	if p.store.full.Load() {
		return AppendResult{}, errDiskFull
	}
	if opts.BeginTxn != nil && p.producers.beginsTxn(b) {
		if err := opts.BeginTxn(b.ProducerID(), b.ProducerEpoch()); err != nil {
			return AppendResult{}, err
		}
	}
	if err := p.write(b, cfg, now); err != nil {
		return AppendResult{}, err
	}
	p.applyData(b, now)
	p.publish()
	r := AppendResult{BaseOffset: b.BaseOffset(), LastOffset: b.LastOffset(), LogAppendTime: -1, LogStartOffset: p.man.logStart}
	if cfg.LogAppendTime {
		r.LogAppendTime = now
	}
	return r, nil
}

// applyData takes note of a batch that is in the log, within the bound on producers. p.mu is held.
func (p *Partition) applyData(b recordbatch.Batch, now int64) {
	if pid := b.ProducerID(); pid >= 0 && p.producers.byID[pid] == nil {
		if s := p.store; s.producers.Add(1) > int64(s.opts.Producers) {
			s.producers.Add(-int64(p.producers.forget()))
		}
	}
	p.producers.applyData(b, now)
}

// errDiskFull refuses an append without taking the partition offline.
var errDiskFull = wrap(KindStorage, syscall.ENOSPC, "too little free space on the log's disk: free some, or lower the topics' retention")

// AppendMarker ends the transaction that the producer has open in this
// partition with a commit or abort marker and waits until that is durable. It can be
// repeated: with no transaction open it only waits for what was written before.
func (p *Partition) AppendMarker(producerID int64, epoch int16, coordinatorEpoch int32, commit bool) (MarkerResult, error) {
	r, err := p.appendMarker(producerID, epoch, coordinatorEpoch, commit)
	if err != nil {
		return r, err
	}
	return r, p.WaitDurable(r.Offset)
}

func (p *Partition) appendMarker(producerID int64, epoch int16, coordinatorEpoch int32, commit bool) (MarkerResult, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return MarkerResult{}, p.err
	}
	open, err := p.producers.checkMarker(producerID, epoch, coordinatorEpoch)
	if err != nil {
		return MarkerResult{}, err
	}
	if !open {
		// The marker of an earlier attempt may not be synced yet.
		return MarkerResult{Offset: p.next - 1}, nil
	}
	now := p.now()
	m := recordbatch.Marker{
		ProducerID: producerID, ProducerEpoch: epoch, CoordinatorEpoch: coordinatorEpoch, Commit: commit, Timestamp: now,
	}
	b := recordbatch.Batch(recordbatch.AppendMarker(nil, m))
	if err := p.write(b, p.cfg.Load(), now); err != nil {
		return MarkerResult{}, err
	}
	p.applyMarker(m, b.BaseOffset(), now)
	p.publish()
	return MarkerResult{Written: true, Offset: b.BaseOffset()}, nil
}

// applyMarker takes note of a marker that is in the log. p.mu is held.
func (p *Partition) applyMarker(m recordbatch.Marker, offset, now int64) {
	txn, ok := p.producers.applyMarker(m, offset, now)
	if !ok {
		return
	}
	p.done = append(p.done, txn)
	if m.Commit {
		return
	}
	stable := offset + 1
	if first, ok := p.producers.firstOpen(); ok {
		stable = first
	}
	p.abortedPending = append(p.abortedPending, abortedTxn{
		AbortedTxn: AbortedTxn{ProducerID: m.ProducerID, FirstOffset: txn.first, LastOffset: offset},
		stable:     stable,
	})
}

// write gives the batch its offsets and writes it at the end of the active segment, rolling
// before it if need be. p.mu is held.
func (p *Partition) write(b recordbatch.Batch, cfg *PartitionConfig, now int64) error {
	b.SetPosition(p.next, p.man.epochs[len(p.man.epochs)-1].epoch)
	if p.mustRoll(int64(len(b)), b.LastOffset(), cfg, now) {
		if err := p.roll(); err != nil {
			return err
		}
	}
	a := &p.active
	if a.handle == nil {
		if err := p.createActive(); err != nil {
			return p.fail(err)
		}
	}
	if _, err := a.handle.file.WriteAt(b, a.size); err != nil {
		return p.fail(err)
	}
	p.extendActive(b, int64(len(b)), now)
	return nil
}

// extendActive takes note of a batch of size bytes at the end of the active segment, of which b is at least the
// header. p.mu is held.
func (p *Partition) extendActive(b recordbatch.Batch, size, now int64) {
	a := &p.active
	if a.size == 0 {
		a.firstAppend = now
	}
	a.index.add(b.BaseOffset()-a.base, a.size, b.MaxTimestamp())
	a.size += size
	a.next = b.LastOffset() + 1
	a.maxTimestamp = max(a.maxTimestamp, b.MaxTimestamp())
	a.lastAppend = now
	p.next = a.next
	p.unsaved += size
}

// mustRoll reports whether the active segment has no room for size more bytes up to an offset,
// or is too old.
func (p *Partition) mustRoll(size, lastOffset int64, cfg *PartitionConfig, now int64) bool {
	a := &p.active
	return a.size > 0 && (a.size+size > min(cfg.SegmentBytes, math.MaxInt32) ||
		lastOffset-a.base > math.MaxInt32 ||
		p.activeExpired(cfg, now))
}

// activeExpired reports whether the active segment has to be rolled because of its age.
func (p *Partition) activeExpired(cfg *PartitionConfig, now int64) bool {
	age := cfg.SegmentMs
	if cfg.CleanupCompact {
		// Compaction does not touch the active segment: records must leave it in time.
		age = min(age, cfg.MaxCompactionLagMs)
	}
	return p.active.size > 0 && now-p.active.firstAppend >= age
}

// roll seals the active segment and begins a new one. p.mu is held.
func (p *Partition) roll() error {
	m := p.man.clone()
	*m.active() = p.active.segmentMeta
	m.beginSegment(p.next)
	if err := p.commit(m, nil); err != nil {
		return err
	}
	p.seal()
	return nil
}

// seal hands the active segment, which the manifest now says to be sealed, to the handle cache and starts with
// the manifest's new one. p.mu is held.
func (p *Partition) seal() {
	a := &p.active
	h := a.handle
	h.index = a.index.index
	if a.synced < a.size {
		p.unsynced = append(p.unsynced, unsyncedSegment{segmentMeta: a.segmentMeta, handle: h.retain()})
	}
	p.writeIndexFile(a.segmentMeta, a.index.index, a.size, a.maxTimestamp)
	p.store.handles.put(segmentKey{p, a.base, a.gen}, h)
	p.resetActive()
}

// resetActive starts with the manifest's last segment, which has no file yet. p.mu is held.
func (p *Partition) resetActive() {
	m := *p.man.active()
	m.size, m.next, m.maxTimestamp = 0, m.base, -1
	p.active = activeSegment{segmentMeta: m, index: newIndexBuilder(p.indexInterval())}
}

// createActive makes the file of the active segment, and the directory for the first one. p.mu is held.
func (p *Partition) createActive() error {
	fs := p.store.opts.FS
	if !p.hasDir {
		if err := fs.MkdirAll(p.dir, 0o755); err != nil {
			return err
		}
		p.hasDir = true
		p.newDir = true
	}
	// A file of that name can only be the rest of a write that failed and was never in the manifest.
	path := p.path(p.active.logName())
	created, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if err := created.Close(); err != nil {
		return err
	}
	// Only files opened this way can be written at a position.
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	p.active.handle = newHandle(f, nil)
	p.newFiles = true
	return nil
}
