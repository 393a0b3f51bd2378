package commitlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/millrace-go/millrace/broker/internal/commitlog/recordbatch"
)

// Compaction removes the records of a log that a later record of the same key
// has replaced. What it relies on and keeps:
//
//   - It goes through sealed segments below the last stable offset only: of
//     every transaction in them the outcome is known.
//   - Two passes: the first puts the last offset of each key of the dirty part, which is what
//     was not gone through before, into a bounded map; if that is full, the
//     round ends there. The second copies all segments up to there without what was replaced.
//   - Offsets never change; nor does the log start. Gaps are normal.
//   - Records of aborted transactions do not count and go. A marker stays as long as there are batches
//     of its transaction, then until its delete horizon.
//   - A tombstone gets a delete horizon when it is first gone through, and goes after it. The
//     horizon is written into the batch: a reader that has started before it sees the tombstone.
//   - The last batch of a producer that is still known stays, emptied if need be, so that its sequence is in the
//     log; so does the last data batch of the round, so that readers of committed records get to the last stable offset.
//   - A group of segments is replaced by one new file in one commit of the manifest. A stop at any point leaves the
//     old files or the new one; the others are removed when the store opens.
type compaction struct {
	p       *Partition
	ctx     context.Context
	cfg     *PartitionConfig
	now     int64
	limiter *limiter
	// segments are those to go through, from the first of the log on; from is the beginning of the dirty part.
	segments []segmentMeta
	from     int64
	// end is where the round ends; cleaner looks at batches below it.
	end  int64
	keys *offsetMap
}

// errAbandoned ends a round because the segments were deleted or the store is closing.
var errAbandoned = errors.New("compaction abandoned")

// Compact does one round of compaction over the partitions that need it, the dirtiest first. It can take
// long: the caller runs it in a goroutine of its own, not twice at a time. The returned error joins those of the partitions; each has
// been left in a consistent state.
func (s *Store) Compact(ctx context.Context) error {
	type candidate struct {
		p     *Partition
		dirty float64
	}
	var all []candidate
	now := s.opts.Now().UnixMilli()
	for _, p := range s.Partitions() {
		if dirty, due := p.compactable(now); due {
			all = append(all, candidate{p, dirty})
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(b.dirty, a.dirty) })
	var errs []error
	for _, c := range all {
		if ctx.Err() != nil {
			break
		}
		if err := c.p.compact(ctx); err != nil && !errors.Is(err, errAbandoned) && ctx.Err() == nil {
			errs = append(errs, fmt.Errorf("compact %s: %w", c.p.id, err))
		}
	}
	return errors.Join(errs...)
}

// compactable returns the dirty part of what could be compacted, 0 to 1, and whether that is due.
func (p *Partition) compactable(now int64) (ratio float64, due bool) {
	cfg := p.cfg.Load()
	if !cfg.CleanupCompact {
		return 0, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return 0, false
	}
	var clean, dirty int64
	late := false
	for _, m := range p.cleanable(cfg, now) {
		if m.next <= p.man.cleanedTo {
			clean += m.size
			continue
		}
		dirty += m.size
		late = late || now-m.firstAppend > cfg.MaxCompactionLagMs
	}
	if dirty == 0 {
		return 0, false
	}
	ratio = float64(dirty) / float64(clean+dirty)
	return ratio, late || ratio > cfg.MinCleanableDirtyRatio
}

// cleanable returns the segments that compaction may go through. p.mu is held.
func (p *Partition) cleanable(cfg *PartitionConfig, now int64) []segmentMeta {
	n := 0
	for ; n < len(p.man.segments)-1; n++ {
		m := p.man.segments[n]
		young := cfg.MinCompactionLagMs > 0 && now-max(m.maxTimestamp, m.lastAppend) < cfg.MinCompactionLagMs
		if m.next > p.view.offsets.LastStable || m.next > p.man.cleanedTo && young {
			break
		}
	}
	return p.man.segments[:n:n]
}

// compact does one round.
func (p *Partition) compact(ctx context.Context) error {
	p.maintenance.Lock()
	defer p.maintenance.Unlock()
	c := compaction{p: p, ctx: ctx, cfg: p.cfg.Load(), now: p.now(), limiter: newLimiter(p.store.opts.CompactionRate)}
	cleaner, err := c.prepare()
	if err != nil || len(c.segments) == 0 {
		return err
	}
	if err := p.snapshotPast(c.end); err != nil {
		return err
	}
	if err := c.mapKeys(cleaner); err != nil {
		return err
	}
	cleaner.keys, cleaner.end = c.keys, c.end
	var before, after int64
	for _, group := range c.groups() {
		old, size, err := c.replace(group, cleaner)
		if err != nil {
			return err
		}
		before, after = before+old, after+size
	}
	if err := c.finish(); err != nil {
		return err
	}
	p.log.Info("compacted", "from", c.from, "to", c.end, "keys", c.keys.used, "bytes_before", before, "bytes_after", after)
	return nil
}

// prepare takes stock of what the round will go through.
func (c *compaction) prepare() (*cleaner, error) {
	p := c.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return nil, errAbandoned
	}
	c.segments = p.cleanable(c.cfg, c.now)
	if len(c.segments) == 0 {
		return nil, nil
	}
	first, last := c.segments[0], c.segments[len(c.segments)-1]
	c.end = last.next
	c.from = max(p.man.cleanedTo, first.base)
	cl := &cleaner{
		aborted:       make(map[int64][]AbortedTxn),
		lastData:      make(map[int64]int64, len(p.producers.byID)),
		txnData:       make(map[int64]bool),
		now:           c.now,
		deleteHorizon: c.now + min(c.cfg.DeleteRetentionMs, math.MaxInt64-c.now),
		log:           p.log,
	}
	for id, e := range p.producers.byID {
		cl.lastData[id] = e.lastData
	}
	rows, err := p.abortedRows(first.base, c.end)
	if err != nil {
		return nil, err
	}
	for _, t := range mergeAborted(rows, p.abortedPending, first.base, c.end) {
		cl.aborted[t.ProducerID] = append(cl.aborted[t.ProducerID], t)
	}
	return cl, nil
}

// mapKeys is the first pass.
func (c *compaction) mapKeys(cl *cleaner) error {
	var offsets int64
	for _, m := range c.segments {
		if m.next > c.from {
			offsets += m.next - max(m.base, c.from)
		}
	}
	c.keys = newOffsetMap(offsets, c.p.store.opts.CompactionMemory)
	for _, m := range c.segments {
		if m.next <= c.from {
			continue
		}
		full, err := c.mapSegment(m, cl)
		if err != nil || full {
			return err
		}
	}
	return nil
}

// mapSegment puts the keys of a segment into the map; full reports that it could not take them all.
func (c *compaction) mapSegment(m segmentMeta, cl *cleaner) (full bool, err error) {
	err = c.walk(m, func(b recordbatch.Batch) error {
		if b.LastOffset() < c.from || b.Control() || cl.isAborted(b) || b.RecordCount() == 0 {
			return nil
		}
		if n := int(b.RecordCount()); !c.keys.room(n) {
			if c.keys.used > 0 {
				full, c.end = true, b.BaseOffset()
				return io.EOF
			}
			c.keys = newOffsetMap(int64(n), int64(n)*2*offsetSlotSize) // one batch must fit, whatever the bound
		}
		cl.records(b, func(r *recordbatch.Record) {
			if r.Key != nil {
				c.keys.put(r.Key, b.BaseOffset()+int64(r.OffsetDelta))
			}
		})
		return nil
	})
	return full, err
}

// walk calls visit for the batches of a segment until it returns an error, of which io.EOF is none.
func (c *compaction) walk(m segmentMeta, visit func(recordbatch.Batch) error) error {
	h, err := c.p.openSealed(m)
	if err != nil {
		return err
	}
	s := newScanner(h.file, 0, m.size)
	for err == nil {
		if _, err = s.next(); err != nil {
			break
		}
		if c.ctx.Err() != nil || c.p.store.closing.Load() {
			err = errAbandoned
			break
		}
		if err = c.limiter.wait(c.ctx, &s.read); err != nil {
			break
		}
		var b recordbatch.Batch
		if b, err = s.body(); err != nil {
			break
		}
		if !b.CRCValid() {
			err = fmt.Errorf("segment %s is damaged at position %d: wrong checksum", m.logName(), s.pos)
			break
		}
		err = visit(b)
	}
	if err == io.EOF {
		err = nil
	}
	return errors.Join(err, h.release())
}

// groups puts segments together that have become small, each group for one new file.
func (c *compaction) groups() [][]segmentMeta {
	var groups [][]segmentMeta
	var size int64
	for i, m := range c.segments {
		if m.base >= c.end {
			break
		}
		if n := len(groups); n > 0 && size+m.size <= c.cfg.SegmentBytes && m.next-groups[n-1][0].base <= 1<<31-1 {
			groups[n-1] = append(groups[n-1], m)
			size += m.size
			continue
		}
		groups = append(groups, c.segments[i:i+1:i+1])
		size = m.size
	}
	return groups
}

// replace writes the group's new file and puts it in place.
func (c *compaction) replace(group []segmentMeta, cl *cleaner) (before, after int64, err error) {
	p := c.p
	p.mu.Lock()
	gen := p.man.nextGen
	m := p.man.clone()
	m.nextGen++
	if p.err != nil {
		p.mu.Unlock()
		return 0, 0, errAbandoned
	}
	err = p.commit(m, nil) // the number is taken, whatever becomes of the file
	p.mu.Unlock()
	if err != nil {
		return 0, 0, err
	}
	last := group[len(group)-1]
	dst := segmentMeta{
		base: group[0].base, gen: gen, next: last.next, maxTimestamp: -1,
		firstAppend: group[0].firstAppend, lastAppend: last.lastAppend, compacted: true,
	}
	w, err := newSegmentWriter(p, dst)
	if err != nil {
		return 0, 0, err
	}
	changed := len(group) > 1
	for _, src := range group {
		before += src.size
		err = c.walk(src, func(b recordbatch.Batch) error {
			kept, err := cl.clean(b)
			if err != nil {
				return err
			}
			changed = changed || kept == nil || &kept[0] != &b[0]
			if kept == nil {
				return nil
			}
			c.limiter.spent(int64(len(kept)))
			return w.add(kept)
		})
		if err != nil {
			return 0, 0, errors.Join(err, w.abandon())
		}
	}
	if !changed {
		return before, before, w.abandon() // the old file stays
	}
	if err := w.finish(); err != nil {
		return 0, 0, errors.Join(err, w.abandon())
	}
	if ok, err := p.switchSegments(group, w.meta); err != nil || !ok {
		p.removeSegment(w.meta)
		return 0, 0, cmp.Or(err, errAbandoned)
	}
	return before, w.meta.size, nil
}

// switchSegments replaces a group in the manifest; ok is false if it is no longer there.
func (p *Partition) switchSegments(group []segmentMeta, dst segmentMeta) (ok bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return false, nil
	}
	i := slices.Index(p.man.segments, group[0])
	if i < 0 || len(p.man.segments)-i <= len(group) || !slices.Equal(p.man.segments[i:i+len(group)], group) {
		return false, nil
	}
	m := p.man.clone()
	if dst.size == 0 {
		m.segments = slices.Delete(m.segments, i, i+len(group))
	} else {
		m.segments = slices.Replace(m.segments, i, i+len(group), dst)
	}
	if err := p.commit(m, nil); err != nil {
		return false, err
	}
	p.removals++
	p.publish()
	p.discard(group)
	if dst.size == 0 {
		p.removeSegment(dst)
	}
	return true, nil
}

// finish takes note of the round. The records of transactions that were aborted below the end are gone.
func (c *compaction) finish() error {
	p := c.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return errAbandoned
	}
	m := p.man.clone()
	m.cleanedTo = max(m.cleanedTo, c.end)
	if err := p.commit(m, nil); err != nil {
		return err
	}
	p.abortedPending = slices.DeleteFunc(slices.Clone(p.abortedPending), func(t abortedTxn) bool { return t.LastOffset < c.end })
	p.publish()
	return p.trimAborted(c.end)
}
