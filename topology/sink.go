package topology

import (
	"fmt"

	"github.com/millrace-go/millrace/serde"
)

// EncodeError says that a sink's serde refused a record. It is the Err of a NodeError.
type EncodeError struct {
	Topic string
	Part  string // "key" or "value"
	Err   error
}

func (e *EncodeError) Error() string {
	return fmt.Sprintf("encode %s for topic %s: %v", e.Part, e.Topic, e.Err)
}

func (e *EncodeError) Unwrap() error { return e.Err }

// encoder encodes one side of a record into a buffer of its own.
type encoder[T any] struct {
	plain  serde.Serde[T]
	header serde.HeaderSerde[T]
	buf    []byte
}

func newEncoder[T any](s serde.Serde[T], role serde.Role) (encoder[T], error) {
	s, err := serde.Bind(s, role)
	if err != nil {
		return encoder[T]{}, err
	}
	h, _ := s.(serde.HeaderSerde[T])
	return encoder[T]{plain: s, header: h}, nil
}

// encode returns bytes that are valid until the next call, and the headers.
func (e *encoder[T]) encode(v T, h Headers) (_ []byte, _ Headers, err error) {
	if e.header != nil {
		e.buf, h, err = e.header.AppendWithHeaders(e.buf[:0], v, h)
	} else {
		e.buf, err = e.plain.Append(e.buf[:0], v)
	}
	return e.buf, h, err
}

// sink is a sink's instance.
type sink[K, V any] struct {
	spec   SinkSpec[K, V]
	node   *node
	in     *Instance
	to     Destination // Topic is "" if dynamic
	key    encoder[K]
	value  encoder[V]
	prefix serde.Prefixed // of the key's serde, or nil
	bound  map[string]*sink[K, V]
	out    Outgoing // of the current record: lent to the host
}

func startSink[K, V any](spec SinkSpec[K, V]) func(*Instance, []any) (any, error) {
	return func(in *Instance, _ []any) (any, error) {
		s := &sink[K, V]{spec: spec, node: in.t.byName[spec.Name], in: in}
		if spec.Dynamic == nil {
			if err := s.bind(in.t.FullName(in.env.ApplicationID, spec.Topic)); err != nil {
				return nil, err
			}
			return s.send, nil
		}
		s.bound = map[string]*sink[K, V]{}
		return s.sendDynamic, nil
	}
}

// bind binds the serdes to the topic.
func (s *sink[K, V]) bind(topic string) (err error) {
	s.to = Destination{Topic: topic, Node: s.node.name}
	if s.key, err = newEncoder(s.spec.Key, serde.Role{Topic: topic, Key: true}); err != nil {
		return err
	}
	if s.value, err = newEncoder(s.spec.Value, serde.Role{Topic: topic}); err != nil {
		return err
	}
	s.prefix, _ = s.key.plain.(serde.Prefixed)
	return nil
}

func (s *sink[K, V]) sendDynamic(r Record[K, V]) error {
	m := s.in.record
	topic := s.spec.Dynamic(r, RecordMetadata{m.Topic, m.Partition, m.Offset})
	b := s.bound[topic]
	if b == nil {
		b = &sink[K, V]{spec: s.spec, node: s.node, in: s.in}
		if err := b.bind(topic); err != nil {
			return err
		}
		s.bound[topic] = b
	}
	err := b.send(r)
	if name, ok := err.(*NameError); ok {
		delete(s.bound, topic)
		return s.in.fail(s.node, name)
	}
	return err
}

func (s *sink[K, V]) send(r Record[K, V]) (err error) {
	o := &s.out
	*o = Outgoing{To: &s.to, Partition: -1, Time: r.Time, Headers: r.Headers, NoKey: r.NoKey, Tombstone: r.Tombstone}
	if r.Time < 0 {
		return s.in.fail(s.node, fmt.Errorf("the record's time %d is negative", r.Time))
	}
	if !r.NoKey {
		if o.Key, o.Headers, err = s.key.encode(r.Key, o.Headers); err != nil {
			return s.in.fail(s.node, &EncodeError{Topic: s.to.Topic, Part: "key", Err: err})
		}
		o.Hash = o.Key
		if s.prefix != nil {
			o.Hash = s.prefix.PartitionBytes(o.Key)
		}
	}
	if !r.Tombstone {
		if o.Value, o.Headers, err = s.value.encode(r.Value, o.Headers); err != nil {
			return s.in.fail(s.node, &EncodeError{Topic: s.to.Topic, Part: "value", Err: err})
		}
	}
	if s.spec.Partitioner == nil {
		return s.in.host.Send(o)
	}
	n, err := s.in.host.Partitions(s.to.Topic)
	if err != nil {
		return err
	}
	ps := s.spec.Partitioner(s.to.Topic, r, n)
	if ps == nil {
		return s.in.host.Send(o)
	}
	if len(ps) == 0 {
		s.in.host.Dropped(s.node.name, "partitioner")
		return nil
	}
	for _, p := range ps {
		if p < 0 || p >= n {
			return s.in.fail(s.node, fmt.Errorf("the partitioner answered %d, but topic %s has partitions 0 to %d", p, s.to.Topic, n-1))
		}
		o.Partition = p
		if err := s.in.host.Send(o); err != nil {
			return err
		}
	}
	return nil
}
