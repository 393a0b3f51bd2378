package commitlog

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cockroachdb/errors/oserror"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/millrace-go/millrace/broker/internal/commitlog/recordbatch"
)

// recovery makes a partition's state out of its manifest and files: from the
// newest usable snapshot on it reads the log, batch by batch in bounded memory,
// and rebuilds index and producers. It ends at the first bad batch. In the last
// segment that is a write that did not finish; so it can be in a sealed one that was never synced. In what
// was synced it is damage: the partition stays offline rather than lose what comes after.
//
// A torn end is not cut off, which no vfs.File can, but left behind the size
// that the manifest gives the segment; the log goes on in a new file.
type recovery struct {
	p    *Partition
	m    manifest
	snap *snapshot
	now  int64
	// next is the offset after the last good batch.
	next int64
	// scanned counts the bytes that were read.
	scanned int64
	changed bool // m differs from the row
}

// damage is a bad batch and where it is.
type damage struct {
	segment int
	pos     int64
	cause   error
}

// recoverFrom brings the partition online, or leaves it offline with an error. p.mu is held.
func (p *Partition) recoverFrom(m manifest) {
	p.man, p.producers, p.err = m, newProducerTable(), nil
	p.done, p.abortedPending, p.abortedMax = nil, nil, -1
	p.snapshotOffset, p.unsaved = -1, 0
	p.hasDir, p.newDir, p.newFiles = false, false, false
	p.resetActive()
	p.recovering = true
	r := recovery{p: p, m: m.clone(), now: p.now()}
	err := r.run()
	if err == nil && p.suspectFrom >= 0 {
		err = p.rewriteFrom(p.suspectFrom)
	}
	if err != nil {
		h := p.active.handle
		p.active.handle = nil
		if h != nil {
			err = errors.Join(err, h.release())
		}
		p.recovering = false
		p.fail(err)
		return
	}
	p.recovering = false
	p.publish()
	if p.store.opts.Sync == SyncAlways && p.synced < p.next {
		// Nobody else would: what is not synced is not readable.
		p.syncLocked() // an error takes the partition offline, and is logged
	}
}

func (r *recovery) run() error {
	p := r.p
	files, err := r.listFiles()
	if err != nil {
		return err
	}
	r.snap = p.chooseSnapshot(&r.m, files)
	bad, err := r.scan()
	if err != nil {
		return err
	}
	if bad != nil {
		if err := r.truncate(*bad); err != nil {
			return err
		}
	}
	if r.next < r.m.logStart {
		p.log.Error("the log ends before its start: it begins anew there", "end", r.next, "start", r.m.logStart)
		r.beginAnew(r.m.logStart, 0)
	}
	if r.changed {
		err := p.commit(r.m, func(b *pebble.Batch) error {
			return b.DeleteRange(p.abortedKey(r.next), prefixEnd(p.store.rowKey(p.id, rowAborted)), nil)
		})
		if err != nil {
			return err
		}
		p.resetActive()
	}
	p.next = r.next
	if p.abortedMax, err = p.lastAborted(); err != nil {
		return err
	}
	if err := r.removeUnused(files); err != nil {
		return err
	}
	if r.scanned > 0 || r.changed {
		p.log.Info("recovered", "offset", p.next, "bytes", r.scanned, "truncated", r.changed)
	}
	p.unsaved = r.scanned
	return r.markUnsynced()
}

// listFiles returns the names of the partition's files.
func (r *recovery) listFiles() ([]string, error) {
	names, err := r.p.store.opts.FS.List(r.p.dir)
	if oserror.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r.p.hasDir = true
	slices.Sort(names)
	return names, nil
}

// chooseSnapshot returns the newest snapshot that fits the manifest and the files, nil if there is none.
func (p *Partition) chooseSnapshot(m *manifest, files []string) *snapshot {
	for _, name := range slices.Backward(files) {
		offset, ok := snapshotOffset(name)
		if !ok {
			continue
		}
		b, err := readFile(p.store.opts.FS, p.path(name))
		if err != nil {
			p.log.Warn("producer snapshot not usable", "file", name, "err", err)
			continue
		}
		s, err := decodeSnapshot(b)
		if err != nil || s.offset != offset {
			p.log.Warn("producer snapshot not usable", "file", name, "err", err)
			continue
		}
		if s.offset >= m.segments[0].base && p.reaches(m, s) {
			return s
		}
	}
	return nil
}

// reaches reports whether the file that the snapshot points into has that position. If it was compacted since,
// the manifest says what is in the segment.
func (p *Partition) reaches(m *manifest, s *snapshot) bool {
	for _, g := range m.segments {
		if g.base != s.base || g.gen != s.gen {
			continue
		}
		info, err := p.store.opts.FS.Stat(p.path(g.logName()))
		return s.pos == 0 || err == nil && s.pos <= info.Size()
	}
	return s.offset <= m.active().base
}

// scan reads the log from the snapshot on. bad is where it stopped before the end.
func (r *recovery) scan() (bad *damage, err error) {
	r.next = r.m.segments[0].base
	first := 0
	if r.snap != nil {
		first = r.segmentOf(r.snap)
		r.p.producers = r.snap.producers
		r.p.snapshotOffset = r.snap.offset
		r.next = r.m.segments[first].base
	}
	for i := first; i < len(r.m.segments); i++ {
		if i < len(r.m.segments)-1 {
			bad, err = r.scanSealed(i)
		} else {
			bad, err = r.scanActive(i)
		}
		if bad != nil || err != nil {
			return bad, err
		}
	}
	return nil, nil
}

// segmentOf returns the segment that the snapshot's offset is in. Where that is not the file
// that the snapshot knows, because it was compacted since, the segment is read from its start and only
// what comes after the offset is applied.
func (r *recovery) segmentOf(s *snapshot) int {
	for i := len(r.m.segments) - 1; i > 0; i-- {
		if m := r.m.segments[i]; m.base == s.base && m.gen == s.gen || m.base <= s.offset && m.base != s.offset {
			return i
		}
	}
	return 0
}

// startOf returns a segment as far as the snapshot knows it: where to begin to read it.
func (r *recovery) startOf(m segmentMeta) segmentMeta {
	m.size, m.next, m.maxTimestamp = 0, m.base, -1
	if s := r.snap; s != nil && s.base == m.base && s.gen == m.gen {
		m.size, m.next, m.maxTimestamp = s.pos, s.offset, s.maxTimestamp
		m.firstAppend, m.lastAppend = s.firstAppend, s.lastAppend
	}
	return m
}

func (r *recovery) scanSealed(i int) (*damage, error) {
	m := &r.m.segments[i]
	f, err := r.p.store.opts.FS.Open(r.p.path(m.logName()))
	if oserror.IsNotExist(err) {
		return &damage{i, 0, err}, nil
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	good := r.startOf(*m)
	r.next = good.next
	s := newScanner(f, good.size, min(m.size, info.Size()))
	for {
		var h recordbatch.Batch
		if h, err = r.step(s, m); err != nil {
			break
		}
		good.maxTimestamp = max(good.maxTimestamp, h.MaxTimestamp())
	}
	r.scanned += s.pos - good.size
	if closeErr := f.Close(); closeErr != nil {
		return nil, closeErr
	}
	switch {
	case errors.Is(err, errBadBatch):
	case err != io.EOF:
		return nil, err
	case s.pos < m.size:
		err = fmt.Errorf("%w: the file has %d bytes instead of %d", errBadBatch, info.Size(), m.size)
	case r.next > m.next || r.next < m.next && !m.compacted:
		err = fmt.Errorf("%w: the segment ends at offset %d instead of %d", errBadBatch, r.next, m.next)
	default:
		r.next = m.next
		return nil, nil
	}
	m.maxTimestamp = good.maxTimestamp
	return &damage{i, s.pos, err}, nil
}

func (r *recovery) scanActive(i int) (*damage, error) {
	p, m := r.p, &r.m.segments[i]
	r.next = m.base
	info, err := p.store.opts.FS.Stat(p.path(m.logName()))
	if oserror.IsNotExist(err) {
		return nil, nil // it is made with the first write
	}
	if err != nil {
		return nil, err
	}
	f, err := p.store.opts.FS.OpenReadWrite(p.path(m.logName()), vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	a := &p.active
	a.handle = newHandle(f, nil)
	a.segmentMeta = r.startOf(*m)
	if a.index, err = p.activeIndex(f, a.segmentMeta); err != nil {
		return nil, err
	}
	r.next = a.next
	s := newScanner(f, a.size, info.Size())
	for {
		h, err := r.step(s, m)
		if err == nil {
			r.scanned += s.size
			p.extendActive(h, s.size, r.now)
			continue
		}
		if err == io.EOF {
			return nil, nil
		}
		if errors.Is(err, errBadBatch) {
			*m = a.segmentMeta
			return &damage{i, s.pos, err}, nil
		}
		return nil, err
	}
}

// activeIndex returns the index of the active segment up to its size, from the index file as far as that goes.
func (p *Partition) activeIndex(log io.ReaderAt, m segmentMeta) (indexBuilder, error) {
	b, pos := newIndexBuilder(p.indexInterval()), m.size
	x, covered, max, err := p.readIndexFile(m)
	switch {
	case err != nil:
		covered = 0
	case covered >= pos:
		for len(x) > 0 && int64(x[len(x)-1].pos) >= pos {
			x = x[:len(x)-1]
		}
		b.index, b.maxTimestamp = x, m.maxTimestamp
	default:
		b.index, b.maxTimestamp = x, max
	}
	if n := len(b.index); n > 0 {
		b.last = int64(b.index[n-1].pos)
	}
	if covered < pos {
		return buildIndex(log, m.base, covered, pos, b)
	}
	return b, nil
}

// step checks the scanner's next batch and applies it to the producers.
func (r *recovery) step(s *scanner, m *segmentMeta) (recordbatch.Batch, error) {
	h, err := s.next()
	if err != nil {
		return nil, err
	}
	base, last := h.BaseOffset(), h.LastOffset()
	if base < r.next || base > r.next && !m.compacted || last < base {
		return nil, fmt.Errorf("%w at position %d: offsets %d-%d after %d", errBadBatch, s.pos, base, last, r.next-1)
	}
	// The checksum covers neither the offset nor the epoch.
	if epoch := epochAt(r.m.epochs, base); h.LeaderEpoch() != epoch {
		return nil, fmt.Errorf("%w at position %d: leader epoch %d at offset %d instead of %d", errBadBatch, s.pos, h.LeaderEpoch(), base, epoch)
	}
	if err := s.verify(); err != nil {
		return nil, err
	}
	if r.snap == nil || base >= r.snap.offset {
		if err := r.apply(s); err != nil {
			return nil, err
		}
	}
	r.next = last + 1
	return s.header()
}

func (r *recovery) apply(s *scanner) error {
	h, err := s.header()
	if err != nil {
		return err
	}
	if !h.Control() {
		r.p.applyData(h, r.now)
		return nil
	}
	if h.RecordCount() == 0 {
		return nil
	}
	b, err := s.body()
	if err != nil {
		return err
	}
	marker, ok, err := b.Marker()
	if err != nil {
		return fmt.Errorf("%w at position %d: %w", errBadBatch, s.pos, err)
	}
	if ok {
		r.p.applyMarker(marker, b.BaseOffset(), r.now)
	}
	return nil
}

// truncate ends the log before a bad batch.
func (r *recovery) truncate(bad damage) error {
	p, m := r.p, r.m.segments[bad.segment]
	if bad.segment < len(r.m.segments)-1 && r.next < r.m.recoveryPoint {
		return fmt.Errorf("segment %s is damaged at offset %d, which was safely on disk: restore the file, or delete the topic: %w",
			m.logName(), r.next, bad.cause)
	}
	p.log.Error("the log ends in an unfinished or lost write and is truncated",
		"segment", m.logName(), "offset", r.next, "position", bad.pos, "cause", bad.cause,
		"segments_lost", len(r.m.segments)-1-bad.segment)
	if h := p.active.handle; h != nil {
		p.active.handle = nil
		if err := h.release(); err != nil {
			return err
		}
	}
	if bad.pos > 0 {
		sealed := &r.m.segments[bad.segment]
		sealed.size, sealed.next = bad.pos, r.next
		r.beginAnew(r.next, bad.segment+1)
		return nil
	}
	r.beginAnew(r.next, bad.segment)
	return nil
}

// beginAnew goes on at an offset in a new segment after the first keep segments, in a new epoch.
func (r *recovery) beginAnew(offset int64, keep int) {
	r.m.segments = r.m.segments[:keep]
	r.m.beginSegment(offset)
	r.m.bumpEpoch(offset)
	r.m.recoveryPoint = min(r.m.recoveryPoint, offset)
	r.m.cleanedTo = min(r.m.cleanedTo, offset)
	r.next = offset
	r.changed = true
	if h := r.p.active.handle; h != nil {
		r.p.active.handle = nil
		h.release() // nothing was written to it
	}
}

// removeUnused removes the files that the manifest does not name and the snapshots that are not of this log.
func (r *recovery) removeUnused(files []string) error {
	used := make(map[string]bool)
	for _, m := range r.p.man.segments {
		used[m.logName()], used[m.idxName()] = true, true
	}
	for _, name := range files {
		offset, isSnapshot := snapshotOffset(name)
		if used[name] || isSnapshot && offset <= r.p.snapshotOffset && offset <= r.next {
			continue
		}
		if err := r.p.store.opts.FS.Remove(r.p.path(name)); err != nil && !oserror.IsNotExist(err) {
			return fmt.Errorf("remove %s: %w", name, err)
		}
	}
	return nil
}

// markUnsynced lists what is not known to be on disk.
func (r *recovery) markUnsynced() error {
	p := r.p
	// A file or the directory may have been made and never synced, even if everything in the log was.
	p.newFiles, p.newDir = p.hasDir, p.hasDir
	if r.p.man.recoveryPoint >= p.next {
		p.synced, p.active.synced = p.next, p.active.size
		return nil
	}
	p.synced = r.p.man.recoveryPoint
	for _, m := range p.man.segments[:len(p.man.segments)-1] {
		if m.next <= p.synced {
			continue
		}
		f, err := p.store.opts.FS.OpenReadWrite(p.path(m.logName()), vfs.WriteCategoryUnspecified)
		if err != nil {
			return err
		}
		p.unsynced = append(p.unsynced, unsyncedSegment{segmentMeta: m, handle: newHandle(f, nil)})
	}
	return nil
}
