package streamstest

import (
	"encoding/binary"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/topology"
)

// Processor runs one processor of the Processor API by itself: without topics and serdes, records go in and come out as they are. Its Driver has the rest: AdvanceWallClock fires
// timers by wall clock, records move stream time, Store answers the processor's stores, Dropped what it has dropped, CommitsRequested whether it asked for a commit. To the processor
// its records come from partition 0 of topic "in", with offsets from 0 on.
type Processor[KI, VI, KO, VO any] struct {
	*Driver
	records   []topology.Record[KI, VI] // the bytes of key and value are the place here
	forwarded map[string][]topology.Record[KO, VO]
}

// NewProcessor makes the processor of f, with the stores that Using gives it. It belongs to one goroutine; close it.
func NewProcessor[KI, VI, KO, VO any](f topology.Supplier[KI, VI, KO, VO], c streams.Config, o ...Option) (*Processor[KI, VI, KO, VO], error) {
	return newProcessor[KI, VI, KO, VO](c, o, func(spec topology.NodeSpec, e *topology.Edge[KI, VI]) *topology.Edge[KO, VO] {
		return topology.ConnectProcessor(spec, f, e)
	})
}

// NewValueProcessor is NewProcessor for one that cannot change the key.
func NewValueProcessor[K, V, V2 any](f func(*topology.FixedKeyContext[K, V2]) (topology.FixedKeyProcessor[K, V], error), c streams.Config, o ...Option) (*Processor[K, V, K, V2], error) {
	return newProcessor[K, V, K, V2](c, o, func(spec topology.NodeSpec, e *topology.Edge[K, V]) *topology.Edge[K, V2] {
		return topology.ConnectFixedKey(spec, f, e)
	})
}

// Using gives the processor of NewProcessor a store, global ones too.
func Using[S any](d state.Definition[S]) Option {
	return func(o *options) {
		o.stores = append(o.stores, func(t *topology.Topology) string { return t.AddStore(d).Name() })
	}
}

// Children names children of the processor of NewProcessor, for ForwardTo.
func Children(names ...string) Option {
	return func(o *options) { o.children = append(o.children, names...) }
}

// everywhere is the child that gets what is forwarded to all children.
const everywhere = "forwarded"

func newProcessor[KI, VI, KO, VO any](c streams.Config, o []Option, connect func(topology.NodeSpec, *topology.Edge[KI, VI]) *topology.Edge[KO, VO]) (*Processor[KI, VI, KO, VO], error) {
	p := &Processor[KI, VI, KO, VO]{forwarded: map[string][]topology.Record[KO, VO]{}}
	var opts options
	for _, opt := range o {
		opt(&opts)
	}
	t := topology.New()
	spec := topology.NodeSpec{Name: "processor"}
	for _, add := range opts.stores {
		spec.Stores = append(spec.Stores, add(t))
	}
	key := placed(func(i int) KI { return p.records[i].Key })
	value := placed(func(i int) VI { return p.records[i].Value })
	out := connect(spec, t.Source("source", key, value, "in"))
	for _, child := range append([]string{everywhere}, opts.children...) {
		topology.Connect(topology.NodeSpec{Name: child}, func(*topology.Context, func(topology.Record[KO, VO]) error) (func(topology.Record[KO, VO]) error, error) {
			return func(r topology.Record[KO, VO]) error {
				p.forwarded[child] = append(p.forwarded[child], r)
				return nil
			}, nil
		}, out)
	}
	var err error
	p.Driver, err = New(t, c, o...)
	return p, err
}

// placed is a serde that reads a place.
func placed[T any](at func(int) T) serde.Serde[T] {
	return serde.New(func(dst []byte, _ T) ([]byte, error) { return dst, nil },
		func(src []byte) (T, error) { return at(int(binary.BigEndian.Uint64(src))), nil })
}

// Process hands a record to the processor, as Driver.Pipe does: timers by stream time fire behind it.
func (p *Processor[KI, VI, KO, VO]) Process(r topology.Record[KI, VI]) error {
	place := binary.BigEndian.AppendUint64(nil, uint64(len(p.records)))
	p.records = append(p.records, r)
	raw := Raw{Topic: "in", Time: r.Time, Headers: r.Headers}
	if !r.NoKey {
		raw.Key = place
	}
	if !r.Tombstone {
		raw.Value = place
	}
	return p.Pipe(raw)
}

// Forwarded takes what the processor has forwarded to all its children since the last call.
func (p *Processor[KI, VI, KO, VO]) Forwarded() []topology.Record[KO, VO] {
	return p.ForwardedTo(everywhere)
}

// ForwardedTo takes what a child named by Children has got since the last call, by ForwardTo or with all the others.
func (p *Processor[KI, VI, KO, VO]) ForwardedTo(child string) []topology.Record[KO, VO] {
	rs := p.forwarded[child]
	delete(p.forwarded, child)
	return rs
}
