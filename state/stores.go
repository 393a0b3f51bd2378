package state

import (
	"errors"
	"iter"
)

// DB is an application's engine: one Pebble for all tasks and stores. Safe for concurrent use.
type DB struct{}

// Batch collects what one commit applies, atomically.
type Batch struct{}

// Cache is a stream thread's record cache: its share of Config.CacheBytes. It belongs to one thread.
type Cache struct{}

// NewCache is a cache of that many bytes.
func NewCache(bytes int64) *Cache { return &Cache{} }

// Position is how far a store has come in its changelog.
type Position struct {
	Next    int64    // the next changelog offset to restore
	Topic   [16]byte // the changelog's topic id, zero if unknown
	Applied Time     // wall clock of the last apply
}

// Stores are one task's stores, in the order of their definitions.
type Stores struct{}

// Open opens a task's stores.
func Open(env Env, defs []AnyDefinition) (*Stores, error) { return nil, errors.New("state: not open") }

// Get is the store of that name, nil if there is none: the S of its Definition.
func (s *Stores) Get(name string) any { return nil }

// Names are the stores' names in order.
func (s *Stores) Names() []string { return nil }

// Flush flushes the caches in order: forwards downstream and logs. The first step of a commit.
func (s *Stores) Flush() error { return nil }

// Pending is the memory held by what is not applied yet, in bytes; CacheFull says that a cache must be flushed before the next record.
func (s *Stores) Pending() int64 { return 0 }

// EvictCaches flushes what a full cache asks for. Call it between records.
func (s *Stores) EvictCaches() error { return nil }

// Apply adds what was written since the last Apply to b, with the positions of the stores' changelogs. The stores see it as applied
// once b is committed; after a failed commit they must be closed.
func (s *Stores) Apply(b *Batch, positions map[string]Position) error { return nil }

// Position is a store's position as of the last committed Apply; false: the store is empty and restores from the beginning.
func (s *Stores) Position(store string) (Position, bool) { return Position{}, false }

// Restore applies changelog records to a store. Past an aborted or missing end, SavePosition keeps what was reached.
func (s *Stores) Restore(store string, rs []Restored, next Position) error { return nil }

// Reset empties a store that has to be rebuilt.
func (s *Stores) Reset(store string) error { return nil }

// Dump lists a store's content as bytes: key-value [key, value], timestamped key-value [key, value, ts], window [key, start, value] or
// [key, start, value, ts], session [key, start, end, value], versioned [key, value, ts]; keys and values are []byte, times int64.
func (s *Stores) Dump(store string) (iter.Seq[[]any], bool) { return nil, false }

// Close drops caches and overlays and closes the stores.
func (s *Stores) Close() error { return nil }
