package recordbatch

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/commitlog/codec"
)

func sample(c codec.Codec) []byte {
	var payload []byte
	payload = AppendRecord(payload, &Record{Key: []byte("k"), Value: []byte("v")}, 0, 0)
	payload = AppendRecord(payload, &Record{Value: bytes.Repeat([]byte("x"), 300)}, -5, 1)
	payload = AppendRecord(payload, &Record{Key: []byte{}, Headers: append(binary.AppendVarint(nil, 1), 2, 'h', 1)}, 1<<40, 2)
	b, err := Append(nil, Header{
		BaseOffset: 7, LeaderEpoch: 3, Codec: c, Transactional: true, LastOffsetDelta: 2, BaseTimestamp: 1000, MaxTimestamp: 1000 + 1<<40,
		ProducerID: 42, ProducerEpoch: 9, BaseSequence: math.MaxInt32, RecordCount: 3,
	}, payload)
	if err != nil {
		panic(err)
	}
	return b
}

// TestAgainstAnotherImplementation reads what Append writes with the structs that are generated from Kafka's definitions.
func TestAgainstAnotherImplementation(t *testing.T) {
	t.Parallel()
	b := sample(codec.None)
	var k kmsg.RecordBatch
	require.NoError(t, k.ReadFrom(b))
	require.EqualValues(t, 7, k.FirstOffset)
	require.EqualValues(t, len(b)-12, k.Length)
	require.EqualValues(t, 3, k.PartitionLeaderEpoch)
	require.EqualValues(t, 2, k.Magic)
	require.EqualValues(t, crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)), uint32(k.CRC))
	require.EqualValues(t, 0x10, k.Attributes)
	require.EqualValues(t, 2, k.LastOffsetDelta)
	require.EqualValues(t, 1000, k.FirstTimestamp)
	require.EqualValues(t, 1000+1<<40, k.MaxTimestamp)
	require.EqualValues(t, 42, k.ProducerID)
	require.EqualValues(t, 9, k.ProducerEpoch)
	require.EqualValues(t, math.MaxInt32, k.FirstSequence)
	require.EqualValues(t, 3, k.NumRecords)
	d := NewReader(k.Records, 3)
	rest := k.Records
	for range 3 {
		var r Record
		ok, err := d.Next(&r)
		require.NoError(t, err)
		require.True(t, ok)
		var kr kmsg.Record
		require.NoError(t, kr.ReadFrom(rest[:len(r.Raw)]))
		rest = rest[len(r.Raw):]
		require.Equal(t, kr.TimestampDelta64, r.TimestampDelta)
		require.Equal(t, kr.OffsetDelta, r.OffsetDelta)
		require.Equal(t, kr.Key, r.Key)
		require.Equal(t, kr.Value, r.Value)
	}

	m := Batch(AppendMarker(nil, Marker{ProducerID: 5, ProducerEpoch: 1, CoordinatorEpoch: 77, Commit: true, Timestamp: 123}))
	require.True(t, m.CRCValid())
	require.True(t, m.Control() && m.Transactional())
	payload, err := m.Payload(nil)
	require.NoError(t, err)
	d = NewReader(payload, 1)
	var r Record
	_, err = d.Next(&r)
	require.NoError(t, err)
	var key kmsg.ControlRecordKey
	require.NoError(t, key.ReadFrom(r.Key))
	require.Equal(t, kmsg.ControlRecordKeyTypeCommit, key.Type)
	var value kmsg.EndTxnMarker
	require.NoError(t, value.ReadFrom(r.Value))
	require.EqualValues(t, 77, value.CoordinatorEpoch)
	got, ok, err := m.Marker()
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, Marker{5, 1, 77, true, 123}, got)
}

func TestHeaderRoundTrip(t *testing.T) {
	t.Parallel()
	for c := codec.None; c <= codec.Zstd; c++ {
		b := Batch(sample(c))
		payload, err := b.Payload(nil)
		require.NoError(t, err)
		again, err := Append(nil, b.Header(), payload)
		require.NoError(t, err)
		require.Equal(t, []byte(b), again)
		require.True(t, b.CRCValid())
		b.SetPosition(1<<40, 8)
		require.True(t, b.CRCValid())
		require.EqualValues(t, 1<<40, b.BaseOffset())
		require.EqualValues(t, 1<<40+2, b.LastOffset())
		require.EqualValues(t, 8, b.LeaderEpoch())
		require.EqualValues(t, 1, b.LastSequence())
		b.SetLogAppendTime(5)
		require.True(t, b.CRCValid() && b.LogAppendTime())
		require.EqualValues(t, 5, b.MaxTimestamp())
	}
}

func TestSequencesWrap(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ seq, n, want int32 }{
		{0, 1, 1}, {math.MaxInt32, 1, 0}, {math.MaxInt32, 2, 1}, {math.MaxInt32 - 1, 1, math.MaxInt32}, {NoSequence, 1, 0}, {5, math.MaxInt32, 4},
	} {
		require.Equal(t, c.want, AddSequence(c.seq, c.n), "%d + %d", c.seq, c.n)
	}
}

func TestDamagedRecordsAreErrors(t *testing.T) {
	t.Parallel()
	payload, err := Batch(sample(codec.None)).Payload(nil)
	require.NoError(t, err)
	read := func(payload []byte, count int32) (n int, err error) {
		d := NewReader(payload, count)
		var r Record
		for {
			ok, err := d.Next(&r)
			if err != nil || !ok {
				return n, err
			}
			n++
		}
	}
	n, err := read(payload, 3)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	for cut := range payload {
		_, err := read(payload[:cut], 3)
		require.Error(t, err, cut)
	}
	_, err = read(payload, 2)
	require.Error(t, err)
	_, err = read(payload, 4)
	require.Error(t, err)
	for _, bad := range [][]byte{
		{0x01}, {0x02}, {0x00}, // negative, missing, empty
		append(binary.AppendVarint(nil, math.MaxInt64), 0),
		bytes.Repeat([]byte{0xff}, 20),
	} {
		_, err := read(bad, 1)
		require.Error(t, err, "%x", bad)
	}
}

func FuzzReader(f *testing.F) {
	payload, _ := Batch(sample(codec.None)).Payload(nil)
	f.Add(payload, int32(3))
	f.Add([]byte{0x02, 0x00}, int32(1))
	f.Fuzz(func(t *testing.T, payload []byte, count int32) {
		d := NewReader(payload, count)
		var r Record
		size := 0
		for {
			ok, err := d.Next(&r)
			if err != nil {
				return
			}
			if !ok {
				break
			}
			size += len(r.Raw)
			if r.OffsetDelta < 0 {
				t.Fatal("negative offset delta")
			}
			// What was read can be written again and read the same.
			again := AppendRecord(nil, &r, r.TimestampDelta, r.OffsetDelta)
			d2 := NewReader(again, 1)
			var r2 Record
			if ok, err := d2.Next(&r2); !ok || err != nil {
				t.Fatalf("%x: %v", again, err)
			}
			if !bytes.Equal(r.Key, r2.Key) || !bytes.Equal(r.Value, r2.Value) || (r.Value == nil) != (r2.Value == nil) {
				t.Fatalf("%+v became %+v", r, r2)
			}
		}
		if size != len(payload) {
			t.Fatalf("%d of %d bytes read", size, len(payload))
		}
	})
}

func FuzzNext(f *testing.F) {
	f.Add(sample(codec.None))
	f.Add(append(sample(codec.LZ4), sample(codec.Zstd)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		for {
			first, rest, err := Next(b)
			if err != nil {
				return
			}
			if len(first)+len(rest) != len(b) || len(first) < HeaderSize {
				t.Fatal("bytes lost")
			}
			_ = first.String()
			if _, _, err := first.Marker(); err != nil && first.RecordCount() > 0 {
				_ = err.Error()
			}
			b = rest
		}
	})
}
