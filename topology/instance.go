package topology

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/millrace-go/millrace/state"
)

// Host is what a running task gives to its nodes. All calls come from the task's goroutine.
type Host interface {
	// Send takes a sink's record. It and its bytes are valid during the call only.
	Send(o *Outgoing) error
	// Partitions is the number of partitions of a topic (its full name).
	Partitions(topic string) (int32, error)
	// Dropped counts a record that a node dropped.
	Dropped(node, reason string)
	// Failed asks the processing handler about an error at a node: nil drops the record and goes on.
	Failed(e *NodeError) error
	// Input is the record that is being processed, as it was fetched; nil between records. SetInput makes another one that record, for a node that goes
	// on with work of an earlier one: see Context.Resume.
	Input() *Raw
	SetInput(r *Raw)
	// GlobalStore is the instance of a global store, nil if there is none of that name.
	GlobalStore(name string) any
	RequestCommit()
	StreamTime() Time // -1 before the first record
	WallClock() Time
}

// Destination is where a sink writes: one per sink and topic, the same for all records.
type Destination struct {
	Topic string // the full name
	Node  string // the sink
	// Slot is the host's: where it keeps what it knows of the topic. 0 at first.
	Slot int
}

// Outgoing is an encoded record on its way to a topic. Absence travels beside the bytes.
type Outgoing struct {
	To        *Destination
	Partition int32 // -1: chosen by Hash, or by the collector if NoKey
	Key       []byte
	Value     []byte
	Hash      []byte // the part of the key's bytes that chooses the partition
	Time      Time
	Headers   Headers
	NoKey     bool
	Tombstone bool
}

// Raw is a record as it was fetched. A nil Key or Value is null, an empty one is not. Nobody writes into the bytes again.
type Raw struct {
	Topic      string
	Partition  int32
	Offset     int64
	Key, Value []byte
	Time       Time
	Headers    Headers
}

// Head holds the decoded record at the head of one partition's queue: a source's instance for one partition.
type Head interface {
	// Load decodes raw and returns its time by the source's extractor; a negative time means that the record has to be dropped.
	// A *DecodeError says that bytes could not be decoded. raw must stay unchanged until Process has returned.
	Load(raw *Raw, partitionTime Time) (Time, error)
	// Process hands the loaded record to the source's children. The record context must have been set before.
	Process() error
	// Node is the source's name.
	Node() string
}

// Env is what an instance needs beside its host.
type Env struct {
	ApplicationID string
	// EmitInterval is how often at most a node looks for results that are due for another reason than the current record. 0: at each record.
	EmitInterval time.Duration
	Stores       state.Env // its Record is the task's record context; nil: one is made
}

// Instance is the stores and nodes of one task. Open opens the stores, Start makes the nodes: between the two the stores are restored, so that a
// node finds its state when it is made.
type Instance struct {
	ctx    context.Context
	t      *Topology
	subs   []SubtopologyID
	id     TaskID
	env    Env
	host   Host
	record *state.RecordContext
	stores *state.Stores

	heads    map[*node]func(topic string) (Head, error)
	closers  []io.Closer
	timers   timers
	advances []advance // children first, as nodes are made
	metadata metadata
	shared   map[any]any
}

// Open opens the stores of sub-topologies for one task; nil means all sub-topologies that are not global.
func (t *Topology) Open(subs []SubtopologyID, id TaskID, env Env) (*Instance, error) {
	if env.Stores.Record == nil {
		env.Stores.Record = &state.RecordContext{Partition: -1, Offset: -1}
	}
	in := &Instance{t: t, subs: subs, id: id, env: env, record: env.Stores.Record, heads: map[*node]func(topic string) (Head, error){}}
	if env.Stores.Dropped == nil {
		env.Stores.Dropped = func(store, reason string) {
			if in.host != nil { // a restore may drop too
				in.host.Dropped(store, reason)
			}
		}
	}
	if env.Stores.Topic == nil {
		env.Stores.Topic = func(store string) string { return t.changelogOf(store, env.ApplicationID) }
	}
	var err error
	if in.stores, err = state.Open(env.Stores, t.storesOf(subs)); err != nil {
		return nil, fmt.Errorf("task %s: %w", id, err)
	}
	return in, nil
}

// Start makes the nodes, children first. ctx is what user functions get. The error of a node, such as its supplier's, is a *NodeError without a record, for which there is
// no handler. The instance has to be closed after an error too.
func (in *Instance) Start(ctx context.Context, host Host) error {
	in.ctx, in.host = ctx, host
	nodes := in.t.nodesOf(in.subs)
	receivers := map[*node]any{}
	for i := len(nodes) - 1; i >= 0; i-- {
		n := nodes[i]
		children := make([]any, len(n.children))
		for j, c := range n.children {
			children[j] = receivers[c]
		}
		r, err := n.start(in, children)
		if err != nil {
			return &NodeError{Node: n.name, Task: in.id, Err: err}
		}
		if n.kind == sourceNode {
			in.heads[n] = r.(func(string) (Head, error))
		}
		receivers[n] = r
	}
	return nil
}

// Start is Open and Start in one, for stores that need no restore.
func (t *Topology) Start(ctx context.Context, subs []SubtopologyID, id TaskID, env Env, host Host) (*Instance, error) {
	in, err := t.Open(subs, id, env)
	if err != nil {
		return nil, err
	}
	if err := in.Start(ctx, host); err != nil {
		return nil, errors.Join(err, in.Close())
	}
	return in, nil
}

// NewHead makes the head for one partition of a source topic (its full name). A source that names the topic goes before one whose pattern matches.
func (in *Instance) NewHead(topic string) (Head, error) {
	var found *node
	for n := range in.heads {
		if n.names(in.t, in.env.ApplicationID, topic) {
			found = n
			break
		}
		if n.pattern != nil && n.pattern.MatchString(topic) && (found == nil || n.index < found.index) {
			found = n
		}
	}
	if found == nil {
		return nil, fmt.Errorf("task %s has no source for topic %q", in.id, topic)
	}
	return in.heads[found](topic)
}

// Stores are the task's stores.
func (in *Instance) Stores() *state.Stores { return in.stores }

// Close closes the processors that are io.Closers, then the stores. What is not applied is lost.
func (in *Instance) Close() error {
	var errs []error
	for i := len(in.closers) - 1; i >= 0; i-- {
		errs = append(errs, in.closers[i].Close())
	}
	in.closers = nil
	if in.stores != nil {
		errs = append(errs, in.stores.Close())
	}
	return errors.Join(errs...)
}

func (in *Instance) context(n *node) *Context { return &Context{in: in, node: n} }

func (in *Instance) storeFor(n *node, name string) (any, error) {
	if g := in.host.GlobalStore(name); g != nil && !n.global {
		return g, nil
	}
	for _, s := range n.stores {
		if s == name {
			return in.stores.Get(name), nil
		}
	}
	return nil, fmt.Errorf("it is not connected to store %q: pass that to Process or streams.Using", name)
}

// fail makes err the error of the innermost failing node and asks the handler, once.
func (in *Instance) fail(n *node, err error) error {
	var reported *NodeError
	if errors.As(err, &reported) || isFatal(err) {
		return err
	}
	r := in.record
	return in.host.Failed(&NodeError{Node: n.name, Task: in.id, Record: RecordMetadata{r.Topic, r.Partition, r.Offset}, Err: err})
}

// fanOut is what hands a record to a node's children: the only child itself, or a loop.
func fanOut[K, V any](children []any) func(Record[K, V]) error {
	switch len(children) {
	case 0:
		return func(Record[K, V]) error { return nil }
	case 1:
		return children[0].(func(Record[K, V]) error)
	}
	fs := make([]func(Record[K, V]) error, len(children))
	for i, c := range children {
		fs[i] = c.(func(Record[K, V]) error)
	}
	return func(r Record[K, V]) error {
		for _, f := range fs {
			if err := f(r); err != nil {
				return err
			}
		}
		return nil
	}
}
