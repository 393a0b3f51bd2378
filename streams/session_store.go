package streams

import (
	"time"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

// sessionStore is the session store of an aggregate. Its slots are the inner key's and those of the handle of its table.
type sessionStore[K, A any] struct {
	storeConfig
	windows windowing
	key     *slot[K]
	value   *slot[A]
	written bool // a cogroup writes it once for all its streams
}

func (s *sessionStore[K, A]) storeName() string { return s.name }

// write adds the store to the topology and says whether it can be used. node needs it.
func (s *sessionStore[K, A]) write(w *writer, node string) bool {
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
	if s.windows.onClose {
		s.uncached()
	}
	o := w.optionsOf(&s.storeConfig)
	if s.windows.onClose {
		if o = append(o, state.TimeFirst()); s.inMemory {
			// A store in memory hides a session when it has closed, a millisecond before it is emitted. The changelog is Kafka's.
			o = append(o, state.LogRetention(retention))
			retention = max(retention, longer(s.windows.retention, time.Millisecond))
		}
	}
	w.t.AddStore(state.Session(s.name, k, v, retention, o...))
	return true
}

// open is the task's instance of the store.
func (s *sessionStore[K, A]) open(ctx *topology.Context) (*state.Sessions[K, A], error) {
	return storeOf[*state.Sessions[K, A]](ctx, s.name)
}

// sessionRows is an aggregate's session store in the hands of its node.
type sessionRows[K, A any] struct {
	store   *state.Sessions[K, A]
	forward forwardWindow[K, A]
	direct  bool // changes are forwarded as they are made: not by a cache, nor when the session closes
	olds    bool
	final   *finals // nil unless sessions are emitted when they close
}

// openFor is open for the node that writes the store.
func (s *sessionStore[K, A]) openFor(ctx *topology.Context, olds bool, forward forwardWindow[K, A]) (*sessionRows[K, A], error) {
	store, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	r := &sessionRows[K, A]{store: store, forward: forward, olds: olds}
	if s.windows.onClose {
		r.final = newFinals(ctx, s.name, &s.windows)
		return r, nil
	}
	rc := ctx.RecordContext()
	r.direct = !store.OnFlush(olds, func(k window.Windowed[K], c state.Flushed[A]) error {
		return forward(k.Key, k.Window, change[A]{New: c.New, HasNew: c.HasNew, Old: c.Old, HasOld: c.HasOld}, k.End, rc.Headers)
	})
	return r, nil
}

// update puts a session's new aggregate, or deletes it, and forwards the change at the session's end.
func (r *sessionRows[K, A]) update(k window.Windowed[K], c change[A], h topology.Headers) error {
	var err error
	if c.HasNew {
		err = r.store.Put(k, c.New)
	} else {
		err = r.store.Delete(k)
	}
	if err != nil {
		return topology.Fatal(err)
	}
	if !r.direct {
		if r.final != nil {
			r.final.expect(k.End)
		}
		return nil
	}
	if !r.olds {
		var none A
		c.Old, c.HasOld = none, false
	}
	return r.forward(k.Key, k.Window, c, k.End, h)
}

// emit forwards the sessions that have closed, for the record whose headers it gets. See windowRows.emit.
func (r *sessionRows[K, A]) emit(clock Time, h topology.Headers) error {
	from, until, due := r.final.due(clock)
	if !due {
		return nil
	}
	next := window.MaxTime
	for e, err := range r.store.FindEnds(from, window.MaxTime) {
		if err != nil {
			return topology.Fatal(err)
		}
		if e.Key.End > until {
			next = e.Key.End
			break
		}
		if err := r.forward(e.Key.Key, e.Key.Window, change[A]{New: e.Value, HasNew: true}, e.Key.End, h); err != nil {
			return err
		}
	}
	r.final.done(until, next)
	return nil
}

// sessionTable is the table of an aggregate in sessions; its plan node is set later.
func sessionTable[K, WK, A any](b *Builder, w window.Sessions[K, WK], st *sessionStore[K, A]) Table[WK, A] {
	t := &tableNode[WK, A]{store: st.name}
	t.view = func() view[WK, A] {
		return view[WK, A]{stores: []string{st.name}, open: func(ctx *topology.Context) (getter[WK, A], error) {
			store, err := st.open(ctx)
			if err != nil {
				return getter[WK, A]{}, err
			}
			return getter[WK, A]{get: func(wk WK) (state.Stamped[A], bool, error) {
				k, win := w.Unwrap(wk)
				v, ok, err := store.Get(k, win)
				return state.Stamped[A]{Value: v, Time: win.End}, ok, topology.Fatal(err)
			}}, nil
		}}
	}
	return Table[WK, A]{b: b, t: t, key: windowedSlot[K, WK](st.key, w), value: st.value, end: endOf[K, WK](w)}
}
