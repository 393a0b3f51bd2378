// Package commitlog stores the partitions of the embedded broker: append-only
// files of Kafka record batches, kept as their producers sent them.
//
// A [Store] holds every partition of a data directory. A [Partition] validates
// and appends batches, keeps the state of idempotent and transactional
// producers, answers reads up to the high watermark or the last stable offset,
// and finds offsets by time. Retention and compaction are done by
// [Store.Maintain], which the caller drives from a goroutine of its own; the
// package starts none that outlives a call.
//
// # Guarantees
//
//   - A batch that Append has acknowledged survives the end of the process, and
//     with [SyncAlways] a power loss too. Under SyncAlways nothing is readable
//     before it is synced, so that a power loss never takes back what somebody
//     has read.
//   - Offsets never change and are never used twice for different records that
//     somebody may have read.
//   - A batch is returned bit by bit as it was sent, but for its base offset and
//     leader epoch, unless the topic asks for log append time or for another
//     codec, or compaction removed some of its records.
//   - After a failed write or fsync the partition is offline ([KindStorage])
//     until it has been opened anew with recovery, which Maintain tries.
//
// # Errors
//
// Every error a caller may want to tell apart is an [*Error] whose [Kind] says
// what happened and which Kafka error code answers it; see [KindOf].
//
// # Files
//
// The files and their formats are described in docs/formats/commitlog.md. What
// the log consists of is said by one row per partition in the Pebble database
// that the caller opened: a roll, a compaction or a deletion is one atomic
// Pebble commit, and files that no row names are removed when the store opens.
package commitlog
