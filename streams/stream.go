package streams

import (
	"fmt"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/topology"
)

// Stream is a record stream.
//
// The plain verbs call their function where a value is there; a missing key reads as the zero K. What becomes of a tombstone is said by each
// verb. A Try verb calls its function for every record, as Kafka Streams does, and takes Null and Skip for an answer beside errors, which go
// to the processing handler.
//
// A Stream is a handle: a value that may be used any number of times, by the goroutine of its Builder. The verbs of the zero Stream panic.
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

// Merge is the records of both streams, in no order between them. A serde is carried on if both streams have the same.
func (s Stream[K, V]) Merge(other Stream[K, V], o ...NodeOption) Stream[K, V] {
	name := s.b.name(o, "KSTREAM-MERGE-")
	if s.b.foreign(other.b, name) {
		return s
	}
	n := operator(name, nil, func(_ *topology.Context, next func(Record[K, V]) error) (func(Record[K, V]) error, error) {
		return next, nil
	})
	n.merge = true
	out := Stream[K, V]{b: s.b, key: commonSlot(s.key, other.key), value: commonSlot(s.value, other.value), end: s.end, rekeyed: s.rekeyed || other.rekeyed}
	if s.n == other.n {
		out.n = s.b.plan(n, s.n)
	} else {
		out.n = s.b.plan(n, s.n, other.n)
	}
	return out
}

// name is the name of a verb's node: the one that its options give, or a generated one.
func (b *Builder) name(o []NodeOption, prefix string) string {
	c := nodeConfigOf(o)
	name := b.nodeName(c.name, prefix)
	b.check(name, &c)
	return name
}

// foreign reports a handle that another builder made.
func (b *Builder) foreign(other *Builder, node string) bool {
	b.made()
	if b == other {
		return false
	}
	b.fail(fmt.Errorf("node %s: the other side belongs to another Builder: make both with one", node))
	return true
}
