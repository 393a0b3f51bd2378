package commitlog

import (
	"math"
	"sync"

	"github.com/millrace-go/millrace/broker/internal/commitlog/codec"
	"github.com/millrace-go/millrace/broker/internal/commitlog/recordbatch"
)

// validate checks the batch of a client against the rules of the protocol and of the topic and
// returns what to store: the batch itself, with log append time or re-encoded if the topic
// wants that. Records are counted; they are only looked into, and decompressed, when a rule is about them: a compacted
// topic (keys), a bound on the age of records, another codec. What is compressed wrongly is its readers' error, as it would cost
// every producer more than everything else the broker does.
func validate(data []byte, cfg *PartitionConfig, now int64) (recordbatch.Batch, error) {
	b, err := validateHeader(data, cfg)
	if err != nil {
		return nil, err
	}
	if !cfg.LogAppendTime && cfg.TimestampAfterMaxMs < math.MaxInt64-now && b.MaxTimestamp() > now+cfg.TimestampAfterMaxMs {
		return nil, errorf(KindInvalidTimestamp, "timestamp %d is more than message.timestamp.after.max.ms=%d after the broker's clock %d",
			b.MaxTimestamp(), cfg.TimestampAfterMaxMs, now)
	}
	recode := cfg.Compression != CompressionProducer && codec.Codec(cfg.Compression) != b.Codec()
	tooOld := cfg.TimestampBeforeMaxMs < math.MaxInt64 && !cfg.LogAppendTime
	if recode || tooOld || cfg.CleanupCompact {
		minTimestamp := int64(math.MinInt64)
		if tooOld {
			minTimestamp = now - cfg.TimestampBeforeMaxMs
		}
		buf := payloads.Get().(*[]byte)
		defer payloads.Put(buf)
		payload, err := b.Payload(*buf)
		if err != nil {
			return nil, wrap(KindInvalidRecord, err, "%s records cannot be decompressed", b.Codec())
		}
		if b.Codec() != codec.None {
			*buf = payload
		}
		if err := validateRecords(b, payload, cfg.CleanupCompact, minTimestamp); err != nil {
			return nil, err
		}
		if recode {
			h := b.Header()
			h.Codec = codec.Codec(cfg.Compression)
			if b, err = recordbatch.Append(nil, h, payload); err != nil {
				return nil, wrap(KindInvalidRecord, err, "records cannot be compressed with %s", h.Codec)
			}
			if err := validateSize(len(b), cfg); err != nil {
				return nil, err
			}
		}
		shrink(buf)
	} else if b.Codec() == codec.None {
		if err := recordbatch.CheckRecords(b[recordbatch.HeaderSize:], b.RecordCount()); err != nil {
			return nil, wrap(KindInvalidRecord, err, "batch of %d records", b.RecordCount())
		}
	}
	if cfg.LogAppendTime {
		b.SetLogAppendTime(now)
	}
	return b, nil
}

// validateHeader checks everything that does not need the records.
func validateHeader(data []byte, cfg *PartitionConfig) (recordbatch.Batch, error) {
	if len(data) < recordbatch.HeaderSize {
		return nil, errorf(KindCorrupt, "batch of %d bytes is shorter than a header", len(data))
	}
	b := recordbatch.Batch(data)
	if b.Magic() != 2 {
		return nil, errorf(KindUnsupportedFormat, "message format %d, want 2", b.Magic())
	}
	if n := b.Length(); n < recordbatch.HeaderSize || n > len(data) {
		return nil, errorf(KindCorrupt, "batch says it has %d bytes, there are %d", n, len(data))
	} else if n < len(data) {
		return nil, errorf(KindInvalidRecord, "%d bytes after the batch: a request has one batch per partition", len(data)-n)
	}
	if err := validateSize(len(data), cfg); err != nil {
		return nil, err
	}
	if !b.CRCValid() {
		return nil, errorf(KindCorrupt, "checksum of the batch is wrong")
	}
	_, horizon := b.DeleteHorizon()
	switch count := b.RecordCount(); {
	case !b.Codec().Valid():
		return nil, errorf(KindUnsupportedCompression, "%s is unknown", b.Codec())
	case b.Control():
		return nil, errorf(KindInvalidRecord, "clients must not write control records")
	case horizon || b.UnknownAttributes():
		return nil, errorf(KindInvalidRecord, "attributes that clients must not set")
	case b.LogAppendTime():
		return nil, errorf(KindInvalidTimestamp, "clients must not set log append time")
	case count <= 0 || int64(b.LastOffsetDelta()) != int64(count)-1:
		return nil, errorf(KindInvalidRecord, "%d records with a last offset delta of %d", count, b.LastOffsetDelta())
	case b.BaseOffset() != 0:
		return nil, errorf(KindInvalidRecord, "base offset %d, clients must send 0", b.BaseOffset())
	case b.ProducerID() < -1 || b.ProducerID() >= 0 && (b.ProducerEpoch() < 0 || b.BaseSequence() < 0):
		return nil, errorf(KindInvalidRecord, "producer %d with epoch %d and sequence %d", b.ProducerID(), b.ProducerEpoch(), b.BaseSequence())
	case b.Transactional() && b.ProducerID() < 0:
		return nil, errorf(KindInvalidRecord, "transactional batch without a producer id")
	}
	return b, nil
}

func validateSize(n int, cfg *PartitionConfig) error {
	if n > int(cfg.MaxMessageBytes) {
		return errorf(KindTooLarge, "batch has %d bytes, max.message.bytes is %d", n, cfg.MaxMessageBytes)
	}
	if int64(n) > cfg.SegmentBytes {
		return errorf(KindSegmentTooSmall, "batch has %d bytes, segment.bytes is %d", n, cfg.SegmentBytes)
	}
	return nil
}

// validateRecords checks that the payload is the records that the header promises, that they
// have keys if need be and that none is older than minTimestamp.
func validateRecords(b recordbatch.Batch, payload []byte, needKeys bool, minTimestamp int64) error {
	d := recordbatch.NewReader(payload, b.RecordCount())
	var r recordbatch.Record
	for i := int32(0); ; i++ {
		ok, err := d.Next(&r)
		if err != nil {
			return wrap(KindInvalidRecord, err, "record %d", i)
		}
		if !ok {
			return nil
		}
		if r.OffsetDelta != i {
			return errorf(KindInvalidRecord, "record %d has offset delta %d", i, r.OffsetDelta)
		}
		if needKeys && r.Key == nil {
			return errorf(KindInvalidRecord, "record %d has no key: a compacted topic takes records with keys only", i)
		}
		if ts := b.BaseTimestamp() + r.TimestampDelta; ts < minTimestamp {
			return errorf(KindInvalidTimestamp, "timestamp %d of record %d is older than message.timestamp.before.max.ms allows", ts, i)
		}
	}
}

// payloads are buffers for decompressed records.
var payloads = sync.Pool{New: func() any { return new([]byte) }}

// shrink keeps a rare, very large buffer out of the pool.
func shrink(buf *[]byte) {
	if cap(*buf) > 4<<20 {
		*buf = nil
	}
}
