package streams

import (
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

// joinSelves gives each stream that is joined with itself one store in place of two (KIP-862). Only inner joins: Kafka Streams makes inner joins of left and
// outer ones, too, and so loses their null keys.
func (b *Builder) joinSelves() {
	for _, n := range append([]*planNode(nil), b.nodes...) {
		if n.selfJoin == nil {
			continue
		}
		left, right := n.parents[0], n.parents[1]
		if len(left.parents) != 1 || len(right.parents) != 1 || left.parents[0] != right.parents[0] {
			continue
		}
		n.parents = n.parents[:1]
		b.drop(right)
		n.write = n.selfJoin
	}
}

// selfJoinOf writes a join whose sides are one stream; nil if that cannot be: the sides have other types, or may be missing.
func selfJoinOf[K, V, VO, R any](j *streamJoin[K, V, VO, R], name string) func(w *writer, in []any) any {
	open, same := any(j.open).(func(*topology.Context) rowJoiner[K, V, V, R])
	if !same || j.kind != innerJoin {
		return nil
	}
	s := selfJoin[K, V, R]{store: j.left, window: j.window, open: open}
	return func(w *writer, in []any) any {
		return topology.Connect(topology.NodeSpec{Name: name, Stores: []string{s.store.name}}, s.start, edgesOf[K, V](in)...)
	}
}

// selfJoin is an inner join of a stream with itself.
type selfJoin[K, V, R any] struct {
	store  *joinStore[K, V]
	window window.Join
	open   func(*topology.Context) rowJoiner[K, V, V, R]
}

// start makes the node. For each record it gives what two nodes would, in the same order: the record as the left side, then as the right side, and among
// those, by time, the record with itself, which is not in the store yet.
func (j selfJoin[K, V, R]) start(ctx *topology.Context, next func(Record[K, R]) error) (func(Record[K, V]) error, error) {
	store, err := j.store.open(ctx)
	if err != nil {
		return nil, err
	}
	f := j.open(ctx)
	clock := Time(-1) // the highest time of a record with key and value
	kept := window.Millis(j.store.kept())
	withItself := j.window.Before >= 0 && j.window.After >= 0
	return func(r Record[K, V]) error {
		if r.NoKey || r.Tombstone {
			ctx.Drop(droppedNull(r.NoKey))
			return nil
		}
		clock = max(clock, r.Time)
		forward := func(l, o V, at Time) error {
			joined, err := f(r.Key, l, true, o, true)
			return forwardOr(ctx, next, Record[K, R]{Key: r.Key, Value: joined, Time: max(r.Time, at), Headers: r.Headers}, err)
		}
		for e, err := range within(store, r.Key, j.window.ForLeft(r.Time)) {
			if err != nil {
				return topology.Fatal(err)
			}
			if err := forward(r.Value, e.Value, e.Key); err != nil {
				return err
			}
		}
		// As the right side it would find itself in the left side's store, unless that had expired; Kafka Streams asks for a millisecond more.
		itself := withItself && r.Time > clock.AddMillis(1-kept)
		for e, err := range within(store, r.Key, j.window.ForRight(r.Time)) {
			if err != nil {
				return topology.Fatal(err)
			}
			if itself && e.Key > r.Time {
				itself = false
				if err := forward(r.Value, r.Value, r.Time); err != nil {
					return err
				}
			}
			if err := forward(e.Value, r.Value, e.Key); err != nil {
				return err
			}
		}
		if !itself {
			return nil
		}
		return forward(r.Value, r.Value, r.Time)
	}, nil
}

// within are a key's records in a window that contains its end.
func within[K, V any](s *state.Windows[K, V], k K, w window.Window) func(yield func(state.Entry[Time, V], error) bool) {
	return s.Fetch(k, w.Start, w.End)
}
