// Package metadb keeps the broker's metadata in Pebble: topics, offsets, transactions, everything that is small.
//
// Every write is a [Batch] committed with pebble.Sync. When the broker was not asked for power-loss safety, the sync of
// the write-ahead log does nothing, but the commit still waits for the write(2): what was acknowledged survives a
// kill -9 of the process. pebble.NoSync would leave acknowledged batches in a buffer of the process, and lose them.
//
// Keys and values belong to the packages that write them. The first byte of a key names its table; the tables are
// listed in [Table] so that two packages cannot choose the same byte.
package metadb
