package commitlog

import (
	"errors"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/millrace-go/millrace/broker/internal/commitlog/recordbatch"
)

// segmentWriter writes a compacted segment.
type segmentWriter struct {
	p     *Partition
	meta  segmentMeta
	file  vfs.File // nil once closed
	buf   []byte
	index indexBuilder
}

func newSegmentWriter(p *Partition, meta segmentMeta) (*segmentWriter, error) {
	f, err := p.store.opts.FS.Create(p.path(meta.logName()), vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	return &segmentWriter{p: p, meta: meta, file: f, index: newIndexBuilder(p.indexInterval())}, nil
}

// add appends a batch; its bytes are copied.
func (w *segmentWriter) add(b recordbatch.Batch) error {
	w.index.add(b.BaseOffset()-w.meta.base, w.meta.size, b.MaxTimestamp())
	w.meta.size += int64(len(b))
	if b.RecordCount() > 0 {
		w.meta.maxTimestamp = max(w.meta.maxTimestamp, b.MaxTimestamp())
	}
	w.buf = append(w.buf, b...)
	if len(w.buf) < scanWindow {
		return nil
	}
	return w.flush()
}

func (w *segmentWriter) flush() error {
	_, err := w.file.Write(w.buf)
	w.buf = w.buf[:0]
	return err
}

// finish makes the file durable.
func (w *segmentWriter) finish() error {
	err := w.flush()
	if err == nil {
		err = w.file.Sync()
	}
	err = errors.Join(err, w.file.Close())
	w.file = nil
	if err != nil {
		return err
	}
	w.p.writeIndexFile(w.meta, w.index.index, w.meta.size, w.index.maxTimestamp)
	return syncDir(w.p.store.opts.FS, w.p.dir)
}

// abandon removes the file.
func (w *segmentWriter) abandon() error {
	var err error
	if w.file != nil {
		err = w.file.Close()
		w.file = nil
	}
	w.p.removeSegment(w.meta)
	return err
}
