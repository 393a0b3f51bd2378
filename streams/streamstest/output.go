package streamstest

import (
	"fmt"
	"iter"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/topology"
)

// Output reads what the topology has written to a topic. All Outputs of a topic share what is left of it.
type Output[K, V any] struct {
	d     *Driver
	topic string
	key   serde.Serde[K]
	value serde.Serde[V]
	err   error
	t     *topic // nil until it exists
}

// Output reads a topic: an output topic, or an internal one by its full name.
func (d *Driver) Output[K, V any](topic string, k serde.Serde[K], v serde.Serde[V]) *Output[K, V] {
	out := &Output[K, V]{d: d, topic: topic}
	if out.key, out.err = serde.Bind(k, serde.Role{Topic: topic, Key: true}); out.err == nil {
		out.value, out.err = serde.Bind(v, serde.Role{Topic: topic})
	}
	return out
}

// Len is the number of records left to read.
func (o *Output[K, V]) Len() int {
	if o.t == nil {
		if o.t = o.d.named[o.topic]; o.t == nil {
			return 0
		}
	}
	return o.t.made.n - o.t.read.n
}

// Empty says that there is nothing left to read.
func (o *Output[K, V]) Empty() bool { return o.Len() == 0 }

// ReadRaw takes the next record as bytes; false if there is none.
func (o *Output[K, V]) ReadRaw() (Raw, bool) {
	if o.Empty() {
		return Raw{}, false
	}
	return o.t.take(&o.t.read), true
}

// Read takes the next record; false if there is none.
func (o *Output[K, V]) Read() (r topology.Record[K, V], ok bool, err error) {
	if o.err != nil {
		return r, false, o.err
	}
	raw, ok := o.ReadRaw()
	if !ok {
		return r, false, nil
	}
	r = topology.Record[K, V]{Time: raw.Time, Headers: raw.Headers, NoKey: raw.Key == nil, Tombstone: raw.Value == nil}
	if !r.NoKey {
		if r.Key, err = decode(o.key, raw.Key, raw.Headers); err != nil {
			return r, false, fmt.Errorf("streamstest: key from topic %s: %w", o.topic, err)
		}
	}
	if !r.Tombstone {
		if r.Value, err = decode(o.value, raw.Value, raw.Headers); err != nil {
			return r, false, fmt.Errorf("streamstest: value from topic %s: %w", o.topic, err)
		}
	}
	return r, true, nil
}

// ReadAll takes all records that are left.
func (o *Output[K, V]) ReadAll() ([]topology.Record[K, V], error) {
	var out []topology.Record[K, V]
	for {
		r, ok, err := o.Read()
		if !ok || err != nil {
			return out, err
		}
		out = append(out, r)
	}
}

// ReadValues takes the values of all records that are left; a tombstone is a zero V.
func (o *Output[K, V]) ReadValues() ([]V, error) {
	rs, err := o.ReadAll()
	out := make([]V, len(rs))
	for i, r := range rs {
		out[i] = r.Value
	}
	return out, err
}

// ReadMap takes all records that are left and answers the last value of each key, without those that were deleted.
func ReadMap[K comparable, V any](o *Output[K, V]) (map[K]V, error) {
	rs, err := o.ReadAll()
	out := map[K]V{}
	for _, r := range rs {
		if r.Tombstone {
			delete(out, r.Key)
		} else {
			out[r.Key] = r.Value
		}
	}
	return out, err
}

// All takes records one by one while they are ranged over. An error ends it.
func (o *Output[K, V]) All() iter.Seq2[topology.Record[K, V], error] {
	return func(yield func(topology.Record[K, V], error) bool) {
		for {
			r, ok, err := o.Read()
			if err == nil && !ok || !yield(r, err) || err != nil {
				return
			}
		}
	}
}

func decode[T any](s serde.Serde[T], b []byte, h serde.Headers) (T, error) {
	if hs, ok := s.(serde.HeaderSerde[T]); ok {
		return hs.DecodeWithHeaders(b, h)
	}
	return s.Decode(b)
}
