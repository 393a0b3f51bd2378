package state

import (
	"fmt"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Batch collects what one commit applies, atomically. It belongs to one goroutine.
type Batch struct {
	db    *DB
	p     *pebble.Batch  // nil without a DB
	after []func() error // once it is committed
}

// NewBatch is an empty batch. A nil DB gives one that holds nothing: its stores live in memory.
func (db *DB) NewBatch() *Batch {
	if db == nil {
		return &Batch{}
	}
	return &Batch{db: db, p: db.p.NewBatch()}
}

// set writes a row.
func (b *Batch) set(prefix, key, value []byte) {
	op := b.p.SetDeferred(len(prefix)+len(key), len(value))
	copy(op.Key, prefix)
	copy(op.Key[len(prefix):], key)
	copy(op.Value, value)
	_ = op.Finish() // fails for indexed batches only
}

// delete removes a row.
func (b *Batch) delete(prefix, key []byte) {
	op := b.p.DeleteDeferred(len(prefix) + len(key))
	copy(op.Key, prefix)
	copy(op.Key[len(prefix):], key)
	_ = op.Finish()
}

// Commit writes what the batch holds, all or nothing, and uses it up. It survives the process, but a crash only once it is flushed: see DB.
func (b *Batch) Commit() error {
	if b.p != nil {
		n := int64(b.p.Len())
		if err := b.db.free.spend(n); err != nil {
			b.db.f.tell(err)
			return err
		}
		b.db.unflushed.add(n, b.db.o.Now)
		err := b.db.do(func() error { return b.p.Commit(pebble.NoSync) })
		if err != nil {
			return fmt.Errorf("apply to the store database: %w", err)
		}
		_ = b.p.Close() // gives its memory back
	}
	for _, f := range b.after {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// spaceGuard refuses writes when the disk is nearly full.
type spaceGuard struct {
	fs  vfs.FS
	dir string
	min uint64

	mu    sync.Mutex
	spent int64 // since the last look
	err   error
}

// lookEvery is how many bytes are written between two looks at the disk.
const lookEvery = 8 << 20

func (g *spaceGuard) spend(n int64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.spent += n; g.spent < lookEvery && g.err == nil {
		return nil
	}
	g.spent = 0
	g.err = g.check()
	return g.err
}

func (g *spaceGuard) check() error {
	u, err := g.fs.GetDiskUsage(g.dir)
	if err != nil {
		return nil // a file system that cannot tell, in tests
	}
	if u.AvailBytes < g.min {
		return fmt.Errorf("%w: %s has %d MiB left of the %d MiB that have to stay free", ErrNoSpace, g.dir, u.AvailBytes>>20, g.min>>20)
	}
	return nil
}

// flushCounter counts what is committed and not flushed.
type flushCounter struct {
	mu     sync.Mutex
	bytes  int64
	behind int64 // of bytes, when the running flush began
	since  time.Time
}

func (c *flushCounter) add(n int64, now func() time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bytes == 0 {
		c.since = now()
	}
	c.bytes += n
}

func (c *flushCounter) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.behind = c.bytes
}

func (c *flushCounter) end(ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ok {
		c.bytes -= c.behind
	}
	c.behind = 0
	if c.bytes == 0 {
		c.since = time.Time{}
	}
}

func (c *flushCounter) get() (int64, time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes, c.since
}
