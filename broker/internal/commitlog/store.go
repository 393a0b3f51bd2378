package commitlog

import (
	"context"
	"encoding/hex"
	"strconv"
)

// TopicID is a topic's id (a UUID).
type TopicID = [16]byte

// PartitionID names a partition.
type PartitionID struct {
	Topic     TopicID
	Partition int32
}

// String returns the topic id in hex, a dash and the partition: the name of the partition's directory.
func (id PartitionID) String() string {
	return hex.EncodeToString(id.Topic[:]) + "-" + strconv.Itoa(int(id.Partition))
}

// Store holds the partitions of one directory. All methods are safe for
// concurrent use.
type Store struct{}

// Open opens the store, recovers all its partitions and removes files that no
// manifest names. A partition that cannot be recovered does not fail Open: it is
// offline, [Partition.Err] says why.
//
// Partitions are opened with [DefaultPartitionConfig]: set theirs with
// [Partition.SetConfig] before the first Maintain.
func Open(opts Options) (*Store, error) { return nil, errorf(KindUnknown, "not there yet") }

// Create creates partitions of a topic, all or none; those that exist are left
// alone but get the configuration. It is durable when it returns.
func (s *Store) Create(topic TopicID, partitions []int32, cfg PartitionConfig) error {
	return errorf(KindUnknown, "not there yet")
}

// Partition returns an open partition; ok is false if there is none of that id.
func (s *Store) Partition(id PartitionID) (p *Partition, ok bool) { return nil, false }

// Partitions returns all partitions, ordered by id.
func (s *Store) Partitions() []*Partition { return nil }

// DeleteTopic deletes all partitions of a topic. It is durable when it returns;
// readers and waiters of the partitions get [KindNotFound].
func (s *Store) DeleteTopic(topic TopicID) error { return errorf(KindUnknown, "not there yet") }

// Flush syncs every partition that has unsynced data and saves producer
// snapshots that are due. With [SyncInterval] the caller runs it at its interval;
// it does not hold up appends or reads.
func (s *Store) Flush(ctx context.Context) error { return errorf(KindUnknown, "not there yet") }

// Maintain does one round of background work over all partitions: rolls
// segments by time, deletes by retention, expires producers, saves snapshots,
// compacts, and re-opens partitions that are offline. It must not run twice at a
// time. The returned error joins those of the partitions; each has been left in a
// consistent state.
func (s *Store) Maintain(ctx context.Context) error { return errorf(KindUnknown, "not there yet") }

// Close syncs and closes every partition. Calls in flight end with [KindClosed].
func (s *Store) Close() error { return nil }
