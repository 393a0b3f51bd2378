package topics

import (
	"slices"
	"strconv"
	"strings"

	"github.com/millrace-go/millrace/broker/internal/commitlog"
)

var compressions = []string{"uncompressed", "gzip", "snappy", "lz4", "zstd"}

// settings reads validated values; value must have one for every topic config.
func settings(value func(name string) string) commitlog.PartitionConfig {
	text := func(name string) string { return strings.TrimSpace(value(name)) }
	num := func(name string) int64 {
		n, _ := strconv.ParseInt(text(name), 10, 64) // validated when it was set
		return n
	}
	dirty, _ := strconv.ParseFloat(text("min.cleanable.dirty.ratio"), 64) // as above
	s := commitlog.PartitionConfig{
		SegmentBytes:           num("segment.bytes"),
		SegmentMs:              num("segment.ms"),
		RetentionMs:            num("retention.ms"),
		RetentionBytes:         num("retention.bytes"),
		MinCompactionLagMs:     num("min.compaction.lag.ms"),
		MaxCompactionLagMs:     num("max.compaction.lag.ms"),
		DeleteRetentionMs:      num("delete.retention.ms"),
		MinCleanableDirtyRatio: dirty,
		LogAppendTime:          text("message.timestamp.type") == "LogAppendTime",
		MaxMessageBytes:        int32(num("max.message.bytes")),
		Compression:            commitlog.CompressionProducer,
		IndexIntervalBytes:     int32(num("index.interval.bytes")),
		TimestampBeforeMaxMs:   num("message.timestamp.before.max.ms"),
		TimestampAfterMaxMs:    num("message.timestamp.after.max.ms"),
	}
	if i := slices.Index(compressions, text("compression.type")); i >= 0 {
		s.Compression = commitlog.Compression(i)
	}
	for _, p := range SplitList(value("cleanup.policy")) {
		s.CleanupDelete = s.CleanupDelete || p == "delete"
		s.CleanupCompact = s.CleanupCompact || p == "compact"
	}
	return s
}
