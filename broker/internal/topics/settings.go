package topics

import (
	"strconv"
	"strings"
	"time"
)

// Settings are the effective configs of a topic that the broker acts on.
type Settings struct {
	Delete, Compact    bool
	RetentionTime      time.Duration // negative: no limit
	RetentionBytes     int64         // negative: no limit
	SegmentBytes       int64
	SegmentTime        time.Duration
	MaxBatchBytes      int
	LogAppendTime      bool
	TimestampBeforeMax time.Duration
	TimestampAfterMax  time.Duration
	DeleteRetention    time.Duration
	MinCompactionLag   time.Duration
	MaxCompactionLag   time.Duration
	MinDirtyRatio      float64
}

// settings reads validated values; value must have one for every topic config.
func settings(value func(name string) string) Settings {
	num := func(name string) int64 {
		n, _ := strconv.ParseInt(strings.TrimSpace(value(name)), 10, 64) // validated when it was set
		return n
	}
	dirty, _ := strconv.ParseFloat(strings.TrimSpace(value("min.cleanable.dirty.ratio")), 64) // as above
	s := Settings{
		RetentionTime:      millis(num("retention.ms")),
		RetentionBytes:     num("retention.bytes"),
		SegmentBytes:       num("segment.bytes"),
		SegmentTime:        millis(num("segment.ms")),
		MaxBatchBytes:      int(num("max.message.bytes")),
		LogAppendTime:      strings.TrimSpace(value("message.timestamp.type")) == "LogAppendTime",
		TimestampBeforeMax: millis(num("message.timestamp.before.max.ms")),
		TimestampAfterMax:  millis(num("message.timestamp.after.max.ms")),
		DeleteRetention:    millis(num("delete.retention.ms")),
		MinCompactionLag:   millis(num("min.compaction.lag.ms")),
		MaxCompactionLag:   millis(num("max.compaction.lag.ms")),
		MinDirtyRatio:      dirty,
	}
	for _, p := range SplitList(value("cleanup.policy")) {
		s.Delete = s.Delete || p == "delete"
		s.Compact = s.Compact || p == "compact"
	}
	return s
}

// millis converts milliseconds, saturating: Kafka writes "for ever" as the largest 64-bit number.
func millis(ms int64) time.Duration {
	const limit = int64(1<<63-1) / int64(time.Millisecond)
	return time.Duration(min(max(ms, -1), limit)) * time.Millisecond
}
