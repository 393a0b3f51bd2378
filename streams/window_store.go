package streams

import (
	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

// windowStore is the window store of an aggregate. Its slots are the inner key's and those of the handle of its table.
type windowStore[K, A any] struct {
	storeConfig
	windows windowing
	key     *slot[K]
	value   *slot[A]
	written bool // a cogroup writes it once for all its streams
}

// write adds the store to the topology and says whether it can be used. node needs it.
func (s *windowStore[K, A]) write(w *writer, node string) bool {
	if s.written {
		return true
	}
	k, v := s.key.resolve(w.b, node, "key"), s.value.resolve(w.b, node, "value")
	if k == nil || v == nil {
		return false
	}
	s.written = true
	retention := s.windows.retention
	if s.hasRetention {
		retention = s.retention
	}
	if s.windows.onClose && s.windows.assign == nil { // sliding windows, which Kafka Streams does not cache here
		s.uncached()
	}
	o := w.optionsOf(&s.storeConfig)
	if s.windows.onClose {
		o = append(o, state.TimeFirst())
	}
	w.t.AddStore(state.TimestampedWindow(s.name, k, v, s.windows.size, retention, o...))
	return true
}

// open is the task's instance of the store.
func (s *windowStore[K, A]) open(ctx *topology.Context) (*state.Windows[K, state.Stamped[A]], error) {
	return storeOf[*state.Windows[K, state.Stamped[A]]](ctx, s.name)
}

// forwardWindow hands a change of a window's aggregate downstream.
type forwardWindow[K, A any] = func(k K, w window.Window, c change[A], at Time, h topology.Headers) error

// windowRows is an aggregate's window store in the hands of its node.
type windowRows[K, A any] struct {
	store   *state.Windows[K, state.Stamped[A]]
	forward forwardWindow[K, A]
	direct  bool // changes are forwarded as they are made: not by a cache, nor when the window closes
	olds    bool
	final   *finals // nil unless windows are emitted when they close
	windows *windowing
	buf     []window.Window
}

// openFor is open for the node that writes the store.
func (s *windowStore[K, A]) openFor(ctx *topology.Context, olds bool, forward forwardWindow[K, A]) (*windowRows[K, A], error) {
	store, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	r := &windowRows[K, A]{store: store, forward: forward, olds: olds, windows: &s.windows}
	if s.windows.onClose {
		r.final = newFinals(ctx, s.name, &s.windows)
		return r, nil
	}
	rc := ctx.RecordContext()
	r.direct = !store.OnFlush(olds, func(k K, start Time, c state.Flushed[state.Stamped[A]]) error {
		w, err := r.windows.windowAt(start, &r.buf)
		if err != nil {
			return topology.Fatal(err)
		}
		at := rc.Time
		if c.HasNew {
			at = c.New.Time
		}
		return forward(k, w, change[A]{New: c.New.Value, HasNew: c.HasNew, Old: c.Old.Value, HasOld: c.HasOld}, at, rc.Headers)
	})
	return r, nil
}

// get is a window's aggregate.
func (r *windowRows[K, A]) get(k K, start Time) (state.Stamped[A], bool, error) {
	v, ok, err := r.store.Get(k, start)
	return v, ok, topology.Fatal(err)
}

// update puts a window's new aggregate, or deletes it, and forwards the change at the time at: the time of the aggregate, too.
func (r *windowRows[K, A]) update(k K, w window.Window, c change[A], at Time, h topology.Headers) error {
	var err error
	if c.HasNew {
		err = r.store.Put(k, w.Start, state.Stamped[A]{Value: c.New, Time: at})
	} else {
		err = r.store.Delete(k, w.Start)
	}
	if err != nil {
		return topology.Fatal(err)
	}
	if !r.direct {
		if r.final != nil {
			r.final.expect(w.End)
		}
		return nil
	}
	if !r.olds {
		var none A
		c.Old, c.HasOld = none, false
	}
	return r.forward(k, w, c, at, h)
}

// emit forwards the windows that have closed, for the record whose headers it gets. It is called before the record is put: what the record makes
// expire is still there.
func (r *windowRows[K, A]) emit(clock Time, h topology.Headers) error {
	from, until, due := r.final.due(clock)
	if !due {
		return nil
	}
	next := window.MaxTime
	for e, err := range r.store.FetchStarts(max(0, from.AddMillis(-r.windows.reach)), window.MaxTime) {
		if err != nil {
			return topology.Fatal(err)
		}
		w, err := r.windows.windowAt(e.Key.Start, &r.buf)
		if err != nil {
			return topology.Fatal(err)
		}
		if w.End > until {
			if r.windows.even {
				next = w.End
				break
			}
			if next = min(next, w.End, max(w.Start, until)+1); w.Start > until {
				break // those that follow start later still
			}
			continue
		}
		if w.End < from {
			continue // emitted before
		}
		if err := r.forward(e.Key.Key, w, change[A]{New: e.Value.Value, HasNew: true}, e.Value.Time, h); err != nil {
			return err
		}
	}
	r.final.done(until, next)
	return nil
}

// forwardKeyed forwards changes by the key of a definition of windows.
func forwardKeyed[K, WK, A any](w interface{ Key(K, window.Window) WK }) func(next func(Record[WK, change[A]]) error) forwardWindow[K, A] {
	return func(next func(Record[WK, change[A]]) error) forwardWindow[K, A] {
		return func(k K, win window.Window, c change[A], at Time, h topology.Headers) error {
			return next(Record[WK, change[A]]{Key: w.Key(k, win), Value: c, Time: at, Headers: h})
		}
	}
}

// openWindows makes the instance of an aggregate's node that handles the records of one stream.
type openWindows[K, V, A any] = func(ctx *topology.Context, olds bool, forward forwardWindow[K, A]) (func(Record[K, V]) error, error)

// aggregateStore is a windowStore or a sessionStore.
type aggregateStore interface {
	write(w *writer, node string) bool
	storeName() string
}

func (s *windowStore[K, A]) storeName() string { return s.name }

// windowOperator is the plan node of an aggregate over windows. forward makes of its children what takes changes.
func windowOperator[K, V, A, K2, V2 any](name string, c *nodeConfig, st aggregateStore, open openWindows[K, V, A], olds func() bool,
	forward func(next func(Record[K2, V2]) error) forwardWindow[K, A]) *planNode {
	return &planNode{name: name, dropsNullKeys: true, write: func(w *writer, in []any) any {
		if !st.write(w, name) {
			return nil
		}
		spec := topology.NodeSpec{Name: name, Stores: append([]string{st.storeName()}, c.using...)}
		return topology.Connect(spec, func(ctx *topology.Context, next func(Record[K2, V2]) error) (func(Record[K, V]) error, error) {
			return open(ctx, olds(), forward(next))
		}, edgesOf[K, V](in)...)
	}}
}

// windowTable is the table of a windowed aggregate; its plan node is set later.
func windowTable[K, WK, A any](b *Builder, w window.Windows[K, WK], st *windowStore[K, A]) Table[WK, A] {
	t := &tableNode[WK, A]{store: st.name}
	t.view = func() view[WK, A] {
		return view[WK, A]{stores: []string{st.name}, open: func(ctx *topology.Context) (getter[WK, A], error) {
			store, err := st.open(ctx)
			if err != nil {
				return getter[WK, A]{}, err
			}
			return getter[WK, A]{get: func(wk WK) (state.Stamped[A], bool, error) {
				k, win := w.Unwrap(wk)
				v, ok, err := store.Get(k, win.Start)
				return v, ok, topology.Fatal(err)
			}}, nil
		}}
	}
	return Table[WK, A]{b: b, t: t, key: windowedSlot(st.key, w), value: st.value, end: endOf(w)}
}

// windowedSlot is the slot of a windowed key, whose serde is made of the inner key's.
func windowedSlot[K, WK any](key *slot[K], w window.Windows[K, WK]) *slot[WK] {
	type origin struct{ windows, key any }
	return &slot[WK]{made: &madeSerde[WK]{
		of: origin{w, key.known()},
		resolve: func(b *Builder, node, side string) serde.Serde[WK] {
			inner := key.resolve(b, node, side)
			if inner == nil {
				return nil
			}
			return window.KeySerde(w, inner)
		},
	}}
}
