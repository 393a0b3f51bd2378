package broker_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker"
)

// logger writes the broker's log to the test's output.
func logger(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

func start(t *testing.T, change func(*broker.Config)) *broker.Broker {
	t.Helper()
	cfg := broker.Config{Logger: logger(t), AutoCreateTopics: true}
	if change != nil {
		change(&cfg)
	}
	b, err := broker.Start(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

func client(t *testing.T, b *broker.Broker, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	opts = append([]kgo.Opt{kgo.SeedBrokers(b.Seeds()...), kgo.Dialer(b.Dialer()), kgo.AllowAutoTopicCreation()}, opts...)
	c, err := kgo.NewClient(opts...)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// patience is how long a test waits for what has to happen: a busy machine may take long.
const patience = time.Minute

func ctx(t *testing.T) context.Context {
	c, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return c
}

func createTopic(t *testing.T, b *broker.Broker, name string, partitions int32, configs map[string]*string) {
	t.Helper()
	_, err := kadm.NewClient(client(t, b)).CreateTopic(ctx(t), partitions, 1, configs, name)
	require.NoError(t, err)
}

// consume polls until n records are there.
func consume(t *testing.T, c *kgo.Client, n int) []*kgo.Record {
	t.Helper()
	var rs []*kgo.Record
	for len(rs) < n {
		fs := c.PollFetches(ctx(t))
		require.NoError(t, fs.Err0())
		for _, e := range fs.Errors() {
			require.NoError(t, e.Err)
		}
		rs = append(rs, fs.Records()...)
	}
	return rs
}

// committed returns what a group has committed of a topic, by partition. The client's Lag does not tell: that of a group without
// offsets and members is zero.
func committed(t *testing.T, adm *kadm.Client, group, topic string) map[int32]int64 {
	t.Helper()
	offsets, err := adm.FetchOffsets(ctx(t), group)
	require.NoError(t, err)
	require.NoError(t, offsets.Error())
	all := map[int32]int64{}
	for p, o := range offsets[topic] {
		all[p] = o.At
	}
	return all
}

func TestProduceAndConsume(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"", "127.0.0.1:0"} {
		for _, sync := range []broker.Sync{broker.SyncNever, broker.SyncAlways} {
			t.Run(fmt.Sprintf("listen %q sync %s", listen, sync), func(t *testing.T) {
				t.Parallel()
				b := start(t, func(c *broker.Config) { c.Listen, c.Sync = listen, sync })
				var opts []kgo.Opt
				if listen != "" {
					opts = []kgo.Opt{kgo.Dialer((&net.Dialer{}).DialContext)}
				}
				p := client(t, b, opts...)
				for i := range 100 {
					r := &kgo.Record{Topic: "t", Key: fmt.Append(nil, i), Value: fmt.Append(nil, "v", i), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("x")}}}
					require.NoError(t, p.ProduceSync(ctx(t), r).FirstErr())
				}
				c := client(t, b, append(opts, kgo.ConsumeTopics("t"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))...)
				for i, r := range consume(t, c, 100) {
					require.Equal(t, fmt.Sprint(i), string(r.Key))
					require.Equal(t, int64(i), r.Offset)
				}
			})
		}
	}
}

func TestRestartKeepsEverything(t *testing.T) {
	t.Parallel()
	for _, d := range deaths {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			restartKeepsEverything(t, d.sync, d.kept)
		})
	}
}

func restartKeepsEverything(t *testing.T, sync broker.Sync, kept int) {
	disk := vfs.NewCrashableMem()
	cfg := broker.Config{FS: disk, Dir: "d", Sync: sync, Logger: logger(t), AutoCreateTopics: true}
	b, err := broker.Start(cfg)
	require.NoError(t, err)
	id := b.ClusterID()
	createTopic(t, b, "t", 3, map[string]*string{"retention.ms": kmsg.StringPtr("1000000")})
	c := client(t, b, kgo.ConsumerGroup("g"), kgo.ConsumeTopics("t"), kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	for i := range 30 {
		require.NoError(t, c.ProduceSync(ctx(t), &kgo.Record{Topic: "t", Value: fmt.Append(nil, i)}).FirstErr())
	}
	consume(t, c, 30)
	require.NoError(t, c.CommitUncommittedOffsets(ctx(t)))
	c.Close()
	cfg.FS = corpse(disk, kept)
	require.NoError(t, b.Close())

	b, err = broker.Start(cfg)
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close()) }()
	require.Equal(t, id, b.ClusterID())
	adm := kadm.NewClient(client(t, b))
	ts, err := adm.ListTopics(ctx(t))
	require.NoError(t, err)
	require.Len(t, ts["t"].Partitions, 3)
	ends, err := adm.ListEndOffsets(ctx(t), "t")
	require.NoError(t, err)
	require.NoError(t, ends.Error())
	want, total := map[int32]int64{}, int64(0)
	ends.Each(func(o kadm.ListedOffset) {
		if total += o.Offset; o.Offset > 0 {
			want[o.Partition] = o.Offset
		}
	})
	require.EqualValues(t, 30, total)
	require.Equal(t, want, committed(t, adm, "g", "t"))
}

func TestDirectoryBelongsToOneBroker(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, err := broker.Start(broker.Config{Dir: dir})
	require.NoError(t, err)
	_, err = broker.Start(broker.Config{Dir: dir})
	require.ErrorIs(t, err, broker.ErrLocked)
	require.ErrorContains(t, err, dir)
	require.ErrorContains(t, err, fmt.Sprintf("process %d since 20", os.Getpid()))
	require.NoError(t, b.Close())
	b, err = broker.Start(broker.Config{Dir: dir})
	require.NoError(t, err)
	require.NoError(t, b.Close())
}

func TestDirectoryThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := broker.Start(broker.Config{Dir: file})
	require.ErrorContains(t, err, "not a directory")
	require.NotErrorIs(t, err, broker.ErrLocked)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "lock"), 0o700)) // no file can be made there, whoever asks
	_, err = broker.Start(broker.Config{Dir: dir})
	require.ErrorContains(t, err, dir+" cannot be used")
	require.NotErrorIs(t, err, broker.ErrLocked)
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for _, c := range []broker.Config{
		{Listen: "0.0.0.0:0"},
		{Listen: "nonsense"},
		{Advertised: "nonsense"},
		{NumPartitions: -1},
		{Sync: 7},
		{Configs: map[string]string{"log.retention.ms": "soon"}},
		{Limits: broker.Limits{FrameBytes: 10}},
	} {
		_, err := broker.Start(c)
		require.Error(t, err, "%+v", c)
	}
}

func TestTransactionsAreAllOrNothing(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	createTopic(t, b, "out", 4, nil)
	p := client(t, b, kgo.TransactionalID("x"), kgo.DefaultProduceTopic("out"))
	want := 0
	for i := range 10 {
		require.NoError(t, p.BeginTransaction())
		for j := range 20 {
			p.Produce(ctx(t), &kgo.Record{Value: fmt.Append(nil, i, "-", j)}, nil)
		}
		require.NoError(t, p.Flush(ctx(t)))
		commit := kgo.TransactionEndTry(i%2 == 0)
		require.NoError(t, p.EndTransaction(ctx(t), commit))
		if commit {
			want += 20
		}
	}
	c := client(t, b, kgo.ConsumeTopics("out"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	rs := consume(t, c, want)
	require.Len(t, rs, want)
	for _, r := range rs {
		var i, j int
		_, err := fmt.Sscanf(string(r.Value), "%d-%d", &i, &j)
		require.NoError(t, err)
		require.Zero(t, i%2, "aborted record %s", r.Value)
	}
}

func TestNewInstanceFencesTheOldAndEndsItsTransaction(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	createTopic(t, b, "out", 1, nil)
	old := client(t, b, kgo.TransactionalID("x"), kgo.DefaultProduceTopic("out"), kgo.TransactionTimeout(10*patience))
	require.NoError(t, old.BeginTransaction())
	require.NoError(t, old.ProduceSync(ctx(t), kgo.StringRecord("lost")).FirstErr())

	fresh := client(t, b, kgo.TransactionalID("x"), kgo.DefaultProduceTopic("out"))
	_, _, err := fresh.ProducerID(ctx(t))
	require.NoError(t, err, "the old transaction is not waited for")
	require.NoError(t, fresh.BeginTransaction())
	require.NoError(t, fresh.ProduceSync(ctx(t), kgo.StringRecord("kept")).FirstErr())
	require.Error(t, old.ProduceSync(ctx(t), kgo.StringRecord("zombie")).FirstErr())
	require.Error(t, old.EndTransaction(ctx(t), kgo.TryCommit))
	require.NoError(t, fresh.EndTransaction(ctx(t), kgo.TryCommit))

	c := client(t, b, kgo.ConsumeTopics("out"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	rs := consume(t, c, 1)
	require.Equal(t, "kept", string(rs[0].Value))
}

func TestFetchLongPollWakesOnAppend(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	createTopic(t, b, "t", 1, nil)
	c := client(t, b, kgo.ConsumeTopics("t"), kgo.FetchMaxWait(2*patience), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	p := client(t, b)
	for range 3 { // the client has asked for the next record by the time it is produced, or just afterwards
		require.NoError(t, p.ProduceSync(ctx(t), &kgo.Record{Topic: "t", Value: []byte("x")}).FirstErr())
		consume(t, c, 1)
	}
}

func TestTopicsAreCreatedConfiguredAndDeleted(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *broker.Config) { c.AutoCreateTopics = false })
	adm := kadm.NewClient(client(t, b))
	rs, err := adm.CreateTopics(ctx(t), 2, 3, map[string]*string{"cleanup.policy": kmsg.StringPtr("compact"), "min.compaction.lag.ms": kmsg.StringPtr("7")}, "a", "b.c", "b_c", "..", "a/b")
	require.NoError(t, err)
	require.NoError(t, rs["a"].Err)
	require.NoError(t, rs["b.c"].Err)
	require.ErrorIs(t, rs["b_c"].Err, kerr.InvalidTopicException)
	require.ErrorIs(t, rs[".."].Err, kerr.InvalidTopicException)
	require.ErrorIs(t, rs["a/b"].Err, kerr.InvalidTopicException)
	require.Equal(t, "compact", *rs["a"].Configs["cleanup.policy"].Value)
	require.Equal(t, kmsg.ConfigSourceDynamicTopicConfig, rs["a"].Configs["cleanup.policy"].Source)
	require.Equal(t, kmsg.ConfigSourceDefaultConfig, rs["a"].Configs["segment.bytes"].Source)
	_, err = adm.CreateTopic(ctx(t), 1, 1, nil, "a")
	require.ErrorIs(t, err, kerr.TopicAlreadyExists)
	_, err = adm.CreateTopic(ctx(t), 1, 1, map[string]*string{"no.such": kmsg.StringPtr("1")}, "z")
	require.ErrorIs(t, err, kerr.InvalidConfig)

	up, err := adm.UpdatePartitions(ctx(t), 5, "a")
	require.NoError(t, err)
	require.NoError(t, up["a"].Err)
	alter, err := adm.AlterTopicConfigs(ctx(t), []kadm.AlterConfig{{Op: kadm.AppendConfig, Name: "cleanup.policy", Value: kmsg.StringPtr("delete")}}, "a")
	require.NoError(t, err)
	require.NoError(t, alter[0].Err)
	described, err := adm.DescribeTopicConfigs(ctx(t), "a")
	require.NoError(t, err)
	for _, c := range described[0].Configs {
		if c.Key == "cleanup.policy" {
			require.Equal(t, "compact,delete", *c.Value)
		}
	}
	md, err := adm.Metadata(ctx(t), "a")
	require.NoError(t, err)
	require.Len(t, md.Topics["a"].Partitions, 5)

	del, err := adm.DeleteTopics(ctx(t), "a", "nope")
	require.NoError(t, err)
	require.NoError(t, del["a"].Err)
	require.ErrorIs(t, del["nope"].Err, kerr.UnknownTopicOrPartition)
	_, err = adm.CreateTopic(ctx(t), 1, 1, nil, "a")
	require.NoError(t, err)
	again, err := kadm.NewClient(client(t, b)).Metadata(ctx(t), "a")
	require.NoError(t, err)
	require.NotEqual(t, md.Topics["a"].ID, again.Topics["a"].ID)
}
