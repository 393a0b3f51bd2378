package streams

import (
	"errors"
	"fmt"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams/internal/wire"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

// Suppress holds a table's changes back, in a buffer in memory with a changelog, and forwards fewer: of each key the last one, when s says so. Time goes on
// with the records that come, of any key: a change that is due waits for the next record.
//
// UntilWindowCloses forwards the result of a window once, when the window has closed and its grace has passed. It is for tables whose keys are windows:
// of windowed aggregates, through verbs that keep the key. Deletes are not forwarded, since a final result has not been told before.
//
// UntilTimeLimit forwards a key's last change when Wait has passed since its first one in the buffer. Deletes are forwarded. With limits, what is
// oldest leaves early, or the application stops.
//
// The old value of what is forwarded, which groupings and aggregates behind it take back, is the value that was forwarded before. A verb that reads the
// table while a key waits sees that value, too.
//
// A limit that is passed is an error of the record that came last: it goes to the processing handler, and stops the application by default. A handler that
// goes on lets the buffer grow.
func (t Table[K, V]) Suppress(s Suppression, o ...SuppressOption) Table[K, V] {
	b := t.b
	var c nodeConfig
	for _, opt := range o {
		opt.suppress(&c)
	}
	name, store := c.name, c.name+"-store"
	if name == "" {
		name, store = b.generate("KTABLE-SUPPRESS-"), b.generateStore("KTABLE-SUPPRESS-")
		b.nameGenerated("store", store, "Named")
	}
	b.check(name, &c)
	rule, err := suppressionRule(s, t)
	if err != nil {
		return missing[K, V](b, inNode(name, err))
	}
	t.t.sendOlds(true)
	st := &suppressStore[K, V]{storeConfig: c.store, key: t.key.carried(), value: t.value.carried()}
	st.name = store
	out := &tableNode[K, V]{olds: true}
	out.view = func() view[K, V] { return st.view(t.t.view()) }
	n := &planNode{name: name, write: func(w *writer, in []any) any {
		if !st.write(w, name) {
			return nil
		}
		return topology.Connect(topology.NodeSpec{Name: name, Stores: []string{store}}, startSuppress(st, rule), edgesOf[K, change[V]](in)...)
	}}
	out.plan = b.plan(n, t.t.plan)
	return Table[K, V]{b: b, t: out, key: st.key, value: st.value, end: t.end}
}

// suppression is a Suppression with its checks done.
type suppression[K any] struct {
	end        func(K) Time // nil: a change waits from its own time on
	wait       int64        // in milliseconds
	maxRecords int          // 0: no bound
	maxBytes   int64        // 0: no bound
	emitEarly  bool
}

func suppressionRule[K, V any](s Suppression, t Table[K, V]) (r suppression[K], err error) {
	if t.t.versioned {
		return r, errors.New("Suppress is not for Versioned tables: their changes may come out of order")
	}
	switch s := s.(type) {
	case UntilWindowCloses:
		r = suppression[K]{end: t.end, maxRecords: s.MaxRecords, maxBytes: s.MaxBytes}
		var ok bool
		if r.wait, ok = t.t.plan.windowsHeld(); !ok || t.end == nil {
			return r, errors.New("UntilWindowCloses needs a table whose keys are windows: that of a windowed aggregate, with no verb between that changes the key")
		}
	case UntilTimeLimit:
		r = suppression[K]{wait: window.Millis(s.Wait), maxRecords: s.MaxRecords, maxBytes: s.MaxBytes, emitEarly: s.EmitEarly}
		var c nodeConfig
		c.millis("UntilTimeLimit.Wait", s.Wait)
		err = errors.Join(c.errs...)
	default:
		return r, errors.New("nothing says until when: give UntilWindowCloses or UntilTimeLimit")
	}
	if r.maxRecords < 0 || r.maxBytes < 0 {
		err = errors.Join(err, errors.New("MaxRecords and MaxBytes cannot be negative: leave them out for no bound"))
	}
	return r, err
}

// windowsHeld is how many milliseconds after their end windows are held: the longest time of all aggregates above; false if a way up has none.
func (n *planNode) windowsHeld() (held int64, ok bool) {
	if n.window != nil {
		return n.window.held, true
	}
	for _, p := range n.parents {
		h, ok := p.windowsHeld()
		if !ok {
			return 0, false
		}
		held = max(held, h)
	}
	return held, len(n.parents) > 0
}

// suppressStore is the buffer of a Suppress.
type suppressStore[K, V any] struct {
	storeConfig
	key   *slot[K]
	value *slot[V]

	keys   serde.Serde[K] // resolved by write
	values serde.Serde[V]
}

// write adds the store to the topology and says whether it can be used.
func (s *suppressStore[K, V]) write(w *writer, node string) bool {
	s.keys, s.values = s.key.resolve(w.b, node, "key"), s.value.resolve(w.b, node, "value")
	if s.keys == nil || s.values == nil {
		return false
	}
	w.t.AddStore(state.Custom(s.name, newSuppressBuffer, s.uncached().options()...))
	return true
}

// buffer is the task's instance of the store, with its serdes bound.
func (s *suppressStore[K, V]) buffer(ctx *topology.Context) (*suppressBuffer, serde.Serde[K], serde.Serde[V], error) {
	b, err := storeOf[*suppressBuffer](ctx, s.name)
	if err != nil {
		return nil, nil, nil, err
	}
	topic := topology.ChangelogTopic(ctx.ApplicationID(), s.name)
	k, err := serde.Bind(s.keys, serde.Role{Topic: topic, Key: true})
	if err != nil {
		return nil, nil, nil, err
	}
	v, err := serde.Bind(s.values, serde.Role{Topic: topic})
	return b, k, v, err
}

// view reads the value from before the first change that waits, else the parent's row.
func (s *suppressStore[K, V]) view(parent view[K, V]) view[K, V] {
	return view[K, V]{stores: append([]string{s.name}, parent.stores...), open: func(ctx *topology.Context) (getter[K, V], error) {
		rows, err := parent.open(ctx)
		if err != nil {
			return getter[K, V]{}, err
		}
		buffer, keys, values, err := s.buffer(ctx)
		if err != nil {
			return getter[K, V]{}, err
		}
		var raw []byte
		return getter[K, V]{get: func(k K) (v state.Stamped[V], ok bool, err error) {
			if raw, err = keys.Append(raw[:0], k); err != nil {
				return v, false, topology.Fatal(err)
			}
			e := buffer.find(raw)
			if e == nil {
				return rows.get(k)
			}
			if !e.prior.there {
				return v, false, nil
			}
			v.Time = -1 // nobody knows it
			v.Value, err = values.Decode(e.prior.b)
			return v, true, topology.Fatal(err)
		}}, nil
	}}
}

// suppressNode is the node of a Suppress in one task.
type suppressNode[K, V any] struct {
	ctx    *topology.Context
	rule   suppression[K]
	buffer *suppressBuffer
	keys   serde.Serde[K]
	values serde.Serde[V]
	next   func(Record[K, change[V]]) error
	clock  Time // the highest time of a change that came here

	key      []byte
	new, old nullable
}

func startSuppress[K, V any](s *suppressStore[K, V], rule suppression[K]) start[K, change[V], K, change[V]] {
	return func(ctx *topology.Context, next func(Record[K, change[V]]) error) (func(Record[K, change[V]]) error, error) {
		buffer, keys, values, err := s.buffer(ctx)
		if err != nil {
			return nil, err
		}
		n := &suppressNode[K, V]{ctx: ctx, rule: rule, buffer: buffer, keys: keys, values: values, next: next, clock: -1}
		ctx.OnAdvance(func(now Time) error {
			n.clock = max(n.clock, now)
			return n.releaseDue()
		})
		return n.process, nil
	}
}

func (n *suppressNode[K, V]) process(r Record[K, change[V]]) error {
	n.clock = max(n.clock, r.Time)
	if err := n.hold(r); err != nil {
		return err
	}
	if err := n.releaseDue(); err != nil {
		return err
	}
	for n.full() {
		if !n.rule.emitEarly {
			return n.ctx.Fail(fmt.Errorf("the buffer holds %d records in %d bytes, more than MaxRecords %d and MaxBytes %d allow: raise them, or give UntilTimeLimit EmitEarly",
				n.buffer.len(), n.buffer.bytes, n.rule.maxRecords, n.rule.maxBytes))
		}
		if err := n.release(n.buffer.first()); err != nil {
			return err
		}
	}
	return nil
}

// releaseDue releases what has waited until the node's clock.
func (n *suppressNode[K, V]) releaseDue() error {
	due := n.clock.AddMillis(-n.rule.wait)
	for e := n.buffer.first(); e != nil && e.at <= due; e = n.buffer.first() {
		if err := n.release(e); err != nil {
			return err
		}
	}
	return nil
}

func (n *suppressNode[K, V]) full() bool {
	return n.rule.maxRecords > 0 && n.buffer.len() > n.rule.maxRecords || n.rule.maxBytes > 0 && n.buffer.bytes > n.rule.maxBytes
}

// hold puts a change into the buffer.
func (n *suppressNode[K, V]) hold(r Record[K, change[V]]) (err error) {
	if n.key, err = n.keys.Append(n.key[:0], r.Key); err == nil {
		if n.old, err = encodeNullable(n.values, n.old, r.Value.Old, r.Value.HasOld); err == nil {
			n.new, err = encodeNullable(n.values, n.new, r.Value.New, r.Value.HasNew)
		}
	}
	if err != nil {
		return n.ctx.Fail(fmt.Errorf("encode for the buffer: %w", err))
	}
	at := r.Time
	if n.rule.end != nil {
		at = n.rule.end(r.Key)
	}
	rc := n.ctx.RecordContext()
	n.buffer.put(at, n.key, n.old, n.new, wire.Context{Time: int64(r.Time), Offset: rc.Offset, Topic: rc.Topic, Partition: rc.Partition, Headers: r.Headers})
	return nil
}

// encodeNullable encodes a value into the memory of another one.
func encodeNullable[V any](s serde.Serde[V], into nullable, v V, there bool) (nullable, error) {
	into.there = there
	into.b = into.b[:0]
	if !there {
		return into, nil
	}
	var err error
	into.b, err = s.Append(into.b, v)
	return into, err
}

// release forwards a change and takes it out of the buffer.
func (n *suppressNode[K, V]) release(e *suppressed) error {
	if e.new.there || n.rule.end == nil {
		if err := n.forward(e); err != nil {
			return err
		}
	}
	n.buffer.remove(e)
	return nil
}

func (n *suppressNode[K, V]) forward(e *suppressed) (err error) {
	r := Record[K, change[V]]{Time: Time(e.context.Time), Headers: e.context.Headers}
	if r.Key, err = n.keys.Decode(e.key); err == nil {
		c := change[V]{HasNew: e.new.there, HasOld: e.prior.there}
		if c.HasNew {
			c.New, err = n.values.Decode(e.new.b)
		}
		if c.HasOld && err == nil {
			c.Old, err = n.values.Decode(e.prior.b)
		}
		r.Value = c
	}
	if err != nil {
		return n.ctx.Fail(fmt.Errorf("decode from the buffer: %w", err))
	}
	rc := n.ctx.RecordContext()
	saved := *rc
	defer func() { *rc = saved }()
	*rc = state.RecordContext{Topic: e.context.Topic, Partition: e.context.Partition, Offset: e.context.Offset, Time: r.Time, Headers: r.Headers}
	return n.next(r)
}
