package commitlog

import (
	"errors"
	"slices"

	"github.com/cockroachdb/errors/oserror"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// flush syncs what is not synced and saves a snapshot if one is due.
func (p *Partition) flush() error {
	p.mu.Lock()
	end, due, err := p.next, p.unsaved >= p.store.opts.SnapshotBytes, p.err
	p.mu.Unlock()
	if err != nil {
		return nil // offline, and logged when that happened
	}
	if due {
		return p.saveSnapshot()
	}
	return p.syncTo(end)
}

// saveSnapshot syncs the log, saves the producers' state and the index of the active segment, and moves the
// recovery point: a recovery reads what was appended since.
func (p *Partition) saveSnapshot() error {
	p.saving.Lock()
	defer p.saving.Unlock()
	p.mu.Lock()
	if p.err != nil || p.next == p.snapshotOffset || !p.hasDir {
		err := p.err
		p.mu.Unlock()
		return err
	}
	a := p.active
	s := snapshot{
		offset: p.next, base: a.base, gen: a.gen, pos: a.size,
		maxTimestamp: a.maxTimestamp, firstAppend: a.firstAppend, lastAppend: a.lastAppend, producers: p.producers,
	}
	content := s.encode()
	pending, unsaved := p.abortedPending, p.unsaved
	p.mu.Unlock()

	if err := p.syncTo(s.offset); err != nil {
		return err
	}
	if a.size > 0 {
		p.writeIndexFile(a.segmentMeta, a.index.index, a.size, a.maxTimestamp)
	}
	// The rows come before the file: with the snapshot, recovery no longer finds these transactions in the log.
	if err := p.saveAborted(pending, s.offset); err != nil {
		return err
	}
	if err := p.writeSnapshot(s.offset, content); err != nil {
		return wrap(KindStorage, err, "save producer snapshot of %s", p.id)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.snapshotOffset = s.offset
	p.unsaved -= unsaved
	p.removeOldSnapshots()
	return nil
}

// saveAborted writes rows for the first of the pending aborted transactions and moves the recovery point.
func (p *Partition) saveAborted(pending []abortedTxn, recoveryPoint int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return p.err
	}
	m := p.man.clone()
	m.recoveryPoint = max(m.recoveryPoint, recoveryPoint)
	err := p.commit(m, func(b *pebble.Batch) error {
		for _, t := range pending {
			if err := b.Set(p.abortedKey(t.LastOffset), t.encode(), nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if n := len(pending); n > 0 {
		p.abortedMax = pending[n-1].LastOffset
		p.abortedPending = slices.DeleteFunc(slices.Clone(p.abortedPending), func(t abortedTxn) bool { return t.LastOffset <= p.abortedMax })
		p.publish()
	}
	return nil
}

// writeSnapshot saves a snapshot's content. It is synced: segments that it speaks for may be deleted next.
func (p *Partition) writeSnapshot(offset int64, content []byte) error {
	fs, path := p.store.opts.FS, p.path(snapshotName(offset))
	if err := writeFile(fs, path, content); err != nil {
		return err
	}
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return syncDir(fs, p.dir)
}

// removeOldSnapshots keeps the newest ones. p.mu is held.
func (p *Partition) removeOldSnapshots() {
	kept := 0
	err := p.removeSnapshots(func(int64) bool {
		kept++
		return kept > keptSnapshots
	})
	if err != nil {
		p.log.Warn("old producer snapshots not removed", "err", err)
	}
}

// removeSnapshots removes the snapshots of which remove says so; it is asked for the newest first.
func (p *Partition) removeSnapshots(remove func(offset int64) bool) error {
	names, err := p.store.opts.FS.List(p.dir)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range slices.Backward(names) {
		if offset, ok := snapshotOffset(name); ok && remove(offset) {
			if err := p.store.opts.FS.Remove(p.path(name)); err != nil && !oserror.IsNotExist(err) {
				return err
			}
		}
	}
	return nil
}

// snapshotPast sees to it that recovery begins at or after an offset, or at the start of the log: what is below it will be
// deleted or compacted. An older snapshot could know a transaction as open whose marker compaction removes.
func (p *Partition) snapshotPast(offset int64) error {
	p.mu.Lock()
	due := p.snapshotOffset < offset
	p.mu.Unlock()
	if due {
		if err := p.saveSnapshot(); err != nil {
			return err
		}
	}
	p.saving.Lock()
	defer p.saving.Unlock()
	return p.removeSnapshots(func(o int64) bool { return o < offset })
}
