package state

import (
	"bytes"
	"sync"

	"github.com/tidwall/btree"
)

// table is a map of bytes to bytes, ordered by key: a key-value store, or one segment of a time store. Without an engine it is the whole content.
// With one it is an overlay: what was written since the last apply, and as a read cache, what was read or written lately.
//
// Reads by key go through a hash index. The order is kept only from the first range read on: a store that is never scanned pays nothing for it.
//
// An iterator sees the table as it was when the iteration began, whatever is written meanwhile: as long as one is open, a write keeps what
// it overwrites as an older version of the entry, and removed entries stay as graves. (A copy-on-write tree was the other choice. It
// wants values that are never overwritten, which costs an allocation for each write, iterator or not.)
type table struct {
	index
	rows *rows // the engine's rows under it; nil: none
	// complete: every row of the engine is in the table too, so that the engine need not be read. So it is from the first row on, until a sweep
	// gives one up.
	complete bool

	// order holds the entries that a range read has to see: all of a complete table or one without an engine, else the unapplied ones, and what
	// a record cache of a time store holds. nil until it is needed.
	order *btree.BTreeG[*entry]
	held  bool // the order has to hold what a record cache holds

	unapplied       []*entry // every entry with that flag, once
	size            tally
	total           *tally // of the task's tables
	hand, evictHand uint32 // where the sweeps go on
	residents       int    // entries that a record cache holds
	live            int64  // keys that are there; with an engine an estimate, as it is written without being read

	seq     uint64   // of the next write; an iterator that opens raises it
	open    int      // iterators
	kept    []*entry // entries with older versions, or graves, while iterators are open
	scanned bool     // since the last apply
	idle    *cursor
	scratch []byte
	shared  *sync.Mutex // of a table that several goroutines read: cursors are opened and closed under it. nil: one goroutine has the table
}

func newTable(r *rows, total *tally) *table { return &table{rows: r, seq: 1, total: total} }

// tally is the size of entries over an engine. Without one nothing is counted.
type tally struct {
	pending int64 // unapplied
	clean   int64 // those that only save reads: neither unapplied nor in a record cache
}

func (t *table) count(pending, clean int64) {
	t.size.pending += pending
	t.size.clean += clean
	t.total.pending += pending
	t.total.clean += clean
}

// find returns the key's entry, read from the engine if need be. nil: there is nothing. The entry may be absent.
func (t *table) find(key []byte) (*entry, error) {
	hash := hashOf(key)
	e := t.index.find(key, hash)
	if e != nil && t.shared == nil {
		e.flags |= recent
	}
	if e != nil || t.rows == nil || t.complete {
		return e, nil
	}
	value, ok, err := t.rows.get(t.scratch[:0], key)
	if err != nil {
		return nil, err
	}
	t.scratch = value
	// What is not there is remembered as well: a new key is looked for before it is written.
	e = t.index.add(key, hash)
	if e.flags = recent | below; !ok {
		e.flags = recent | absent
	}
	e.data = append(e.data, value...)
	t.count(0, e.size())
	return e, nil
}

// get returns the key's value. It is valid until the next call.
func (t *table) get(key []byte) (value []byte, ok bool, err error) {
	e, err := t.find(key)
	if err != nil || e == nil || e.flags&absent != 0 {
		return nil, false, err
	}
	return e.value(), true, nil
}

// getAt returns what a key held at an iterator's snapshot, and whether a record cache holds it.
func (t *table) getAt(key []byte, snap uint64) (value []byte, held, ok bool, err error) {
	e, err := t.find(key)
	if err != nil || e == nil {
		return nil, false, false, err
	}
	value, ok, _ = e.at(snap)
	return value, e.flags&resident != 0, ok, nil
}

// touch returns the key's entry for a write, made if there is none: as absent, since the engine is not read. known tells whether the
// table knew what the key held.
func (t *table) touch(key []byte) (e *entry, known bool) {
	hash := hashOf(key)
	if e = t.index.find(key, hash); e != nil {
		return e, true
	}
	e = t.index.add(key, hash)
	e.flags = absent
	e.seq = t.seq
	if t.rows == nil {
		return e, true
	}
	t.count(0, e.size())
	if !t.complete {
		e.flags |= below
	}
	return e, t.complete
}

// put writes a value.
func (t *table) put(key, value []byte) *entry {
	e, _ := t.touch(key)
	t.write(e, value, false)
	return e
}

// delete removes a key.
func (t *table) delete(key []byte) {
	if t.rows != nil {
		e, _ := t.touch(key)
		t.write(e, nil, true)
		return
	}
	if e := t.index.find(key, hashOf(key)); e != nil {
		t.write(e, nil, true)
		t.drop(e)
	}
}

// write sets an entry's value.
func (t *table) write(e *entry, value []byte, gone bool) {
	if t.open > 0 {
		t.keep(e)
	}
	before := e.size()
	if was := e.flags&absent == 0; was && gone {
		t.live--
	} else if !was && !gone {
		t.live++
	}
	e.seq = t.seq
	if n := int(e.klen) + len(value); cap(e.data) > 1024 && cap(e.data) > 4*n { // it was a large value once
		e.data = append(make([]byte, 0, n), e.key()...)
	}
	e.data = append(e.data[:e.klen], value...)
	e.flags = e.flags&^(absent|grave) | recent
	if gone {
		e.flags |= absent
	}
	if t.rows != nil {
		if e.flags&unapplied != 0 {
			t.count(e.size()-before, 0)
		} else {
			e.flags |= unapplied
			t.unapplied = append(t.unapplied, e)
			if e.flags&resident != 0 {
				before = 0
			}
			t.count(e.size(), -before)
		}
	}
	if t.order != nil && e.flags&listed == 0 {
		e.flags |= listed
		t.order.Set(e)
	}
}

// keep saves what an entry holds for the iterators that are open.
func (t *table) keep(e *entry) {
	if e.seq == t.seq {
		return // written or made since the last iterator was opened
	}
	if e.old == nil {
		t.kept = append(t.kept, e)
	}
	e.old = &version{value: append([]byte(nil), e.value()...), absent: e.flags&absent != 0, seq: e.seq, older: e.old}
}

// drop takes an entry out of the table; while iterators are open it becomes a grave.
func (t *table) drop(e *entry) {
	if t.open > 0 {
		if e.old == nil {
			t.kept = append(t.kept, e)
		}
		e.flags |= grave
		return
	}
	if e.flags&listed != 0 {
		t.order.Delete(e)
	}
	if t.rows != nil {
		t.count(0, -e.size())
	}
	t.index.remove(e)
}

// closed ends an iterator: after the last one, versions and graves go.
func (t *table) closed() {
	if t.open--; t.open > 0 {
		return
	}
	for i, e := range t.kept {
		e.old = nil
		t.kept[i] = nil
		if e.flags&(grave|free) == grave {
			t.drop(e)
		}
	}
	t.kept = t.kept[:0]
}

// sort builds the order.
func (t *table) sort() {
	t.order = newOrder()
	list := func(e *entry) {
		e.flags |= listed
		t.order.Set(e)
	}
	if t.rows == nil || t.held || t.complete {
		t.index.each(func(e *entry) {
			if t.rows == nil || t.complete || e.flags&(unapplied|resident) != 0 {
				list(e)
			}
		})
		return
	}
	for _, e := range t.unapplied {
		list(e)
	}
}

func byKey(a, b *entry) bool { return bytes.Compare(a.key(), b.key()) < 0 }

func newOrder() *btree.BTreeG[*entry] {
	return btree.NewBTreeGOptions(byKey, btree.Options{NoLocks: true})
}
