package runtime

import (
	"log/slog"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
)

// Time is an instant in milliseconds since the epoch.
type Time = topology.Time

// TopicPartition is one partition of a topic, by the topic's full name.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// Collector takes the encoded records of a thread's tasks. Bytes and headers are valid during the call only. It belongs to the thread's goroutine.
//
// An error of a Collector is fatal to the task, but for a *topology.NameError: no handler is asked, the thread decides what it means.
type Collector interface {
	// Send takes a record for a topic. A partition of -1 has to be chosen: by [Partition] of o.Hash, or freely if o.NoKey. The collector may keep
	// what it knows of the topic under o.To.Slot.
	Send(o *topology.Outgoing) error
	// Changelog is where a store's records go that are logged to one partition of a changelog topic.
	Changelog(topic string, partition int32) (state.Changelog, error)
	// Partitions is the number of partitions of a topic. It is asked by sinks with a partitioner, for each record.
	Partitions(topic string) (int32, error)
}

// TaskSpec is what a task is made of.
type TaskSpec struct {
	ID       topology.TaskID
	Topology *topology.Topology
	// Subtopologies are the ones that the task runs: one, or nil for all that are not global.
	Subtopologies []topology.SubtopologyID
	// Inputs are the partitions that the task reads. Their queues have the same order.
	Inputs    []TopicPartition
	Config    *Config
	DB        *state.DB    // nil: stores live in memory
	Cache     *state.Cache // nil: no store caches
	Collector Collector
	// GlobalStore is the instance of a global store, nil if there is none of that name. The function may be nil.
	GlobalStore func(name string) any
	// Shared says that other goroutines read the task's stores: global stores.
	Shared bool
	// Now is the wall clock.
	Now    func() Time
	Logger *slog.Logger // nil: slog.Default
}

// Committed is what the group knows of a partition. An Offset of -1 says that nothing is committed: then it starts at Start, or at its log's beginning
// if that is -1.
type Committed struct {
	Offset   int64
	Metadata string // the text of a Metadata
	Start    int64
}

// Offset is what to commit for a partition.
type Offset struct {
	TopicPartition
	Offset   int64
	Metadata Metadata
}

// Changelog says from where a store of a task is restored.
type Changelog struct {
	Store string
	TopicPartition
	// Source says that the topic is one that the application reads, not one that the store writes: it is restored up to the committed
	// offset, and its position after a commit is Task.SourceOffset.
	Source bool
}

// Partition is Kafka's choice of a partition for a key's bytes: murmur2, its sign bit cleared, modulo n.
func Partition(key []byte, n int32) int32 { return int32(murmur2(key)&0x7fffffff) % n }
