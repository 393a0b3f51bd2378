package state

// inline is the room in an entry for short keys and values: a lookup then touches the index, the entry, and nothing else.
const inline = 56

type flags uint32

const (
	// absent: the key was deleted. The entry stays as long as something below still holds the key, or somebody has to be told.
	absent flags = 1 << iota
	// unapplied: the engine does not have it yet.
	unapplied
	// dirty: written through a record cache and not flushed: neither downstream nor the changelog has it yet.
	dirty
	// resident: in the record cache, dirty or clean. What a cache holds is found there even if the store below has expired it.
	resident
	// baseAbsent, baseValue: what the store below held when a dirty entry became dirty; neither: the engine knows.
	baseAbsent
	baseValue
	// below: the engine may hold the key.
	below
	// recent: read or written since the last sweep.
	recent
	// listed: in the table's order, if it keeps one.
	listed
	// grave: to be removed when the last iterator is gone.
	grave
	// free: not in use.
	free
)

// entry is one key of a table with its value. Entries live in slabs, so that their addresses are stable and a table makes few objects; a value
// is overwritten in place.
type entry struct {
	data   []byte // the key's bytes, then the value's
	klen   uint32
	hash   uint32
	flags  flags
	id     uint32 // the entry's number in its table
	seq    uint64 // table.seq at the last write
	old    *version
	links  *links // in an LRU store
	update uint32 // the number of the last update, while dirty
	buf    [inline]byte
}

func (e *entry) key() []byte   { return e.data[:e.klen:e.klen] }
func (e *entry) value() []byte { return e.data[e.klen:] }
func (e *entry) size() int64   { return int64(len(e.data)) + entryOverhead }

// entryOverhead is what an entry costs beside its bytes, about.
const entryOverhead = 128

// version is what an entry held before a write that an open iterator must not see.
type version struct {
	value  []byte
	absent bool
	seq    uint64
	older  *version
}

// at is what the entry held at snapshot seq: its value, whether it was there, and whether the table knew anything of the key at all.
func (e *entry) at(seq uint64) (value []byte, there, known bool) {
	if e.seq <= seq {
		return e.value(), e.flags&absent == 0, true
	}
	for v := e.old; v != nil; v = v.older {
		if v.seq <= seq {
			return v.value, !v.absent, true
		}
	}
	return nil, false, false
}
