package streams

import (
	"fmt"
	"reflect"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/topology"
)

// slot is where the serde of one side of a node is found at Build: set on the handle, else what the parent node has, else the builder's for the
// type. A table's handle and its node's own store share slots, so that WithValueSerde behind an aggregate reaches the aggregate's store too.
type slot[T any] struct {
	s    serde.Serde[T]
	from *slot[T] // the parent's, for a node that does not make a new value; or nil
	// made makes the serde of another slot's, as that of a windowed key; or nil.
	made *madeSerde[T]
}

// madeSerde is a serde that is made of another slot's.
type madeSerde[T any] struct {
	resolve func(b *Builder, node, side string) serde.Serde[T] // nil: the other slot has none, and Build fails
	of      any                                                // equal ones make the same serde
}

func slotOf[T any](s serde.Serde[T]) *slot[T] { return &slot[T]{s: s} }

// carried is the slot of a node that passes values on: its own, so that setting it does not reach back to the parent.
func (sl *slot[T]) carried() *slot[T] { return &slot[T]{from: sl} }

// known is the serde that was set nearest, nil if none was.
func (sl *slot[T]) known() serde.Serde[T] {
	for ; sl != nil; sl = sl.from {
		if sl.s != nil || sl.made != nil {
			return sl.s
		}
	}
	return nil
}

// maker is what makes the slot's serde, nil if that was set.
func (sl *slot[T]) maker() *madeSerde[T] {
	for ; sl != nil; sl = sl.from {
		if sl.s != nil {
			return nil
		}
		if sl.made != nil {
			return sl.made
		}
	}
	return nil
}

// with is the slot of a table's handle after s is set on it: the node's own if nobody has set it, so that its store is reached.
func (sl *slot[T]) with(s serde.Serde[T]) *slot[T] {
	if sl.s == nil {
		sl.s = s
		return sl
	}
	return slotOf(s)
}

// resolve answers the slot's serde, else the builder's for the type. It is called while Build writes the topology; node and side ("key" or
// "value") say who needs it. nil: there is none, and Build fails.
func (sl *slot[T]) resolve(b *Builder, node, side string) serde.Serde[T] {
	if s := sl.known(); s != nil {
		return s
	}
	if m := sl.maker(); m != nil {
		return m.resolve(b, node, side)
	}
	if s, ok := b.registry[reflect.TypeFor[T]()]; ok {
		return s.(serde.Serde[T])
	}
	if s, ok := serde.Default[T](); ok {
		return s
	}
	verb := "WithKeySerde"
	if side == "value" {
		verb = "WithValueSerde"
	}
	b.fail(fmt.Errorf("node %s needs a serde for its %s of type %v: give one with %s where the %s is made, or for the type with Builder.Register",
		node, side, reflect.TypeFor[T](), verb, side))
	return nil
}

// commonSlot is the slot of a merge: the common serde, or none if the sides differ.
func commonSlot[T any](a, b *slot[T]) *slot[T] {
	if sameSerde(a.known(), b.known()) && sameMaker(a.maker(), b.maker()) {
		return a.carried()
	}
	return &slot[T]{}
}

func sameSerde[T any](a, b serde.Serde[T]) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return equal(a, b)
}

func sameMaker[T any](a, b *madeSerde[T]) bool {
	if a == nil || b == nil {
		return a == b
	}
	return equal(a.of, b.of)
}

// equal is a == b, or false for what cannot be compared.
func equal(a, b any) bool {
	return reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}

// bind binds a serde to its side of an internal topic (undecorated); a node does so once, when its task starts.
func bind[T any](ctx *topology.Context, s serde.Serde[T], topic string, key bool) (serde.Serde[T], error) {
	if b, ok := s.(serde.Binder[T]); ok {
		return b.Bind(serde.Role{Topic: ctx.ApplicationID() + "-" + topic, Key: key})
	}
	return s, nil
}
