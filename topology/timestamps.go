package topology

import "math"

// InvalidTime is what a TimestampExtractor answers to fail the record: it is treated like one that cannot be decoded.
const InvalidTime Time = math.MinInt64

// RecordTime is the TimestampExtractor that takes the record's own time and drops a record whose time is negative (Kafka's
// LogAndSkipOnInvalidTimestamp). Without an extractor such a record fails.
func RecordTime[K, V any](r Record[K, V], _ RecordMetadata, _ Time) Time { return max(r.Time, -1) }

// UsePartitionTime is the TimestampExtractor that gives a record whose time is negative the highest time seen in its partition (Kafka's
// UsePartitionTimeOnInvalidTimestamp). It fails the record if there is none yet.
func UsePartitionTime[K, V any](r Record[K, V], _ RecordMetadata, partitionTime Time) Time {
	switch {
	case r.Time >= 0:
		return r.Time
	case partitionTime >= 0:
		return partitionTime
	}
	return InvalidTime
}
