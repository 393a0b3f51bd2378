package state

import (
	"encoding/binary"
	"errors"

	"github.com/millrace-go/millrace/serde"
)

// stampedSerde writes a value behind its time: how timestamped stores keep it.
type stampedSerde[V any] struct{ inner serde.Serde[V] }

func (s stampedSerde[V]) Append(dst []byte, v Stamped[V]) ([]byte, error) {
	n := len(dst)
	out, err := s.inner.Append(binary.BigEndian.AppendUint64(dst, uint64(v.Time)), v.Value)
	if err != nil {
		return out[:n], err
	}
	return out, nil
}

func (s stampedSerde[V]) Decode(src []byte) (Stamped[V], error) {
	if len(src) < 8 {
		return Stamped[V]{}, errors.New("a timestamped value is shorter than its timestamp")
	}
	v, err := s.inner.Decode(src[8:])
	return Stamped[V]{v, Time(binary.BigEndian.Uint64(src))}, err
}
