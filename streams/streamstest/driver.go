// Package streamstest is the topology test driver.
package streamstest

import (
	"iter"
	"time"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

// Raw is a record as Kafka has it: what conformance cases pipe in (bytes that no serde would write) and compare. A nil Key or Value is
// null, an empty one is not.
type Raw struct {
	Topic      string
	Key, Value []byte
	Time       window.Time
	NoTime     bool // the timestamp is the producer's (changelogs of suppress and of join grace)
	Headers    serde.Headers
}

type Driver struct{}

func New(t *topology.Topology, c streams.Config) (*Driver, error) { return &Driver{}, nil }
func (*Driver) Close() error                                      { return nil }

// Pipe appends r to its topic and works until nothing is left.
func (*Driver) Pipe(r Raw) error                     { return nil }
func (*Driver) AdvanceWallClock(time.Duration) error { return nil }

// Produced drains every record made since the last call: outputs, repartition topics and changelogs, in order.
func (*Driver) Produced() []Raw { return nil }

// Dump lists a store's content as bytes. Fields follow conformance/README.md.
func (*Driver) Dump(store string) (iter.Seq[[]any], bool) { return nil, false }
func (*Driver) Stores() []string                          { return nil }
func (*Driver) Dropped() int64                            { return 0 }

func (d *Driver) Input[K, V any](topic string, k serde.Serde[K], v serde.Serde[V]) *Input[K, V] {
	return &Input[K, V]{d}
}
func (d *Driver) Output[K, V any](topic string, k serde.Serde[K], v serde.Serde[V]) *Output[K, V] {
	return &Output[K, V]{d}
}
func (*Driver) Store[S any](r topology.StoreRef[S]) (S, error) { var s S; return s, nil }

type Input[K, V any] struct{ d *Driver }

func (*Input[K, V]) Pipe(topology.Record[K, V]) error { return nil }

type Output[K, V any] struct{ d *Driver }

func (*Output[K, V]) Read() (topology.Record[K, V], bool, error) {
	var r topology.Record[K, V]
	return r, false, nil
}
