// Package runtime moves records: it queues what was fetched, chooses the next record, lets a task's nodes process it, and takes the task
// through commits and restarts.
//
// A [Task] is one sub-topology for one partition, driven by its owner: a stream thread, or the test driver. It has no goroutine, no clock and
// no socket of its own. The owner takes it through these steps, all from one goroutine:
//
//	OpenTask         the stores are open
//	Changelogs       what to restore; Stores().Restore takes the records
//	Start            the nodes are made, times and processor metadata come from the committed offsets
//	Queue.Push       fetched records, in order of their offsets
//	Process          some records, lowest head timestamp first
//	PunctuateStream  due timers; PunctuateWall the same
//	Flush            a commit begins: caches go downstream and to the changelogs
//	Offsets          what to commit
//	Apply            what was written goes into the database's batch, with the changelog positions
//	Committed        the commit is done
//	Close
//
// After an error of any step but Close, the task can only be closed.
package runtime
