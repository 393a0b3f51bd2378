package streams

import (
	"context"
	"fmt"
	"iter"
	"runtime/debug"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
)

// MapValuesAsync makes a value from each record, tombstones included, by calls that take their time: to a service, say. Up to n calls of a task run at
// once, each in a goroutine of its own; results go on in the order of the records, when the next record comes or a commit is due. A commit waits for
// all calls, so that nothing is in flight: a record whose call was not finished is processed again after a crash, and only its own call is repeated
// if others were committed.
//
// f gets a context that ends when the task does; it should heed it, and a deadline of its own. Null makes a tombstone, Skip drops the record, any other
// error goes to the processing handler, in the record's turn.
func (s Stream[K, V]) MapValuesAsync[V2 any](n int, f func(context.Context, Record[K, V]) (V2, error), o ...NodeOption) Stream[K, V2] {
	name := s.b.name(o, "KSTREAM-MAPVALUES-")
	s.b.require(f != nil, name)
	if n < 1 {
		s.b.fail(fmt.Errorf("node %s: MapValuesAsync with %d calls at once: give at least 1", name, n))
	}
	store := name + "-calls"
	node := &planNode{name: name, valueChanging: true, write: func(w *writer, in []any) any {
		w.t.AddStore(state.Custom(store, func(state.CustomContext) (*calls[K, V, V2], error) {
			return newCalls[K, V, V2](max(n, 1)), nil
		}, state.WithoutLogging()))
		return topology.Connect(topology.NodeSpec{Name: name, Stores: []string{store}}, startCalls(store, f), edgesOf[K, V](in)...)
	}}
	return then(s, node, &slot[V2]{})
}

// calls are the calls of a task that are in flight or whose results have not gone on: a ring, oldest first. To the task they are a store that logs
// nothing: so a commit flushes them, in the order of the nodes.
type calls[K, V, V2 any] struct {
	ring   []call[K, V, V2]
	first  int
	count  int
	cancel context.CancelFunc // of the calls; nil before the node starts

	f    func(context.Context, Record[K, V]) (V2, error)
	ctx  *topology.Context
	run  context.Context
	next func(Record[K, V2]) error
}

// call is one of them. Its goroutine writes value and err, then done; the task's reads them after that.
type call[K, V, V2 any] struct {
	in    Record[K, V]
	held  topology.Held
	value V2
	err   error
	done  chan struct{}
}

func newCalls[K, V, V2 any](n int) *calls[K, V, V2] {
	c := &calls[K, V, V2]{ring: make([]call[K, V, V2], n)}
	for i := range c.ring {
		c.ring[i].done = make(chan struct{}, 1)
	}
	return c
}

func startCalls[K, V, V2 any](store string, f func(context.Context, Record[K, V]) (V2, error)) start[K, V, K, V2] {
	return func(ctx *topology.Context, next func(Record[K, V2]) error) (func(Record[K, V]) error, error) {
		c, err := storeOf[*calls[K, V, V2]](ctx, store)
		if err != nil {
			return nil, err
		}
		c.f, c.ctx, c.next = f, ctx, next
		c.run, c.cancel = context.WithCancel(ctx.Run())
		return c.process, nil
	}
}

// process begins a record's call, once there is room, and forwards what is done.
func (c *calls[K, V, V2]) process(r Record[K, V]) error {
	if err := c.forwardDone(); err != nil {
		return err
	}
	if c.count == len(c.ring) {
		if err := c.forwardFirst(); err != nil {
			return err
		}
	}
	one := &c.ring[(c.first+c.count)%len(c.ring)]
	one.in, one.held = r, c.ctx.Hold()
	c.count++
	go c.call(one)
	return nil
}

func (c *calls[K, V, V2]) call(one *call[K, V, V2]) {
	defer func() {
		if p := recover(); p != nil {
			one.err = &topology.PanicError{Value: p, Stack: debug.Stack()}
		}
		one.done <- struct{}{}
	}()
	one.value, one.err = c.f(c.run, one.in)
}

// forwardDone forwards the results that are there, up to the first call that still runs.
func (c *calls[K, V, V2]) forwardDone() error {
	for c.count > 0 && len(c.ring[c.first].done) > 0 {
		if err := c.forwardFirst(); err != nil {
			return err
		}
	}
	return nil
}

// forwardFirst waits for the oldest call and forwards its result, in its record's context.
func (c *calls[K, V, V2]) forwardFirst() error {
	one := &c.ring[c.first]
	<-one.done
	in, held, value, err := one.in, one.held, one.value, one.err
	*one = call[K, V, V2]{done: one.done}
	c.first, c.count = (c.first+1)%len(c.ring), c.count-1
	return c.ctx.Resume(&held, func() error { return c.result(in, value, err) })
}

func (c *calls[K, V, V2]) result(in Record[K, V], value V2, err error) error {
	if err == nil {
		return c.next(in.WithValue(value))
	}
	if null, err := nullOr(c.ctx, err); !null {
		return err
	}
	return c.next(in.WithoutValue[V2]())
}

// Flush implements state.CustomStore: it waits for all calls.
func (c *calls[K, V, V2]) Flush() error {
	for c.count > 0 {
		if err := c.forwardFirst(); err != nil {
			return err
		}
	}
	return nil
}

// Restore implements state.CustomStore: there is no changelog.
func (c *calls[K, V, V2]) Restore([]state.Restored) error { return nil }

// Dump implements state.CustomStore: there is no listing.
func (c *calls[K, V, V2]) Dump() iter.Seq[[]any] { return nil }

// Close implements state.CustomStore. Calls in flight are told to end; nobody waits for one that does not, and its result is lost.
func (c *calls[K, V, V2]) Close() error {
	if c.cancel != nil {
		c.cancel()
	}
	return nil
}
