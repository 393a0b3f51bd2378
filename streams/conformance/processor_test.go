package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

func (s streamOf[K, V]) process(p *program, o *operation) streamHandle {
	def := newProcessor[K, V](p, o.Processor)
	supplier := func(ctx *topology.ProcessorContext[K, V]) (topology.Processor[K, V], error) {
		run, err := def.start(&ctx.Context, ctx.Forward)
		if err != nil {
			return nil, err
		}
		return topology.ProcessorFunc[K, V](func(_ context.Context, r topology.Record[K, V]) error { return run(r) }), nil
	}
	return s.with(s.s.Process(supplier, p.processOptions(o)...).WithKeySerde(s.key))
}

func (s streamOf[K, V]) processValues(p *program, o *operation) streamHandle {
	def := newProcessor[K, V](p, o.Processor)
	if def.kind == "tick" {
		refuse("tick as processValues")
	}
	supplier := func(ctx *topology.FixedKeyContext[K, V]) (topology.FixedKeyProcessor[K, V], error) {
		// What a fixed-key processor forwards is made of the record that it got: in stands for it.
		var in topology.FixedKeyRecord[K, V]
		run, err := def.start(&ctx.Context, func(r topology.Record[K, V]) error {
			if r.Tombstone {
				return ctx.Forward(in)
			}
			return ctx.Forward(in.WithValue(r.Value).WithHeaders(r.Headers))
		})
		if err != nil {
			return nil, err
		}
		return fixedKey[K, V](func(f topology.FixedKeyRecord[K, V]) error {
			in = f
			v, ok := f.Value()
			return run(topology.Record[K, V]{Key: f.Key(), Value: v, Time: f.Time(), Headers: f.Headers(), Tombstone: !ok})
		}), nil
	}
	return s.with(s.s.ProcessValues(supplier, p.processOptions(o)...))
}

type fixedKey[K, V any] func(topology.FixedKeyRecord[K, V]) error

func (f fixedKey[K, V]) ProcessValue(_ context.Context, r topology.FixedKeyRecord[K, V]) error {
	return f(r)
}

// processOptions names the node and connects its stores, of which the program's own are known by reference.
func (p *program) processOptions(o *operation) (opts []streams.ProcessOption) {
	if o.Name != nil {
		opts = append(opts, streams.Named(*o.Name))
	}
	for _, name := range o.Stores {
		ref, ok := p.refs[name]
		if !ok {
			ref = topology.NamedStore[state.KeyValueStore[string, string]](name)
		}
		opts = append(opts, streams.Using(ref))
	}
	return opts
}

// processor is a processor of the recorded programs, for records of one type.
type processor[K, V any] struct {
	p         *program
	kind, arg string
}

func newProcessor[K, V any](p *program, def string) processor[K, V] {
	kind, arg := call(def)
	switch kind {
	case "dedup", "lastSeen", "lookup":
		onStrings[V](def, func(s string) string { return s })
	case "header", "tick", "fail":
	default:
		refuse("processor %s", def)
	}
	return processor[K, V]{p, kind, arg}
}

// start is the processor for one task.
func (d processor[K, V]) start(ctx *topology.Context, forward func(topology.Record[K, V]) error) (func(topology.Record[K, V]) error, error) {
	var store textStore
	switch d.kind {
	case "dedup", "lastSeen", "lookup":
		store = d.p.openStore(ctx, d.arg)
	case "tick":
		schedule(ctx, d.arg, forward)
		return forward, nil
	}
	handle := d.handler(store, forward)
	return func(r topology.Record[K, V]) error {
		if r.Tombstone {
			return forward(r)
		}
		return handle(r)
	}, nil
}

// handler handles a record with a value.
func (d processor[K, V]) handler(store textStore, forward func(topology.Record[K, V]) error) func(topology.Record[K, V]) error {
	withText := func(r topology.Record[K, V], text string) topology.Record[K, V] { return r.WithValue(any(text).(V)) }
	switch d.kind {
	case "dedup":
		return func(r topology.Record[K, V]) error {
			if _, ok, err := store.get(keyOrEmpty(r)); ok || err != nil {
				return err
			}
			if err := store.put(keyOrEmpty(r), textOf(r.Value), r.Time); err != nil {
				return err
			}
			return forward(r)
		}
	case "lastSeen":
		return func(r topology.Record[K, V]) error {
			old, ok, err := store.get(keyOrEmpty(r))
			if err != nil {
				return err
			}
			if !ok {
				old = "null"
			}
			if err := store.put(keyOrEmpty(r), textOf(r.Value), r.Time); err != nil {
				return err
			}
			return forward(withText(r, old+">"+textOf(r.Value)))
		}
	case "lookup":
		return func(r topology.Record[K, V]) error {
			found, ok, err := store.get(textOf(r.Value))
			if err != nil {
				return err
			}
			if !ok {
				found = "null"
			}
			return forward(withText(r, textOf(r.Value)+"~"+found))
		}
	case "header":
		key, value, _ := strings.Cut(d.arg, "=")
		return func(r topology.Record[K, V]) error {
			r.Headers = append(slices.Clip(r.Headers), serde.Header{Key: key, Value: []byte(value)})
			return forward(r)
		}
	case "fail":
		return func(r topology.Record[K, V]) error {
			if textOf(r.Value) == d.arg {
				return fmt.Errorf("the value is %s", d.arg)
			}
			return forward(r)
		}
	}
	panic(unsupported("processor " + d.kind))
}

// schedule forwards the time under the key tick.
func schedule[K, V any](ctx *topology.Context, arg string, forward func(topology.Record[K, V]) error) {
	name, every := call(arg)
	clock := topology.StreamTime
	switch name {
	case "stream":
	case "wall":
		clock = topology.WallClock
	default:
		refuse("tick:%s", arg)
	}
	key, ok := any("tick").(K)
	if !ok {
		refuse("tick on windowed keys")
	}
	ctx.Schedule(millis(number(every)), clock, func(_ context.Context, now topology.Time) error {
		value, ok := any(textOf(int64(now))).(V)
		if !ok {
			value = any(int64(now)).(V)
		}
		return forward(topology.Of(key, value, now))
	})
}

// textStore is a store of texts, whatever its kind.
type textStore interface {
	get(key string) (string, bool, error)
	put(key, value string, at window.Time) error
}

// openStore asks the task for a store by name. What is not connected comes back empty; the start fails then, before any record.
func (p *program) openStore(ctx *topology.Context, name string) textStore {
	switch p.stores[name] {
	case stampedText:
		return stampedStore[string]{ctx.Store(topology.NamedStore[state.KeyValueStore[string, state.Stamped[string]]](name))}
	case stampedLong:
		return stampedStore[int64]{ctx.Store(topology.NamedStore[state.KeyValueStore[string, state.Stamped[int64]]](name))}
	case versionedText:
		return versionedStore[string]{ctx.Store(topology.NamedStore[state.VersionedStore[string, string]](name))}
	case versionedLong:
		return versionedStore[int64]{ctx.Store(topology.NamedStore[state.VersionedStore[string, int64]](name))}
	}
	return plainStore{ctx.Store(topology.NamedStore[state.KeyValueStore[string, string]](name))}
}

type plainStore struct {
	s state.KeyValueStore[string, string]
}

func (p plainStore) get(k string) (string, bool, error)   { return p.s.Get(k) }
func (p plainStore) put(k, v string, _ window.Time) error { return p.s.Put(k, v) }

type stampedStore[V any] struct {
	s state.KeyValueStore[string, state.Stamped[V]]
}

func (p stampedStore[V]) get(k string) (string, bool, error) {
	v, ok, err := p.s.Get(k)
	if !ok || err != nil {
		return "", ok, err
	}
	return textOf(v.Value), true, nil
}

func (p stampedStore[V]) put(k, v string, at window.Time) error {
	return p.s.Put(k, state.Stamped[V]{Value: any(v).(V), Time: at})
}

type versionedStore[V any] struct {
	s state.VersionedStore[string, V]
}

func (p versionedStore[V]) get(k string) (string, bool, error) {
	v, ok, err := p.s.Get(k)
	if !ok || err != nil {
		return "", ok, err
	}
	return textOf(v.Value), true, nil
}

func (p versionedStore[V]) put(k, v string, at window.Time) error { return p.s.Put(k, any(v).(V), at) }

// globalWriter maintains the store of addGlobalStore.
type globalWriter struct {
	s state.KeyValueStore[string, string]
}

func newGlobalWriter(ctx *topology.Context, ref topology.StoreRef[state.KeyValueStore[string, string]]) globalWriter {
	return globalWriter{ctx.Store(ref)}
}

// Process puts key and value; a null value deletes. A store has no null keys: the processor fails, as its Java twin does, whatever the handler, which Java
// does not ask about a global store's processor.
func (g globalWriter) Process(_ context.Context, r topology.Record[string, string]) error {
	if r.NoKey {
		return topology.Fatal(errors.New("a null key"))
	}
	if r.Tombstone {
		return g.s.Delete(r.Key)
	}
	return g.s.Put(r.Key, r.Value)
}
