package topology

import (
	"context"
	"fmt"
	"reflect"
	"runtime/debug"
	"time"

	"github.com/millrace-go/millrace/state"
)

// Processor handles one record at a time. It is called by its task's goroutine only. Close (io.Closer) is optional; a timer is a closure given
// to Schedule by the supplier.
type Processor[K, V any] interface {
	Process(ctx context.Context, r Record[K, V]) error
}

// ProcessorFunc is a Processor without state of its own.
type ProcessorFunc[K, V any] func(ctx context.Context, r Record[K, V]) error

// Process calls f.
func (f ProcessorFunc[K, V]) Process(ctx context.Context, r Record[K, V]) error { return f(ctx, r) }

// Supplier makes a finished processor for one task: there is no half-built object.
type Supplier[KI, VI, KO, VO any] = func(*ProcessorContext[KO, VO]) (Processor[KI, VI], error)

// Clock says which time drives a timer.
type Clock uint8

const (
	// StreamTime is the highest record time that the task has seen.
	StreamTime Clock = iota
	// WallClock is the machine's time.
	WallClock
)

// Context is what every node sees of its task. It belongs to the task's goroutine.
type Context struct {
	in   *Instance
	node *node
	err  error // the first store that was asked for and is not connected
}

// ApplicationID is Config.ApplicationID.
func (c *Context) ApplicationID() string { return c.in.env.ApplicationID }

// Task is the id of the node's task.
func (c *Context) Task() TaskID { return c.in.id }

// NodeName is the node's name in Describe.
func (c *Context) NodeName() string { return c.node.name }

// Metadata is where the current record came from; false in a timer.
func (c *Context) Metadata() (RecordMetadata, bool) {
	r := c.in.record
	return RecordMetadata{r.Topic, r.Partition, r.Offset}, r.Topic != ""
}

// RecordContext is the current record's context: the stores' and the nodes' common one.
func (c *Context) RecordContext() *state.RecordContext { return c.in.record }

// StreamTime is the highest record time that the task has seen; false before the first record.
func (c *Context) StreamTime() (Time, bool) { t := c.in.host.StreamTime(); return t, t >= 0 }

// WallClock is the machine's time, or the test driver's.
func (c *Context) WallClock() Time { return c.in.host.WallClock() }

// EmitInterval is how often at most the node should look for results that are due for another reason than the current record. 0: at each record.
func (c *Context) EmitInterval() time.Duration { return c.in.env.EmitInterval }

// Shared is what nodes of one task have in common under a key: the first that asks makes it. A key is best a pointer that only they know.
func (c *Context) Shared[T any](key any, make func() T) T {
	if v, ok := c.in.shared[key]; ok {
		return v.(T)
	}
	v := make()
	if c.in.shared == nil {
		c.in.shared = map[any]any{}
	}
	c.in.shared[key] = v
	return v
}

// Commit asks for a commit after the current record.
func (c *Context) Commit() { c.in.host.RequestCommit() }

// Run is the context that is cancelled when the task must stop; what a node hands to user functions.
func (c *Context) Run() context.Context { return c.in.ctx }

// Drop counts a record that the node drops; reason is a short constant text.
func (c *Context) Drop(reason string) { c.in.host.Dropped(c.node.name, reason) }

// Held is a record on which a node works on after it has returned: see Context.Hold.
type Held struct {
	context state.RecordContext
	input   Raw
}

// Hold keeps the current record, its context and its bytes as they were fetched, for work that ends later.
func (c *Context) Hold() Held {
	h := Held{context: *c.in.record}
	if r := c.in.host.Input(); r != nil {
		h.input = *r
	}
	return h
}

// Resume calls f in the context of a record that was held: what f forwards is of that record, and so are its errors, dead letters included. A panic of f is an
// error of the node. The node returns what Resume answers.
func (c *Context) Resume(h *Held, f func() error) (err error) {
	in := c.in
	saved, input := *in.record, in.host.Input()
	*in.record = h.context
	in.host.SetInput(&h.input)
	defer func() {
		if p := recover(); p != nil {
			err = in.fail(c.node, &PanicError{Value: p, Stack: debug.Stack()})
		}
		*in.record = saved
		in.host.SetInput(input)
	}()
	return f()
}

// Fail reports an error of user code at this node to the processing handler: nil means that the record is dropped and processing goes on,
// an error has to be returned by the node as it is. An error that a child has reported already passes through unchanged.
func (c *Context) Fail(err error) error { return c.in.fail(c.node, err) }

// Schedule calls f every so often: by StreamTime at multiples of the interval from 0 on, by WallClock first after one interval. Missed calls are
// skipped. f gets the current time of that clock. The interval is cut to milliseconds and at least one.
func (c *Context) Schedule(every time.Duration, clock Clock, f func(context.Context, Time) error) (cancel func()) {
	return c.in.schedule(c.node, every, clock, f)
}

// OnAdvance makes f be called when stream time goes on although no record comes, with the new stream time: parents before their children, so that
// what they forward is there first. An application does so only if it is configured to.
func (c *Context) OnAdvance(f func(now Time) error) {
	c.in.advances = append(c.in.advances, advance{c.node, f})
}

// Store returns the task's own instance of a connected store. A supplier runs when its task starts, so a store that is not
// connected fails the start: Store then returns the zero S, and the error is reported by the start even if the supplier never looks.
func (c *Context) Store[S any](ref StoreRef[S]) S {
	var zero S
	s, err := c.in.storeFor(c.node, ref.name)
	if err != nil {
		if c.err == nil {
			c.err = err
		}
		return zero
	}
	typed, ok := s.(S)
	if !ok {
		if c.err == nil {
			c.err = fmt.Errorf("store %s is a %T, not a %v: connect it by the reference that AddStore answered", ref.name, s, reflect.TypeFor[S]())
		}
		return zero
	}
	return typed
}

// ProcessorContext is a Context whose node forwards K and V.
type ProcessorContext[K, V any] struct {
	Context
	next  func(Record[K, V]) error
	named map[string]func(Record[K, V]) error
}

// Forward hands r to all children, depth first, and returns the first error.
func (c *ProcessorContext[K, V]) Forward(r Record[K, V]) error { return c.next(r) }

// ForwardTo hands r to the child of that name.
func (c *ProcessorContext[K, V]) ForwardTo(child string, r Record[K, V]) error {
	f, ok := c.named[child]
	if !ok {
		return fmt.Errorf("node %s has no child %q", c.node.name, child)
	}
	return f(r)
}

// FixedKeyRecord cannot change its key.
type FixedKeyRecord[K, V any] struct{ r Record[K, V] }

// FixedKey wraps a record for a FixedKeyProcessor.
func FixedKey[K, V any](r Record[K, V]) FixedKeyRecord[K, V] { return FixedKeyRecord[K, V]{r} }

// Record is the record inside.
func (f FixedKeyRecord[K, V]) Record() Record[K, V] { return f.r }

// Key is the record's key; the zero K if there is none.
func (f FixedKeyRecord[K, V]) Key() K { return f.r.Key }

// Value is the record's value; false for a tombstone.
func (f FixedKeyRecord[K, V]) Value() (V, bool) { return f.r.Value, !f.r.Tombstone }

// Time is the record's time.
func (f FixedKeyRecord[K, V]) Time() Time { return f.r.Time }

// Headers are the record's headers.
func (f FixedKeyRecord[K, V]) Headers() Headers { return f.r.Headers }

// WithValue is the record with another value.
func (f FixedKeyRecord[K, V]) WithValue[V2 any](v V2) FixedKeyRecord[K, V2] {
	return FixedKeyRecord[K, V2]{f.r.WithValue(v)}
}

// WithoutValue is the record as a tombstone.
func (f FixedKeyRecord[K, V]) WithoutValue[V2 any]() FixedKeyRecord[K, V2] {
	return FixedKeyRecord[K, V2]{f.r.WithoutValue[V2]()}
}

// WithHeaders is the record with other headers.
func (f FixedKeyRecord[K, V]) WithHeaders(h Headers) FixedKeyRecord[K, V] { f.r.Headers = h; return f }

// WithTime is the record with another time.
func (f FixedKeyRecord[K, V]) WithTime(t Time) FixedKeyRecord[K, V] { f.r.Time = t; return f }

// FixedKeyProcessor handles records whose key it cannot change.
type FixedKeyProcessor[K, V any] interface {
	ProcessValue(ctx context.Context, r FixedKeyRecord[K, V]) error
}

// FixedKeyContext is a Context whose node forwards values of type V.
type FixedKeyContext[K, V any] struct {
	Context
	next func(Record[K, V]) error
}

// Forward hands r to all children, depth first.
func (c *FixedKeyContext[K, V]) Forward(r FixedKeyRecord[K, V]) error { return c.next(r.r) }
