// Package typed gives Avro serdes for Go types of yours, over github.com/twmb/avro, within the limits of package avro.
//
// A record is a struct, whose fields are found by name or by an avro tag:
//
//	type Order struct {
//		ID    string  `avro:"id"`
//		Cents int64   `avro:"cents"`
//		Note  *string `avro:"note"` // ["null", "string"]
//	}
//
// What else fits what, and the tag's options, github.com/twmb/avro documents: the tags and types are that library's.
package typed

import (
	"fmt"

	"github.com/twmb/avro"

	"github.com/millrace-go/millrace/serde"
	guard "github.com/millrace-go/millrace/serde/avro"
)

// New returns a serde for T by a schema in JSON. Whether T fits the schema shows at the first value.
func New[T any](schema string) (serde.Serde[T], error) {
	s, err := avro.Parse(schema)
	if err != nil {
		return nil, fmt.Errorf("avro: schema: %w", err)
	}
	return guard.With[T](schema, codec[T]{s})
}

// For returns a serde for T by the schema that follows from the type: its name, its fields and their tags.
func For[T any]() (serde.Serde[T], error) {
	s, err := avro.SchemaFor[T]()
	if err != nil {
		return nil, fmt.Errorf("avro: schema of the type: %w", err)
	}
	return guard.With[T](s.String(), codec[T]{s})
}

type codec[T any] struct{ schema *avro.Schema }

func (c codec[T]) Append(dst []byte, v T) ([]byte, error) { return c.schema.AppendEncode(dst, &v) }

func (c codec[T]) Decode(src []byte) (v T, rest []byte, err error) {
	rest, err = c.schema.Decode(src, &v)
	return v, rest, err
}
