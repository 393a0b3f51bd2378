package state

import "github.com/millrace-go/millrace/serde"

// Cache is a stream thread's record cache: its share of Config.CacheBytes. It belongs to one thread.
//
// It holds back the updates of the stores that are cached: a flush passes on the last one of each key. What was flushed stays until room is
// needed and is read before the store below. Entries are the tables' own, so that an update is written once, whatever its way: cache, changelog,
// engine.
type Cache struct {
	max   int64
	bytes int64
}

// NewCache is a cache of that many bytes, by Kafka's count of an entry. 0 bytes are no cache.
func NewCache(bytes int64) *Cache { return &Cache{max: bytes} }

// Bytes is what the cache holds.
func (c *Cache) Bytes() int64 { return c.bytes }

// cacheEntry is what a record cache keeps of an entry beside its value.
type cacheEntry struct {
	record RecordContext // of the last update
	base   []byte        // the value before the first update since the last flush, if based says so
	based  baseKind
	bytes  int64 // what the cache's account holds for the entry

	newer, older   *entry // neighbours in the order of last use
	next, previous *entry // neighbours in the order of last update, while dirty
}

// baseKind says what the store below the cache held.
type baseKind uint8

const (
	baseUnknown baseKind = iota // ask the engine
	baseAbsent
	baseValue
)

// front is the part of the record cache that stands before one store.
type front struct {
	c      *Cache
	record *RecordContext
	extra  int64 // bytes of Kafka's cache keys that ours do not have
	copies bool  // old values are wanted

	uses        useList
	first, last *entry // dirty, by update
	flushing    []*entry
	written     bool // since evict looked last

	// flushOne logs and forwards one entry; left is told that the cache has given one up.
	flushOne func(e *entry) error
	left     func(e *entry)
}

// front returns a cache for a store, nil if it has none.
func (e *Env) front(o *options) *front {
	if !o.cached || e.Cache == nil || e.Cache.max <= 0 || o.duplicates || o.timeFirst || o.kind == kindVersioned || e.Record == nil {
		return nil
	}
	f := &front{c: e.Cache, record: e.Record}
	if o.kind != kindKeyValue {
		f.extra = 8
	}
	return f
}

// write writes through the cache into t: the store below and its listeners hear of it at the next flush.
func (f *front) write(t *table, key, value []byte, gone bool) *entry {
	e, known := t.touch(key)
	x := e.cache
	if x == nil {
		x = &cacheEntry{}
		e.cache = x
	}
	if e.flags&dirty == 0 {
		switch {
		case !known:
			x.based = baseUnknown
		case e.flags&absent != 0:
			x.based = baseAbsent
		default:
			x.based = baseValue
			if f.copies {
				x.base = append(x.base[:0], e.value()...)
			}
		}
	}
	t.write(e, value, gone)
	x.record = *f.record
	f.account(e)
	f.use(e)
	if e.flags&(dirty|flushingNow) == dirty {
		f.unlinkDirty(e)
	}
	e.flags = e.flags&^flushingNow | dirty
	f.linkDirty(e)
	f.written = true
	return e
}

// account counts an entry as Kafka's cache does: key and value, the record's context, and 25 bytes of its own.
func (f *front) account(e *entry) {
	x := e.cache
	n := f.extra + int64(len(e.data)) + 25 + 20 + int64(len(x.record.Topic)) + headersSize(x.record.Headers)
	f.c.bytes += n - x.bytes
	x.bytes = n
}

func headersSize(h serde.Headers) (n int64) {
	for i := range h {
		n += int64(len(h[i].Key) + len(h[i].Value))
	}
	return n
}

// use makes an entry the one used last.
func (f *front) use(e *entry) {
	f.uses.use(e, e.flags&resident != 0)
	e.flags |= resident
}

func (f *front) linkDirty(e *entry) {
	x := e.cache
	x.previous, x.next = f.last, nil
	if f.last != nil {
		f.last.cache.next = e
	} else {
		f.first = e
	}
	f.last = e
}

func (f *front) unlinkDirty(e *entry) {
	x := e.cache
	if x.next != nil {
		x.next.cache.previous = x.previous
	} else {
		f.last = x.previous
	}
	if x.previous != nil {
		x.previous.cache.next = x.next
	} else {
		f.first = x.next
	}
	x.next, x.previous = nil, nil
}

// release takes an entry out of the cache. It is clean.
func (f *front) release(e *entry) {
	f.uses.remove(e)
	f.c.bytes -= e.cache.bytes
	e.flags &^= resident
	e.cache = nil
	f.left(e)
}

// flush passes on the dirty entries in the order of their last updates, before them one that is being evicted.
//
// A listener may write into the store again. An entry that is still to be flushed then becomes a dirty one like others: it waits for the next flush.
func (f *front) flush(evicted *entry) error {
	if evicted != nil {
		f.unlinkDirty(evicted)
		evicted.flags |= flushingNow
		f.flushing = append(f.flushing, evicted)
	}
	for e := f.first; e != nil; {
		next := e.cache.next
		e.cache.next, e.cache.previous = nil, nil
		e.flags |= flushingNow
		f.flushing = append(f.flushing, e)
		e = next
	}
	f.first, f.last = nil, nil
	saved := *f.record
	defer func() {
		*f.record = saved
		clear(f.flushing)
		f.flushing = f.flushing[:0]
	}()
	for _, e := range f.flushing {
		if e.flags&flushingNow == 0 {
			continue
		}
		e.flags &^= dirty | flushingNow
		*f.record = e.cache.record
		if err := f.flushOne(e); err != nil {
			return err
		}
		if e.flags&(absent|dirty) == absent {
			f.release(e)
		}
	}
	return nil
}

// evict gives up entries of the store as long as the cache is too full.
func (f *front) evict() error {
	for f.c.bytes > f.c.max && f.uses.oldest != nil {
		e := f.uses.oldest
		if e.flags&dirty != 0 {
			if err := f.flush(e); err != nil {
				return err
			}
		}
		if e.flags&(resident|dirty) == resident && e == f.uses.oldest {
			f.release(e)
		}
	}
	f.written = false
	return nil
}

// below is what the store under the cache holds of a dirty entry's key; the value only if old values are wanted, and maybe in *buf.
func (f *front) below(t *table, e *entry, buf *[]byte) (value []byte, there bool, err error) {
	switch e.cache.based {
	case baseAbsent:
		return nil, false, nil
	case baseValue:
		return e.cache.base, true, nil
	}
	*buf, there, err = t.rows.get((*buf)[:0], e.key())
	return *buf, there, err
}

// flushAll flushes all there is; f may be nil.
func (f *front) flushAll() error {
	if f == nil || f.first == nil {
		return nil
	}
	return f.flush(nil)
}

// evictIfWritten evicts if the store was written; f may be nil.
func (f *front) evictIfWritten() error {
	if f == nil || !f.written {
		return nil
	}
	return f.evict()
}

// close takes the store's entries off the account.
func (f *front) close() {
	if f == nil {
		return
	}
	for e := f.uses.oldest; e != nil; e = e.cache.newer {
		f.c.bytes -= e.cache.bytes
	}
	f.uses, f.first, f.last = useList{}, nil, nil
}
