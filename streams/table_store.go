package streams

import (
	"errors"
	"fmt"
	"time"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
)

// tableStore is the key-value store of a table, which may not be made in the end.
type tableStore[K, V any] struct {
	storeConfig
	made  bool // somebody wants it
	key   *slot[K]
	value *slot[V]
	// topic is the source topic that can stand for a changelog, or "".
	topic   string
	written bool // a cogroup writes it once for all its streams
}

// newTableStore is a store that is made. Its slots are those of the handle of its table.
func newTableStore[K, V any](c *nodeConfig, name string, key *slot[K], value *slot[V]) *tableStore[K, V] {
	s := &tableStore[K, V]{storeConfig: c.store, made: true, key: key, value: value}
	s.name = name
	return s
}

// names are the stores that the table's own node uses.
func (s *tableStore[K, V]) names() []string {
	if s == nil || !s.made {
		return nil
	}
	return []string{s.name}
}

// write adds the store to the topology and says whether it can be used. node needs it.
func (s *tableStore[K, V]) write(w *writer, node string) bool {
	if s == nil || !s.made || s.written {
		return true
	}
	k, v := s.key.resolve(w.b, node, "key"), s.value.resolve(w.b, node, "value")
	if k == nil || v == nil {
		return false
	}
	s.written = true
	if s.versioned {
		addStore(w, state.Versioned(s.name, k, v, s.history, w.optionsOf(&s.storeConfig)...), s.topic)
	} else {
		addStore(w, state.TimestampedKeyValue(s.name, k, v, w.optionsOf(&s.storeConfig)...), s.topic)
	}
	return true
}

func addStore[S any](w *writer, d state.Definition[S], sourceTopic string) {
	if sourceTopic != "" && w.b.config.rewrites&ReuseSourceTopics != 0 {
		w.t.AddSourceStore(d, sourceTopic)
		return
	}
	w.t.AddStore(d)
}

// place settles whether a store is in memory: by its own options, else by Build's.
func (w *writer) place(s *storeConfig) {
	s.inMemory = s.inMemory || w.b.config.inMemory && !s.onDisk && !s.versioned
}

// optionsOf are what a store's definition gets of the verb's options and of Build's.
func (w *writer) optionsOf(s *storeConfig) []state.Option {
	w.place(s)
	o := s.options()
	if w.b.config.tombstoneHeaders && !s.versioned && !s.inMemory {
		o = append(o, state.LogTombstoneHeaders())
	}
	return o
}

// options are what a store's definition gets of the verb's options.
func (s *storeConfig) options() (o []state.Option) {
	if s.inMemory {
		o = append(o, state.InMemory())
	}
	if s.unlogged {
		o = append(o, state.WithoutLogging())
	}
	if !s.versioned && (s.caching == nil || *s.caching) {
		o = append(o, state.WithCaching())
	}
	if s.ttl > 0 {
		o = append(o, state.TTL(s.ttl))
	}
	for k, v := range s.logConfig {
		o = append(o, state.TopicConfig(k, v))
	}
	return o
}

// view is a way to read a table's rows from another node.
type view[K, V any] struct {
	stores  []string      // that the reading node has to be connected to
	history time.Duration // of a versioned table
	open    func(ctx *topology.Context) (getter[K, V], error)
}

// getter reads a table's rows for one node of a task.
type getter[K, V any] struct {
	// get is the latest row of a key.
	get func(k K) (state.Stamped[V], bool, error)
	// asOf is the row of a key that was valid at a time; nil unless the table is versioned.
	asOf func(k K, at Time) (state.Stamped[V], bool, error)
}

// view reads the store.
func (s *tableStore[K, V]) view() view[K, V] {
	return view[K, V]{stores: []string{s.name}, history: s.history, open: func(ctx *topology.Context) (getter[K, V], error) {
		rows, err := s.open(ctx)
		if err != nil {
			return getter[K, V]{}, err
		}
		g := getter[K, V]{get: rows.get}
		if rows.versions != nil {
			g.asOf = func(k K, at Time) (state.Stamped[V], bool, error) {
				v, ok, err := rows.versions.GetAsOf(k, at)
				return v, ok, stored(err)
			}
		}
		return g, nil
	}}
}

// rows is a table's store in the hands of a node: of the two kinds the one that it is.
type rows[K, V any] struct {
	ctx      *topology.Context
	kv       *state.KV[K, state.Stamped[V]]
	versions *state.Versions[K, V]
	// forwards is set by onFlush: changes go downstream at once, not when the cache is flushed.
	forwards bool
	olds     bool
	next     func(Record[K, change[V]]) error
}

// open is the task's instance of the store.
func (s *tableStore[K, V]) open(ctx *topology.Context) (r rows[K, V], err error) {
	r.ctx = ctx
	if s.versioned {
		r.versions, err = storeOf[*state.Versions[K, V]](ctx, s.name)
	} else {
		r.kv, err = storeOf[*state.KV[K, state.Stamped[V]]](ctx, s.name)
	}
	return r, err
}

// openFor is open for the node that writes the store: changes are forwarded by next, at once or, with olds, old values and all, by the cache.
func (s *tableStore[K, V]) openFor(ctx *topology.Context, olds bool, next func(Record[K, change[V]]) error) (*rows[K, V], error) {
	r, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	r.forwards, r.olds, r.next = true, olds, next
	if r.kv != nil {
		rc := ctx.RecordContext()
		r.forwards = !r.kv.OnFlush(olds, func(k K, c state.Flushed[state.Stamped[V]]) error {
			at := rc.Time
			if c.HasNew {
				at = c.New.Time
			}
			return next(Record[K, change[V]]{Key: k, Time: at, Headers: rc.Headers,
				Value: change[V]{New: c.New.Value, HasNew: c.HasNew, Old: c.Old.Value, HasOld: c.HasOld}})
		})
	}
	return &r, nil
}

// storeOf is a connected store by its concrete type.
func storeOf[S any](ctx *topology.Context, name string) (s S, err error) {
	var missing any = s
	s = ctx.Store(topology.NamedStore[S](name))
	if any(s) == missing {
		return s, fmt.Errorf("store %s is not there as a %T", name, s)
	}
	return s, nil
}

// stored is a store's error as a node hands it to Context.Fail: what lies in the row is the processing handler's affair, anything else is fatal.
func stored(err error) error {
	if err == nil {
		return nil
	}
	var row *state.RowError
	if errors.As(err, &row) {
		return err
	}
	return topology.Fatal(err)
}

// get is the latest row of a key. A node that gets an error hands it to Context.Fail.
func (r *rows[K, V]) get(k K) (v state.Stamped[V], ok bool, err error) {
	if r.kv != nil {
		v, ok, err = r.kv.Get(k)
	} else {
		v, ok, err = r.versions.Get(k)
	}
	return v, ok, stored(err)
}

// update puts a record's new row, or deletes it, and forwards the change at the time at: the time of the row, too.
func (r *rows[K, V]) update(in Record[K, change[V]], at Time) error {
	c := &in.Value
	taken := true
	c.Stale = false
	var err error
	switch {
	case r.kv == nil:
		taken, c.Stale, err = r.putVersion(in.Key, c, at)
	case c.HasNew:
		err = r.kv.Put(in.Key, state.Stamped[V]{Value: c.New, Time: at})
	default:
		err = r.kv.Delete(in.Key)
	}
	if err != nil {
		return r.ctx.Fail(stored(err))
	}
	if !taken || !r.forwards {
		return nil
	}
	if !r.olds {
		var none V
		c.Old, c.HasOld = none, false
	}
	in.Time = at
	return r.next(in)
}

// putVersion puts a version of a row. A row that is older than the history is not taken, one that is not the latest makes a stale change.
func (r *rows[K, V]) putVersion(k K, c *change[V], at Time) (taken, stale bool, err error) {
	var v *V
	if c.HasNew {
		v = &c.New
	}
	_, bounded, taken, err := r.versions.PutVersion(k, v, at)
	return taken, bounded, err
}
