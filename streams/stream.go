package streams

import (
	"context"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/topology"
)

// Stream is a record stream. The plain verbs call their function where key and value are there (a missing key reads as the zero K); what
// happens otherwise is in each verb's comment. A Try verb calls its function for every record, as Java does, and takes
// Null and Skip for an answer.
type Stream[K, V any] struct {
	b     *Builder
	n     *planNode
	key   *slot[K]
	value *slot[V]
	end   func(K) Time // the end of a windowed key, or nil: see endOf
	// rekeyed says that the key may have changed since the last topic: a grouping or join repartitions first.
	rekeyed bool
}

// WithKeySerde sets the key's serde from here on.
func (s Stream[K, V]) WithKeySerde(k serde.Serde[K]) Stream[K, V] { s.key = slotOf(k); return s }

// WithValueSerde sets the value's serde from here on.
func (s Stream[K, V]) WithValueSerde(v serde.Serde[V]) Stream[K, V] { s.value = slotOf(v); return s }

// then is the stream behind an operator that keeps the key.
func then[K, V, V2 any](s Stream[K, V], n *planNode, value *slot[V2]) Stream[K, V2] {
	return Stream[K, V2]{b: s.b, n: s.b.plan(n, s.n), key: s.key, value: value, end: s.end, rekeyed: s.rekeyed}
}

// rekey is the stream behind an operator that may change the key.
func rekey[K, V, K2, V2 any](s Stream[K, V], n *planNode, value *slot[V2]) Stream[K2, V2] {
	n.keyChanging = true
	return Stream[K2, V2]{b: s.b, n: s.b.plan(n, s.n), key: &slot[K2]{}, value: value, rekeyed: true}
}

// Filter keeps the records that f wants, and tombstones.
func (s Stream[K, V]) Filter(f func(K, V) bool, o ...NodeOption) Stream[K, V] {
	return s.filter(o, func(ctx *topology.Context, next func(Record[K, V]) error) (func(Record[K, V]) error, error) {
		return func(r Record[K, V]) error {
			if r.Tombstone || f(r.Key, r.Value) {
				return next(r)
			}
			return nil
		}, nil
	})
}

// TryFilter keeps the records that f wants; it is asked about tombstones and null keys too.
func (s Stream[K, V]) TryFilter(f func(context.Context, Record[K, V]) (bool, error), o ...NodeOption) Stream[K, V] {
	return s.filter(o, tryFilter(f, true))
}

func (s Stream[K, V]) filter(o []NodeOption, f func(*topology.Context, func(Record[K, V]) error) (func(Record[K, V]) error, error)) Stream[K, V] {
	name := s.b.nodeName(nodeConfigOf(o).name, "KSTREAM-FILTER-")
	return then(s, operator(name, nil, f), s.value)
}

// tryFilter is the node behind TryFilter and TryFilterNot: a record passes if f answers want.
func tryFilter[K, V any](f func(context.Context, Record[K, V]) (bool, error), want bool) func(*topology.Context, func(Record[K, V]) error) (func(Record[K, V]) error, error) {
	return func(ctx *topology.Context, next func(Record[K, V]) error) (func(Record[K, V]) error, error) {
		run := ctx.Run()
		return func(r Record[K, V]) error {
			ok, err := f(run, r)
			if err != nil {
				return failed(ctx, err)
			}
			if ok == want {
				return next(r)
			}
			return nil
		}, nil
	}
}

// failed turns the error of a user function that allows no Null into a dropped record (Skip) or a failure of the node.
func failed(ctx *topology.Context, err error) error {
	if a, ok := answerOf(err); ok && a == Skip {
		ctx.Drop("skip")
		return nil
	}
	return ctx.Fail(err)
}

// MapValues makes a value from each value; tombstones pass.
func (s Stream[K, V]) MapValues[V2 any](f func(V) V2, o ...NodeOption) Stream[K, V2] {
	name := s.b.nodeName(nodeConfigOf(o).name, "KSTREAM-MAPVALUES-")
	n := operator(name, nil, func(ctx *topology.Context, next func(Record[K, V2]) error) (func(Record[K, V]) error, error) {
		return func(r Record[K, V]) error {
			if r.Tombstone {
				return next(r.WithoutValue[V2]())
			}
			return next(r.WithValue(f(r.Value)))
		}, nil
	})
	n.valueChanging = true
	return then(s, n, &slot[V2]{})
}

// SelectKey makes a key from key and value; a tombstone has no value to make it from and is dropped and counted. MapKey passes them on.
func (s Stream[K, V]) SelectKey[K2 any](f func(K, V) K2, o ...NodeOption) Stream[K2, V] {
	name := s.b.nodeName(nodeConfigOf(o).name, "KSTREAM-KEY-SELECT-")
	return rekey[K, V, K2](s, operator(name, nil, func(ctx *topology.Context, next func(Record[K2, V]) error) (func(Record[K, V]) error, error) {
		return func(r Record[K, V]) error {
			if r.Tombstone {
				ctx.Drop("tombstone")
				return nil
			}
			return next(r.WithKey(f(r.Key, r.Value)))
		}, nil
	}), s.value)
}

// To writes the stream to a topic, which must exist.
func (s Stream[K, V]) To(topic string, o ...SinkOption) {
	var c nodeConfig
	for _, opt := range o {
		opt.sink(&c)
	}
	name := s.b.nodeName(c.name, "KSTREAM-SINK-")
	s.b.plan(&planNode{name: name, write: func(w *writer, in []any) any {
		edges := edgesOf[K, V](in)
		edges[0].AddSink(topology.SinkSpec[K, V]{Name: name, Topic: topic, Key: resolve(w.b, s.key, name, "key"), Value: resolve(w.b, s.value, name, "value"),
			Partitioner: partitionerOf[K, V](w.b, name, &c)}, edges[1:]...)
		return nil
	}}, s.n)
}
