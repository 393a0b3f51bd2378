package topology

import (
	"fmt"

	"github.com/millrace-go/millrace/serde"
)

// DecodeError says that a fetched record's bytes could not be decoded, or that its time is not valid. The record is told by its metadata.
type DecodeError struct {
	Node   string
	Record RecordMetadata
	Part   string // "key", "value" or "timestamp"
	Err    error
}

func (e *DecodeError) Error() string {
	return fmt.Sprintf("source %s, record %s/%d@%d: %s: %v", e.Node, e.Record.Topic, e.Record.Partition, e.Record.Offset, e.Part, e.Err)
}

func (e *DecodeError) Unwrap() error { return e.Err }

// decoder decodes one side of a record: bound to topic and side when a task starts, sharing the fetched bytes where the serde can.
type decoder[T any] struct {
	shared serde.Sharer[T]
	header serde.HeaderSerde[T] // or nil
}

func newDecoder[T any](s serde.Serde[T], role serde.Role) (decoder[T], error) {
	s, err := serde.Bind(s, role)
	if err != nil {
		return decoder[T]{}, err
	}
	h, _ := s.(serde.HeaderSerde[T])
	return decoder[T]{serde.Shared(s), h}, nil
}

func (d *decoder[T]) decode(b []byte, h Headers) (T, error) {
	if d.header != nil {
		return d.header.DecodeWithHeaders(b, h)
	}
	return d.shared.DecodeShared(b)
}

// sourceHead is a source's Head for one partition.
type sourceHead[K, V any] struct {
	node       *node
	key        decoder[K]
	value      decoder[V]
	timestamps TimestampExtractor[K, V]
	wallClock  func() Time // nil unless it gives the times
	next       func(Record[K, V]) error
	record     Record[K, V]
}

func startSource[K, V any](s SourceSpec[K, V]) func(*Instance, []any) (any, error) {
	return func(in *Instance, children []any) (any, error) {
		next := fanOut[K, V](children)
		n := in.t.byName[s.Name]
		return func(topic string) (Head, error) {
			key, err := newDecoder(s.Key, serde.Role{Topic: topic, Key: true})
			if err != nil {
				return nil, fmt.Errorf("source %s: serde of the key: %w", s.Name, err)
			}
			value, err := newDecoder(s.Value, serde.Role{Topic: topic})
			if err != nil {
				return nil, fmt.Errorf("source %s: serde of the value: %w", s.Name, err)
			}
			h := &sourceHead[K, V]{node: n, key: key, value: value, timestamps: s.Timestamps, next: next}
			if s.WallClock {
				h.wallClock = in.host.WallClock
			}
			return h, nil
		}, nil
	}
}

// Load implements Head.
func (h *sourceHead[K, V]) Load(raw *Raw, partitionTime Time) (Time, error) {
	var err error
	r := Record[K, V]{Time: raw.Time, Headers: raw.Headers[:len(raw.Headers):len(raw.Headers)], NoKey: raw.Key == nil, Tombstone: raw.Value == nil}
	if !r.NoKey {
		if r.Key, err = h.key.decode(raw.Key, r.Headers); err != nil {
			return 0, h.error(raw, "key", err)
		}
	}
	if !r.Tombstone {
		if r.Value, err = h.value.decode(raw.Value, r.Headers); err != nil {
			return 0, h.error(raw, "value", err)
		}
	}
	switch {
	case h.wallClock != nil:
		r.Time = h.wallClock()
	case h.timestamps != nil:
		r.Time = h.timestamps(r, RecordMetadata{raw.Topic, raw.Partition, raw.Offset}, partitionTime)
		if r.Time == InvalidTime {
			return 0, h.error(raw, "timestamp", fmt.Errorf("the timestamp extractor refuses the record's time %d", int64(raw.Time)))
		}
	case r.Time < 0:
		return 0, h.error(raw, "timestamp", fmt.Errorf("the record's time %d is negative: give the source a timestamp extractor to use or drop such records", int64(r.Time)))
	}
	h.record = r
	return r.Time, nil
}

func (h *sourceHead[K, V]) error(raw *Raw, part string, err error) error {
	return &DecodeError{Node: h.node.name, Record: RecordMetadata{raw.Topic, raw.Partition, raw.Offset}, Part: part, Err: err}
}

// Node implements Head.
func (h *sourceHead[K, V]) Node() string { return h.node.name }

// Process implements Head.
func (h *sourceHead[K, V]) Process() error { return h.next(h.record) }
