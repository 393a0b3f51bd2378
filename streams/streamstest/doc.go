// Package streamstest runs a topology without a broker: records are piped in and worked off at once, by the same task code that runs in production.
//
//	d, err := streamstest.New(top, streams.Config{ApplicationID: "app"})
//	defer d.Close()
//	in := d.Input("lines", serde.String, serde.String)
//	out := d.Output("counts", serde.String, serde.Int64)
//	err = in.PipeValue("hello world")
//	r, ok, err := out.Read()
//
// Without options all sub-topologies are one task with one stream time and every topic has one partition, as in Kafka Streams' TopologyTestDriver: after each
// record timers fire and a commit flushes the caches, then what was written to topics that the topology reads is worked off, lowest time first. With
// [Partitions] there is a task for each sub-topology and partition, as in a running application. With [Batches] records are processed and committed in
// batches. [Driver.Crash] loses what is not committed and restores the stores from their changelogs.
//
// The wall clock stands still until [Driver.AdvanceWallClock] moves it. A Driver belongs to one goroutine.
package streamstest
