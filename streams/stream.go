package streams

import (
	"context"
	"io"
	"iter"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

// Stream: the plain verbs call their function where key and value are there (a missing key reads as the zero K); what
// happens otherwise is in each verb's comment. A Try verb calls its function for every record, as Java does, and takes
// Null and Skip for an answer.
type Stream[K, V any] struct {
	b   *Builder
	e   *topology.Edge[K, V]
	end func(K) Time // the end of a windowed key, or nil: see endOf
}

func connect[K, V, K2, V2 any](s Stream[K, V], f func(*topology.Edge[K2, V2]) func(Record[K, V]) error) Stream[K2, V2] {
	return Stream[K2, V2]{b: s.b, e: topology.Connect(s.e, f)}
}

// Serdes: from here on, for this handle's type, wherever it meets bytes.
func (s Stream[K, V]) WithKeySerde(k serde.Serde[K]) Stream[K, V]   { return s }
func (s Stream[K, V]) WithValueSerde(v serde.Serde[V]) Stream[K, V] { return s }

// Filter keeps tombstones.
func (s Stream[K, V]) Filter(f func(K, V) bool, o ...NodeOption) Stream[K, V] {
	return connect(s, func(out *topology.Edge[K, V]) func(Record[K, V]) error {
		return func(r Record[K, V]) error {
			if r.Tombstone || f(r.Key, r.Value) {
				return out.Forward(r)
			}
			return nil
		}
	})
}

// FilterNot keeps tombstones too.
func (s Stream[K, V]) FilterNot(f func(K, V) bool, o ...NodeOption) Stream[K, V] { return s }
func (s Stream[K, V]) TryFilter(f func(context.Context, Record[K, V]) (bool, error), o ...NodeOption) Stream[K, V] {
	return s
}
func (s Stream[K, V]) TryFilterNot(f func(context.Context, Record[K, V]) (bool, error), o ...NodeOption) Stream[K, V] {
	return s
}

// Map drops and counts tombstones.
func (s Stream[K, V]) Map[K2, V2 any](f func(K, V) (K2, V2), o ...NodeOption) Stream[K2, V2] {
	return connect(s, func(out *topology.Edge[K2, V2]) func(Record[K, V]) error {
		return func(r Record[K, V]) error {
			k, v := f(r.Key, r.Value)
			return out.Forward(Record[K2, V2]{Key: k, Value: v, Time: r.Time, Headers: r.Headers})
		}
	})
}
func (s Stream[K, V]) TryMap[K2, V2 any](f func(context.Context, Record[K, V]) (Record[K2, V2], error), o ...NodeOption) Stream[K2, V2] {
	return Stream[K2, V2]{b: s.b}
}

// MapValues passes tombstones on.
func (s Stream[K, V]) MapValues[V2 any](f func(V) V2, o ...NodeOption) Stream[K, V2] {
	return connect(s, func(out *topology.Edge[K, V2]) func(Record[K, V]) error {
		return func(r Record[K, V]) error {
			if r.Tombstone {
				return out.Forward(r.WithoutValue[V2]())
			}
			return out.Forward(r.WithValue(f(r.Value)))
		}
	})
}
func (s Stream[K, V]) MapValuesWithKey[V2 any](f func(K, V) V2, o ...NodeOption) Stream[K, V2] {
	return Stream[K, V2]{b: s.b}
}
func (s Stream[K, V]) TryMapValues[V2 any](f func(context.Context, Record[K, V]) (V2, error), o ...NodeOption) Stream[K, V2] {
	return Stream[K, V2]{b: s.b}
}

// MapValuesAsync runs up to n calls at once, forwards results in input order, and has none in flight at a commit.
func (s Stream[K, V]) MapValuesAsync[V2 any](n int, f func(context.Context, Record[K, V]) (V2, error), o ...NodeOption) Stream[K, V2] {
	return Stream[K, V2]{b: s.b}
}

// FlatMap drops and counts tombstones. emit forwards at once.
func (s Stream[K, V]) FlatMap[K2, V2 any](f func(k K, v V, emit func(K2, V2)), o ...NodeOption) Stream[K2, V2] {
	return Stream[K2, V2]{b: s.b}
}
func (s Stream[K, V]) TryFlatMap[K2, V2 any](f func(ctx context.Context, r Record[K, V], emit func(Record[K2, V2])) error, o ...NodeOption) Stream[K2, V2] {
	return Stream[K2, V2]{b: s.b}
}

// FlatMapValues drops and counts tombstones.
func (s Stream[K, V]) FlatMapValues[V2 any](f func(V) []V2, o ...NodeOption) Stream[K, V2] {
	return Stream[K, V2]{b: s.b}
}
func (s Stream[K, V]) FlatMapValuesSeq[V2 any](f func(V) iter.Seq[V2], o ...NodeOption) Stream[K, V2] {
	return Stream[K, V2]{b: s.b}
}
func (s Stream[K, V]) TryFlatMapValues[V2 any](f func(context.Context, Record[K, V]) ([]V2, error), o ...NodeOption) Stream[K, V2] {
	return Stream[K, V2]{b: s.b}
}

// SelectKey drops and counts tombstones: without the value there is no key. MapKey passes them on.
func (s Stream[K, V]) SelectKey[K2 any](f func(K, V) K2, o ...NodeOption) Stream[K2, V] {
	return Stream[K2, V]{b: s.b}
}
func (s Stream[K, V]) MapKey[K2 any](f func(K) K2, o ...NodeOption) Stream[K2, V] {
	return Stream[K2, V]{b: s.b}
}
func (s Stream[K, V]) TrySelectKey[K2 any](f func(context.Context, Record[K, V]) (K2, error), o ...NodeOption) Stream[K2, V] {
	return Stream[K2, V]{b: s.b}
}

func (s Stream[K, V]) Peek(f func(K, V), o ...NodeOption) Stream[K, V] { return s }
func (s Stream[K, V]) TryPeek(f func(context.Context, Record[K, V]) error, o ...NodeOption) Stream[K, V] {
	return s
}
func (s Stream[K, V]) ForEach(f func(K, V), o ...NodeOption)                                   {}
func (s Stream[K, V]) TryForEach(f func(context.Context, Record[K, V]) error, o ...NodeOption) {}
func (s Stream[K, V]) Print(w io.Writer, o ...NodeOption)                                      {}
func (s Stream[K, V]) Merge(other Stream[K, V], o ...NodeOption) Stream[K, V] {
	return Stream[K, V]{b: s.b, e: s.e.Merge(other.e), end: s.end}
}
func (s Stream[K, V]) Repartition(o ...RepartitionOption) Stream[K, V] { return s }
func (s Stream[K, V]) To(topic string, o ...SinkOption)                {}
func (s Stream[K, V]) ToDynamic(topic func(Record[K, V], topology.RecordMetadata) string, o ...SinkOption) {
}

// Split: the first branch that wants a record gets it; without a default the rest is dropped, uncounted. A tombstone goes to the first branch whose Try predicate wants it,
// or to the default.
func (s Stream[K, V]) Split(o ...NodeOption) *Splitter[K, V] { return &Splitter[K, V]{s} }

type Splitter[K, V any] struct{ s Stream[K, V] }

func (p *Splitter[K, V]) Branch(f func(K, V) bool, o ...NodeOption) Stream[K, V] { return p.s }
func (p *Splitter[K, V]) TryBranch(f func(context.Context, Record[K, V]) (bool, error), o ...NodeOption) Stream[K, V] {
	return p.s
}
func (p *Splitter[K, V]) Default(o ...NodeOption) Stream[K, V] { return p.s }

func (s Stream[K, V]) ToTable(o ...StoreOption) Table[K, V] {
	return Table[K, V]{b: s.b, end: s.end, e: topology.Connect(s.e, func(out *topology.Edge[K, change[V]]) func(Record[K, V]) error {
		return func(r Record[K, V]) error {
			return out.Forward(r.WithValue(change[V]{New: r.Value, HasNew: !r.Tombstone}))
		}
	})}
}
func (s Stream[K, V]) GroupByKey(o ...GroupOption) GroupedStream[K, V] { return GroupedStream[K, V]{s} }

// GroupBy drops tombstones. Ahead of a windowed Count, TryGroupBy keeps them.
func (s Stream[K, V]) GroupBy[K2 any](f func(K, V) K2, o ...GroupOption) GroupedStream[K2, V] {
	return GroupedStream[K2, V]{s.SelectKey(f)}
}
func (s Stream[K, V]) TryGroupBy[K2 any](f func(context.Context, Record[K, V]) (K2, error), o ...GroupOption) GroupedStream[K2, V] {
	return GroupedStream[K2, V]{s.TrySelectKey(f)}
}

func (s Stream[K, V]) Process[K2, V2 any](f func(*topology.ProcessorContext[K2, V2]) (topology.Processor[K, V], error), o ...ProcessOption) Stream[K2, V2] {
	return Stream[K2, V2]{b: s.b, e: s.e.Process("", f)}
}
func (s Stream[K, V]) ProcessValues[V2 any](f func(*topology.FixedKeyContext[K, V2]) (topology.FixedKeyProcessor[K, V], error), o ...ProcessOption) Stream[K, V2] {
	return Stream[K, V2]{b: s.b}
}

// ProcessOption: Named, or a store to connect.
type ProcessOption interface{ process(*nodeConfig) }

func (Named) process(*nodeConfig) {}

type using struct{}

func (using) process(*nodeConfig) {}
func (using) store(*nodeConfig)   {}

// Using connects stores.
func Using(stores ...topology.AnyStore) using { return using{} }

// --- joins of a stream ------------------------------------------------------------------------------------------------
// With a table: the verbs' plain names, as in Kafka. With a stream: ...Stream, and a window. With a global table: ...Global.

func (s Stream[K, V]) Join[VT, R any](t Table[K, VT], f func(V, VT) R, o ...JoinOption) Stream[K, R] {
	return Stream[K, R]{b: s.b}
}
func (s Stream[K, V]) LeftJoin[VT, R any](t Table[K, VT], f func(V, *VT) R, o ...JoinOption) Stream[K, R] {
	return Stream[K, R]{b: s.b}
}
func (s Stream[K, V]) TryJoin[VT, R any](t Table[K, VT], f func(context.Context, Record[K, V], VT) (R, error), o ...JoinOption) Stream[K, R] {
	return Stream[K, R]{b: s.b}
}
func (s Stream[K, V]) TryLeftJoin[VT, R any](t Table[K, VT], f func(context.Context, Record[K, V], *VT) (R, error), o ...JoinOption) Stream[K, R] {
	return Stream[K, R]{b: s.b}
}

func (s Stream[K, V]) JoinStream[VO, R any](other Stream[K, VO], w window.Join, f func(V, VO) R, o ...StreamJoinOption) Stream[K, R] {
	return Stream[K, R]{b: s.b}
}
func (s Stream[K, V]) LeftJoinStream[VO, R any](other Stream[K, VO], w window.Join, f func(V, *VO) R, o ...StreamJoinOption) Stream[K, R] {
	return Stream[K, R]{b: s.b}
}
func (s Stream[K, V]) OuterJoinStream[VO, R any](other Stream[K, VO], w window.Join, f func(*V, *VO) R, o ...StreamJoinOption) Stream[K, R] {
	return Stream[K, R]{b: s.b}
}
func (s Stream[K, V]) TryJoinStream[VO, R any](other Stream[K, VO], w window.Join, f func(context.Context, K, V, VO) (R, error), o ...StreamJoinOption) Stream[K, R] {
	return Stream[K, R]{b: s.b}
}
func (s Stream[K, V]) TryLeftJoinStream[VO, R any](other Stream[K, VO], w window.Join, f func(context.Context, K, V, *VO) (R, error), o ...StreamJoinOption) Stream[K, R] {
	return Stream[K, R]{b: s.b}
}
func (s Stream[K, V]) TryOuterJoinStream[VO, R any](other Stream[K, VO], w window.Join, f func(context.Context, K, *V, *VO) (R, error), o ...StreamJoinOption) Stream[K, R] {
	return Stream[K, R]{b: s.b}
}

func (s Stream[K, V]) JoinGlobal[GK, GV, R any](g GlobalTable[GK, GV], key func(K, V) GK, f func(V, GV) R, o ...JoinOption) Stream[K, R] {
	return Stream[K, R]{b: s.b}
}
func (s Stream[K, V]) LeftJoinGlobal[GK, GV, R any](g GlobalTable[GK, GV], key func(K, V) GK, f func(V, *GV) R, o ...JoinOption) Stream[K, R] {
	return Stream[K, R]{b: s.b}
}
func (s Stream[K, V]) TryJoinGlobal[GK, GV, R any](g GlobalTable[GK, GV], key func(context.Context, Record[K, V]) (GK, error), f func(context.Context, Record[K, V], GK, GV) (R, error), o ...JoinOption) Stream[K, R] {
	return Stream[K, R]{b: s.b}
}
func (s Stream[K, V]) TryLeftJoinGlobal[GK, GV, R any](g GlobalTable[GK, GV], key func(context.Context, Record[K, V]) (GK, error), f func(context.Context, Record[K, V], GK, *GV) (R, error), o ...JoinOption) Stream[K, R] {
	return Stream[K, R]{b: s.b}
}
