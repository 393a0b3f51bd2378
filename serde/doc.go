// Package serde turns values of a Go type into bytes and back.
//
// A [Serde] has two methods, Append and Decode. It is named once where types meet bytes (a source, a sink, a store, a repartition
// topic) or registered once for its type with the builder; the framework finds it from then on.
//
// # What there is
//
//   - Scalars, in Kafka's own formats: [String], [Bytes], [Int16], [Int32], [Int64], [Int] (written as Kafka's long), [Float32],
//     [Float64], [Bool], [UUID], and [Void] for what is always null. Types derived from string, int64 or [16]byte take [StringOf], [Int64Of] and [UUIDOf].
//   - [JSON] for any type that encoding/json/v2 understands.
//   - [List] for slices, in the format of Kafka's list serde.
//   - [New] for a serde made of two functions.
//   - The packages serde/avro, serde/avro/typed and serde/protobuf for what their names say, and serde/confluent for the bytes with which
//     records of a schema registry start.
//
// # Optional interfaces
//
// What a serde can do beyond the two methods it says by implementing more: [Sharer] (decode without copying), [Binder] (depends on
// the topic), [HeaderSerde] (uses record headers), [Prefixed] (only a part of the key chooses the partition), [FixedSize] (all values
// have one length). The framework asks for them once per node when a task is built, never per record.
//
// # Rules that every serde keeps
//
//   - Absence is not a value. A record without key or a tombstone never reaches a serde, so an empty string and no string at all
//     stay two things.
//   - Append appends to the caller's buffer and returns it grown; with an error it returns the buffer as it was given. It keeps no
//     reference to the buffer.
//   - Decode keeps no reference to src and does not write to it.
//   - Decode answers any input with a value or an error. It does not panic, and the memory it takes is bounded by a small multiple of
//     the input's length.
//   - A serde is safe for use by several goroutines at once.
//   - Equal values give equal bytes, always: keys are compared, hashed and partitioned by their bytes.
package serde
