package streamstest

import (
	"time"

	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

// Option changes how a Driver runs.
type Option func(*options)

type options struct {
	partitions int32 // 0: one task for all
	of         map[string]int32
	start      window.Time
	batches    bool
	manual     bool

	// of NewProcessor
	stores   []func(*topology.Topology) string // add one and answer its name
	children []string
}

// Partitions gives every external topic n partitions, or the topics that are named, and runs a task for each sub-topology and partition. Internal
// topics follow Kafka's rules; New fails if topics that are joined are not co-partitioned.
func Partitions(n int, topics ...string) Option {
	return func(o *options) {
		if len(topics) == 0 {
			o.partitions = int32(n)
			return
		}
		if o.partitions == 0 {
			o.partitions = 1
		}
		for _, t := range topics {
			o.of[t] = int32(n)
		}
	}
}

// StartAt sets the wall clock's first time. It is 1970 otherwise.
func StartAt(t time.Time) Option { return func(o *options) { o.start = window.At(t) } }

// Batches makes PipeAll append all its records to their topics before it works, process them in batches and commit once at the end, as a running application does:
// caches then hold back results. Without it each record is worked off and committed by itself.
func Batches() Option { return func(o *options) { o.batches = true } }

// ManualCommit commits only when Commit is called. With Config.Guarantee ExactlyOnce what is not committed is not seen: not by Output and Produced,
// and not by the sub-topology that reads a repartition topic.
func ManualCommit() Option { return func(o *options) { o.manual = true } }
