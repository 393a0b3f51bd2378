// Package topology describes a stream processing program as a directed graph of typed nodes, checks it, splits it into sub-topologies, prints it, and makes
// its nodes for a task. It is also the Processor API; package streams, the DSL, is written on it.
//
// A [Topology] has sources, which decode the records of topics; processors, which handle a record and forward others; sinks, which encode records
// for a topic; and stores, to which processors are connected. An [Edge] carries records of one key and value type from a node to its children:
// a processor that does not fit does not compile.
//
//	t := topology.New()
//	counts := t.AddStore(state.KeyValue("counts", serde.String, serde.Int64))
//	t.Source("lines", serde.String, serde.String, "lines").
//		Process("count", newCounter(counts), counts).
//		Sink("out", "counts", serde.String, serde.Int64)
//	if err := t.Err(); err != nil { ... }
//
// A supplier is a function that gets its task's context and returns a finished processor. It runs once for each task, when the task's stores have been
// restored. All nodes of a task are called by one goroutine, depth first: Forward returns when everything behind it is done, with the first error.
//
// Nodes that are joined by edges or by a common store are one sub-topology; records go from one to another through topics only. A sub-topology runs
// as one task for each partition of its topics. [Topology.CountPartitions] says how many that are, and refuses topics that are joined but not
// co-partitioned.
//
// Mistakes while building are collected and told together by [Topology.Err]. Building connects to nothing and panics never.
//
// The package has no goroutine, clock, file or socket: a [Host] drives an [Instance]. No record costs an allocation here, but for the key of a source whose
// serde cannot share the fetched bytes.
package topology
