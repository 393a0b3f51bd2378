package streams

import (
	"time"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/topology"
)

// Options. One interface per family of verbs, so that an option that makes no sense does not compile. What depends on K and V
// (timestamps, partitioner) is erased here and checked by Build: a typed option interface cannot also accept Named, because
// a generic method does not satisfy an interface.
type (
	NodeOption        interface{ node(*nodeConfig) }        // every stateless verb
	SourceOption      interface{ source(*nodeConfig) }      // Stream
	TableOption       interface{ table(*nodeConfig) }       // Table, GlobalTable
	SinkOption        interface{ sink(*nodeConfig) }        // To
	GroupOption       interface{ group(*nodeConfig) }       // GroupBy, GroupByKey
	RepartitionOption interface{ repartition(*nodeConfig) } // Repartition
	StoreOption       interface{ store(*nodeConfig) }       // aggregates, ToTable, materialised table verbs
	JoinOption        interface{ join(*nodeConfig) }        // stream-table, stream-global joins
	StreamJoinOption  interface{ streamJoin(*nodeConfig) }  // stream-stream joins
	ForeignKeyOption  interface{ foreignKey(*nodeConfig) }  // foreign-key joins
	SuppressOption    interface{ suppress(*nodeConfig) }    // Suppress
	BuildOption       interface{ build(*nodeConfig) }
)

type nodeConfig struct{ any any }

// Named is the operator's name (Kafka: Named, Grouped, Joined, Branched, ... `as`).
type Named string

func (Named) node(*nodeConfig)        {}
func (Named) source(*nodeConfig)      {}
func (Named) table(*nodeConfig)       {}
func (Named) sink(*nodeConfig)        {}
func (Named) group(*nodeConfig)       {}
func (Named) repartition(*nodeConfig) {}
func (Named) store(*nodeConfig)       {}
func (Named) join(*nodeConfig)        {}
func (Named) streamJoin(*nodeConfig)  {}
func (Named) foreignKey(*nodeConfig)  {}
func (Named) suppress(*nodeConfig)    {}

// As is the store's name (Kafka: Materialized.as, StreamJoined.withStoreName).
type As string

func (As) table(*nodeConfig)      {}
func (As) store(*nodeConfig)      {}
func (As) streamJoin(*nodeConfig) {}
func (As) foreignKey(*nodeConfig) {}

type storeOpt struct{}

func (storeOpt) table(*nodeConfig)      {}
func (storeOpt) store(*nodeConfig)      {}
func (storeOpt) streamJoin(*nodeConfig) {}
func (storeOpt) foreignKey(*nodeConfig) {}

// Materialized asks for a store without naming it.
func Materialized() storeOpt                   { return storeOpt{} }
func InMemory() storeOpt                       { return storeOpt{} }
func Versioned(history time.Duration) storeOpt { return storeOpt{} }
func Retention(time.Duration) storeOpt         { return storeOpt{} }
func TTL(time.Duration) storeOpt               { return storeOpt{} }
func Caching(bool) storeOpt                    { return storeOpt{} }

type logOpt struct{ storeOpt }

func (logOpt) suppress(*nodeConfig) {}

func WithoutLogging() logOpt       { return logOpt{} }
func LogConfig(k, v string) logOpt { return logOpt{} }

type sourceOpt struct{}

func (sourceOpt) source(*nodeConfig) {}
func (sourceOpt) table(*nodeConfig)  {}

type Reset struct{ sourceOpt }

func Earliest() sourceOpt                  { return sourceOpt{} }
func Latest() sourceOpt                    { return sourceOpt{} }
func FromDuration(time.Duration) sourceOpt { return sourceOpt{} }

// Timestamps sets the source's timestamp extractor.
func Timestamps[K, V any](f topology.TimestampExtractor[K, V]) sourceOpt { return sourceOpt{} }

type sinkOpt struct{}

func (sinkOpt) sink(*nodeConfig)        {}
func (sinkOpt) repartition(*nodeConfig) {}

func Partitioned[K, V any](f topology.Partitioner[K, V]) sinkOpt { return sinkOpt{} }

// TopicsNamed is what Describe prints for a dynamic sink: (extractor class: name). Default: "func".
func TopicsNamed(name string) dynamicOpt { return dynamicOpt{} }

type dynamicOpt struct{}

func (dynamicOpt) sink(*nodeConfig) {}

type partitions struct{}

func (partitions) repartition(*nodeConfig) {}

func Partitions(n int) partitions { return partitions{} }

type grace struct{}

func (grace) join(*nodeConfig) {}

func Grace(time.Duration) grace { return grace{} }

type fkOpt struct{}

func (fkOpt) foreignKey(*nodeConfig) {}

func PartitionedBy[K, FK any](own topology.Partitioner[K, any], other topology.Partitioner[FK, any]) fkOpt {
	return fkOpt{}
}

// Suppression says when Suppress lets a key go.
type Suppression interface{ suppression() }

// UntilWindowCloses emits each window once, when it has closed. Limits stop the app when they are passed.
type UntilWindowCloses struct {
	MaxRecords int
	MaxBytes   int64
}

// UntilTimeLimit emits the last update of a key Wait after the first one. EmitEarly picks what a full buffer does.
type UntilTimeLimit struct {
	Wait       time.Duration
	MaxRecords int
	MaxBytes   int64
	EmitEarly  bool
}

func (UntilWindowCloses) suppression() {}
func (UntilTimeLimit) suppression()    {}

type erased[T any] struct{ s serde.Serde[T] }
