package avro

import (
	"fmt"

	"github.com/millrace-go/millrace/serde"
)

const (
	MaxBytes  = 16 << 20  // MaxBytes is the longest record.
	MaxDepth  = 128       // MaxDepth is how deep records, arrays and maps may nest.
	MaxEmpty  = 65_536    // MaxEmpty is how many values of a record may take no bytes.
	MaxMemory = 256 << 20 // MaxMemory is what a record may take as Go values, in bytes, estimated from what goavro makes of it.
)

// A Codec is an implementation of Avro for one schema. It is called with records that keep the limits of this package, and is safe for
// use by several goroutines.
type Codec[T any] interface {
	// Append appends the binary encoding of v to dst. In what order it writes the entries of a map does not matter.
	Append(dst []byte, v T) ([]byte, error)

	// Decode reads one value from the head of src, and says which bytes follow it. v must not point into src.
	Decode(src []byte) (v T, rest []byte, err error)
}

// New returns a serde for a schema in JSON, over goavro. The package's documentation says what its values are.
func New(schema string) (serde.Serde[any], error) {
	n, err := parse(schema)
	if err != nil {
		return nil, err
	}
	c, err := newGoavro(schema, n)
	if err != nil {
		return nil, err
	}
	return guarded[any]{n, c}, nil
}

// With returns a serde over another implementation, within the limits of this package. schema is the one that c writes and reads.
func With[T any](schema string, c Codec[T]) (serde.Serde[T], error) {
	n, err := parse(schema)
	if err != nil {
		return nil, err
	}
	return guarded[T]{n, c}, nil
}

// guarded is a codec within the limits: what it reads is walked before, what it writes after.
type guarded[T any] struct {
	schema *schema
	codec  Codec[T]
}

func (g guarded[T]) Append(dst []byte, v T) ([]byte, error) {
	out, err := g.encode(dst, v)
	if err != nil {
		return dst, fmt.Errorf("avro: %w", err)
	}
	if g.schema.maps {
		out, err = g.schema.sortMaps(out, len(dst))
	} else {
		err = g.schema.scan(out[len(dst):])
	}
	if err != nil {
		return dst, fmt.Errorf("avro: writing a record that could not be read again: %w", err)
	}
	return out, nil
}

func (g guarded[T]) encode(dst []byte, v T) (out []byte, err error) {
	defer recovered(&err)
	return g.codec.Append(dst, v)
}

func (g guarded[T]) Decode(src []byte) (T, error) {
	err := g.schema.scan(src)
	if err == nil {
		var v T
		if v, err = g.decode(src); err == nil {
			return v, nil
		}
	}
	var none T
	return none, fmt.Errorf("avro: %w", err)
}

func (g guarded[T]) decode(src []byte) (v T, err error) {
	defer recovered(&err)
	v, rest, err := g.codec.Decode(src)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("the codec left %d bytes over", len(rest))
	}
	return v, err
}

// recovered makes an error of a codec's panic: one record's fault must not take down a thread.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("the codec panicked: %v", p)
	}
}
