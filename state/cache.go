package state

import (
	"slices"

	"github.com/millrace-go/millrace/serde"
)

// Cache is a stream thread's record cache: its share of Config.CacheBytes. It belongs to one thread.
//
// It holds back the updates of the stores that are cached: a flush passes on the last one of each key. What was flushed stays until room is
// needed, and is read before the store below. Entries are the tables' own, so that an update is written once, whatever its way: cache, changelog,
// engine.
type Cache struct {
	max    int64
	bytes  int64
	fronts []*front
	next   int // the front to make room in next
}

// NewCache is a cache of that many bytes, about as Kafka counts an entry's bytes. 0 bytes are no cache.
func NewCache(bytes int64) *Cache { return &Cache{max: bytes} }

// Bytes is what the cache holds.
func (c *Cache) Bytes() int64 { return c.bytes }

// reclaim gives up clean entries of any store as long as the cache is too full, so that the entries of a task that has nothing to do do not make
// the others flush.
func (c *Cache) reclaim() {
	for n := len(c.fronts); n > 0 && c.bytes > c.max; n-- {
		c.next = (c.next + 1) % len(c.fronts)
		for f := c.fronts[c.next]; c.bytes > c.max; {
			e := f.victim(false)
			if e == nil {
				break
			}
			f.release(e)
		}
	}
}

// update is an update that was held back. The updates of a front form a log: a later one of the same key makes the earlier ones stale. (A list that
// is linked through the entries keeps the order as well, but each write then touches two neighbours somewhere in memory: half of what a
// cached count costs.)
type update struct {
	e *entry
	// Of the record context; its headers are in more.
	topic     string
	partition int32
	offset    int64
	time      Time
	more      *more // nil, mostly
}

// more is what few updates have. It is not changed: updates of a key share it.
type more struct {
	headers serde.Headers
	base    []byte // the value that the store below holds, if the entry's flags say baseValue and old values are wanted
}

// record is the context that the update was made in.
func (u *update) record() RecordContext {
	r := RecordContext{Topic: u.topic, Partition: u.partition, Offset: u.offset, Time: u.time}
	if u.more != nil {
		r.Headers = u.more.headers
	}
	return r
}

func (u *update) base() []byte {
	if u.more == nil {
		return nil
	}
	return u.more.base
}

// updateOf is an update of an entry in a context. m is what it takes over of the update before it, or nil.
func updateOf(e *entry, r *RecordContext, m *more) update {
	var base []byte
	if m != nil {
		base = m.base
	}
	switch {
	case len(r.Headers) > 0:
		m = &more{r.Headers, base}
	case base == nil:
		m = nil
	case len(m.headers) > 0:
		m = &more{base: base}
	}
	return update{e: e, topic: r.Topic, partition: r.Partition, offset: r.Offset, time: r.Time, more: m}
}

// front is the part of the record cache that stands before one store.
type front struct {
	c      *Cache
	record *RecordContext
	extra  int64 // bytes that Kafka's cache keys have beside the row's
	copies bool  // old values are wanted
	bytes  int64 // of the cache

	held     updates
	flushing updates // what a flush under way has taken over
	written  bool    // since the last evict

	tables   func() []*table // of the store, those to make room in first
	flushOne func(e *entry, base []byte) error
	left     func(e *entry) // is told that the cache has given an entry up
}

// updates are numbered, so that an entry knows its last one.
type updates struct {
	log   []update
	first uint32 // the number of log[0]
	dirty int    // updates that are not stale
}

// find returns the last update of an entry, nil if it is not here.
func (u *updates) find(e *entry) *update {
	if i := e.update - u.first; i < uint32(len(u.log)) && u.log[i].e == e {
		return &u.log[i]
	}
	return nil
}

// front returns a cache for a store, nil if it has none.
func (e *Env) front(o *options) *front {
	if !o.cached || e.Cache == nil || e.Cache.max <= 0 || o.duplicates || o.kind == kindVersioned || e.Record == nil {
		return nil
	}
	f := &front{c: e.Cache, record: e.Record}
	if o.kind != kindKeyValue {
		f.extra = 8
	}
	f.c.fronts = append(f.c.fronts, f)
	return f
}

// write writes through the cache into t: the store below and its listener hear of it at the next flush.
func (f *front) write(t *table, key, value []byte, gone bool) {
	e, known := t.touch(key)
	var m *more
	if e.flags&dirty == 0 {
		f.held.dirty++
		e.flags &^= baseAbsent | baseValue
		switch {
		case !known: // the engine is asked when it is needed
		case e.flags&absent != 0:
			e.flags |= baseAbsent
		default:
			e.flags |= baseValue
			if f.copies {
				m = &more{base: clone(e.value())}
			}
		}
	} else if last := f.held.find(e); last != nil {
		m = last.more
	} else if last := f.flushing.find(e); last != nil {
		m = last.more
		f.held.dirty++
	}
	if e.flags&resident != 0 {
		f.account(-f.size(e))
	} else {
		t.residents++
	}
	t.write(e, value, gone)
	e.flags |= dirty | resident
	f.account(f.size(e))
	if len(f.held.log) >= 2*f.held.dirty+1024 {
		f.held.compact()
	}
	e.update = f.held.first + uint32(len(f.held.log))
	f.held.log = append(f.held.log, updateOf(e, f.record, m))
	f.account(headersSize(f.record.Headers))
	f.written = true
}

// compact takes the stale updates out of the log.
func (u *updates) compact() {
	kept := u.log[:0]
	for i := range u.log {
		if e := u.log[i].e; e.update == u.first+uint32(i) {
			kept = append(kept, u.log[i])
		}
	}
	clear(u.log[len(kept):])
	u.log = kept
	for i := range kept {
		kept[i].e.update = u.first + uint32(i)
	}
}

// size is what an entry counts: key and value, and 45 bytes of Kafka's own, besides the topic's name and the headers of its record.
func (f *front) size(e *entry) int64 { return f.extra + int64(len(e.data)) + 45 }

func (f *front) account(n int64) {
	f.bytes += n
	f.c.bytes += n
}

func headersSize(h serde.Headers) (n int64) {
	for i := range h {
		n += int64(len(h[i].Key) + len(h[i].Value))
	}
	return n
}

// release takes an entry out of the cache. It is clean.
func (f *front) release(e *entry) {
	f.account(-f.size(e))
	e.flags &^= resident
	f.left(e)
}

// flush passes on the dirty entries in the order of their last updates, before them one that is being evicted.
//
// A listener may write into the store again. An entry that is still to be flushed then waits for the next flush.
func (f *front) flush(evicted *entry) (err error) {
	f.flushing, f.held = f.held, updates{log: f.flushing.log[:0], first: f.held.first + uint32(len(f.held.log))}
	saved := *f.record
	defer func() {
		*f.record = saved
		clear(f.flushing.log)
		f.flushing.log = f.flushing.log[:0]
	}()
	if evicted != nil {
		if err := f.pass(f.flushing.find(evicted)); err != nil {
			return err
		}
	}
	for i := range f.flushing.log {
		u := &f.flushing.log[i]
		if u.more != nil {
			f.account(-headersSize(u.more.headers))
		}
		if u.e.update != f.flushing.first+uint32(i) || u.e.flags&dirty == 0 {
			continue
		}
		if err := f.pass(u); err != nil {
			return err
		}
	}
	return nil
}

// pass passes one update on.
func (f *front) pass(u *update) error {
	e := u.e
	e.flags &^= dirty
	*f.record = u.record()
	if err := f.flushOne(e, u.base()); err != nil {
		return err
	}
	if e.flags&(absent|dirty) == absent {
		f.release(e)
	}
	return nil
}

// below is what the store under the cache holds of a dirty entry's key; the value only if old values are wanted, and maybe in *buf.
func (f *front) below(t *table, e *entry, base []byte, buf *[]byte) (value []byte, there bool, err error) {
	switch {
	case e.flags&baseAbsent != 0:
		return nil, false, nil
	case e.flags&baseValue != 0:
		return base, true, nil
	}
	*buf, there, err = t.rows.get((*buf)[:0], e.key())
	return *buf, there, err
}

// flushAll flushes all there is; f may be nil.
func (f *front) flushAll() error {
	if f == nil || f.held.dirty == 0 {
		return nil
	}
	return f.flush(nil)
}

// evict gives up entries of the store as long as the cache is too full, if the store was written since the last call; f may be nil.
func (f *front) evict() error {
	if f == nil || !f.written {
		return nil
	}
	for f.c.bytes > f.c.max {
		e := f.victim(true)
		if e == nil {
			break
		}
		if e.flags&dirty != 0 {
			if err := f.flush(e); err != nil {
				return err
			}
		}
		if e.flags&(resident|dirty) == resident {
			f.release(e)
		}
	}
	f.written = false
	return nil
}

// victim is an entry that was not used for a while, a clean one unless any will do.
func (f *front) victim(any bool) *entry {
	for _, t := range f.tables() {
		if e := t.victim(any); e != nil {
			return e
		}
	}
	return nil
}

// close takes the store's entries off the account.
func (f *front) close() {
	if f != nil {
		f.account(-f.bytes)
		f.c.fronts = slices.DeleteFunc(f.c.fronts, func(o *front) bool { return o == f })
		f.held, f.flushing = updates{}, updates{}
	}
}
