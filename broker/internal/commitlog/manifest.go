package commitlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// manifest is the row that says what a partition consists of. It is replaced as a
// whole, together with the aborted transactions that the change adds or removes,
// in one Pebble commit: a roll, a compaction or a deletion happens or does not.
type manifest struct {
	// logStart is the first offset that readers may ask for.
	logStart int64
	// recoveryPoint: every batch below it was synced. A bad one below it is damage, one above it
	// can be the trace of a power loss.
	recoveryPoint int64
	// cleanedTo is the end of what compaction has gone through.
	cleanedTo int64
	// nextGen is the generation of the next file. It never repeats in a partition, so that a
	// file of an unfinished change is never taken for another one.
	nextGen uint32
	// epochs are the leader epochs and the offsets at which they began; never empty, both ascend.
	epochs []epochStart
	// segments, by base; never empty. The last one is active: its size, next and times are not
	// known here.
	segments []segmentMeta
}

type epochStart struct {
	epoch int32
	start int64
}

// segmentMeta describes one segment file.
type segmentMeta struct {
	// base is the offset from which on the segment is responsible; its first batch may be later.
	base int64
	gen  uint32
	// size is the length of the valid part of the file; what comes after it is not the log's.
	size int64
	// next is the offset after the last one.
	next         int64
	maxTimestamp int64
	// firstAppend and lastAppend are wall clock times in ms.
	firstAppend, lastAppend int64
	// compacted: offsets may have gaps.
	compacted bool
}

func (m segmentMeta) logName() string { return fmt.Sprintf("%020d.%d.log", m.base, m.gen) }
func (m segmentMeta) idxName() string { return fmt.Sprintf("%020d.%d.idx", m.base, m.gen) }

// newManifest is the manifest of an empty partition.
func newManifest() manifest {
	return manifest{
		nextGen:  1,
		epochs:   []epochStart{{}},
		segments: []segmentMeta{{maxTimestamp: -1}},
	}
}

// clone returns a copy that can be edited.
func (m *manifest) clone() manifest {
	c := *m
	c.epochs = slices.Clone(m.epochs)
	c.segments = slices.Clone(m.segments)
	return c
}

// active returns the last segment.
func (m *manifest) active() *segmentMeta { return &m.segments[len(m.segments)-1] }

// beginSegment makes an empty segment at base the active one.
func (m *manifest) beginSegment(base int64) {
	m.segments = append(m.segments, segmentMeta{base: base, gen: m.nextGen, maxTimestamp: -1})
	m.nextGen++
}

// bumpEpoch begins a new leader epoch at offset; epochs that would begin there or later are gone.
func (m *manifest) bumpEpoch(offset int64) {
	last := m.epochs[len(m.epochs)-1].epoch
	for len(m.epochs) > 0 && m.epochs[len(m.epochs)-1].start >= offset {
		m.epochs = m.epochs[:len(m.epochs)-1]
	}
	m.epochs = append(m.epochs, epochStart{epoch: last + 1, start: offset})
}

const manifestVersion = 1

var errManifest = errors.New("damaged manifest row")

func (m *manifest) encode() []byte {
	b := []byte{manifestVersion}
	b = binary.AppendVarint(b, m.logStart)
	b = binary.AppendVarint(b, m.recoveryPoint)
	b = binary.AppendVarint(b, m.cleanedTo)
	b = binary.AppendUvarint(b, uint64(m.nextGen))
	b = binary.AppendUvarint(b, uint64(len(m.epochs)))
	for _, e := range m.epochs {
		b = binary.AppendVarint(b, int64(e.epoch))
		b = binary.AppendVarint(b, e.start)
	}
	b = binary.AppendUvarint(b, uint64(len(m.segments)))
	for _, s := range m.segments {
		b = binary.AppendVarint(b, s.base)
		b = binary.AppendUvarint(b, uint64(s.gen))
		b = binary.AppendVarint(b, s.size)
		b = binary.AppendVarint(b, s.next)
		b = binary.AppendVarint(b, s.maxTimestamp)
		b = binary.AppendVarint(b, s.firstAppend)
		b = binary.AppendVarint(b, s.lastAppend)
		var flags byte
		if s.compacted {
			flags |= 1
		}
		b = append(b, flags)
	}
	return b
}

func decodeManifest(b []byte) (manifest, error) {
	if len(b) == 0 || b[0] != manifestVersion {
		return manifest{}, fmt.Errorf("%w: not of version %d", errManifest, manifestVersion)
	}
	d := decoder{b: b[1:]}
	m := manifest{
		logStart:      d.varint(),
		recoveryPoint: d.varint(),
		cleanedTo:     d.varint(),
		nextGen:       uint32(d.uvarint()),
	}
	for range d.count() {
		m.epochs = append(m.epochs, epochStart{epoch: int32(d.varint()), start: d.varint()})
	}
	for range d.count() {
		m.segments = append(m.segments, segmentMeta{
			base:         d.varint(),
			gen:          uint32(d.uvarint()),
			size:         d.varint(),
			next:         d.varint(),
			maxTimestamp: d.varint(),
			firstAppend:  d.varint(),
			lastAppend:   d.varint(),
			compacted:    d.byte()&1 != 0,
		})
	}
	if d.bad || len(d.b) > 0 || len(m.epochs) == 0 || len(m.segments) == 0 {
		return manifest{}, errManifest
	}
	return m, nil
}

// decoder reads the fields of a row or file; bad is set, and zeros are returned, once the
// bytes do not suffice.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	d.skip(n)
	return v
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	d.skip(n)
	return v
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.bad = true
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

// count reads the length of a list, whose elements take at least a byte each.
func (d *decoder) count() int {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.bad = true
		return 0
	}
	return int(n)
}

func (d *decoder) skip(n int) {
	if n <= 0 {
		d.bad, d.b = true, nil
		return
	}
	d.b = d.b[n:]
}

// Rows of a partition: key prefix, topic id, partition, then a kind.
const (
	partitionKeyLen = 16 + 4

	rowManifest = 'm'
	rowAborted  = 'x' // then the offset of the abort marker
)

func (s *Store) rowKey(id PartitionID, kind byte) []byte {
	k := slices.Clone(s.opts.KeyPrefix)
	k = append(k, id.Topic[:]...)
	k = binary.BigEndian.AppendUint32(k, uint32(id.Partition))
	return append(k, kind)
}

// loadManifests reads the manifests of all partitions.
func (s *Store) loadManifests() (map[PartitionID]manifest, error) {
	prefix := s.opts.KeyPrefix
	it, err := s.opts.DB.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: prefixEnd(prefix)})
	if err != nil {
		return nil, fmt.Errorf("read manifests: %w", err)
	}
	defer it.Close()
	all := make(map[PartitionID]manifest)
	for ok := it.First(); ok; {
		k := it.Key()[len(prefix):]
		if len(k) <= partitionKeyLen {
			return nil, fmt.Errorf("read manifests: key %x: %w", it.Key(), errManifest)
		}
		id := PartitionID{Partition: int32(binary.BigEndian.Uint32(k[16:]))}
		copy(id.Topic[:], k)
		// A partition's first row is its manifest. Aborted transactions without one are left over
		// from nothing: both are deleted in one commit.
		if k[partitionKeyLen] == rowManifest {
			m, err := decodeManifest(it.Value())
			if err != nil {
				return nil, fmt.Errorf("read manifest of %s: %w", id, err)
			}
			all[id] = m
		}
		ok = it.SeekGE(prefixEnd(it.Key()[:len(prefix)+partitionKeyLen]))
	}
	return all, it.Error()
}

// loadManifest reads the manifest of one partition; ok is false if there is none.
func (s *Store) loadManifest(id PartitionID) (m manifest, ok bool, err error) {
	b, closer, err := s.opts.DB.Get(s.rowKey(id, rowManifest))
	if errors.Is(err, pebble.ErrNotFound) {
		return m, false, nil
	}
	if err != nil {
		return m, false, wrap(KindStorage, err, "read manifest of %s", id)
	}
	m, err = decodeManifest(b)
	if err = errors.Join(err, closer.Close()); err != nil {
		return m, false, wrap(KindStorage, err, "read manifest of %s", id)
	}
	return m, true, nil
}

// prefixEnd returns the smallest key that is larger than all keys with the prefix.
func prefixEnd(prefix []byte) []byte {
	end := slices.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}
