package runtime

import (
	"context"
	"time"

	"github.com/millrace-go/millrace/topology"
)

// Config is what the runtime needs of streams.Config, with its defaults filled in.
type Config struct {
	ApplicationID string
	// CacheBytes is the size of all record caches together; 0: no store caches.
	CacheBytes int64
	// BufferedRecords is how many records a partition's queue holds before its fetching is paused.
	BufferedRecords int
	// MaxTaskIdle is how long a task waits for records of an empty partition that has none on the broker; negative: not even for those that
	// the broker has.
	MaxTaskIdle time.Duration
	// IdleAdvance is after how long without a record a task's stream time goes on with the wall clock; 0: never.
	IdleAdvance time.Duration
	// EmitInterval is how often at most joins look for what has stayed unmatched; 0: at each record.
	EmitInterval time.Duration
	// PendingBytes is how much a task's stores may hold in memory that is not applied yet, before Process ends early; 0: no bound.
	PendingBytes int64

	// Handlers decide about errors; nil fails.
	OnDeserializationError Handler
	OnProcessingError      Handler
	OnProductionError      Handler
	// DeadLetterTopic gets the records for which a handler answers DeadLetter.
	DeadLetterTopic string

	// Dir is the folder of custom stores; nil: there is none.
	Dir func() (string, error)
	// Drops counts what the tasks drop; nil: nobody wants to know.
	Drops *Drops
}

// Decision is what becomes of a record that failed.
type Decision uint8

const (
	// Fail stops the thread with the error.
	Fail Decision = iota
	// Skip drops the record, counts and logs it.
	Skip
	// DeadLetter writes the record to the dead letter topic, then drops it as Skip does.
	DeadLetter
)

// String is the decision's name.
func (d Decision) String() string { return [...]string{"fail", "skip", "dead letter"}[d] }

// Handler decides about a failed record. The failure belongs to it during the call only.
type Handler func(ctx context.Context, f *Failure) Decision

// Failure tells a Handler what failed.
type Failure struct {
	Err    error // a *topology.NodeError or *topology.DecodeError
	Node   string
	Task   topology.TaskID
	Record topology.RecordMetadata // the input record of the sub-topology; Topic is "" in a timer
	// Key, Value and Headers are the input record's, as fetched; nil if it is gone: an error while a cache was flushed, or in a timer.
	Key, Value []byte
	Headers    topology.Headers
	Time       Time
}
