package serde

// A Serde writes a T as bytes and reads it back.
//
// It is called with values that are there: absence (a missing key, a tombstone) never reaches it. Append of an empty value to a
// nil dst may return nil: who turns bytes into a Kafka record passes absence beside them, never as nil (append(nil, ""...) is nil).
type Serde[T any] interface {
	// Append appends the bytes of v to dst and returns the extended buffer. With an error the buffer comes back with the length it had.
	// Append must not keep dst.
	Append(dst []byte, v T) ([]byte, error)

	// Decode reads the one value that src holds from its first byte to its last. src is valid during the call only.
	Decode(src []byte) (T, error)
}

// A Sharer is a Serde whose decoded value may point into src.
//
// Sources call DecodeShared, because the bytes of a fetched batch are never written again; stores never do, because an engine
// overwrites a value in place. Without it a string key costs one allocation per record (16 B, 20 of 180 ns measured). [String] and
// [Bytes] are Sharers, and so is what is built over them: lists and windowed keys.
//
// The caller of DecodeShared promises that src stays as it is for as long as the value lives.
type Sharer[T any] interface {
	Serde[T]
	DecodeShared(src []byte) (T, error)
}

// Role says which part of which topic a serde is bound to.
type Role struct {
	Topic string
	Key   bool // the record's key; false is its value
}

// String is the subject that a schema registry gives to the role by default: "orders-key", "orders-value".
func (r Role) String() string {
	if r.Key {
		return r.Topic + "-key"
	}
	return r.Topic + "-value"
}

// A Binder is a Serde that depends on topic and side (Schema Registry subjects; Kafka's pseudo topics of foreign-key joins).
//
// Bind is called once per node when a task is built, never per record. It leaves its receiver as it is and returns the serde to use
// in that role. An unbound Binder is still a Serde, but may refuse to work.
type Binder[T any] interface {
	Serde[T]
	Bind(Role) (Serde[T], error)
}

// A HeaderSerde reads or writes record headers as well (schema ids in headers). Stores and changelogs never call it: they have only
// bytes, and so Append and Decode must understand each other without headers.
//
// AppendWithHeaders returns h with what it adds; it may append to h but must not change the headers that are in it.
type HeaderSerde[T any] interface {
	Serde[T]
	AppendWithHeaders(dst []byte, v T, h Headers) ([]byte, Headers, error)
	DecodeWithHeaders(src []byte, h Headers) (T, error)
}

// A Prefixed serde says which prefix of the key's bytes chooses the partition: the inner key of a windowed key, so that all windows
// of a key land in one partition. PartitionBytes returns a part of key, or all of it if key is not one that the serde wrote.
type Prefixed interface{ PartitionBytes(key []byte) []byte }

// New makes a Serde of two functions, which must keep the rules at the head of the package.
func New[T any](enc func(dst []byte, v T) ([]byte, error), dec func(src []byte) (T, error)) Serde[T] {
	return fn[T]{enc, dec}
}

type fn[T any] struct {
	enc func([]byte, T) ([]byte, error)
	dec func([]byte) (T, error)
}

func (f fn[T]) Append(dst []byte, v T) ([]byte, error) { return f.enc(dst, v) }
func (f fn[T]) Decode(src []byte) (T, error)           { return f.dec(src) }

// Bind returns s as it is to be used in a role: what its Bind answers if it is a [Binder], else s itself.
func Bind[T any](s Serde[T], r Role) (Serde[T], error) {
	if b, ok := s.(Binder[T]); ok {
		return b.Bind(r)
	}
	return s, nil
}

// Shared returns s as a Sharer: s itself if it is one, else a Sharer that copies.
func Shared[T any](s Serde[T]) Sharer[T] {
	if sh, ok := s.(Sharer[T]); ok {
		return sh
	}
	return copying[T]{s}
}

type copying[T any] struct{ Serde[T] }

func (c copying[T]) DecodeShared(src []byte) (T, error) { return c.Decode(src) }

// Default returns the serde of a built-in scalar type: string, []byte, int, int16, int32, int64, float32, float64, bool and [16]byte
// (as a UUID). Other types, types derived from these included, have no default: guessing a format would be found out too late.
func Default[T any]() (Serde[T], bool) {
	var s any
	switch any(*new(T)).(type) {
	case string:
		s = String
	case []byte:
		s = Bytes
	case int:
		s = Int
	case int16:
		s = Int16
	case int32:
		s = Int32
	case int64:
		s = Int64
	case float32:
		s = Float32
	case float64:
		s = Float64
	case bool:
		s = Bool
	case [16]byte:
		s = UUID
	default:
		return nil, false
	}
	d, ok := s.(Serde[T])
	return d, ok
}
