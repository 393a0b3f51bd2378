package commitlog

import (
	"errors"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/millrace-go/millrace/broker/internal/commitlog/recordbatch"
)

// rewriteFrom writes everything from an offset on into new files and syncs them. After a failed fsync the
// operating system may take the unwritten pages for clean: a second fsync of the same file
// would succeed and mean nothing. p.mu is held.
func (p *Partition) rewriteFrom(from int64) error {
	m := p.man.clone()
	*m.active() = p.active.segmentMeta
	old := m.segments
	m.segments = nil
	for _, src := range old {
		if src.next <= from || src.size == 0 {
			m.segments = append(m.segments, src)
			continue
		}
		f, err := p.store.opts.FS.Open(p.path(src.logName()))
		if err != nil {
			return err
		}
		pos, base := int64(0), src.base
		if src.base < from {
			kept := src
			kept.size, kept.next, kept.maxTimestamp, err = upTo(f, src, from)
			if err != nil {
				return errors.Join(err, f.Close())
			}
			if kept.size > 0 {
				m.segments = append(m.segments, kept)
				pos, base = kept.size, kept.next
			}
		}
		dst := src
		dst.base, dst.gen, dst.size = base, m.nextGen, src.size-pos
		m.nextGen++
		if err := errors.Join(p.copyFile(f, dst, pos), f.Close()); err != nil {
			return err
		}
		m.segments = append(m.segments, dst)
	}
	if err := errors.Join(syncDir(p.store.opts.FS, p.dir), syncDir(p.store.opts.FS, p.store.opts.Dir)); err != nil {
		return err
	}
	m.recoveryPoint = p.next // all of it is on disk now
	if err := p.commit(m, nil); err != nil {
		return err
	}
	p.log.Warn("what a failed sync left unsure was written again", "from", from, "to", p.next)
	p.suspectFrom = -1
	p.closeFiles()
	p.recoverFrom(m)
	return p.err
}

// upTo returns where in a segment an offset begins: the size, the next offset and the largest timestamp of what is before.
func upTo(log io.ReaderAt, m segmentMeta, offset int64) (size, next, maxTimestamp int64, err error) {
	s := newScanner(log, 0, m.size)
	next, maxTimestamp = m.base, -1
	for {
		var h recordbatch.Batch
		if h, err = s.next(); err == io.EOF {
			return s.pos, next, maxTimestamp, nil
		}
		if err != nil {
			return 0, 0, 0, err
		}
		if h.LastOffset() >= offset {
			return s.pos, next, maxTimestamp, nil
		}
		next, maxTimestamp = h.LastOffset()+1, max(maxTimestamp, h.MaxTimestamp())
	}
}

// copyFile writes the rest of a log file from a position on as the file of dst and syncs it.
func (p *Partition) copyFile(src io.ReaderAt, dst segmentMeta, pos int64) error {
	f, err := p.store.opts.FS.Create(p.path(dst.logName()), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{f}, io.NewSectionReader(src, pos, dst.size), make([]byte, scanWindow))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
