package streams

import (
	"time"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams/internal/wire"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

// joinStore is the window store of one side of a join of streams: a record is a window that starts at its time.
type joinStore[K, V any] struct {
	storeConfig
	window window.Join
	key    *slot[K]
	value  *slot[V]
}

// write adds the store to the topology and says whether it can be used. node needs it.
func (s *joinStore[K, V]) write(w *writer, node string) bool {
	k, v := s.key.resolve(w.b, node, "key"), s.value.resolve(w.b, node, "value")
	if k == nil || v == nil {
		return false
	}
	w.place(&s.storeConfig)
	w.t.AddStore(state.Window(s.name, k, v, s.window.Size(), s.kept(), append(s.uncached().options(), state.Duplicates())...))
	return true
}

// kept is how long a record is kept: at least so long that records of one time can join.
func (s *joinStore[K, V]) kept() time.Duration {
	return max(longer(s.window.Size(), s.window.Grace), time.Millisecond)
}

func (s *joinStore[K, V]) open(ctx *topology.Context) (*state.Windows[K, V], error) {
	return storeOf[*state.Windows[K, V]](ctx, s.name)
}

// uncached makes s the configuration of a store that is never cached.
func (s *storeConfig) uncached() *storeConfig {
	off := false
	s.caching = &off
	return s
}

// keepRecords is the plan node of one side of a join: it passes a record on, then puts it into the side's store.
func keepRecords[K, V any](name string, s *joinStore[K, V], nullKeys bool) *planNode {
	return &planNode{name: name, wantsNullKeys: nullKeys, dropsNullKeys: !nullKeys, write: func(w *writer, in []any) any {
		if !s.write(w, name) {
			return nil
		}
		return topology.Connect(topology.NodeSpec{Name: name, Stores: []string{s.name}}, s.startKeeping, edgesOf[K, V](in)...)
	}}
}

func (s *joinStore[K, V]) startKeeping(ctx *topology.Context, next func(Record[K, V]) error) (func(Record[K, V]) error, error) {
	store, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	return func(r Record[K, V]) error {
		if err := next(r); err != nil || r.NoKey {
			return err
		}
		if r.Tombstone {
			return topology.Fatal(store.Delete(r.Key, r.Time))
		}
		return topology.Fatal(store.Put(r.Key, r.Time, r.Value))
	}, nil
}

// outerStore is the store of the records of both sides of a left or outer join that have found no match yet.
type outerStore[K, V, VO any] struct {
	storeConfig
	key   *slot[K]
	left  *slot[V]
	right *slot[VO]

	lefts  serde.Serde[V] // resolved by write
	rights serde.Serde[VO]
}

// outerKey is an unmatched record's: its values, which may be several, are a list of bytes.
type outerKey[K any] struct {
	at   Time
	left bool
	key  K
}

// names are the stores that the joining nodes use beside their sides'; s may be nil.
func (s *outerStore[K, V, VO]) names() []string {
	if s == nil {
		return nil
	}
	return []string{s.name}
}

// write adds the store to the topology and says whether it can be used; s may be nil.
func (s *outerStore[K, V, VO]) write(w *writer, node string) bool {
	if s == nil {
		return true
	}
	k := s.key.resolve(w.b, node, "key")
	s.lefts, s.rights = s.left.resolve(w.b, node, "value"), s.right.resolve(w.b, node, "value")
	if k == nil || s.lefts == nil || s.rights == nil {
		return false
	}
	w.place(&s.storeConfig)
	w.t.AddStore(state.KeyValue(s.name, serde.Serde[outerKey[K]](outerKeySerde[K]{k}), serde.Bytes, s.uncached().options()...))
	return true
}

// outerKeySerde writes the keys of an outerStore.
type outerKeySerde[K any] struct{ key serde.Serde[K] }

func (s outerKeySerde[K]) Append(dst []byte, k outerKey[K]) ([]byte, error) {
	return s.key.Append(wire.AppendOuterKey(dst, int64(k.at), k.left), k.key)
}

func (s outerKeySerde[K]) Decode(b []byte) (k outerKey[K], err error) {
	at, left, key, err := wire.ParseOuterKey(b)
	if err != nil {
		return k, err
	}
	k.at, k.left = Time(at), left
	k.key, err = s.key.Decode(key)
	return k, err
}

// Bind implements serde.Binder.
func (s outerKeySerde[K]) Bind(r serde.Role) (serde.Serde[outerKey[K]], error) {
	k, err := serde.Bind(s.key, r)
	return outerKeySerde[K]{k}, err
}
