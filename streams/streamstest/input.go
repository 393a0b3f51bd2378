package streamstest

import (
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

// Input pipes typed records into a topic. Records without a time of their own get the input's: the wall clock's, unless At has set another.
type Input[K, V any] struct {
	d       *Driver
	topic   string
	t       *topic // nil until the first record is piped
	key     serde.Serde[K]
	value   serde.Serde[V]
	err     error
	fixed   bool
	at      window.Time
	advance window.Time
	buf     []byte
}

// Input pipes records into a topic that the topology reads. An unknown topic is an error of its methods.
func (d *Driver) Input[K, V any](topic string, k serde.Serde[K], v serde.Serde[V]) *Input[K, V] {
	in := &Input[K, V]{d: d, topic: topic}
	if in.key, in.err = serde.Bind(k, serde.Role{Topic: topic, Key: true}); in.err == nil {
		in.value, in.err = serde.Bind(v, serde.Role{Topic: topic})
	}
	return in
}

// At sets the time of the next record, and by how much it moves after each.
func (in *Input[K, V]) At(t time.Time, advance time.Duration) *Input[K, V] {
	in.fixed, in.at, in.advance = true, window.At(t), window.Time(advance.Milliseconds())
	return in
}

// time is the time of the next record.
func (in *Input[K, V]) time() window.Time {
	if !in.fixed {
		return in.d.now
	}
	t := in.at
	in.at += in.advance
	return t
}

// Pipe pipes a record.
func (in *Input[K, V]) Pipe(r topology.Record[K, V]) error {
	if err := in.add(r); err != nil {
		return err
	}
	return in.d.work(1)
}

// PipeValue pipes a record without a key.
func (in *Input[K, V]) PipeValue(v V) error {
	return in.Pipe(topology.Record[K, V]{Value: v, Time: in.time(), NoKey: true})
}

// PipeKeyValue pipes a record.
func (in *Input[K, V]) PipeKeyValue(k K, v V) error {
	return in.Pipe(topology.Of(k, v, in.time()))
}

// PipeAt pipes a record with a time in milliseconds.
func (in *Input[K, V]) PipeAt(k K, v V, at topology.Time) error {
	return in.Pipe(topology.Of(k, v, at))
}

// PipeTombstone pipes a record without a value.
func (in *Input[K, V]) PipeTombstone(k K) error {
	return in.Pipe(topology.Record[K, V]{Key: k, Time: in.time(), Tombstone: true})
}

// PipeAll pipes records. See Driver.PipeAll.
func (in *Input[K, V]) PipeAll(rs iter.Seq[topology.Record[K, V]]) error {
	return pipeAll(in.d, rs, in.add)
}

// PipeValues pipes records without a key.
func (in *Input[K, V]) PipeValues(vs ...V) error {
	return in.PipeAll(func(yield func(topology.Record[K, V]) bool) {
		for _, v := range vs {
			if !yield(topology.Record[K, V]{Value: v, Time: in.time(), NoKey: true}) {
				return
			}
		}
	})
}

// PipeKeyValues pipes records.
func (in *Input[K, V]) PipeKeyValues(kvs iter.Seq2[K, V]) error {
	return in.PipeAll(func(yield func(topology.Record[K, V]) bool) {
		for k, v := range kvs {
			if !yield(topology.Of(k, v, in.time())) {
				return
			}
		}
	})
}

// add appends a record to the topic.
func (in *Input[K, V]) add(r topology.Record[K, V]) (err error) {
	if in.err != nil {
		return in.err
	}
	raw := topology.Raw{Time: r.Time, Headers: slices.Clip(r.Headers)}
	if !r.NoKey {
		if raw.Key, raw.Headers, err = encode(in.d, &in.buf, in.key, r.Key, raw.Headers); err != nil {
			return fmt.Errorf("streamstest: key for topic %s: %w", in.topic, err)
		}
	}
	if !r.Tombstone {
		if raw.Value, raw.Headers, err = encode(in.d, &in.buf, in.value, r.Value, raw.Headers); err != nil {
			return fmt.Errorf("streamstest: value for topic %s: %w", in.topic, err)
		}
	}
	if in.t == nil {
		if in.d.err != nil {
			return in.d.err
		}
		if in.t, err = in.d.input(in.topic); err != nil {
			return err
		}
	}
	return in.d.add(in.t, -1, &raw)
}

func encode[T any](d *Driver, buf *[]byte, s serde.Serde[T], v T, h serde.Headers) ([]byte, serde.Headers, error) {
	b, err := (*buf)[:0], error(nil)
	if hs, ok := s.(serde.HeaderSerde[T]); ok {
		b, h, err = hs.AppendWithHeaders(b, v, h)
	} else {
		b, err = s.Append(b, v)
	}
	if err != nil {
		return nil, h, err
	}
	*buf = b
	return d.arena.keep(present(b)), h, nil
}
