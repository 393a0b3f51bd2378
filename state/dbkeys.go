package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// The layout of the database's keys. docs/formats/state.md tells it in words.
//
//	store id (4) ++ partition (4) ++ area (1) ++ row
//
// Store id 0 is the database's own. Numbers are big endian, so that everything of a store, of a partition and of a segment is one range.

// dbFormat is the version of the layout. A database with another one is refused.
const dbFormat = 1

type area byte

const (
	areaMeta   area = 0 // one row: how far the partition has come
	areaRows   area = 1 // the rows; of a time store behind their segment (8)
	areaByTime area = 2 // the rows' order by time, without values, behind their segment (8)
	areaPast   area = 3 // the history of a versioned store, behind its segment (8)
)

const (
	systemFormat = 'f' // -> dbFormat (4)
	systemStore  = 's' // ++ name -> store id (4) ++ fingerprint
)

const partitionPrefixSize = 8

func systemKey(kind byte, rest string) []byte {
	return append([]byte{0, 0, 0, 0, kind}, rest...)
}

func storePrefix(id uint32) []byte { return binary.BigEndian.AppendUint32(nil, id) }

func partitionPrefix(id uint32, partition int32) []byte {
	return binary.BigEndian.AppendUint32(storePrefix(id), uint32(partition))
}

func areaPrefix(partition []byte, a area) []byte {
	return append(append(make([]byte, 0, len(partition)+1), partition...), byte(a))
}

func segmentPrefix(partition []byte, a area, segment int64) []byte {
	return binary.BigEndian.AppendUint64(areaPrefix(partition, a), uint64(segment))
}

// prefixEnd is the smallest key above all keys that begin with prefix.
func prefixEnd(prefix []byte) []byte { return prefixSpan(prefix).high }

// meta is a partition's meta row. It is written in the same batch as the data it speaks of.
type meta struct {
	position Position
	observed Time   // the store's own time
	sequence uint32 // of the last put of a window store with duplicates
	live     int64  // keys of a key-value store, about
}

const (
	metaVersion = 1
	metaSize    = 1 + 8 + 16 + 8 + 8 + 4 + 8
)

func (m *meta) append(b []byte) []byte {
	b = append(b, metaVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(m.position.Next))
	b = append(b, m.position.Topic[:]...)
	b = appendTime(b, m.position.Applied)
	b = appendTime(b, m.observed)
	b = binary.BigEndian.AppendUint32(b, m.sequence)
	return binary.BigEndian.AppendUint64(b, uint64(m.live))
}

func parseMeta(b []byte) (m meta, err error) {
	if len(b) != metaSize || b[0] != metaVersion {
		return m, fmt.Errorf("a meta row of %d bytes and version %d cannot be read", len(b), b[:min(1, len(b))])
	}
	b = b[1:]
	m.position.Next = int64(binary.BigEndian.Uint64(b))
	copy(m.position.Topic[:], b[8:])
	b = b[24:]
	m.position.Applied = Time(binary.BigEndian.Uint64(b))
	m.observed = Time(binary.BigEndian.Uint64(b[8:]))
	m.sequence = binary.BigEndian.Uint32(b[16:])
	m.live = int64(binary.BigEndian.Uint64(b[20:]))
	return m, nil
}

// storeRow is what the database knows of a store.
type storeRow struct {
	id uint32
	// fingerprint says how the rows are laid out. A store whose definition has another one is rebuilt.
	fingerprint string
}

func (s storeRow) append(b []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, s.id), s.fingerprint...)
}

// kind is that of the store, the fingerprint's first word.
func (s storeRow) kind() string {
	k, _, _ := strings.Cut(s.fingerprint, " ")
	return k
}

func parseStoreRow(b []byte) (storeRow, error) {
	if len(b) < 4 {
		return storeRow{}, errors.New("a store's row is too short")
	}
	return storeRow{binary.BigEndian.Uint32(b), string(b[4:])}, nil
}

// fingerprint of the layout of a store's rows.
func (o *options) fingerprint() string {
	switch o.kind {
	case kindWindow, kindSession:
		return fmt.Sprintf("%s stamped=%t segment=%d timefirst=%t duplicates=%t", o.kind, o.stamped, o.segmentInterval(), o.timeFirst, o.duplicates)
	case kindVersioned:
		return fmt.Sprintf("%s segment=%d", o.kind, o.segmentInterval())
	}
	if o.ttl > 0 {
		return fmt.Sprintf("%s stamped=%t bucket=%d", o.kind, o.stamped, o.ttlBucket())
	}
	return fmt.Sprintf("%s stamped=%t", o.kind, o.stamped)
}

func (k kind) String() string {
	return [...]string{"key-value", "window", "session", "versioned", "custom"}[k]
}

// ttlBucket is how exactly the database knows when a row of a store with a TTL expires.
func (o *options) ttlBucket() Time { return max(millis(o.ttl)/16, 1) }

// segmentInterval is how much time one segment of a store holds.
func (o *options) segmentInterval() Time {
	r := millis(o.retention)
	switch {
	case o.kind == kindVersioned:
		return max(r/4, 60_000)
	case o.inMemory:
		return max(r/4, 1000) // seen by nobody: how soon memory is given back
	}
	return max(r/2, 60_000)
}
