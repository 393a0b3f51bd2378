// Package protobuf gives serdes for Protocol Buffers messages: the plain binary encoding, without a header.
//
//	orders := protobuf.New[*pb.Order]() // serde.Serde[*pb.Order], for a generated type
//
// Messages are written deterministically: equal messages of one version of the program and of the protobuf library give equal bytes.
// The format makes no such promise across versions and languages, so a message is a good value and a doubtful key. Fields that the
// type does not know are kept and written again.
//
// A message is refused when it is longer than [MaxBytes], nests deeper than [MaxDepth], is malformed, or lacks a required field of
// proto2. A nil message is refused too: the absence of a value is a tombstone, which a serde never sees.
package protobuf

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/millrace-go/millrace/serde"
)

const (
	MaxBytes = 16 << 20 // MaxBytes is the longest message.
	MaxDepth = 128      // MaxDepth is how deep messages may nest in what is read. Java's limit is 100 unless set otherwise.
)

// New returns a serde for a generated message type, which is a pointer. For messages without one, such as those of dynamicpb, see [Like].
func New[M proto.Message]() serde.Serde[M] {
	var m M
	return Like(m)
}

// Like returns a serde for messages of the type that m is of; m itself may be nil and is not read.
func Like[M proto.Message](m M) serde.Serde[M] {
	if any(m) == nil {
		panic("protobuf: New needs the type of a message, *pb.Order say, and Like a message: a nil interface has no type")
	}
	return message[M]{like: m}
}

type message[M proto.Message] struct{ like M }

func (s message[M]) name() string { return string(s.like.ProtoReflect().Descriptor().FullName()) }

func (s message[M]) Append(dst []byte, v M) ([]byte, error) {
	if any(v) == nil || !v.ProtoReflect().IsValid() {
		return dst, fmt.Errorf("protobuf: a nil message is no %s: say that there is no value with a tombstone", s.name())
	}
	out, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(dst, v)
	if err != nil {
		return dst, fmt.Errorf("protobuf: %s: %w", s.name(), err)
	}
	if n := len(out) - len(dst); n > MaxBytes {
		return dst, fmt.Errorf("protobuf: %s of %d bytes is longer than %d", s.name(), n, MaxBytes)
	}
	return out, nil
}

func (s message[M]) Decode(src []byte) (M, error) {
	var none M
	if len(src) > MaxBytes {
		return none, fmt.Errorf("protobuf: %s of %d bytes is longer than %d", s.name(), len(src), MaxBytes)
	}
	m := s.like.ProtoReflect().Type().New().Interface()
	if err := (proto.UnmarshalOptions{RecursionLimit: MaxDepth}).Unmarshal(src, m); err != nil {
		return none, fmt.Errorf("protobuf: %s: %w", s.name(), err)
	}
	return m.(M), nil
}
