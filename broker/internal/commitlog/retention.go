package commitlog

import (
	"math"

	"github.com/cockroachdb/errors/oserror"
	"github.com/cockroachdb/pebble/v2"
)

// DeleteRecordsBefore moves the log start to offset (-1: the high watermark) and returns
// the new log start. It is durable when it returns. An offset past the high watermark is
// [KindOffsetOutOfRange]; one below the log start changes nothing.
func (p *Partition) DeleteRecordsBefore(offset int64) (logStart int64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return -1, p.err
	}
	highWatermark := p.view.offsets.HighWatermark // written under p.mu only
	if offset == -1 {
		offset = highWatermark
	}
	if offset < 0 || offset > highWatermark {
		return -1, errorf(KindOffsetOutOfRange, "delete records before %d, %s has %d to %d", offset, p.id, p.man.logStart, highWatermark)
	}
	if offset <= p.man.logStart {
		return p.man.logStart, nil
	}
	m := p.man.clone()
	m.logStart = offset
	if err := p.commit(m, nil); err != nil {
		return -1, err
	}
	p.removals++
	p.publish()
	return offset, nil
}

// expire rolls a segment that is too old and removes those that retention allows to delete or that are below
// the log start. It deletes for their age only if aged.
//
// What their batches say of producers and transactions must outlive them: a snapshot comes first. This is why
// DeleteRecordsBefore only moves the log start.
func (p *Partition) expire(now int64, aged bool) error {
	cfg := p.cfg.Load()
	p.mu.Lock()
	if p.err != nil {
		p.mu.Unlock()
		return nil
	}
	if p.activeExpired(cfg, now) {
		if err := p.roll(); err != nil {
			p.mu.Unlock()
			return err
		}
		p.publish()
	}
	end := p.expiredEnd(cfg, now, aged)
	p.mu.Unlock()
	if end < 0 {
		return nil
	}
	if err := p.snapshotPast(end); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return nil
	}
	if p.active.size > 0 && p.active.next <= end {
		// Even the active segment goes: it must be sealed for that.
		if err := p.roll(); err != nil {
			return err
		}
	}
	n := 0
	for n < len(p.man.segments)-1 && p.man.segments[n].next <= end {
		n++
	}
	p.log.Info("segments deleted", "segments", n, "before", end)
	return p.dropSegments(n, max(p.man.logStart, end))
}

// expiredEnd returns the offset before which all segments can be deleted, -1 if there is nothing to delete. p.mu is held.
func (p *Partition) expiredEnd(cfg *PartitionConfig, now int64, aged bool) int64 {
	end := int64(-1)
	for _, m := range p.man.segments[:len(p.man.segments)-1] {
		if m.next <= p.man.logStart {
			end = m.next
		}
	}
	if n := p.expired(cfg, now, aged); n == len(p.man.segments) {
		end = p.active.next
	} else if n > 0 {
		end = max(end, p.man.segments[n-1].next)
	}
	return end
}

// expired returns how many segments from the first one on are past retention, the active one included: none that
// a reader of committed records has not seen. Age counts only if aged. p.mu is held.
func (p *Partition) expired(cfg *PartitionConfig, now int64, aged bool) int {
	if !cfg.CleanupDelete {
		return 0
	}
	total := p.active.size
	for _, m := range p.man.segments[:len(p.man.segments)-1] {
		total += m.size
	}
	for i, m := range p.man.segments {
		if i == len(p.man.segments)-1 {
			m = p.active.segmentMeta
		}
		newest := m.maxTimestamp
		if newest < 0 {
			newest = m.lastAppend
		}
		old := aged && cfg.RetentionMs >= 0 && cfg.RetentionMs < math.MaxInt64 && now-newest > cfg.RetentionMs
		total -= m.size
		large := cfg.RetentionBytes >= 0 && total >= cfg.RetentionBytes
		if m.size == 0 || m.next > p.view.offsets.LastStable || !old && !large {
			return i
		}
	}
	return len(p.man.segments)
}

// dropSegments moves the log start and removes the first n segments. p.mu is held.
func (p *Partition) dropSegments(n int, logStart int64) error {
	m := p.man.clone()
	dropped := p.man.segments[:n]
	m.segments = m.segments[n:]
	m.logStart = logStart
	if err := p.commit(m, nil); err != nil {
		return err
	}
	p.removals++
	p.publish()
	p.discard(dropped)
	return nil
}

// garbageFile is a segment to be removed at a time in ms.
type garbageFile struct {
	segmentMeta
	at int64
}

// discard has the files of segments removed that are no longer part of the log. p.mu is held.
//
// Without syncs that wait for the disk, a power loss can bring back a manifest that names the files: they
// stay for as long as the operating system takes to write it.
func (p *Partition) discard(segments []segmentMeta) {
	at := p.now()
	if p.store.opts.Sync != SyncAlways {
		at += p.store.opts.DeleteDelay.Milliseconds()
	}
	for _, m := range segments {
		p.store.handles.drop(segmentKey{p, m.base, m.gen})
		p.garbage = append(p.garbage, garbageFile{m, at})
	}
	p.collectGarbage(p.now())
}

// collectGarbage removes the files whose time has come. p.mu is held.
func (p *Partition) collectGarbage(now int64) {
	for len(p.garbage) > 0 && p.garbage[0].at <= now {
		p.removeSegment(p.garbage[0].segmentMeta)
		p.garbage = p.garbage[1:]
	}
}

// removeSegment deletes the files of a segment that the manifest no longer names. Readers that hold
// the handle go on; what cannot be removed now is removed when the store opens.
func (p *Partition) removeSegment(m segmentMeta) {
	for _, name := range []string{m.logName(), m.idxName()} {
		if err := p.store.opts.FS.Remove(p.path(name)); err != nil && !oserror.IsNotExist(err) {
			p.log.Warn("file of a deleted segment not removed", "file", name, "err", err)
		}
	}
}

// trimAborted deletes the rows of aborted transactions that ended before an offset at which no reader can
// find their records any more. The change that took the records away has been published.
func (p *Partition) trimAborted(before int64) error {
	prefix := p.store.rowKey(p.id, rowAborted)
	it, err := p.store.opts.DB.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: p.abortedKey(before)})
	if err != nil {
		return wrap(KindStorage, err, "read aborted transactions of %s", p.id)
	}
	some := it.First()
	if err := it.Close(); err != nil || !some {
		return err
	}
	if err := p.store.deleteRange(prefix, p.abortedKey(before)); err != nil {
		return wrap(KindStorage, err, "delete aborted transactions of %s", p.id)
	}
	return nil
}
