package state

import (
	"bytes"
	"hash/maphash"
)

const slabSize = 64

// index finds the entries of a table by key: an open-addressing table of hash and entry number, so that a miss and most mismatches touch one
// cache line, over slabs of entries.
type index struct {
	slots []slot // a power of two, at most 3/4 full; linear probing
	count int
	slabs []*[slabSize]entry
	freed []uint32 // numbers of free entries
	next  uint32   // the first entry number never used
}

type slot struct {
	hash uint32
	ref  uint32 // entry number + 1; 0 is empty
}

var hashSeed = maphash.MakeSeed()

func hashOf(key []byte) uint32 { return uint32(maphash.Bytes(hashSeed, key)) }

func (x *index) entry(id uint32) *entry { return &x.slabs[id/slabSize][id%slabSize] }

func (x *index) find(key []byte, hash uint32) *entry {
	if len(x.slots) == 0 {
		return nil
	}
	mask := uint32(len(x.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		s := x.slots[i]
		if s.ref == 0 {
			return nil
		}
		if s.hash == hash {
			if e := x.entry(s.ref - 1); bytes.Equal(e.key(), key) {
				return e
			}
		}
	}
}

// add makes an entry for a key that is not there. It has no value and no flags.
func (x *index) add(key []byte, hash uint32) *entry {
	if 4*(x.count+1) > 3*len(x.slots) {
		x.grow()
	}
	var id uint32
	if n := len(x.freed); n > 0 {
		id = x.freed[n-1]
		x.freed = x.freed[:n-1]
	} else {
		id = x.next
		x.next++
		if int(id/slabSize) == len(x.slabs) {
			x.slabs = append(x.slabs, new([slabSize]entry))
		}
	}
	e := x.entry(id)
	e.id, e.hash, e.flags = id, hash, 0
	if cap(e.data) < len(key) || cap(e.data) < inline {
		e.data = e.buf[:0]
	}
	e.data = append(e.data[:0], key...)
	e.klen = uint32(len(key))
	x.place(slot{hash, id + 1})
	x.count++
	return e
}

func (x *index) place(s slot) {
	mask := uint32(len(x.slots) - 1)
	i := s.hash & mask
	for x.slots[i].ref != 0 {
		i = (i + 1) & mask
	}
	x.slots[i] = s
}

func (x *index) grow() {
	old := x.slots
	x.slots = make([]slot, max(16, 2*len(old)))
	for _, s := range old {
		if s.ref != 0 {
			x.place(s)
		}
	}
}

// remove takes an entry out; its memory is used again.
func (x *index) remove(e *entry) {
	mask := uint32(len(x.slots) - 1)
	i := e.hash & mask
	for x.slots[i].ref != e.id+1 {
		i = (i + 1) & mask
	}
	// Close the gap: a slot moves up unless its home lies behind the gap.
	for j := (i + 1) & mask; x.slots[j].ref != 0; j = (j + 1) & mask {
		if home := x.slots[j].hash & mask; (j-home)&mask >= (j-i)&mask {
			x.slots[i] = x.slots[j]
			i = j
		}
	}
	x.slots[i] = slot{}
	x.count--
	id := e.id
	buf := e.data
	if cap(buf) > 4*inline { // keep no large buffer in a free entry
		buf = nil
	}
	*e = entry{id: id, flags: free, data: buf[:0]}
	x.freed = append(x.freed, id)
}

// each calls f with every entry, in no order. f may remove the entry it is given.
func (x *index) each(f func(*entry)) {
	for id := uint32(0); id < x.next; id++ {
		if e := x.entry(id); e.flags&free == 0 {
			f(e)
		}
	}
}
