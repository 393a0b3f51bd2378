package commitlog

import (
	"crypto/sha256"
	"encoding/binary"
)

// offsetMap holds the last offset of each key, in 24 bytes a key whatever the
// key's length: a hash of 128 bits stands for the key. The hash is a
// cryptographic one, since a collision, also one that somebody looked for, would
// lose a record.
type offsetMap struct {
	slots []offsetSlot
	used  int
	// limit is how many keys it takes.
	limit int
}

type offsetSlot struct {
	hi, lo uint64
	// end is the offset plus one; 0 is an empty slot.
	end int64
}

const offsetSlotSize = 24

// newOffsetMap returns a map for n keys, but within a number of bytes.
func newOffsetMap(n, bytes int64) *offsetMap {
	slots := max(16, min(n+n/2+1, bytes/offsetSlotSize))
	return &offsetMap{slots: make([]offsetSlot, slots), limit: int(slots - slots/4)}
}

// room reports whether n more keys are sure to fit.
func (m *offsetMap) room(n int) bool { return m.used+n <= m.limit }

func (m *offsetMap) slot(key []byte) (s *offsetSlot, hi, lo uint64) {
	sum := sha256.Sum256(key)
	hi, lo = binary.BigEndian.Uint64(sum[:]), binary.BigEndian.Uint64(sum[8:])
	for i := hi % uint64(len(m.slots)); ; {
		s = &m.slots[i]
		if s.end == 0 || s.hi == hi && s.lo == lo {
			return s, hi, lo
		}
		if i++; i == uint64(len(m.slots)) {
			i = 0
		}
	}
}

// put sets the last offset of a key. There must be room.
func (m *offsetMap) put(key []byte, offset int64) {
	s, hi, lo := m.slot(key)
	if s.end == 0 {
		s.hi, s.lo = hi, lo
		m.used++
	}
	s.end = max(s.end, offset+1)
}

// last returns the last offset of a key; ok is false if it has none.
func (m *offsetMap) last(key []byte) (offset int64, ok bool) {
	s, _, _ := m.slot(key)
	return s.end - 1, s.end != 0
}
