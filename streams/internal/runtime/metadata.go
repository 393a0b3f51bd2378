package runtime

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
)

// Metadata is what goes with a committed offset. Nobody writes into its values.
type Metadata struct {
	Time   Time             // the partition's; -1: not known
	Values map[string]int64 // what processors keep
}

// String is the text that Kafka Streams writes: Base64 of a version byte 2, the time in 8 bytes, a count in 4, and for each value the key's length in 4, the key and the
// value in 8, big-endian; without values the text ends behind the time. Version 1 has the time only. The keys are in order, so that equal metadata are equal texts.
func (m Metadata) String() string {
	b := append(make([]byte, 0, 64), 2)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Time))
	if len(m.Values) == 0 {
		return base64.StdEncoding.EncodeToString(b)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(m.Values)))
	for _, k := range slices.Sorted(maps.Keys(m.Values)) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(k)))
		b = append(b, k...)
		b = binary.BigEndian.AppendUint64(b, uint64(m.Values[k]))
	}
	return base64.StdEncoding.EncodeToString(b)
}

// parseMetadata reads what String or Kafka Streams wrote. An empty text is no metadata.
func parseMetadata(text string) (Metadata, error) {
	none := Metadata{Time: -1}
	if text == "" {
		return none, nil
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return none, fmt.Errorf("offset metadata %q: %w", text, err)
	}
	malformed := fmt.Errorf("offset metadata %q is not what Kafka Streams writes", text)
	if len(b) < 9 || b[0] != 1 && b[0] != 2 {
		return none, malformed
	}
	m := Metadata{Time: Time(binary.BigEndian.Uint64(b[1:]))}
	if b[0] == 1 || len(b) == 9 {
		return m, nil
	}
	if b = b[9:]; len(b) < 4 {
		return none, malformed
	}
	count := binary.BigEndian.Uint32(b)
	b = b[4:]
	m.Values = map[string]int64{}
	for range count {
		if len(b) < 4 {
			return none, malformed
		}
		n := uint64(binary.BigEndian.Uint32(b))
		if b = b[4:]; uint64(len(b)) < n+8 {
			return none, malformed
		}
		m.Values[string(b[:n])] = int64(binary.BigEndian.Uint64(b[n:]))
		b = b[n+8:]
	}
	return m, nil
}
