package commitlog

import (
	"log/slog"
	"math"
	"runtime"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/millrace-go/millrace/broker/internal/commitlog/codec"
)

// Sync says when appended batches reach the disk.
type Sync uint8

const (
	// SyncNone leaves it to the operating system: an acknowledged batch survives the end of the
	// process, not a power loss.
	SyncNone Sync = iota
	// SyncInterval is SyncNone for appends; the caller runs [Store.Flush] at its interval.
	SyncInterval
	// SyncAlways acknowledges a batch, and shows it to readers, after its fsync. Concurrent
	// appends to a partition share one fsync.
	SyncAlways
)

// String returns none, interval or always.
func (s Sync) String() string {
	switch s {
	case SyncNone:
		return "none"
	case SyncInterval:
		return "interval"
	case SyncAlways:
		return "always"
	}
	return "unknown"
}

// Options configure a [Store]. FS, Dir and DB are required.
type Options struct {
	// FS holds the log files. Its files must allow Sync to run while another goroutine writes, as
	// vfs.Default and vfs.MemFS do.
	FS vfs.FS
	// Dir is the directory of the log, created if need be. Everything in it belongs to the store.
	Dir string
	// DB holds the manifests. The caller opens it before the store and closes it after it. Commits
	// use pebble.Sync. Unless Sync is SyncNone, its WAL must really be synced: the log is what the manifests say.
	DB *pebble.DB
	// Commit commits a batch, by default with pebble.Sync and nothing else. A caller that knows what Pebble does when it
	// cannot go on turns that into an error here.
	Commit func(*pebble.Batch) error
	// KeyPrefix starts every key that the store writes into DB. Default "commitlog/".
	KeyPrefix []byte
	// Sync says when batches reach the disk. Default SyncNone.
	Sync Sync
	// Now is the wall clock, by default time.Now.
	Now func() time.Time
	// Logger receives what recovery, retention and compaction did. Default: discard.
	Logger *slog.Logger

	// SnapshotBytes bounds what recovery reads of a partition: after so many bytes Maintain and
	// Flush sync the log and save the producers' state. Default 64 MiB.
	SnapshotBytes int64
	// ProducerExpiry is how long an idle producer's sequences are remembered. Default 24 h.
	ProducerExpiry time.Duration
	// Producers is how many producers' sequences are remembered, over all partitions. With more, a partition that meets a new
	// one forgets some that have been idle the longest there. Default 100,000.
	Producers int
	// CompactionMemory bounds the map of keys that a compaction uses, in bytes. Default 64 MiB.
	CompactionMemory int64
	// CompactionRate bounds the bytes per second that compaction reads and writes. 0: no bound.
	CompactionRate int64
	// MaxOpenFiles bounds the open files of sealed segments. Default 512.
	MaxOpenFiles int
	// IndexMemory bounds the indexes of sealed segments held in memory, in bytes. Default 32 MiB.
	IndexMemory int64
	// MinFree is how many bytes must be free on the disk for appends to be accepted, as Maintain last saw it; markers
	// and deletions go on. A disk that is full to the last byte would end DB. Default 256 MiB, but at most 5 % of the
	// disk; negative: no bound.
	MinFree int64
	// RetentionEvery is how often Maintain deletes segments that are too old, the first time after 30 s, but not later.
	// Default 0: each time. Segments over the size are deleted each time whatever it says.
	RetentionEvery time.Duration
	// DeleteDelay is how long the files of deleted segments stay, but for SyncAlways. Default 1 min.
	DeleteDelay time.Duration
	// RecoveryWorkers is how many partitions are recovered at a time. Default GOMAXPROCS.
	RecoveryWorkers int
}

func (o Options) withDefaults() Options {
	if len(o.KeyPrefix) == 0 {
		o.KeyPrefix = []byte("commitlog/")
	}
	if o.Commit == nil {
		o.Commit = func(b *pebble.Batch) error { return b.Commit(pebble.Sync) }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	setDefault(&o.SnapshotBytes, 64<<20)
	setDefault(&o.ProducerExpiry, 24*time.Hour)
	setDefault(&o.Producers, 100_000)
	setDefault(&o.CompactionMemory, 64<<20)
	setDefault(&o.MaxOpenFiles, 512)
	setDefault(&o.IndexMemory, 32<<20)
	setDefault(&o.DeleteDelay, time.Minute)
	setDefault(&o.RecoveryWorkers, runtime.GOMAXPROCS(0))
	return o
}

func setDefault[T int | int64 | time.Duration](p *T, v T) {
	if *p <= 0 {
		*p = v
	}
}

// PartitionConfig holds the topic configurations that matter to the log, with
// Kafka's names, units and meanings. The zero value is not usable: start from
// [DefaultPartitionConfig].
type PartitionConfig struct {
	// SegmentBytes (segment.bytes) and SegmentMs (segment.ms) say when a segment is full.
	SegmentBytes int64
	SegmentMs    int64
	// RetentionMs (retention.ms) and RetentionBytes (retention.bytes), -1 for no bound; they
	// apply when CleanupDelete is set.
	RetentionMs    int64
	RetentionBytes int64
	// CleanupDelete and CleanupCompact are the words of cleanup.policy.
	CleanupDelete  bool
	CleanupCompact bool
	// MinCompactionLagMs (min.compaction.lag.ms) and MaxCompactionLagMs (max.compaction.lag.ms).
	MinCompactionLagMs int64
	MaxCompactionLagMs int64
	// DeleteRetentionMs (delete.retention.ms): how long tombstones and markers outlive the
	// compaction that could have dropped them.
	DeleteRetentionMs int64
	// MinCleanableDirtyRatio (min.cleanable.dirty.ratio), 0 to 1.
	MinCleanableDirtyRatio float64
	// LogAppendTime is message.timestamp.type=LogAppendTime.
	LogAppendTime bool
	// MaxMessageBytes (max.message.bytes) bounds a batch as stored.
	MaxMessageBytes int32
	// Compression is compression.type; with CompressionProducer (the default) batches stay as sent.
	Compression Compression
	// IndexIntervalBytes (index.interval.bytes); less than 16 KiB counts as 16 KiB.
	IndexIntervalBytes int32
	// TimestampBeforeMaxMs (message.timestamp.before.max.ms) and TimestampAfterMaxMs
	// (message.timestamp.after.max.ms) bound a record's distance from the broker's clock. They do
	// not apply with LogAppendTime.
	TimestampBeforeMaxMs int64
	TimestampAfterMaxMs  int64
}

// Compression is a topic's compression.type: a codec, or CompressionProducer.
type Compression int8

// CompressionProducer keeps the producer's codec; the others re-encode batches
// that come with another one.
const (
	CompressionProducer Compression = -1
	CompressionNone                 = Compression(codec.None)
	CompressionGzip                 = Compression(codec.Gzip)
	CompressionSnappy               = Compression(codec.Snappy)
	CompressionLZ4                  = Compression(codec.LZ4)
	CompressionZstd                 = Compression(codec.Zstd)
)

// DefaultPartitionConfig returns Kafka's defaults.
func DefaultPartitionConfig() PartitionConfig {
	const week = 7 * 24 * 60 * 60 * 1000
	return PartitionConfig{
		SegmentBytes:           1 << 30,
		SegmentMs:              week,
		RetentionMs:            week,
		RetentionBytes:         -1,
		CleanupDelete:          true,
		MinCompactionLagMs:     0,
		MaxCompactionLagMs:     math.MaxInt64,
		DeleteRetentionMs:      24 * 60 * 60 * 1000,
		MinCleanableDirtyRatio: 0.5,
		MaxMessageBytes:        1<<20 + 12,
		Compression:            CompressionProducer,
		IndexIntervalBytes:     4096,
		TimestampBeforeMaxMs:   math.MaxInt64,
		TimestampAfterMaxMs:    60 * 60 * 1000,
	}
}
