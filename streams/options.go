package streams

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"time"

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
	ProcessOption     interface{ process(*nodeConfig) }     // Process, ProcessValues
	PrintOption       interface{ print(*nodeConfig) }       // Print
	BuildOption       interface{ build(*buildConfig) }      // Build
)

// nodeConfig is what the options of one verb say. The zero value: nothing.
type nodeConfig struct {
	name  string // Named
	store storeConfig

	reset       topology.Reset
	timestamps  any // topology.TimestampExtractor[K, V]
	wallClock   bool
	partitioner any // topology.Partitioner[K, V]
	dynamicName string
	partitions  int
	grace       time.Duration
	hasGrace    bool
	tolerance   *time.Duration // nil: any age
	using       []string
	fkOwn       any // topology.Partitioner[K, any]
	fkOther     any // topology.Partitioner[FK, any]

	label string // of Print
	lines any    // func(Record[K, V]) string

	errs []error // what is wrong with the options themselves: see Builder.check
}

// setName takes the name of a node or store.
func (c *nodeConfig) setName(dst *string, option, name string) {
	if name == "" {
		c.errs = append(c.errs, fmt.Errorf("%s(\"\") names nothing: give a name or leave the option out", option))
	}
	*dst = name
}

// storeConfig is what the store options of one verb say.
type storeConfig struct {
	materialized bool   // an option about the store was given
	name         string // As
	inMemory     bool
	onDisk       bool
	history      time.Duration // Versioned, if > 0 or versioned
	versioned    bool
	retention    time.Duration
	hasRetention bool
	ttl          time.Duration
	caching      *bool
	unlogged     bool
	logConfig    map[string]string
}

// buildConfig is what the options of Build say.
type buildConfig struct {
	rewrites         Rewrite
	requireNames     bool
	tombstoneHeaders bool
	inMemory         bool
	wrapper          topology.Wrapper
}

func nodeConfigOf(opts []NodeOption) (c nodeConfig) {
	for _, o := range opts {
		o.node(&c)
	}
	return c
}

func storeConfigOf(opts []StoreOption) (c nodeConfig) {
	for _, o := range opts {
		o.store(&c)
	}
	return c
}

// Named is the operator's name (Kafka: Named, Grouped, Joined, Branched, ... `as`).
type Named string

func (n Named) node(c *nodeConfig)        { c.setName(&c.name, "Named", string(n)) }
func (n Named) source(c *nodeConfig)      { c.setName(&c.name, "Named", string(n)) }
func (n Named) table(c *nodeConfig)       { c.setName(&c.name, "Named", string(n)) }
func (n Named) sink(c *nodeConfig)        { c.setName(&c.name, "Named", string(n)) }
func (n Named) group(c *nodeConfig)       { c.setName(&c.name, "Named", string(n)) }
func (n Named) repartition(c *nodeConfig) { c.setName(&c.name, "Named", string(n)) }
func (n Named) store(c *nodeConfig)       { c.setName(&c.name, "Named", string(n)) }
func (n Named) join(c *nodeConfig)        { c.setName(&c.name, "Named", string(n)) }
func (n Named) streamJoin(c *nodeConfig)  { c.setName(&c.name, "Named", string(n)) }
func (n Named) foreignKey(c *nodeConfig)  { c.setName(&c.name, "Named", string(n)) }
func (n Named) suppress(c *nodeConfig)    { c.setName(&c.name, "Named", string(n)) }
func (n Named) process(c *nodeConfig)     { c.setName(&c.name, "Named", string(n)) }
func (n Named) print(c *nodeConfig)       { c.setName(&c.name, "Named", string(n)) }

// As is the store's name (Kafka: Materialized.as, StreamJoined.withStoreName).
type As string

func (a As) table(c *nodeConfig) { a.store(c) }
func (a As) store(c *nodeConfig) {
	c.store.materialized = true
	c.setName(&c.store.name, "As", string(a))
}
func (a As) streamJoin(c *nodeConfig) { a.store(c) }
func (a As) foreignKey(c *nodeConfig) { a.store(c) }

type storeOpt struct{ set func(*nodeConfig) }

func (o storeOpt) table(c *nodeConfig)      { o.store(c) }
func (o storeOpt) store(c *nodeConfig)      { c.store.materialized = true; o.set(c) }
func (o storeOpt) streamJoin(c *nodeConfig) { o.store(c) }
func (o storeOpt) foreignKey(c *nodeConfig) { o.store(c) }

// Materialized asks for a store without naming it.
func Materialized() storeOpt { return storeOpt{func(*nodeConfig) {}} }

// InMemory keeps the store in memory; its changelog restores all of it at each start.
func InMemory() storeOpt { return storeOpt{func(c *nodeConfig) { c.store.inMemory = true }} }

// OnDisk keeps the store on disk, as without options, where Build was told StoresInMemory.
func OnDisk() storeOpt { return storeOpt{func(c *nodeConfig) { c.store.onDisk = true }} }

// Versioned keeps the history of each key for that long (KIP-889).
func Versioned(history time.Duration) storeOpt {
	return storeOpt{func(c *nodeConfig) {
		c.store.versioned, c.store.history = true, c.millis("Versioned", history)
	}}
}

// Retention is how long a window store keeps its windows, by stream time: at least window size and grace. It means nothing to other stores.
func Retention(d time.Duration) storeOpt {
	return storeOpt{func(c *nodeConfig) {
		if ok := c.millis("Retention", d); ok == d {
			c.store.retention, c.store.hasRetention = d, true
		}
	}}
}

// TTL deletes an entry of a key-value store that was not written for that long, by stream time (Java has none).
func TTL(d time.Duration) storeOpt {
	return storeOpt{func(c *nodeConfig) {
		c.store.ttl = c.millis("TTL", d)
		if d == 0 {
			c.errs = append(c.errs, errors.New("TTL(0) would keep nothing: give a time or leave the option out"))
		}
	}}
}

// Caching says whether the record cache stands in front of the store; on by default.
func Caching(on bool) storeOpt { return storeOpt{func(c *nodeConfig) { c.store.caching = &on }} }

type logOpt struct{ storeOpt }

func (o logOpt) suppress(c *nodeConfig) { o.store(c) }

// WithoutLogging leaves the changelog away: the store is lost with its instance.
func WithoutLogging() logOpt {
	return logOpt{storeOpt{func(c *nodeConfig) { c.store.unlogged = true }}}
}

// LogConfig sets a configuration of the changelog topic, by Kafka's name.
func LogConfig(k, v string) logOpt {
	return logOpt{storeOpt{func(c *nodeConfig) {
		if c.store.logConfig == nil {
			c.store.logConfig = map[string]string{}
		}
		c.store.logConfig[k] = v
	}}}
}

type sourceOpt struct{ set func(*nodeConfig) }

func (o sourceOpt) source(c *nodeConfig) { o.set(c) }
func (o sourceOpt) table(c *nodeConfig)  { o.set(c) }

func resetOpt(r topology.Reset) sourceOpt { return sourceOpt{func(c *nodeConfig) { c.reset = r }} }

// Earliest starts at the topic's beginning where no offset is committed.
func Earliest() sourceOpt { return resetOpt(topology.Reset{Kind: topology.ResetEarliest}) }

// Latest starts at the topic's end where no offset is committed.
func Latest() sourceOpt { return resetOpt(topology.Reset{Kind: topology.ResetLatest}) }

// FromDuration starts that long before now where no offset is committed (KIP-1106).
func FromDuration(d time.Duration) sourceOpt {
	return sourceOpt{func(c *nodeConfig) {
		c.reset = topology.Reset{Kind: topology.ResetByDuration, Back: c.millis("FromDuration", d).Milliseconds()}
	}}
}

// NoReset fails the application where no offset is committed (Kafka's none): for sources of which no record may be read twice or passed over because offsets have
// gone. The offsets of the first start have to be committed by other means. A committed offset whose records retention has deleted is not noticed: such a partition goes on
// where Config.Reset says.
func NoReset() sourceOpt { return resetOpt(topology.Reset{Kind: topology.ResetNone}) }

// Timestamps sets the source's timestamp extractor.
func Timestamps[K, V any](f topology.TimestampExtractor[K, V]) sourceOpt {
	return sourceOpt{func(c *nodeConfig) { c.timestamps = f }}
}

// WallClockTimes gives the source's records the time at which they are taken up, whatever time they carry (Kafka's WallclockTimestampExtractor): windows are then
// of processing, and a restart or a second run puts records into other windows. In the test driver it is the driver's clock.
func WallClockTimes() sourceOpt { return sourceOpt{func(c *nodeConfig) { c.wallClock = true }} }

type sinkOpt struct{ set func(*nodeConfig) }

func (o sinkOpt) sink(c *nodeConfig)        { o.set(c) }
func (o sinkOpt) repartition(c *nodeConfig) { o.set(c) }

// Partitioned sets the partitioner of a sink or repartition.
func Partitioned[K, V any](f topology.Partitioner[K, V]) sinkOpt {
	return sinkOpt{func(c *nodeConfig) { c.partitioner = f }}
}

// partitionerOf is the node's partitioner with its type checked.
func partitionerOf[K, V any](b *Builder, node string, c *nodeConfig) topology.Partitioner[K, V] {
	if c.partitioner == nil {
		return nil
	}
	f, ok := c.partitioner.(topology.Partitioner[K, V])
	if !ok {
		b.fail(fmt.Errorf("node %s: the function given to Partitioned is a %T, but the records need a %v", node, c.partitioner, reflect.TypeFor[topology.Partitioner[K, V]]()))
	} else if f == nil {
		b.fail(fmt.Errorf("node %s: the function given to Partitioned is nil", node))
	}
	return f
}

type dynamicOpt string

func (o dynamicOpt) sink(c *nodeConfig) { c.dynamicName = string(o) }

// TopicsNamed is what Describe prints for a dynamic sink: (extractor class: name). Default: "func".
func TopicsNamed(name string) dynamicOpt { return dynamicOpt(name) }

type partitions int

func (p partitions) repartition(c *nodeConfig) {
	if p < 1 {
		c.errs = append(c.errs, fmt.Errorf("Partitions(%d): a topic has at least 1", int(p)))
		return
	}
	if p > math.MaxInt32 {
		c.errs = append(c.errs, fmt.Errorf("Partitions(%d): a topic has at most %d", int(p), math.MaxInt32))
		return
	}
	c.partitions = int(p)
}

// Partitions sets the number of partitions of a repartition topic.
func Partitions(n int) partitions { return partitions(n) }

type grace time.Duration

func (g grace) join(c *nodeConfig) {
	c.grace, c.hasGrace = c.millis("Grace", time.Duration(g)), true
}

// Grace holds the stream side of a join with a versioned table back until stream time has passed it by d (KIP-923).
func Grace(d time.Duration) grace { return grace(d) }

type tolerance time.Duration

func (t tolerance) join(c *nodeConfig) {
	d := c.millis("Tolerance", time.Duration(t))
	c.tolerance = &d
}

// Tolerance makes a join with a versioned table an as-of join: a row that is older than the record by more than d is as if it were not there. It is
// the row's own time that counts, that of the record which wrote it. Tolerance(0) wants a row of the record's millisecond. Java has none.
func Tolerance(d time.Duration) tolerance { return tolerance(d) }

type fkOpt struct{ own, other any }

func (o fkOpt) foreignKey(c *nodeConfig) { c.fkOwn, c.fkOther = o.own, o.other }

// PartitionedBy gives the partitioners of the two tables of a foreign-key join (KIP-775), where rows do not lie in the partitions of their keys' hashes. other finds the
// partition of the other table's row, to which a subscription goes. Its answer goes back to the partition that asked; own finds that for subscriptions which an older
// application has left without it. nil stands for the hash. Each must answer one partition.
func PartitionedBy[K, FK any](own topology.Partitioner[K, any], other topology.Partitioner[FK, any]) fkOpt {
	return fkOpt{own, other}
}

type using []string

func (u using) process(c *nodeConfig) { c.using = append(c.using, u...) }
func (u using) store(c *nodeConfig)   { c.using = append(c.using, u...) }

// Using connects stores.
func Using(stores ...topology.AnyStore) using {
	var u using
	for _, s := range stores {
		u = append(u, topology.StoreName(s))
	}
	return u
}

type printOpt struct{ set func(*nodeConfig) }

func (o printOpt) print(c *nodeConfig) { o.set(c) }

// Label is what Print writes in brackets before each record, instead of the name of the stream's node.
func Label(label string) printOpt {
	return printOpt{func(c *nodeConfig) { c.setName(&c.label, "Label", label) }}
}

// Lines makes what Print writes behind the label, instead of key and value by %v. It sees every record, tombstones included.
func Lines[K, V any](f func(Record[K, V]) string) printOpt {
	return printOpt{func(c *nodeConfig) { c.lines = f }}
}

// Suppression says when Suppress lets a key go.
type Suppression interface{ suppression() }

// UntilWindowCloses emits each window once, when it has closed: never, if it is of window.Unlimited. A limit that is passed stops the application.
type UntilWindowCloses struct {
	MaxRecords int   // that wait at once; 0: any number
	MaxBytes   int64 // of the records that wait; 0: any number
}

// UntilTimeLimit emits the last update of a key Wait after the first one.
type UntilTimeLimit struct {
	Wait       time.Duration // 0: each update goes at once
	MaxRecords int           // that wait at once; 0: any number
	MaxBytes   int64         // of the records that wait; 0: any number
	EmitEarly  bool          // a limit that is passed makes the oldest leave early; false: it stops the application
}

func (UntilWindowCloses) suppression() {}
func (UntilTimeLimit) suppression()    {}

// Rewrite is a set of Kafka's plan rewrites (topology.optimization).
type Rewrite uint8

const (
	// ReuseSourceTopics restores a table's store from its source topic instead of a changelog.
	ReuseSourceTopics Rewrite = 1 << iota
	// MergeRepartitions makes one repartition topic of several behind one key change.
	MergeRepartitions
	// SingleStoreSelfJoin keeps one store for a stream joined with itself.
	SingleStoreSelfJoin
	// AllRewrites is all of them.
	AllRewrites = ReuseSourceTopics | MergeRepartitions | SingleStoreSelfJoin
)

func (r Rewrite) build(c *buildConfig) { c.rewrites |= r }

// Optimize asks Build for Kafka's rewrites (topology.optimization).
func Optimize(r Rewrite) BuildOption { return r }

type requireNames struct{}

func (requireNames) build(c *buildConfig) { c.requireNames = true }

// RequireNames refuses generated names of stores and internal topics (KIP-1111).
func RequireNames() BuildOption { return requireNames{} }

type storesInMemory struct{}

func (storesInMemory) build(c *buildConfig) { c.inMemory = true }

// StoresInMemory keeps all stores of the DSL's verbs in memory, as InMemory does one, but for Versioned ones and those that are OnDisk (Kafka's
// dsl.store.suppliers.class). Stores of AddStore and AddGlobalStore say themselves where they are.
func StoresInMemory() BuildOption { return storesInMemory{} }

type tombstoneHeaders struct{}

func (tombstoneHeaders) build(c *buildConfig) { c.tombstoneHeaders = true }

// TombstoneHeaders makes the changelogs of the DSL's stores carry, with a delete, the headers of the record that deleted: what an application of Java's
// with dsl.store.format=HEADERS (KIP-1271) writes. Versioned stores have none, nor have those in memory. What a store holds is the same.
func TombstoneHeaders() BuildOption { return tombstoneHeaders{} }

type wrap struct{ w topology.Wrapper }

func (w wrap) build(c *buildConfig) { c.wrapper = w.w }

// Wrap makes w see every record that every processor node handles: for tracing, timing, debugging (KIP-1112).
func Wrap(w topology.Wrapper) BuildOption { return wrap{w} }
