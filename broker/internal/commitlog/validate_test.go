package commitlog

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/broker/internal/commitlog/codec"
	"github.com/millrace-go/millrace/broker/internal/commitlog/recordbatch"
)

func header(edit func(*recordbatch.Header)) []byte {
	s := values("a", "b")
	s.edit = edit
	return s.build()
}

func TestValidate(t *testing.T) {
	t.Parallel()
	flip := func(pos int) []byte {
		b := values("a").build()
		b[pos] ^= 1
		return b
	}
	now := newClock().ms()
	for _, c := range []struct {
		name  string
		batch []byte
		cfg   func(*PartitionConfig)
		want  Kind // KindUnknown: accepted
	}{
		{name: "a plain batch passes", batch: values("a").build()},
		{name: "an idempotent batch passes", batch: values("a").from(1, 0, 0).build()},
		{name: "nothing at all", batch: nil, want: KindCorrupt},
		{name: "a cut header", batch: values("a").build()[:60], want: KindCorrupt},
		{name: "a cut batch", batch: values("a").build()[:65], want: KindCorrupt},
		{name: "two batches", batch: append(values("a").build(), values("b").build()...), want: KindInvalidRecord},
		{name: "a trailing byte", batch: append(values("a").build(), 0), want: KindInvalidRecord},
		{name: "format 1", batch: func() []byte { b := values("a").build(); b[16] = 1; return b }(), want: KindUnsupportedFormat},
		{name: "a flipped attribute", batch: flip(22), want: KindCorrupt},
		{name: "a flipped checksum", batch: flip(17), want: KindCorrupt},
		{name: "a flipped record", batch: flip(63), want: KindCorrupt},
		{name: "the leader epoch is not covered", batch: flip(12)},
		{name: "a control batch", batch: header(func(h *recordbatch.Header) { h.Control = true }), want: KindInvalidRecord},
		{name: "a delete horizon", batch: header(func(h *recordbatch.Header) { h.DeleteHorizon = true }), want: KindInvalidRecord},
		{name: "log append time", batch: header(func(h *recordbatch.Header) { h.LogAppendTime = true }), want: KindInvalidTimestamp},
		{name: "too few records", batch: header(func(h *recordbatch.Header) { h.RecordCount = 1 }), want: KindInvalidRecord},
		{name: "too small a delta", batch: header(func(h *recordbatch.Header) { h.LastOffsetDelta = 0 }), want: KindInvalidRecord},
		{name: "no records", batch: batchSpec{}.build(), want: KindInvalidRecord},
		{name: "negative count", batch: header(func(h *recordbatch.Header) { h.RecordCount, h.LastOffsetDelta = -1, -2 }), want: KindInvalidRecord},
		{name: "huge count", batch: header(func(h *recordbatch.Header) { h.RecordCount, h.LastOffsetDelta = math.MinInt32, math.MaxInt32 }), want: KindInvalidRecord},
		{name: "a base offset", batch: header(func(h *recordbatch.Header) { h.BaseOffset = 7 }), want: KindInvalidRecord},
		{name: "a producer without sequence", batch: header(func(h *recordbatch.Header) { h.ProducerID, h.ProducerEpoch = 3, 0 }), want: KindInvalidRecord},
		{name: "a transaction without producer", batch: header(func(h *recordbatch.Header) { h.Transactional = true }), want: KindInvalidRecord},
		{name: "larger than max.message.bytes", batch: values(string(make([]byte, 200))).build(), cfg: func(c *PartitionConfig) { c.MaxMessageBytes = 200 }, want: KindTooLarge},
		{name: "larger than segment.bytes", batch: values(string(make([]byte, 200))).build(), cfg: func(c *PartitionConfig) { c.SegmentBytes = 200 }, want: KindSegmentTooSmall},
		{name: "from the future", batch: batchSpec{ts: now + 3600_001, recs: []rec{{key: "k"}}}.build(), want: KindInvalidTimestamp},
		{name: "as far in the future as allowed", batch: batchSpec{ts: now + 3600_000, recs: []rec{{key: "k"}}}.build()},
		{name: "log append time does not look at times", batch: batchSpec{ts: now + 3600_001, recs: []rec{{key: "k"}}}.build(), cfg: func(c *PartitionConfig) { c.LogAppendTime = true }},
		{name: "one record too old", batch: batchSpec{ts: now, recs: []rec{{key: "k"}, {key: "k", ts: now - 1001}}}.build(), cfg: func(c *PartitionConfig) { c.TimestampBeforeMaxMs = 1000 }, want: KindInvalidTimestamp},
		{name: "just young enough", batch: batchSpec{ts: now, recs: []rec{{key: "k"}, {key: "k", ts: now - 1000}}}.build(), cfg: func(c *PartitionConfig) { c.TimestampBeforeMaxMs = 1000 }},
		{name: "no key is fine", batch: kv("-", "v").build()},
		{name: "but not in a compacted topic", batch: kv("a", "v", "-", "v").build(), cfg: func(c *PartitionConfig) { c.CleanupCompact = true }, want: KindInvalidRecord},
		{name: "an empty key is a key", batch: kv("", "v").build(), cfg: func(c *PartitionConfig) { c.CleanupCompact = true }},
		{name: "garbage for records of a compacted topic", batch: func() []byte {
			b, _ := recordbatch.Append(nil, recordbatch.Header{RecordCount: 1, ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1}, []byte("garbage"))
			return b
		}(), cfg: func(c *PartitionConfig) { c.CleanupCompact = true }, want: KindInvalidRecord},
		{name: "one record too many in the payload", batch: func() []byte {
			b := values("a", "b")
			b.edit = func(h *recordbatch.Header) { h.RecordCount, h.LastOffsetDelta = 1, 0 }
			return b.build()
		}(), cfg: func(c *PartitionConfig) { c.CleanupCompact = true }, want: KindInvalidRecord},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg := DefaultPartitionConfig()
			if c.cfg != nil {
				c.cfg(&cfg)
			}
			before := bytes.Clone(c.batch)
			b, err := validate(c.batch, &cfg, now)
			if c.want != KindUnknown {
				requireKind(t, c.want, err)
				return
			}
			require.NoError(t, err)
			if !cfg.LogAppendTime {
				require.Equal(t, before, []byte(b))
			}
		})
	}
}

func TestValidateUnknownCodecs(t *testing.T) {
	t.Parallel()
	cfg := DefaultPartitionConfig()
	for c := int16(5); c < 8; c++ {
		b := values("a").build()
		b[22] = byte(c)
		putChecksum(b)
		_, err := validate(b, &cfg, 0)
		requireKind(t, KindUnsupportedCompression, err)
	}
	for bit := 7; bit < 16; bit++ {
		b := values("a").build()
		b[21+1-bit/8] |= 1 << (bit % 8)
		putChecksum(b)
		_, err := validate(b, &cfg, 0)
		requireKind(t, KindInvalidRecord, err)
	}
}

func TestCompactedTopicsLookIntoEveryCodec(t *testing.T) {
	t.Parallel()
	cfg := DefaultPartitionConfig()
	cfg.CleanupCompact = true
	for c := codec.None; c <= codec.Zstd; c++ {
		s := kv("a", "1", "b", "2")
		s.codec = c
		_, err := validate(s.build(), &cfg, 0)
		require.NoError(t, err, c)
		s = kv("a", "1", "-", "2")
		s.codec = c
		_, err = validate(s.build(), &cfg, 0)
		requireKind(t, KindInvalidRecord, err)
	}
	// A bomb of 8 MiB in less than 4 KiB is refused.
	s := kv("a", string(make([]byte, 8<<20)))
	s.codec = codec.Zstd
	b := s.build()
	require.Less(t, len(b), 4<<10)
	_, err := validate(b, &cfg, 0)
	requireKind(t, KindInvalidRecord, err)
	require.ErrorIs(t, err, codec.ErrTooLarge)
}

func TestTopicCodecReencodes(t *testing.T) {
	t.Parallel()
	for from := codec.None; from <= codec.Zstd; from++ {
		for to := codec.None; to <= codec.Zstd; to++ {
			e := newEnv(t, func(e *env) { e.cfg.Compression = Compression(to) })
			s := batchSpec{codec: from, recs: []rec{{"a", "1", 1000}, {"-", "2", 1001}, {"b", "-", 999}}}.from(5, 1, 7)
			sent := s.build()
			before := bytes.Clone(sent)
			_, err := e.part().Append(sent, AppendOptions{})
			require.NoError(t, err)
			require.Equal(t, []row{{0, "a", "1", 1000}, {1, "-", "2", 1001}, {2, "b", "-", 999}}, readAll(t, e.part(), 0, ReadUncommitted, 1000))
			b := batches(t, e.part())[0]
			require.Equal(t, to, b.Codec())
			require.EqualValues(t, 9, b.LastSequence())
			if from == to {
				require.Equal(t, before, []byte(b))
			}
		}
	}
}

func TestLogAppendTime(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(e *env) { e.cfg.LogAppendTime = true })
	r := mustAppend(t, e.part(), batchSpec{recs: []rec{{"a", "1", 500}, {"b", "2", 2000}}}.from(1, 0, 0))
	require.Equal(t, e.clock.ms(), r.LogAppendTime)
	require.Equal(t, []row{{0, "a", "1", e.clock.ms()}, {1, "b", "2", e.clock.ms()}}, readAll(t, e.part(), 0, ReadUncommitted, 1000))
	dup := mustAppend(t, e.part(), batchSpec{recs: []rec{{"a", "1", 500}, {"b", "2", 2000}}}.from(1, 0, 0))
	require.True(t, dup.Duplicate)
	require.Equal(t, r.LogAppendTime, dup.LogAppendTime)
	o, ok, err := e.part().OffsetForTime(e.clock.ms(), ReadUncommitted)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, TimeOffset{0, e.clock.ms(), 0}, o)
}

func FuzzValidate(f *testing.F) {
	for c := codec.None; c <= codec.Zstd; c++ {
		s := kv("a", "1", "b", "-")
		s.codec = c
		f.Add(s.build(), true)
		f.Add(s.from(1, 0, 0).inTxn().build(), false)
	}
	f.Add(recordbatch.AppendMarker(nil, recordbatch.Marker{ProducerID: 1, Commit: true}), false)
	f.Fuzz(func(t *testing.T, data []byte, compacted bool) {
		cfg := DefaultPartitionConfig()
		cfg.CleanupCompact = compacted
		if len(data) >= recordbatch.HeaderSize {
			putChecksum(data) // else the fuzzer does not get far
		}
		b, err := validate(data, &cfg, 0)
		if err != nil {
			require.NotEqual(t, KindUnknown, KindOf(err))
			return
		}
		size, err := recordbatch.Size(b)
		require.NoError(t, err)
		require.Equal(t, len(data), size)
		require.Positive(t, b.RecordCount())
		require.Equal(t, int64(b.RecordCount()-1), b.LastOffset()-b.BaseOffset())
		if compacted {
			// What compaction relies on.
			payload, err := b.Payload(nil)
			require.NoError(t, err)
			require.NoError(t, validateRecords(b, payload, true, math.MinInt64))
		}
	})
}
