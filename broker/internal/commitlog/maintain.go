package commitlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Maintain does one round of light background work over all partitions: rolls
// segments by time, deletes by retention, expires producers, saves snapshots that are due and
// re-opens partitions that are offline. It is to be called every second or so: what is written between two calls
// comes on top of what recovery has to read. The returned error joins
// those of the partitions; each has been left in a consistent state.
func (s *Store) Maintain(ctx context.Context) error {
	errs := []error{s.checkSpace()}
	now := s.opts.Now()
	aged := !now.Before(s.retainAt)
	if aged {
		s.retainAt = now.Add(s.opts.RetentionEvery)
	}
	producers := 0
	for _, p := range s.Partitions() {
		if ctx.Err() != nil {
			return errors.Join(errs...)
		}
		errs = append(errs, p.maintain(aged))
		p.mu.Lock()
		producers += len(p.producers.byID)
		p.mu.Unlock()
	}
	s.producers.Store(int64(producers))
	return errors.Join(errs...)
}

// checkSpace looks whether there is enough free space to append.
func (s *Store) checkSpace() error {
	u, err := s.opts.FS.GetDiskUsage(s.opts.Dir)
	if errors.Is(err, vfs.ErrUnsupported) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("free space of the log's disk: %w", err)
	}
	need := uint64(max(0, s.opts.MinFree))
	if s.opts.MinFree == 0 {
		need = min(256<<20, u.TotalBytes/20)
	}
	full := u.AvailBytes < need
	if s.full.Swap(full) != full {
		s.opts.Logger.Warn("free space of the log's disk", "enough", !full, "free", u.AvailBytes, "needed", need)
	}
	return nil
}

// firstRetention is how long after its start a store first deletes what is too old, if RetentionEvery is longer.
const firstRetention = 30 * time.Second

// maintain deletes what is too old only if aged.
func (p *Partition) maintain(aged bool) error {
	if err := p.Err(); KindOf(err) == KindStorage {
		return p.reopen()
	} else if err != nil {
		return nil // deleted or closed
	}
	now := p.now()
	if err := p.expire(now, aged); err != nil {
		return err
	}
	p.mu.Lock()
	if p.err != nil {
		p.mu.Unlock()
		return nil
	}
	p.producers.expire(now - p.store.opts.ProducerExpiry.Milliseconds())
	p.collectGarbage(now)
	due := p.unsaved >= p.store.opts.SnapshotBytes
	logStart, aborted := p.man.logStart, p.abortedMax >= 0
	p.mu.Unlock()
	if aborted {
		if err := p.trimAborted(logStart); err != nil {
			return err
		}
	}
	if due {
		return p.saveSnapshot()
	}
	return nil
}

// reopen recovers a partition that is offline. It returns the error for which it stays so.
func (p *Partition) reopen() error {
	p.maintenance.Lock()
	defer p.maintenance.Unlock()
	p.saving.Lock()
	defer p.saving.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	// Those who wait for a sync have to see that it failed before another one succeeds.
	for p.syncing || p.waiting > 0 {
		p.syncDone.Wait()
	}
	if KindOf(p.err) != KindStorage {
		return nil
	}
	reason := p.err
	p.closeFiles()
	// A commit that failed may have happened all the same.
	m, ok, err := p.store.loadManifest(p.id)
	if err != nil {
		return err
	}
	if !ok {
		return reason
	}
	p.recoverFrom(m)
	if p.err == nil {
		p.log.Info("partition is back", "was", reason)
	}
	return p.err
}
