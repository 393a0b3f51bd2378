package runtime

import (
	"context"
	"time"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
)

// The runtime knows Kafka through the interfaces of this file. Records cross them as bytes and in batches; package kafka implements them with kgo.

// EventKind says what the group told.
type EventKind uint8

const (
	// Assigned adds partitions: paused, until they are resumed.
	Assigned EventKind = iota
	// Revoked takes partitions away: what they did has to be committed before the event is done.
	Revoked
	// Lost takes all partitions away at once: nothing can be committed any more.
	Lost
	// Fetched tells the committed offsets of assigned partitions, once no transaction of an earlier owner can change them.
	Fetched
)

// String is the kind's name.
func (k EventKind) String() string {
	return [...]string{"assigned", "revoked", "lost", "committed offsets"}[k]
}

// Event is what the group told. The group waits until Done was called, so that partitions change hands only with the thread's consent.
type Event struct {
	Kind       EventKind
	Partitions []TopicPartition
	Committed  map[TopicPartition]Committed // of Fetched; Offset is -1 for a partition that has none
	Moving     bool                         // of Assigned: some partitions of the group have no owner, until the member that had them has joined again
	Err        error                        // of Fetched: why the thread cannot go on
	Done       func()
}

// Consumer is a member of the application's group. It belongs to the thread's goroutine.
type Consumer interface {
	// Events are what has happened since the last call.
	Events() []Event
	// Poll hands out fetched records by partition, at most max, and waits at most that long while there are none and no event. high is the
	// partition's high watermark. The records stay valid, the slice does not.
	Poll(ctx context.Context, wait time.Duration, max int, push func(tp TopicPartition, rs []topology.Raw, high int64)) error
	Pause(ps []TopicPartition)
	Resume(ps []TopicPartition)
	// Commit commits offsets outside of a transaction.
	Commit(ctx context.Context, offsets []Offset) error
	// Rejoin asks for a rebalance if the last assignment was made for another topology. It is an error if that did not help: others run that topology.
	Rejoin() error
	// TakenOver asks the group whether another process has this member's identity.
	TakenOver(ctx context.Context) bool
	// Close leaves the group. From now on no event waits for the thread.
	Close(ctx context.Context) error
	// Kill ends the membership as a crash would: the group is not told.
	Kill()
}

// Producer writes a thread's records. It belongs to the thread's goroutine.
type Producer interface {
	Collector
	// Flush waits until all records are acknowledged. Then Next tells how far each changelog goes.
	Flush(ctx context.Context) error
	// Next is the offset behind the last record that was logged to a changelog partition since Forget; false if none was.
	Next(TopicPartition) (int64, bool)
	// Forget is called when a commit is done.
	Forget()
	// Commit ends the transaction together with the offsets; a producer without transactions has none to end, see Transactional.
	// Produced says whether anything was sent since the last Commit.
	Commit(ctx context.Context, offsets []Offset, c Consumer) error
	Produced() bool
	Transactional() bool
	// Full says that Send waits for the broker to take records. Any goroutine may ask.
	Full() bool
	// Abort ends the transaction without its records, if there is one and the broker answers before ctx is done.
	Abort(ctx context.Context)
	// Close drops what is not acknowledged.
	Close()
}

// Ends are the bounds of a changelog partition.
type Ends struct {
	Start   int64 // log start
	High    int64 // high watermark: the end that readers of uncommitted records see
	TopicID [16]byte
}

// Reader reads changelogs directly. Fetches run beside the thread, as do its questions about silent partitions: the methods may be called from any goroutine.
type Reader interface {
	Ends(ctx context.Context, ps []TopicPartition) (map[TopicPartition]Ends, error)
	// Fetch reads committed records from the positions on; it answers on the channel, once.
	Fetch(ctx context.Context, from map[TopicPartition]int64, l FetchLimits) <-chan ReadBatch
	// Purge deletes the records of partitions below the offsets.
	Purge(ctx context.Context, below map[TopicPartition]int64) error
	// DeleteRetention is the topic's delete.retention.ms if it is compacted, else -1.
	DeleteRetention(ctx context.Context, topic string) (int64, error)
	Close()
}

// FetchLimits bound one Fetch.
type FetchLimits struct {
	Wait      time.Duration // for a first record
	Partition int32         // bytes of a partition; one batch comes in any case
}

// ReadBatch is the answer to one Fetch.
type ReadBatch struct {
	Err        error
	Partitions []ReadPartition
}

// ReadPartition is what was read of a partition.
type ReadPartition struct {
	TopicPartition
	Records []state.Restored
	Next    int64 // the position behind what was read: aborted records, markers and gaps included
	Stable  int64 // the last stable offset
	Empty   bool  // the answer had not even a batch without records
}
