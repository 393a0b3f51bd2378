package state

import (
	"bytes"
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// search finds out in the background whose rows a damaged file holds: a compaction has met it, which does not know.
func (db *DB) search(in span) {
	if !db.searching.TryLock() {
		return // the next compaction will meet it again
	}
	go func() {
		defer db.searching.Unlock()
		parts, err := db.Partitions()
		if err != nil {
			return
		}
		for _, p := range parts {
			db.mu.Lock()
			row, ok := db.stores[p.Store]
			db.mu.Unlock()
			owner := storePartition{row.id, p.Partition}
			if !ok || db.f.damageOf(owner) != nil {
				continue
			}
			low := partitionPrefix(owner.id, owner.partition)
			high := prefixEnd(low)
			if bytes.Compare(high, in.low) > 0 && bytes.Compare(low, in.high) < 0 {
				db.readAll(p, owner, span{maxBytes(low, in.low), minBytes(high, in.high)})
			}
		}
	}()
}

// readAll reads a partition's rows to see whether they can be read.
func (db *DB) readAll(p StorePartition, owner storePartition, in span) {
	healings := db.f.healings()
	it, err := db.p.NewIter(&pebble.IterOptions{LowerBound: in.low, UpperBound: in.high})
	if err == nil {
		for ok := it.First(); ok && err == nil && !db.closed.Load(); ok = it.Next() {
			_, err = it.ValueAndErr()
		}
		err = errors.Join(err, it.Close())
	}
	if pebble.IsCorruptionError(err) && db.f.healings() == healings {
		db.f.damage(&DamagedError{p.Store, p.Partition, err}, owner)
	}
}

func maxBytes(a, b []byte) []byte {
	if bytes.Compare(a, b) > 0 {
		return a
	}
	return b
}

func minBytes(a, b []byte) []byte {
	if bytes.Compare(a, b) < 0 {
		return a
	}
	return b
}
