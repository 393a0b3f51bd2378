package streams

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/twmb/murmur3"

	"github.com/millrace-go/millrace/serde"
)

// The messages between the two sides of a foreign-key join, byte for byte Kafka Streams' (KIP-213, version 1 with KIP-775's partition).

// instruction says what the right side does with a subscription.
type instruction byte

const (
	unsubscribe        instruction = iota // delete, no answer
	unsubscribeAnswer                     // delete, answer null
	subscribe                             // put, answer the row or null
	subscribeIfPresent                    // put, answer only a row
)

// hash is the hash of a left row's value: an answer that was made for another value is stale.
type hash struct {
	sum   [16]byte
	there bool // false: the row was deleted
}

// hashSeed is the seed of Kafka's Murmur3.
const hashSeed = 104729

func hashOf(value []byte) (h hash) {
	a, b := murmur3.SeedSum128(hashSeed, hashSeed, value)
	binary.BigEndian.PutUint64(h.sum[:8], a)
	binary.BigEndian.PutUint64(h.sum[8:], b)
	h.there = true
	return h
}

// subscription is what a left row tells the right side: key of it is the foreign key.
type subscription[K any] struct {
	hash      hash
	what      instruction
	key       K     // the left row's
	partition int32 // of the left row; -1 if a version before 1 wrote it
}

// answer is what the right side tells a left row.
type answer[V any] struct {
	hash      hash
	value     V
	there     bool
	partition int32 // where it has to go: it does not travel
}

const noHash = 0x80

func appendHash(dst []byte, version byte, h hash, rest ...byte) []byte {
	if !h.there {
		return append(append(dst, version|noHash), rest...)
	}
	return append(append(append(dst, version), rest...), h.sum[:]...)
}

var errShortMessage = errors.New("the message of a foreign-key join is too short")

// takeHash reads version and hash; between is how many bytes stand between them.
func takeHash(b []byte, newest byte, between int) (version byte, h hash, head, rest []byte, err error) {
	if len(b) < 1+between {
		return 0, h, nil, nil, errShortMessage
	}
	if version = b[0] &^ noHash; version > newest {
		return 0, h, nil, nil, fmt.Errorf("the message of a foreign-key join has version %d, at most %d is known", version, newest)
	}
	head, rest = b[1:1+between], b[1+between:]
	if b[0]&noHash != 0 {
		return version, h, head, rest, nil
	}
	if len(rest) < len(h.sum) {
		return 0, h, nil, nil, errShortMessage
	}
	copy(h.sum[:], rest)
	h.there = true
	return version, h, head, rest[len(h.sum):], nil
}

// subscriptionSerde: version, instruction, hash if any, the left row's key, its partition in 4 bytes.
type subscriptionSerde[K any] struct{ key serde.Serde[K] }

func (s subscriptionSerde[K]) Append(dst []byte, x subscription[K]) ([]byte, error) {
	dst = appendHash(dst, 1, x.hash, byte(x.what))
	dst, err := s.key.Append(dst, x.key)
	return binary.BigEndian.AppendUint32(dst, uint32(x.partition)), err
}

func (s subscriptionSerde[K]) Decode(b []byte) (x subscription[K], err error) {
	version, h, head, rest, err := takeHash(b, 1, 1)
	if err != nil {
		return x, err
	}
	x.hash, x.what, x.partition = h, instruction(head[0]), -1
	if x.what > subscribeIfPresent {
		return x, fmt.Errorf("the message of a foreign-key join has the unknown instruction %d", x.what)
	}
	if version > 0 {
		if len(rest) < 4 {
			return x, errShortMessage
		}
		x.partition = int32(binary.BigEndian.Uint32(rest[len(rest)-4:]))
		rest = rest[:len(rest)-4]
	}
	x.key, err = s.key.Decode(rest)
	return x, err
}

// Bind gives the key the pseudo topic that Kafka Streams gives it.
func (s subscriptionSerde[K]) Bind(r serde.Role) (_ serde.Serde[subscription[K]], err error) {
	s.key, err = serde.Bind(s.key, serde.Role{Topic: r.Topic + "-pk", Key: true})
	return s, err
}

// answerSerde: version, hash if any, the right row's value. A value without bytes cannot be told from none.
type answerSerde[V any] struct{ value serde.Serde[V] }

func (s answerSerde[V]) Append(dst []byte, x answer[V]) ([]byte, error) {
	dst = appendHash(dst, 0, x.hash)
	if !x.there {
		return dst, nil
	}
	return s.value.Append(dst, x.value)
}

func (s answerSerde[V]) Decode(b []byte) (x answer[V], err error) {
	_, h, _, rest, err := takeHash(b, 0, 0)
	x.hash, x.there = h, len(rest) > 0
	if err == nil && x.there {
		x.value, err = s.value.Decode(rest)
	}
	return x, err
}

// combinedKey is the key of a subscription in the right side's store: all of one foreign key lie together.
type combinedKey[FK, K any] struct {
	foreign FK
	key     K
}

// combinedSerde: the foreign key's length in 4 bytes, the foreign key, the left row's key.
type combinedSerde[FK, K any] struct {
	foreign serde.Serde[FK]
	key     serde.Serde[K]
}

// prefix is what the keys of all subscriptions to a foreign key begin with.
func (s combinedSerde[FK, K]) prefix(dst []byte, fk FK) ([]byte, error) {
	at := len(dst)
	dst, err := s.foreign.Append(append(dst, 0, 0, 0, 0), fk)
	if err == nil {
		binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	}
	return dst, err
}

func (s combinedSerde[FK, K]) Append(dst []byte, x combinedKey[FK, K]) ([]byte, error) {
	dst, err := s.prefix(dst, x.foreign)
	if err != nil {
		return dst, err
	}
	return s.key.Append(dst, x.key)
}

func (s combinedSerde[FK, K]) Decode(b []byte) (x combinedKey[FK, K], err error) {
	if len(b) < 4 || uint64(binary.BigEndian.Uint32(b)) > uint64(len(b)-4) {
		return x, errShortMessage
	}
	n := 4 + int(binary.BigEndian.Uint32(b))
	if x.foreign, err = s.foreign.Decode(b[4:n]); err != nil {
		return x, err
	}
	x.key, err = s.key.Decode(b[n:])
	return x, err
}
