package runtime

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
)

// Metadata is what goes with a committed offset: the partition's time, and what processors keep. The text is Base64 of a version byte 2, the time in 8 bytes,
// a count in 4, and for each value the key's length in 4, the key and the value in 8, big-endian; without values the text ends behind the time. Version 1 has the time only.

// encodeMetadata writes the keys in order, so that equal metadata are equal texts.
func encodeMetadata(partitionTime Time, values map[string]int64) string {
	b := append(make([]byte, 0, 64), 2)
	b = binary.BigEndian.AppendUint64(b, uint64(partitionTime))
	if len(values) == 0 {
		return base64.StdEncoding.EncodeToString(b)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(values)))
	for _, k := range slices.Sorted(maps.Keys(values)) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(k)))
		b = append(b, k...)
		b = binary.BigEndian.AppendUint64(b, uint64(values[k]))
	}
	return base64.StdEncoding.EncodeToString(b)
}

// decodeMetadata reads what encodeMetadata or Kafka Streams wrote. An empty text is no metadata: time -1.
func decodeMetadata(text string) (partitionTime Time, values map[string]int64, err error) {
	if text == "" {
		return -1, nil, nil
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return -1, nil, fmt.Errorf("offset metadata %q: %w", text, err)
	}
	malformed := fmt.Errorf("offset metadata %q is not what Kafka Streams writes", text)
	if len(b) < 9 || b[0] != 1 && b[0] != 2 {
		return -1, nil, malformed
	}
	partitionTime = Time(binary.BigEndian.Uint64(b[1:]))
	if b[0] == 1 || len(b) == 9 {
		return partitionTime, nil, nil
	}
	if b = b[9:]; len(b) < 4 {
		return -1, nil, malformed
	}
	count := binary.BigEndian.Uint32(b)
	b = b[4:]
	values = map[string]int64{}
	for range count {
		if len(b) < 4 {
			return -1, nil, malformed
		}
		n := uint64(binary.BigEndian.Uint32(b))
		if b = b[4:]; uint64(len(b)) < n+8 {
			return -1, nil, malformed
		}
		values[string(b[:n])] = int64(binary.BigEndian.Uint64(b[n:]))
		b = b[n+8:]
	}
	return partitionTime, values, nil
}
