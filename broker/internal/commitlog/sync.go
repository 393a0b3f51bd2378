package commitlog

import (
	"errors"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// WaitDurable waits until the record at offset is as durable as the store
// promises: at once, but for [SyncAlways].
func (p *Partition) WaitDurable(offset int64) error {
	if p.store.opts.Sync != SyncAlways {
		return nil
	}
	return p.syncTo(offset + 1)
}

// syncTo syncs the log up to an offset. One sync runs at a time; everything
// written before it began is covered by it, so that writers who wait for the same
// sync share its cost (group commit). The first to come does it: a goroutine for the purpose would
// add two switches to every append.
func (p *Partition) syncTo(end int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting++
	defer func() {
		if p.waiting--; p.err != nil {
			p.syncDone.Broadcast() // reopen waits until nobody waits
		}
	}()
	for p.synced < end {
		if p.err != nil {
			return p.err
		}
		if p.syncing {
			p.syncDone.Wait()
			continue
		}
		if err := p.syncLocked(); err != nil {
			return err
		}
	}
	return nil
}

// syncLocked syncs everything written so far. p.mu is held, but not while the disk works.
func (p *Partition) syncLocked() error {
	end := p.next
	sealed := p.unsynced
	p.unsynced = nil
	a := &p.active
	var active *handle
	activeGen, activeSize := a.gen, a.size
	if a.handle != nil && a.synced < a.size {
		active = a.handle.retain()
	}
	newFiles, newDir := p.newFiles, p.newDir
	p.newFiles, p.newDir = false, false
	p.syncing = true
	p.mu.Unlock()

	err := p.syncFiles(sealed, active, newFiles, newDir)

	p.mu.Lock()
	p.syncing = false
	p.syncDone.Broadcast()
	if p.err != nil {
		return p.err
	}
	if err != nil {
		if p.suspectFrom < 0 {
			p.suspectFrom = p.synced
		}
		return p.fail(err)
	}
	if p.active.gen == activeGen {
		p.active.synced = max(p.active.synced, activeSize)
	}
	p.synced = max(p.synced, end)
	p.publish()
	return nil
}

// syncFiles does the work of a sync. It releases the handles.
func (p *Partition) syncFiles(sealed []unsyncedSegment, active *handle, newFiles, newDir bool) error {
	var errs []error
	sync := func(h *handle) {
		errs = append(errs, h.file.SyncData(), h.release())
	}
	for _, s := range sealed {
		sync(s.handle)
	}
	if active != nil {
		sync(active)
	}
	if newFiles {
		errs = append(errs, syncDir(p.store.opts.FS, p.dir))
	}
	if newDir {
		errs = append(errs, syncDir(p.store.opts.FS, p.store.opts.Dir))
	}
	return errors.Join(errs...)
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
