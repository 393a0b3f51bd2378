package broker_test

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/millrace-go/millrace/broker"
)

func TestApiVersions(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	for version := int16(0); version <= 4; version++ {
		req := kmsg.NewPtrApiVersionsRequest()
		req.ClientSoftwareName, req.ClientSoftwareVersion = "test", "1"
		resp := do[*kmsg.ApiVersionsResponse](dialWire(t, b), version, req)
		require.Zero(t, resp.ErrorCode)
		for _, k := range resp.ApiKeys {
			if k.ApiKey == int16(kmsg.Produce) {
				require.Zero(t, k.MinVersion, "librdkafka compresses only if it sees version 0")
			}
		}
		require.Equal(t, version >= 4, len(resp.SupportedFeatures) > 0, "Java's older clients end at features whose lowest level is 0")
		if version >= 3 {
			require.Contains(t, resp.FinalizedFeatures, kmsg.ApiVersionsResponseFinalizedFeature{Name: "transaction.version", MaxVersionLevel: 2, MinVersionLevel: 2})
		}
	}
	// A version from the future is answered in version 0, whose shape every client knows.
	r := dialWire(t, b)
	future := kmsg.NewPtrApiVersionsRequest()
	future.SetVersion(5)
	frame := kmsg.NewRequestFormatter().AppendRequest(nil, future, 1)
	binary.BigEndian.PutUint16(frame[6:], 99)
	_, err := r.conn.Write(frame)
	require.NoError(t, err)
	v0 := kmsg.NewPtrApiVersionsRequest()
	resp, ok := r.receive(v0)
	require.True(t, ok)
	require.Equal(t, kerr.UnsupportedVersion.Code, resp.(*kmsg.ApiVersionsResponse).ErrorCode)
	require.NotEmpty(t, resp.(*kmsg.ApiVersionsResponse).ApiKeys)

	bad := kmsg.NewPtrApiVersionsRequest()
	bad.ClientSoftwareName, bad.ClientSoftwareVersion = "no spaces", "1"
	require.Equal(t, kerr.InvalidRequest.Code, do[*kmsg.ApiVersionsResponse](r, 3, bad).ErrorCode)
}

// TestClientsOfEveryAge: a client that speaks the versions of any release from 2.1 on creates and describes a topic, produces,
// consumes in a group and commits transactions.
func TestClientsOfEveryAge(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	for name, v := range map[string]*kversion.Versions{
		"2.1": kversion.V2_1_0(), "2.2": kversion.V2_2_0(), "2.3": kversion.V2_3_0(), "2.4": kversion.V2_4_0(), "2.5": kversion.V2_5_0(),
		"2.6": kversion.V2_6_0(), "2.7": kversion.V2_7_0(), "2.8": kversion.V2_8_0(), "3.0": kversion.V3_0_0(), "3.1": kversion.V3_1_0(),
		"3.2": kversion.V3_2_0(), "3.3": kversion.V3_3_0(), "3.4": kversion.V3_4_0(), "3.5": kversion.V3_5_0(), "3.6": kversion.V3_6_0(),
		"3.7": kversion.V3_7_0(), "3.8": kversion.V3_8_0(), "3.9": kversion.V3_9_0(), "4.0": kversion.V4_0_0(), "4.1": kversion.V4_1_0(),
		"4.2": kversion.V4_2_0(), "4.3": kversion.V4_3_0(), "4.4": kversion.V4_4_0(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topic := "age-" + name
			createTopic(t, b, topic, 2, nil)
			c := client(t, b, kgo.MaxVersions(v), kgo.TransactionalID("x-"+name), kgo.DefaultProduceTopic(topic), kgo.ConsumerGroup("g-"+name), kgo.ConsumeTopics(topic),
				kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.DisableAutoCommit())
			for i := range 3 {
				require.NoError(t, c.BeginTransaction())
				for _, r := range c.ProduceSync(ctx(t), kgo.StringRecord(fmt.Sprint(i, "a")), kgo.StringRecord(fmt.Sprint(i, "b"))) {
					require.NoError(t, r.Err)
				}
				require.NoError(t, c.EndTransaction(ctx(t), kgo.TransactionEndTry(i != 1)))
			}
			got, next := map[string]bool{}, map[int32]int64{}
			for _, r := range consume(t, c, 4) {
				got[string(r.Value)] = true
				next[r.Partition] = r.Offset + 1
			}
			require.Equal(t, map[string]bool{"0a": true, "0b": true, "2a": true, "2b": true}, got)
			require.NoError(t, c.CommitUncommittedOffsets(ctx(t)))
			adm := kadm.NewClient(client(t, b, kgo.MaxVersions(v)))
			_, err := adm.CreateTopic(ctx(t), 1, 1, map[string]*string{"retention.ms": kmsg.StringPtr("1234567")}, topic+"-more")
			require.NoError(t, err)
			configs, err := adm.DescribeTopicConfigs(ctx(t), topic+"-more")
			require.NoError(t, err)
			require.True(t, slices.ContainsFunc(configs[0].Configs, func(c kadm.Config) bool { return c.Key == "retention.ms" && *c.Value == "1234567" }))
			require.Equal(t, next, committed(t, adm, "g-"+name, topic))
		})
	}
}

func TestCodecsArriveAsSent(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	for i, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
		topic := fmt.Sprint("codec-", i)
		p := client(t, b, kgo.ProducerBatchCompression(codec), kgo.DefaultProduceTopic(topic))
		value := string(make([]byte, 1000))
		require.NoError(t, p.ProduceSync(ctx(t), kgo.StringRecord(value)).FirstErr())
		f := dialWire(t, b).fetch(topic, 0, 0, nil)
		require.EqualValues(t, i, binary.BigEndian.Uint16(f.RecordBatches[21:])&7)
		c := client(t, b, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		require.Equal(t, value, string(consume(t, c, 1)[0].Value))
	}
}

func TestProduceRefusesWhatIsWrong(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	createTopic(t, b, "t", 1, map[string]*string{"max.message.bytes": kmsg.StringPtr("1000")})
	createTopic(t, b, "compacted", 1, map[string]*string{"cleanup.policy": kmsg.StringPtr("compact")})
	r := dialWire(t, b)
	good := batch{values: []string{"a", "b"}}
	with := func(change func(b []byte)) []byte {
		g := good
		g.change = change
		return g.bytes()
	}
	reseal := func(b []byte) {
		binary.BigEndian.PutUint32(b[17:], crc(b[21:]))
	}
	for _, c := range []struct {
		name    string
		topic   string
		version int16
		batch   []byte
		want    *kerr.Error
	}{
		{"good", "t", 9, good.bytes(), nil},
		{"bad checksum", "t", 9, with(func(b []byte) { b[60] ^= 1 }), kerr.CorruptMessage},
		{"wrong count", "t", 9, with(func(b []byte) { b[60] = 3; reseal(b) }), kerr.InvalidRecord},
		{"wrong last offset", "t", 9, with(func(b []byte) { b[26] = 7; reseal(b) }), kerr.InvalidRecord},
		{"a record more than there are", "t", 9, with(func(b []byte) { b[26], b[60] = 2, 3; reseal(b) }), kerr.InvalidRecord},
		{"a record less than there are", "t", 9, with(func(b []byte) { b[26], b[60] = 0, 1; reseal(b) }), kerr.InvalidRecord},
		{"a record that is longer than the batch", "t", 9, with(func(b []byte) { b[61] = 0x7e; reseal(b) }), kerr.InvalidRecord},
		{"an offset twice", "t", 9, with(func(b []byte) { b[72] = 0; reseal(b) }), kerr.InvalidRecord},
		{"control batch", "t", 9, batch{values: []string{"a"}, control: true}.bytes(), kerr.InvalidRecord},
		{"old magic", "t", 9, with(func(b []byte) { b[16] = 1 }), kerr.UnsupportedForMessageFormat},
		{"unknown codec", "t", 9, with(func(b []byte) { b[22] |= 7; reseal(b) }), kerr.UnsupportedCompressionType},
		{"two batches", "t", 9, append(good.bytes(), good.bytes()...), kerr.InvalidRecord},
		{"truncated", "t", 9, good.bytes()[:70], kerr.CorruptMessage},
		{"too large", "t", 9, sized(1001), kerr.MessageTooLarge},
		{"just not too large", "t", 9, sized(1000), nil},
		{"smaller", "t", 9, sized(999), nil},
		{"no key in a compacted topic", "compacted", 9, good.bytes(), kerr.InvalidRecord},
		{"timestamp of tomorrow", "t", 9, batch{values: []string{"a"}, timestamp: time.Now().Add(24 * time.Hour).UnixMilli()}.bytes(), kerr.InvalidTimestamp},
		{"version 2", "t", 2, good.bytes(), kerr.UnsupportedVersion},
		{"unknown topic", "nope", 9, good.bytes(), kerr.UnknownTopicOrPartition},
		{"transactional without an id", "t", 9, batch{values: []string{"a"}, producer: 5, txn: true}.bytes(), kerr.InvalidRequest},
	} {
		before := r.fetch("t", 0, 0, nil).HighWatermark
		got := r.produce(c.version, nil, c.topic, 0, c.batch)
		if c.want == nil {
			require.Zero(t, got.ErrorCode, c.name)
			continue
		}
		require.Equal(t, c.want.Code, got.ErrorCode, "%s: %v", c.name, kerr.ErrorForCode(got.ErrorCode))
		require.EqualValues(t, -1, got.BaseOffset, c.name)
		require.Equal(t, before, r.fetch("t", 0, 0, nil).HighWatermark, "%s: something was appended", c.name)
	}
	require.Equal(t, kerr.UnknownTopicOrPartition.Code, r.produce(9, nil, "t", 7, good.bytes()).ErrorCode)
	req := kmsg.NewPtrProduceRequest()
	req.Acks = 2
	req.Topics = []kmsg.ProduceRequestTopic{{Topic: "t", Partitions: []kmsg.ProduceRequestTopicPartition{{Records: good.bytes()}}}}
	require.Equal(t, kerr.InvalidRequiredAcks.Code, do[*kmsg.ProduceResponse](r, 9, req).Topics[0].Partitions[0].ErrorCode)
}

// sized is a batch of n bytes.
func sized(n int) []byte {
	empty := len(batch{values: []string{string(make([]byte, 500))}}.bytes()) - 500
	return batch{values: []string{string(make([]byte, n-empty))}}.bytes()
}

func TestIdempotentProduceIsAppendedOnce(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	createTopic(t, b, "t", 1, nil)
	r := dialWire(t, b)
	pid, epoch := r.initProducer("")
	for i := range int32(8) {
		require.EqualValues(t, i, r.produce(9, nil, "t", 0, batch{values: []string{"v"}, idempotent: true, producer: pid, epoch: epoch, sequence: i}.bytes()).BaseOffset)
	}
	again := r.produce(9, nil, "t", 0, batch{values: []string{"v"}, idempotent: true, producer: pid, epoch: epoch, sequence: 5}.bytes())
	require.Zero(t, again.ErrorCode)
	require.EqualValues(t, 5, again.BaseOffset)
	gap := r.produce(9, nil, "t", 0, batch{values: []string{"v"}, idempotent: true, producer: pid, epoch: epoch, sequence: 9}.bytes())
	require.Equal(t, kerr.OutOfOrderSequenceNumber.Code, gap.ErrorCode)
	require.EqualValues(t, 8, r.fetch("t", 0, 0, nil).HighWatermark)
}

func TestAcksZeroHasNoAnswer(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	createTopic(t, b, "t", 1, nil)
	r := dialWire(t, b)
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(9)
	req.Topics = []kmsg.ProduceRequestTopic{{Topic: "t", Partitions: []kmsg.ProduceRequestTopicPartition{{Records: batch{values: []string{"a"}}.bytes()}}}}
	r.send(req)
	// The next answer is that of the next request, which sees the record.
	require.EqualValues(t, 1, r.fetch("t", 0, 0, nil).HighWatermark)
	// A mistake ends the connection: there is no other way to tell of it.
	req.Topics[0].Topic = "nope"
	r.send(req)
	_, ok := r.receive(req)
	require.False(t, ok)
}

func TestFetchOffsets(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	createTopic(t, b, "t", 1, nil)
	r := dialWire(t, b)
	for range 3 {
		require.Zero(t, r.produce(9, nil, "t", 0, batch{values: []string{"a", "b", "c"}}.bytes()).ErrorCode)
	}
	all := func(*kmsg.FetchRequest) {}
	tiny := func(r *kmsg.FetchRequest) { r.MaxBytes, r.Topics[0].Partitions[0].PartitionMaxBytes = 1, 1 }
	for _, c := range []struct {
		name   string
		offset int64
		change func(*kmsg.FetchRequest)
		want   []int64
		code   *kerr.Error
	}{
		{"start", 0, all, []int64{0, 3, 6}, nil},
		{"inside a batch", 4, all, []int64{3, 6}, nil},
		{"high watermark", 9, all, []int64{}, nil},
		{"above it", 10, all, []int64{}, kerr.OffsetOutOfRange},
		{"below zero", -5, all, []int64{}, kerr.OffsetOutOfRange},
		{"one batch above every limit", 3, tiny, []int64{3}, nil},
		{"old leader epoch", 0, func(r *kmsg.FetchRequest) { r.Topics[0].Partitions[0].CurrentLeaderEpoch = 1 << 20 }, []int64{}, kerr.UnknownLeaderEpoch},
	} {
		got := r.fetch("t", 0, c.offset, c.change)
		if c.code != nil {
			require.Equal(t, c.code.Code, got.ErrorCode, c.name)
		} else {
			require.Zero(t, got.ErrorCode, c.name)
		}
		require.NotNil(t, got.RecordBatches, "%s: empty, never null", c.name)
		require.Equal(t, c.want, baseOffsets(got.RecordBatches), c.name)
	}

	// Records below the log start are gone, and a reader there is told.
	del := kmsg.NewPtrDeleteRecordsRequest()
	del.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: "t", Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Offset: 5}}}}
	require.EqualValues(t, 5, do[*kmsg.DeleteRecordsResponse](r, 2, del).Topics[0].Partitions[0].LowWatermark)
	require.Equal(t, kerr.OffsetOutOfRange.Code, r.fetch("t", 0, 4, nil).ErrorCode)
	require.EqualValues(t, 5, r.fetch("t", 0, 5, nil).LogStartOffset)

	// A client that pretends to be a replica gets nothing.
	replica := fetchRequest("t", 0, 5)
	replica.ReplicaID = 1
	require.Equal(t, kerr.ClusterAuthorizationFailed.Code, do[*kmsg.FetchResponse](r, 12, replica).ErrorCode)
	session := fetchRequest("t", 0, 5)
	session.SessionID, session.SessionEpoch = 7, 3
	require.Equal(t, kerr.FetchSessionIDNotFound.Code, do[*kmsg.FetchResponse](r, 12, session).ErrorCode)
}

// TestLongPollWakes: a fetch that waits is answered when there is something new for it, and not before.
func TestLongPollWakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*kmsg.FetchRequest)
		wake   func(t *testing.T, r *wireConn)
		want   int16
	}{
		{"append", nil, func(t *testing.T, r *wireConn) {
			require.Zero(t, r.produce(9, nil, "t", 0, batch{values: []string{"a"}}.bytes()).ErrorCode)
		}, 0},
		{"enough bytes", func(r *kmsg.FetchRequest) { r.MinBytes = 300 }, func(t *testing.T, r *wireConn) {
			for range 5 { // about 70 bytes each
				require.Zero(t, r.produce(9, nil, "t", 0, batch{values: []string{"a"}}.bytes()).ErrorCode)
			}
		}, 0},
		{"enough bytes of several partitions", func(r *kmsg.FetchRequest) {
			second := r.Topics[0].Partitions[0]
			second.Partition = 1
			r.Topics[0].Partitions, r.MinBytes = append(r.Topics[0].Partitions, second), 130
		}, func(t *testing.T, r *wireConn) {
			for p := range int32(2) {
				require.Zero(t, r.produce(9, nil, "t", p, batch{values: []string{"a"}}.bytes()).ErrorCode)
			}
		}, 0},
		{"commit", func(r *kmsg.FetchRequest) { r.IsolationLevel = 1 }, func(t *testing.T, r *wireConn) {
			pid, epoch := r.initProducer("x")
			id := "x"
			require.Zero(t, r.produce(12, &id, "t", 0, batch{values: []string{"a"}, producer: pid, epoch: epoch, txn: true}.bytes()).ErrorCode)
			require.Zero(t, r.endTxn("x", pid, epoch, true).ErrorCode)
		}, 0},
		{"deletion", nil, func(t *testing.T, r *wireConn) {
			del := kmsg.NewPtrDeleteTopicsRequest()
			del.TopicNames = []string{"t"}
			require.Zero(t, do[*kmsg.DeleteTopicsResponse](r, 4, del).Topics[0].ErrorCode)
		}, kerr.UnknownTopicOrPartition.Code},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, nil)
			createTopic(t, b, "t", 2, nil)
			poll := dialWire(t, b)
			req := fetchRequest("t", 0, 0)
			req.SetVersion(12)
			req.MaxWaitMillis = int32((2 * patience).Milliseconds())
			if c.change != nil {
				c.change(req)
			}
			poll.send(req)
			c.wake(t, dialWire(t, b))
			resp, ok := poll.receive(req)
			require.True(t, ok)
			bytes := 0
			for _, p := range resp.(*kmsg.FetchResponse).Topics[0].Partitions {
				require.Equal(t, c.want, p.ErrorCode)
				bytes += len(p.RecordBatches)
			}
			if c.want == 0 {
				require.GreaterOrEqual(t, bytes, int(max(1, req.MinBytes)))
			}
		})
	}
	t.Run("time", func(t *testing.T) {
		t.Parallel()
		b := start(t, nil)
		createTopic(t, b, "t", 1, nil)
		began := time.Now()
		got := dialWire(t, b).fetch("t", 0, 0, func(r *kmsg.FetchRequest) { r.MaxWaitMillis = 150 })
		require.Empty(t, got.RecordBatches)
		require.GreaterOrEqual(t, time.Since(began), 150*time.Millisecond)
	})
}

func TestListOffsets(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	createTopic(t, b, "t", 1, nil)
	r := dialWire(t, b)
	base := time.Now().UnixMilli() - 1000
	for _, at := range []int64{base + 10, base + 50, base + 30} {
		require.Zero(t, r.produce(9, nil, "t", 0, batch{values: []string{"a", "b"}, timestamp: at}.bytes()).ErrorCode)
	}
	pid, epoch := r.initProducer("x")
	id := "x"
	require.Zero(t, r.produce(12, &id, "t", 0, batch{values: []string{"open"}, producer: pid, epoch: epoch, txn: true, timestamp: base + 90}.bytes()).ErrorCode)
	for _, c := range []struct {
		timestamp int64
		committed bool
		want      int64
	}{
		{-1, false, 7}, {-1, true, 6}, {-2, false, 0}, {-3, false, 6}, {-3, true, 2}, {-4, false, 0}, {-5, false, -1}, {-6, false, -1},
		{base, false, 0}, {base + 10, false, 0}, {base + 11, false, 2}, {base + 31, false, 2}, {base + 50, false, 2}, {base + 51, false, 6}, {base + 51, true, -1}, {base + 91, false, -1},
	} {
		req := kmsg.NewPtrListOffsetsRequest()
		req.ReplicaID = -1
		if c.committed {
			req.IsolationLevel = 1
		}
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Timestamp = c.timestamp
		req.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: "t", Partitions: []kmsg.ListOffsetsRequestTopicPartition{p}}}
		got := do[*kmsg.ListOffsetsResponse](r, 11, req).Topics[0].Partitions[0]
		require.Zero(t, got.ErrorCode, "%+v", c)
		require.Equal(t, c.want, got.Offset, "timestamp base%+d, committed %t", c.timestamp-base, c.committed)
	}
}

// TestBytesAfterTheEndAreLetThrough: librdkafka 2.16 asks for the metadata of all topics with a null array of the wrong
// width, and reads the answer to what it accidentally says.
func TestBytesAfterTheEndAreLetThrough(t *testing.T) {
	t.Parallel()
	r := dialWire(t, start(t, nil))
	frame, err := hex.DecodeString("000000190003000d00000003000772646b61666b610000000000010000")
	require.NoError(t, err)
	_, err = r.conn.Write(frame)
	require.NoError(t, err)
	req := kmsg.NewPtrMetadataRequest()
	req.SetVersion(13)
	_, ok := r.receive(req)
	require.True(t, ok)
}

// TestLogAppendTime: the broker's time replaces the producer's, in a batch that is still sound.
func TestLogAppendTime(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	createTopic(t, b, "t", 1, map[string]*string{"message.timestamp.type": kmsg.StringPtr("LogAppendTime")})
	r := dialWire(t, b)
	before := time.Now().UnixMilli()
	got := r.produce(9, nil, "t", 0, batch{values: []string{"a"}, timestamp: 12345}.bytes())
	require.Zero(t, got.ErrorCode)
	require.GreaterOrEqual(t, got.LogAppendTime, before)
	stored := r.fetch("t", 0, 0, nil).RecordBatches
	require.Equal(t, crc(stored[21:]), binary.BigEndian.Uint32(stored[17:]))
	c := client(t, b, kgo.ConsumeTopics("t"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	require.Equal(t, got.LogAppendTime, consume(t, c, 1)[0].Timestamp.UnixMilli())
}

// TestPipelining: what a client sends without waiting is done, and answered, in the order it was sent; a request that waits holds
// up what is behind it on its connection, and nobody else.
func TestPipelining(t *testing.T) {
	t.Parallel()
	for _, when := range []broker.Sync{broker.SyncNever, broker.SyncAlways} {
		b := start(t, func(c *broker.Config) { c.Sync = when })
		createTopic(t, b, "t", 1, nil)
		var wg sync.WaitGroup
		for range 3 { // connections
			r := dialWire(t, b)
			pid, epoch := r.initProducer("")
			var sent []kmsg.Request
			for i := range int32(10) {
				req := kmsg.NewPtrProduceRequest()
				req.Version, req.Acks = 9, -1
				v := fmt.Sprint(pid, "-", i)
				req.Topics = []kmsg.ProduceRequestTopic{{Topic: "t", Partitions: []kmsg.ProduceRequestTopicPartition{{Records: batch{values: []string{v}, idempotent: true, producer: pid, epoch: epoch, sequence: i}.bytes()}}}}
				md := kmsg.NewPtrMetadataRequest()
				md.Version = 9
				sent = append(sent, req, md)
			}
			wg.Go(func() {
				for _, req := range sent {
					r.send(req)
				}
			})
			wg.Go(func() {
				last := int64(-1)
				for _, req := range sent {
					resp, ok := r.receive(req) // decodes nothing but an answer of that kind
					require.True(t, ok)
					if p, ok := resp.(*kmsg.ProduceResponse); ok {
						got := p.Topics[0].Partitions[0]
						require.Zero(t, got.ErrorCode, "a batch has overtaken another")
						require.Greater(t, got.BaseOffset, last)
						last = got.BaseOffset
					}
				}
			})
		}
		wg.Wait()
		slow, other := dialWire(t, b), dialWire(t, b)
		wait := fetchRequest("t", 0, 30)
		wait.Version, wait.MaxWaitMillis = 12, int32((2 * patience).Milliseconds())
		slow.send(wait)
		md := kmsg.NewPtrMetadataRequest()
		md.Version = 9
		slow.send(md)
		require.Zero(t, other.produce(9, nil, "t", 0, batch{values: []string{"x"}}.bytes()).ErrorCode) // ends the wait
		resp, ok := slow.receive(wait)
		require.True(t, ok)
		require.NotEmpty(t, resp.(*kmsg.FetchResponse).Topics[0].Partitions[0].RecordBatches)
		_, ok = slow.receive(md)
		require.True(t, ok)
	}
}

// TestTopicIsReplacedUnderLoad: while a producer and a consumer go on, a topic is deleted and made again, many times.
func TestTopicIsReplacedUnderLoad(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *broker.Config) { c.AutoCreateTopics = false })
	createTopic(t, b, "t", 2, nil)
	stop, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	p := client(t, b, kgo.DefaultProduceTopic("t"), kgo.MetadataMinAge(10*time.Millisecond), kgo.UnknownTopicRetries(1000), kgo.ProducerLinger(0))
	c := client(t, b, kgo.ConsumeTopics("t"), kgo.MetadataMinAge(10*time.Millisecond), kgo.FetchMaxWait(20*time.Millisecond))
	wg.Go(func() {
		for stop.Err() == nil {
			_ = p.ProduceSync(stop, kgo.StringRecord("x")).FirstErr() // the topic may be gone
		}
	})
	wg.Go(func() {
		for stop.Err() == nil {
			c.PollFetches(stop)
		}
	})
	adm := kadm.NewClient(client(t, b))
	ids := map[kadm.TopicID]bool{}
	var id kadm.TopicID
	for i := range 20 {
		if i%2 == 0 {
			_, err := adm.DeleteTopic(ctx(t), "t")
			require.NoError(t, err)
		} else {
			del := kmsg.NewPtrDeleteTopicsRequest()
			del.Topics = []kmsg.DeleteTopicsRequestTopic{{TopicID: id}}
			r := dialWire(t, b)
			require.Zero(t, do[*kmsg.DeleteTopicsResponse](r, 6, del).Topics[0].ErrorCode)
			require.Equal(t, kerr.UnknownTopicID.Code, do[*kmsg.DeleteTopicsResponse](r, 6, del).Topics[0].ErrorCode)
		}
		got, err := adm.CreateTopic(ctx(t), 2, 1, nil, "t")
		require.NoError(t, err)
		require.False(t, ids[got.ID], "a topic's id is used again")
		ids[got.ID], id = true, got.ID
	}
	cancel()
	wg.Wait()
	fresh := client(t, b, kgo.DefaultProduceTopic("t"))
	require.NoError(t, fresh.ProduceSync(ctx(t), kgo.StringRecord("end")).FirstErr())
}
