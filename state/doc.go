// Package state keeps what a task's processors have written, and says it to changelogs.
//
// A [Definition] describes a store: a name, a kind, options. It is made while the topology is built and opens nothing. When a task starts,
// [Open] makes the instance of each of its stores; a processor then holds a [KeyValueStore], [WindowStore], [SessionStore] or [VersionedStore]. All
// of them speak the user's types; below, everything is bytes.
//
// # Layers
//
// A write goes through these layers, from top to bottom:
//
//	facade      typed: KV, Windows, Sessions, Versions
//	cache       holds updates back until a flush, if the store is cached (Cache)
//	changelog   takes each change in Kafka Streams' own bytes (Changelog)
//	table       what was written since the last apply, and what is worth remembering
//	engine      the application's database (DB); none for a store in memory
//
// The cache, the changes that are not applied and the rows that only save reads are the same entries of one table: a value is written once.
//
// # A commit
//
// [Stores.Flush] passes on what caches hold. [Stores.Apply] puts everything written so far into a [Batch] together with the positions in the changelogs
// that belong to it. Once the batch is committed, rows and positions are in the database, both or neither. After a crash each store is as old as
// its position says, and [Stores.Restore] takes it from there: no other file says how far a store is, and no state is wiped.
//
// # What is too old
//
// Window and session stores refuse and hide what is older than their retention by the clock of what was put into them, with the two rules of Kafka
// Streams: one for its persistent stores, one for those in memory. The definition alone says which one holds, not where the rows are, so that
// the test driver, which has no database, answers as an application does.
//
// # Rules
//
// Stores belong to their task's goroutine. Bytes and decoded values never alias a store's memory. An iteration sees the store as it was when
// the iteration began, whatever its body writes; leaving the loop ends it. Absence is ok == false, not an error: an error means that the store
// cannot go on, and its task has to be closed.
package state
