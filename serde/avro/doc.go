// Package avro is Avro's binary encoding as serdes: the plain encoding of one value by a schema that both sides know, without a header.
//
//	orders, err := avro.New(schema)            // serde.Serde[any]: maps and slices, by goavro
//	orders, err := typed.New[Order](schema)    // serde.Serde[Order], by twmb/avro: package serde/avro/typed
//	orders, err := avro.With(schema, codec)    // serde.Serde[T] of any other implementation
//
// # Values
//
// What [New] reads and writes are the values that github.com/linkedin/goavro/v2 documents: a record is a map[string]any, an array a []any,
// a map a map[string]any, int and long are int32 and int64, bytes and fixed []byte, an enum its symbol, null nil. A value of a union
// that is not null is a map with one entry, the type's name and the value. The logical types date, time and timestamp in millis and micros
// are time.Time and time.Duration, decimal is *big.Rat in the encoding that the specification gives it.
//
// # Limits
//
// A record of five bytes can say that it holds two billion strings, and a decoder that believes it takes the process down: no handler
// stops that. Before a codec sees a record, it is therefore walked by its schema without taking memory. It is refused when it
//
//   - is longer than [MaxBytes];
//   - nests records, arrays and maps deeper than [MaxDepth], which only a schema that refers to itself can;
//   - is cut, or has an index, length or count that its bytes do not bear out;
//   - has more than [MaxEmpty] values that take no bytes (arrays of null);
//   - would take more than about [MaxMemory] as Go values.
//
// What is written keeps the same limits, so that it can be read again. The bytes of a map are sorted by key: equal values have equal
// bytes, as a serde must give them.
//
// # Process-wide settings
//
// This package owns two variables of goavro that hold for the whole process, and sets them when it is initialised, unless somebody has
// changed them before: goavro.MaxBlockCount to 65,536 and goavro.MaxBlockSize to 16 MiB. An array that comes as one block of more items
// (Java writes an array as one block, whatever its length) is refused by [New]'s serdes; a program that has such arrays
// sets goavro.MaxBlockCount higher at the start of main. The limits above hold all the same.
package avro
