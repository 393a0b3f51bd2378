package topology

import (
	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/window"
)

// Time is an instant in milliseconds since the epoch.
type Time = window.Time

type (
	// Header is one header of a record.
	Header = serde.Header
	// Headers are a record's headers, in order. Nodes share them: append to a clipped copy, never write into them.
	Headers = serde.Headers
)

// Record is what travels between nodes. The zero value of the flags says that key and value are there.
type Record[K, V any] struct {
	Key       K
	Value     V
	Time      Time
	Headers   Headers
	NoKey     bool // the key is null; Key is the zero K
	Tombstone bool // the value is null; Value is the zero V
}

// Of is a record with a key and a value.
func Of[K, V any](k K, v V, at Time) Record[K, V] { return Record[K, V]{Key: k, Value: v, Time: at} }

// WithValue is r with the value v, which is there. Its type parameter is free, so no instantiation cycle arises.
func (r Record[K, V]) WithValue[V2 any](v V2) Record[K, V2] {
	return Record[K, V2]{Key: r.Key, Value: v, Time: r.Time, Headers: r.Headers, NoKey: r.NoKey}
}

// WithKey is r with the key k, which is there.
func (r Record[K, V]) WithKey[K2 any](k K2) Record[K2, V] {
	return Record[K2, V]{Key: k, Value: r.Value, Time: r.Time, Headers: r.Headers, Tombstone: r.Tombstone}
}

// WithoutValue is r as a tombstone of another value type.
func (r Record[K, V]) WithoutValue[V2 any]() Record[K, V2] {
	return Record[K, V2]{Key: r.Key, Time: r.Time, Headers: r.Headers, NoKey: r.NoKey, Tombstone: true}
}

// WithoutKey is r with a null key of another key type.
func (r Record[K, V]) WithoutKey[K2 any]() Record[K2, V] {
	return Record[K2, V]{Value: r.Value, Time: r.Time, Headers: r.Headers, NoKey: true, Tombstone: r.Tombstone}
}

// RecordMetadata says where the record that is being processed came from: the input record of the sub-topology.
type RecordMetadata struct {
	Topic     string
	Partition int32
	Offset    int64
}

// Partitioner chooses the partitions of a sink's record: nil = by the hash of the key, empty = drop the record, several = multicast (KIP-837).
type Partitioner[K, V any] = func(topic string, r Record[K, V], partitions int32) []int32

// TimestampExtractor gives a record its time; a negative one drops the record, InvalidTime fails it. partitionTime is the highest time seen in the partition, -1 at first.
type TimestampExtractor[K, V any] = func(r Record[K, V], m RecordMetadata, partitionTime Time) Time
