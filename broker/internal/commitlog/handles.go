package commitlog

import (
	"container/list"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// handle is an open segment file and its index. It is closed when the last
// reference is released, so that a reader goes on reading a file that was deleted meanwhile.
type handle struct {
	file vfs.File
	// index is set once the segment is sealed; the index of the active segment grows and is
	// handed out with the partition's view.
	index index
	refs  atomic.Int32
	// distrusted: something could not be sent from the file.
	distrusted atomic.Bool
}

// newHandle returns a handle with one reference.
func newHandle(f vfs.File, x index) *handle {
	h := &handle{file: f, index: x}
	h.refs.Store(1)
	return h
}

// retain adds a reference. The caller holds the lock under which the owner keeps its own.
func (h *handle) retain() *handle {
	h.refs.Add(1)
	return h
}

// release gives a reference back.
func (h *handle) release() error {
	if h.refs.Add(-1) == 0 {
		return h.file.Close()
	}
	return nil
}

// segmentKey identifies a segment file in the store. Generations never repeat.
type segmentKey struct {
	p    *Partition
	base int64
	gen  uint32
}

// handleCache keeps the handles of sealed segments that were used last, within a
// number of open files and an amount of index memory.
type handleCache struct {
	maxFiles  int
	maxMemory int64

	mu     sync.Mutex
	byKey  map[segmentKey]*list.Element // of *cachedHandle
	lru    list.List                    // front: used last
	memory int64
}

type cachedHandle struct {
	key segmentKey
	h   *handle
}

func newHandleCache(maxFiles int, maxMemory int64) *handleCache {
	return &handleCache{maxFiles: maxFiles, maxMemory: maxMemory, byKey: make(map[segmentKey]*list.Element)}
}

// acquire returns the segment's handle with a reference for the caller; open
// makes it if it is not there. Two callers may open the same file at a time: one of the handles is dropped.
func (c *handleCache) acquire(key segmentKey, open func() (*handle, error)) (*handle, error) {
	c.mu.Lock()
	if el := c.byKey[key]; el != nil {
		c.lru.MoveToFront(el)
		h := el.Value.(*cachedHandle).h.retain()
		c.mu.Unlock()
		return h, nil
	}
	c.mu.Unlock()
	h, err := open()
	if err != nil {
		return nil, err
	}
	h.retain()
	c.put(key, h)
	return h, nil
}

// put gives the cache the caller's reference to h.
func (c *handleCache) put(key segmentKey, h *handle) {
	c.mu.Lock()
	if _, ok := c.byKey[key]; ok {
		c.mu.Unlock()
		h.release() // another caller was faster
		return
	}
	c.byKey[key] = c.lru.PushFront(&cachedHandle{key, h})
	c.memory += h.memory()
	var evicted []*handle
	for c.lru.Len() > 1 && (c.lru.Len() > c.maxFiles || c.memory > c.maxMemory) {
		evicted = append(evicted, c.removeLocked(c.lru.Back()))
	}
	c.mu.Unlock()
	for _, h := range evicted {
		h.release() // opened for reading: nothing can be lost
	}
}

// drop forgets a segment's handle.
func (c *handleCache) drop(key segmentKey) {
	c.mu.Lock()
	var h *handle
	if el := c.byKey[key]; el != nil {
		h = c.removeLocked(el)
	}
	c.mu.Unlock()
	if h != nil {
		h.release()
	}
}

// dropAll forgets the handles of a partition.
func (c *handleCache) dropAll(p *Partition) {
	c.mu.Lock()
	var dropped []*handle
	for key, el := range c.byKey {
		if key.p == p {
			dropped = append(dropped, c.removeLocked(el))
		}
	}
	c.mu.Unlock()
	for _, h := range dropped {
		h.release()
	}
}

func (c *handleCache) removeLocked(el *list.Element) *handle {
	ch := c.lru.Remove(el).(*cachedHandle)
	delete(c.byKey, ch.key)
	c.memory -= ch.h.memory()
	return ch.h
}

// memory returns the size of the index.
func (h *handle) memory() int64 { return int64(cap(h.index)) * indexEntrySize }
