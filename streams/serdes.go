package streams

import (
	"fmt"
	"reflect"

	"github.com/millrace-go/millrace/serde"
)

// slot is where the serde of one side of a node is found at Build: set on the handle, carried from a parent, or looked up by type. The handle and
// the node's own store share it, so that WithValueSerde behind an aggregate reaches the aggregate's store too.
type slot[T any] struct {
	s serde.Serde[T]
}

func slotOf[T any](s serde.Serde[T]) *slot[T] { return &slot[T]{s} }

// resolve answers the slot's serde, else the builder's for the type. It is called while Build writes the topology; where says which node needs it.
func resolve[T any](b *Builder, sl *slot[T], node, side string) serde.Serde[T] {
	if sl != nil && sl.s != nil {
		return sl.s
	}
	if s, ok := b.registry[reflect.TypeFor[T]()]; ok {
		return s.(serde.Serde[T])
	}
	if s, ok := serde.Default[T](); ok {
		return s
	}
	b.fail(fmt.Errorf("node %s needs a serde for its %s of type %v: give one with With%sSerde or Builder.Register", node, side, reflect.TypeFor[T](), map[string]string{"key": "Key", "value": "Value"}[side]))
	return nil
}

// join is the slot of a merge: the common serde, or none if the sides differ.
func commonSlot[T any](a, b *slot[T]) *slot[T] {
	if a != nil && b != nil && (a == b || sameSerde(a.s, b.s)) {
		return a
	}
	return &slot[T]{}
}

func sameSerde[T any](a, b serde.Serde[T]) (same bool) {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	if !reflect.TypeOf(a).Comparable() || !reflect.TypeOf(b).Comparable() {
		return false
	}
	return any(a) == any(b)
}
