package commitlog

import (
	"errors"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// activeSegment is the segment that grows. Its fields are guarded by Partition.mu;
// readers get copies of what they need with the partition's view.
type activeSegment struct {
	segmentMeta // size, next, times are current
	// handle is nil until the first write makes the file.
	handle *handle
	index  indexBuilder
	// synced is the length that was synced.
	synced int64
}

// path returns the path of one of the partition's files.
func (p *Partition) path(name string) string {
	return p.store.opts.FS.PathJoin(p.dir, name)
}

// openSealed returns the handle of a sealed segment with a reference for the caller.
func (p *Partition) openSealed(m segmentMeta) (*handle, error) {
	key := segmentKey{p, m.base, m.gen}
	return p.store.handles.acquire(key, func() (*handle, error) {
		f, err := p.store.opts.FS.Open(p.path(m.logName()))
		if err != nil {
			return nil, err
		}
		x, err := p.loadIndex(f, m)
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return newHandle(f, x), nil
	})
}

// loadIndex reads the index of a sealed segment or, if the file is missing,
// damaged or does not cover the segment, builds it from the batch headers.
func (p *Partition) loadIndex(log io.ReaderAt, m segmentMeta) (index, error) {
	x, covered, _, err := p.readIndexFile(m)
	if err == nil && covered == m.size {
		return x, nil
	}
	b, err := buildIndex(log, m.base, 0, m.size, newIndexBuilder(p.indexInterval()))
	if err != nil {
		return nil, wrap(KindStorage, err, "index segment %s of %s", m.logName(), p.id)
	}
	p.writeIndexFile(m, b.index, m.size, b.maxTimestamp)
	return b.index, nil
}

func (p *Partition) indexInterval() int64 { return int64(p.Config().IndexIntervalBytes) }

// buildIndex adds the batches in [pos, end) of a log file to an index.
func buildIndex(log io.ReaderAt, base, pos, end int64, x indexBuilder) (indexBuilder, error) {
	s := newScanner(log, pos, end)
	for {
		h, err := s.next()
		if err == io.EOF {
			return x, nil
		}
		if err != nil {
			return x, err
		}
		x.add(h.BaseOffset()-base, s.pos, h.MaxTimestamp())
	}
}

func (p *Partition) readIndexFile(m segmentMeta) (x index, covered, maxTimestamp int64, err error) {
	b, err := readFile(p.store.opts.FS, p.path(m.idxName()))
	if err != nil {
		return nil, 0, 0, err
	}
	return decodeIndex(b)
}

// writeIndexFile saves an index. It is a cache: an error costs the time to build it again, no more.
func (p *Partition) writeIndexFile(m segmentMeta, x index, covered, maxTimestamp int64) {
	err := writeFile(p.store.opts.FS, p.path(m.idxName()), encodeIndex(x, covered, maxTimestamp))
	if err != nil {
		p.log.Warn("index not saved, it will be built again", "segment", m.logName(), "err", err)
	}
}

// readFile reads a small file.
func readFile(fs vfs.FS, path string) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	return b, errors.Join(err, f.Close())
}

// writeFile replaces a small file; b is lost to it. It is not synced: its content says whether it is whole.
func writeFile(fs vfs.FS, path string, b []byte) error {
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}
