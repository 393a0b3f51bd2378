package state

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// pebbleFormat is Pebble's on-disk format: a number, not pebble.FormatNewest, so that an update of Pebble does not silently turn a directory into
// one that an older program cannot open.
const pebbleFormat = pebble.FormatMajorVersion(24)

// DefaultMemory is DBOptions.Memory if that is 0.
const DefaultMemory = 256 << 20

// DBOptions say how to open a DB. The zero value is ready.
type DBOptions struct {
	// FS is the file system; nil: the operating system's.
	FS vfs.FS
	// Memory is the budget in bytes for everything that the database keeps in memory, whatever the number of stores: half for rows that the stores
	// have read or written lately, the rest for blocks and memtables. What is not applied yet comes on top: see Stores.Pending.
	Memory int64
	// Logger gets the database's errors; nil discards them.
	Logger *slog.Logger
	// OnFault is told of every fault: a DamagedError's cause, ErrDBFailed, ErrNoSpace, and at most every ten seconds an error of the background. It
	// may be called by any goroutine.
	OnFault func(error)
	// MinFree is how many bytes of the disk stay free: below, Commit answers ErrNoSpace, for a full disk would make the database hang. 0 is 64 MiB.
	MinFree int64
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// DB is an application's engine: one Pebble for all tasks and stores, without a write-ahead log, since the changelogs are that. Safe for
// concurrent use.
//
// After a crash it stands where its memtables were flushed last, each partition of a store with the position in its changelog that belongs
// to its rows.
type DB struct {
	p    *pebble.DB
	o    DBOptions
	dir  string
	f    *faults
	free spaceGuard

	mu     sync.Mutex
	stores map[string]storeRow
	nextID uint32

	cleanBudget int64
	clean       atomic.Int64 // bytes of clean entries in the tables of open stores

	unflushed flushCounter
	sweeper   sweeper
	closed    atomic.Bool
	searching sync.Mutex // held by a search, and for ever once closed
}

// OpenDB opens or makes the database in a directory, which belongs to it. It must be closed.
//
// An error that is not ErrNoSpace means that the directory cannot be used: move it aside, the stores are rebuilt.
func OpenDB(dir string, o DBOptions) (*DB, error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Memory <= 0 {
		o.Memory = DefaultMemory
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MinFree == 0 {
		o.MinFree = 64 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	f := &faults{log: o.Logger, onFault: o.OnFault, now: o.Now, damaged: map[storePartition]*DamagedError{}, fatal: make(chan struct{})}
	db := &DB{o: o, dir: dir, f: f, stores: map[string]storeRow{}, nextID: 1, cleanBudget: o.Memory / 2}
	if err := o.FS.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("store database in %s: %w", dir, err)
	}
	db.free = spaceGuard{fs: o.FS, dir: dir, min: uint64(max(o.MinFree, 0))}
	if err := db.free.check(); err != nil {
		return nil, err
	}
	cache := pebble.NewCache(max(o.Memory/4, 1<<20))
	defer cache.Unref()
	opts := &pebble.Options{
		FS:                          o.FS,
		FormatMajorVersion:          pebbleFormat,
		DisableWAL:                  true,
		Cache:                       cache,
		MemTableSize:                uint64(min(max(o.Memory/16, 256<<10), 64<<20)),
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       2,
		L0StopWritesThreshold:       1000,
		MaxOpenFiles:                1000,
		Logger:                      f,
		EventListener:               f.listener(),
	}
	opts.EventListener.FlushBegin = func(pebble.FlushInfo) { db.unflushed.begin() }
	opts.EventListener.FlushEnd = func(i pebble.FlushInfo) { db.unflushed.end(i.Err == nil) }
	for i := range opts.Levels {
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	err := db.do(func() (err error) {
		if db.p, err = pebble.Open(dir, opts); err == nil {
			err = db.loadManifest()
		}
		return err
	})
	if err != nil {
		err = fmt.Errorf("store database in %s: %w", dir, err)
		if db.p != nil && db.f.failed() == nil {
			err = errors.Join(err, db.p.Close())
		}
		return nil, err
	}
	db.sweeper.db = db
	f.corrupt = db.search
	return db, nil
}

// do runs f, which calls Pebble, in a goroutine of its own: where Pebble gives up, that goroutine ends, and the caller gets the error.
func (db *DB) do(f func() error) error {
	if db.closed.Load() {
		return errClosed
	}
	return db.run(f)
}

func (db *DB) run(f func() error) error {
	if err := db.f.failed(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil { // an iterator that somebody never ended, above all, when the database closes
				db.f.fail(fmt.Errorf("panic: %v", r))
			}
		}()
		done <- f()
	}()
	select {
	case err := <-done:
		return err
	case <-db.f.fatal: // f may have ended, or wait for ever for somebody who has
		return db.f.failed()
	}
}

// loadManifest reads the database's own rows, or writes the format's.
func (db *DB) loadManifest() error {
	format, err := db.read(systemKey(systemFormat, ""))
	if err != nil {
		return err
	}
	if format == nil {
		if err := db.p.Set(systemKey(systemFormat, ""), binary.BigEndian.AppendUint32(nil, dbFormat), pebble.NoSync); err != nil {
			return err
		}
		return db.p.Flush() // before anything else is there
	}
	if len(format) != 4 || binary.BigEndian.Uint32(format) != dbFormat {
		return fmt.Errorf("it has format %x, this program reads format %d", format, dbFormat)
	}
	prefix := systemKey(systemStore, "")
	it, err := db.p.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: prefixEnd(prefix)})
	if err != nil {
		return err
	}
	for it.First(); it.Valid(); it.Next() {
		row, err := parseStoreRow(it.Value())
		if err != nil {
			return errors.Join(err, it.Close())
		}
		db.stores[string(it.Key()[len(prefix):])] = row
		db.nextID = max(db.nextID, row.id+1)
	}
	return it.Close()
}

// read returns a copy of a row, nil if there is none.
func (db *DB) read(key []byte) ([]byte, error) {
	v, closer, err := db.p.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return clone(v), closer.Close()
}

// ErrOtherKind: what is there of a store, in the database or in its changelog, is of another kind of store.
var ErrOtherKind = errors.New("it was another kind of store: give it another name, or reset the application and delete its state directory")

// register returns a store's id. If its rows are laid out in another way than they were, it is a new one and the old rows go. If it was another kind of store its changelog
// is that one's, too: ErrOtherKind.
func (db *DB) register(name, fingerprint string) (uint32, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	row, ok := db.stores[name]
	if ok && row.fingerprint == fingerprint {
		return row.id, nil
	}
	if was, is := row.kind(), (storeRow{fingerprint: fingerprint}).kind(); ok && was != is {
		return 0, storeError(name, fmt.Errorf("%w: a %s store, not a %s store", ErrOtherKind, was, is))
	}
	old := row.id
	row = storeRow{db.nextID, fingerprint}
	err := db.do(func() error {
		return db.p.Set(systemKey(systemStore, name), row.append(nil), pebble.NoSync)
	})
	if err != nil {
		return 0, storeError(name, err)
	}
	db.nextID++
	db.stores[name] = row
	if ok {
		db.o.Logger.Warn("the layout of a store has changed: it is rebuilt from its changelog", "store", name, "was", old, "is", row.id)
		db.sweeper.later(storePrefix(old), prefixEnd(storePrefix(old)))
	}
	return row.id, nil
}

// Flush writes what is in memory to the disk, so that it survives a crash. It is called at a clean stop, and while the application runs when
// Unflushed has become large.
func (db *DB) Flush() error { return db.do(db.p.Flush) }

// FlushSoon is Flush in the background. Errors go to OnFault.
func (db *DB) FlushSoon() {
	go func() {
		if err := db.Flush(); err != nil {
			db.f.tell(err)
		}
	}()
}

// Unflushed tells how many bytes a crash would take back, about, and since when; they are in the changelogs and would be restored from there.
func (db *DB) Unflushed() (bytes int64, since time.Time) { return db.unflushed.get() }

// DBStats are numbers about a DB.
type DBStats struct {
	DiskBytes      int64 // on disk
	UnflushedBytes int64 // a crash would take back, about
	MemoryBytes    int64 // blocks and memtables
	ReadCacheBytes int64 // rows that stores hold to save reads
	BlockHits      int64
	BlockMisses    int64
	Sublevels      int   // of level 0, which each read has to look at
	DebtBytes      int64 // that compactions still have to move
}

// Stats are the database's numbers. They cost some locks: ask now and then, not per record.
func (db *DB) Stats() DBStats {
	if db.closed.Load() || db.f.failed() != nil {
		return DBStats{}
	}
	m := db.p.Metrics()
	unflushed, _ := db.unflushed.get()
	return DBStats{DiskBytes: int64(m.DiskSpaceUsage()), UnflushedBytes: unflushed, MemoryBytes: m.BlockCache.Size + int64(m.MemTable.Size),
		ReadCacheBytes: db.clean.Load(), BlockHits: m.BlockCache.Hits, BlockMisses: m.BlockCache.Misses,
		Sublevels: int(m.Levels[0].Sublevels), DebtBytes: int64(m.Compact.EstimatedDebt)}
}

// Behind says that compactions lag so far behind what was written that a restore should wait a little, lest the commits of others stall.
func (s DBStats) Behind() bool { return s.Sublevels > 12 || s.DebtBytes > 1<<30 }

// Close ends the database. It does not flush: call Flush before, at a clean stop. Stores must be closed. A second call does nothing.
func (db *DB) Close() error {
	if db.closed.Swap(true) {
		return nil
	}
	db.sweeper.stop()
	db.searching.Lock()
	if db.f.failed() != nil {
		return nil // a failed Pebble may wait for ever for what has failed
	}
	return db.run(db.p.Close)
}

// StorePartition names a partition of a store.
type StorePartition struct {
	Store     string
	Partition int32
}

// Partitions lists what the database holds.
func (db *DB) Partitions() ([]StorePartition, error) {
	names := map[uint32]string{}
	db.mu.Lock()
	for name, row := range db.stores {
		names[row.id] = name
	}
	db.mu.Unlock()
	var out []StorePartition
	err := db.do(func() error {
		it, err := db.p.NewIter(&pebble.IterOptions{LowerBound: storePrefix(1)})
		if err != nil {
			return err
		}
		for ok := it.First(); ok; {
			p, _ := partitionOf(it.Key())
			if name, known := names[p.id]; known {
				out = append(out, StorePartition{name, p.partition})
			}
			ok = it.SeekGE(prefixEnd(partitionPrefix(p.id, p.partition)))
		}
		return it.Close()
	})
	return out, err
}

// partitionOf is the partition that a key belongs to.
func partitionOf(key []byte) (storePartition, bool) {
	if len(key) < partitionPrefixSize {
		return storePartition{}, false
	}
	return storePartition{binary.BigEndian.Uint32(key), int32(binary.BigEndian.Uint32(key[4:]))}, true
}

// DropPartition removes everything of a partition of a store. No task may have it open.
func (db *DB) DropPartition(store string, partition int32) error {
	db.mu.Lock()
	row, ok := db.stores[store]
	db.mu.Unlock()
	if !ok {
		return nil
	}
	p := partitionPrefix(row.id, partition)
	if err := db.excise(p, prefixEnd(p)); err != nil {
		return err
	}
	db.f.heal(storePartition{row.id, partition})
	return nil
}

// DropStore removes everything of a store. No task may have it open.
func (db *DB) DropStore(store string) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	row, ok := db.stores[store]
	if !ok {
		return nil
	}
	p := storePrefix(row.id)
	if err := db.excise(p, prefixEnd(p)); err != nil {
		return err
	}
	err := db.do(func() error { return db.p.Delete(systemKey(systemStore, store), pebble.NoSync) })
	if err == nil {
		delete(db.stores, store)
	}
	return err
}

// excise takes a range out. Unlike a range tombstone it also takes damaged files out, which would fail every compaction that meets them.
func (db *DB) excise(low, high []byte) error {
	err := db.do(func() error { return db.p.Excise(context.Background(), pebble.KeyRange{Start: low, End: high}) })
	if pebble.IsCorruptionError(err) {
		db.f.fail(err) // the damage lies on the range's edge: no part of the file can be taken out
		return db.f.failed()
	}
	if err != nil {
		return fmt.Errorf("remove a range of the store database: %w", err)
	}
	return nil
}
