package streams_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/topology"
)

// numbers doubles the numbers of "in" into "out"; 13 is bad luck, 666 a panic.
func numbers(t *testing.T) *topology.Topology {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.Int64, streams.Named("numbers")).
		TryMapValues(func(_ context.Context, r streams.Record[string, int64]) (int64, error) {
			switch r.Value {
			case 13:
				return 0, errors.New("bad luck")
			case 666:
				panic("the devil")
			}
			return 2 * r.Value, nil
		}, streams.Named("double")).
		To("out")
	return build(t, b)
}

func numberRecord(n int64) *kgo.Record {
	v, err := serde.Int64.Append(nil, n)
	if err != nil {
		panic(err)
	}
	return &kgo.Record{Topic: "in", Key: []byte("k"), Value: v, Headers: []kgo.RecordHeader{{Key: "mine", Value: []byte("kept")}}}
}

// poison are records that fail, each in its way, with what the error has to say.
var poison = []struct {
	name   string
	record *kgo.Record
	says   []string
}{
	{"cannot be decoded", &kgo.Record{Topic: "in", Key: []byte("k"), Value: []byte("seven!!"), Headers: []kgo.RecordHeader{{Key: "mine", Value: []byte("kept")}}},
		[]string{"source numbers, record in/0@1: value: serde: int64 needs 8 bytes, got 7"}},
	{"a node fails", numberRecord(13), []string{"node double, task 0_0, record in/0@1: bad luck"}},
	{"a node panics", numberRecord(666), []string{"node numbers, task 0_0, record in/0@1: behind it, at app_error_test.go:", ": panic: the devil"}},
}

func eachPoison(t *testing.T, f func(t *testing.T, g streams.Guarantee, poison *kgo.Record, says []string)) {
	eachGuarantee(t, func(t *testing.T, g streams.Guarantee) {
		for _, p := range poison {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				r := *p.record
				f(t, g, &r, p.says)
			})
		}
	})
}

func TestAppFailsAtAPoisonRecordAndGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	eachPoison(t, func(t *testing.T, g streams.Guarantee, poison *kgo.Record, says []string) {
		c := newCluster(t)
		c.topics(1, "in", "out")
		cfg := c.config("fail")
		cfg.Guarantee = g
		c.produceRaw(numberRecord(1), poison, numberRecord(2))
		for range 2 { // it comes again
			a := c.run(numbers(t), cfg)
			err := a.failure()
			for _, s := range append(says, "streams: application fail: thread 1: ") {
				require.Contains(t, err, s)
			}
		}
		skip := func(context.Context, *streams.Failure) streams.Decision { return streams.Drop }
		cfg.OnDeserializationError, cfg.OnProcessingError = skip, skip
		a := c.run(numbers(t), cfg)
		a.caughtUp()
		a.stop()
		require.EqualValues(t, 4, last(t, c.read("out")), "nothing is lost")
	})
}

func TestAppFailsAtATopicThatCannotBe(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topics(1, "in")
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.Int64).ToDynamic(func(streams.Record[string, int64], topology.RecordMetadata) string { return "a b" })
	c.produceRaw(numberRecord(1))
	require.Contains(t, c.run(build(t, b), c.config("name")).failure(), `record in/0@0: the topic function's answer: topology: name "a b" is not allowed`)
}

func TestAppDropsARecordForATopicThatCannotBe(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topics(1, "in", "out")
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.Int64).ToDynamic(func(r streams.Record[string, int64], _ topology.RecordMetadata) string {
		if r.Value == 1 {
			return "a b"
		}
		return "out"
	})
	c.produceRaw(numberRecord(1), numberRecord(2))
	cfg := c.config("name")
	cfg.OnProcessingError = func(context.Context, *streams.Failure) streams.Decision { return streams.Drop }
	a := c.run(build(t, b), cfg)
	a.caughtUp()
	a.stop()
	require.EqualValues(t, 2, last(t, c.read("out")))
	require.Len(t, c.read("out"), 1)
}

func last(t *testing.T, rs []*kgo.Record) int64 {
	require.NotEmpty(t, rs)
	n, err := serde.Int64.Decode(rs[len(rs)-1].Value)
	require.NoError(t, err)
	return n
}

func TestAppDropsAPoisonRecordAndLogsIt(t *testing.T) {
	t.Parallel()
	eachPoison(t, func(t *testing.T, g streams.Guarantee, poison *kgo.Record, says []string) {
		c := newCluster(t)
		c.topics(1, "in", "out")
		cfg := c.config("drop")
		cfg.Guarantee = g
		var asked []string
		skip := func(_ context.Context, f *streams.Failure) streams.Decision {
			asked = append(asked, fmt.Sprintf("%s %s/%d@%d %s", f.Node, f.Record.Topic, f.Record.Partition, f.Record.Offset, f.Key))
			return streams.Drop
		}
		cfg.OnDeserializationError, cfg.OnProcessingError = skip, skip
		c.produceRaw(numberRecord(1), poison, numberRecord(2))
		a := c.run(numbers(t), cfg)
		a.caughtUp()
		a.stop()
		require.Len(t, c.read("out"), 2)
		require.Len(t, asked, 1)
		require.Contains(t, asked[0], "in/0@1 k")
		require.Equal(t, 1, strings.Count(a.log.String(), `msg="record dropped"`))
		for _, s := range says {
			require.Contains(t, a.log.String(), s)
		}
	})
}

func TestAppWritesAPoisonRecordToTheDeadLetterTopic(t *testing.T) {
	t.Parallel()
	eachPoison(t, func(t *testing.T, g streams.Guarantee, poison *kgo.Record, says []string) {
		c := newCluster(t)
		c.topics(1, "in", "out", "dead")
		cfg := c.config("dlq")
		cfg.Guarantee, cfg.DeadLetterTopic = g, "dead"
		dead := func(context.Context, *streams.Failure) streams.Decision { return streams.DeadLetter }
		cfg.OnDeserializationError, cfg.OnProcessingError = dead, dead
		poison.Timestamp = time.UnixMilli(77_000)
		c.produceRaw(numberRecord(1), poison, numberRecord(2))
		a := c.run(numbers(t), cfg)
		a.caughtUp()
		a.stop()
		require.Len(t, c.read("out"), 2)
		letters := c.read("dead")
		require.Len(t, letters, 1)
		l := letters[0]
		require.Equal(t, poison.Key, l.Key)
		require.Equal(t, poison.Value, l.Value, "its bytes are the input's")
		require.EqualValues(t, 77_000, l.Timestamp.UnixMilli())
		h := map[string]string{}
		for _, x := range l.Headers {
			h[x.Key] = string(x.Value)
		}
		require.Equal(t, "kept", h["mine"])
		require.Equal(t, []string{"in", "0", "1"}, []string{h["__streams.errors.topic"], h["__streams.errors.partition"], h["__streams.errors.offset"]})
		for _, s := range says {
			require.Contains(t, h["__streams.errors.message"], s)
		}
		require.NotEmpty(t, h["__streams.errors.exception"])
		require.NotEmpty(t, h["__streams.errors.stacktrace"])
	})
}

// A dead letter is part of the transaction: what is lost with it is written again, what is committed is there once.
func TestAppWritesDeadLettersInsideTheTransaction(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topics(1, "in", "out", "dead")
	cfg := c.config("dlqtxn")
	cfg.Guarantee, cfg.DeadLetterTopic, cfg.CommitInterval = streams.ExactlyOnce, "dead", time.Second
	handle := func(_ context.Context, f *streams.Failure) streams.Decision {
		if strings.Contains(f.Err.Error(), "the devil") {
			return streams.Fail
		}
		return streams.DeadLetter
	}
	cfg.OnProcessingError = handle
	c.produceRaw(numberRecord(13), numberRecord(666))
	require.Contains(t, c.run(numbers(t), cfg).failure(), "the devil")
	require.Empty(t, c.read("dead"), "the transaction was aborted")
	cfg.OnProcessingError = func(context.Context, *streams.Failure) streams.Decision { return streams.DeadLetter }
	a := c.run(numbers(t), cfg)
	a.caughtUp()
	a.stop()
	require.Len(t, c.read("dead"), 2)
}

func TestAppNamesTheDeadLetterTopicThatIsNotThere(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topics(1, "in", "out")
	cfg := c.config("nodlq")
	cfg.OnProcessingError = func(context.Context, *streams.Failure) streams.Decision { return streams.DeadLetter }
	c.produceRaw(numberRecord(13))
	require.Contains(t, c.run(numbers(t), cfg).failure(), "a handler answered DeadLetter, but Config.DeadLetterTopic is empty: ")
	cfg.DeadLetterTopic = "dead"
	require.Contains(t, c.run(numbers(t), cfg).failure(), `topic "dead" does not exist: create it`)
}

func TestAppNamesWhatHangs(t *testing.T) {
	t.Parallel()
	eachGuarantee(t, func(t *testing.T, g streams.Guarantee) {
		c := newCluster(t)
		c.topics(1, "in", "out")
		hang := make(chan struct{})
		t.Cleanup(func() { close(hang) })
		b := streams.NewBuilder()
		b.Stream("in", serde.String, serde.String).Peek(func(_, v string) {
			if v == "hang" {
				<-hang
			}
		}).To("out")
		cfg := c.config("hang")
		cfg.Guarantee, cfg.MaxPollInterval = g, 300*time.Millisecond
		c.produce("in", "fine", "hang")
		require.Regexp(t, `thread 1: processing has taken [0-9.]+ms, longer than MaxPollInterval 300ms; task 0_0 is at or behind record in/0@[01]`, c.run(build(t, b), cfg).failure())
	})
}

// A user function that hangs does not keep Run from returning.
func TestAppThatHangsStops(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topics(1, "in", "out")
	hang, hangs := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(hang) })
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).Peek(func(_, v string) {
		close(hangs)
		<-hang
	}).To("out")
	c.produce("in", "hang")
	a := c.run(build(t, b), c.config("hangs"))
	<-hangs
	began := time.Now()
	a.cancel()
	require.Contains(t, a.failure(), "thread 1: processing does not stop within 4.5s; task 0_0 is at or behind record in/0@0")
	require.Less(t, time.Since(began), soon)
}

func TestAppNamesTheInputTopicThatIsNotThere(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topics(1, "out")
	b := streams.NewBuilder()
	b.Stream("orders", serde.String, serde.String).To("out")
	require.Contains(t, c.run(build(t, b), c.config("missing")).failure(), `topic "orders", which source KSTREAM-SOURCE-0000000000 reads, does not exist: create it`)
}

func TestAppNamesTheOutputTopicThatIsNotThere(t *testing.T) {
	t.Parallel()
	eachGuarantee(t, func(t *testing.T, g streams.Guarantee) {
		c := newCluster(t)
		c.topics(1, "in")
		cfg := c.config("nowhere")
		cfg.Guarantee = g
		c.produceRaw(numberRecord(1))
		require.Contains(t, c.run(numbers(t), cfg).failure(), `topic "out" does not exist: create it`)
		c.topics(1, "out")
		a := c.run(numbers(t), cfg)
		a.caughtUp()
		a.stop()
		require.Len(t, c.read("out"), 1, "nothing is lost")
	})
}

func TestAppNamesTheBrokerThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	c := newCluster(t)
	cfg := c.config("unreachable")
	cfg.BootstrapServers, cfg.Kafka.Options = []string{addr}, nil
	a := c.run(numbers(t), cfg)
	require.Contains(t, a.failure(), "no broker answers at "+addr+": is it running, and is Config.BootstrapServers right?")
}

// Something that is no broker answers: HTTP, say.
func TestAppNamesTheServerThatIsNoBroker(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
			conn.Close()
		}
	}()
	c := newCluster(t)
	cfg := c.config("http")
	cfg.BootstrapServers, cfg.Kafka.Options = []string{l.Addr().String()}, nil
	require.Contains(t, c.run(numbers(t), cfg).failure(), l.Addr().String())
}

func TestAppStopsWhileItLooksForABroker(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // it accepts and never answers
	require.NoError(t, err)
	defer l.Close()
	c := newCluster(t)
	cfg := c.config("looking")
	cfg.BootstrapServers, cfg.Kafka.Options = []string{l.Addr().String()}, nil
	a := c.run(numbers(t), cfg)
	conn, err := l.Accept()
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Read(make([]byte, 1)) // it asks, and waits
	require.NoError(t, err)
	a.stop()
}

func TestAppNamesTheStateDirectoryThatItCannotUse(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topics(1, "in", "out")
	cfg := c.config("dir")

	a := c.run(numbers(t), cfg)
	require.NoError(t, a.Wait(c.ctx, streams.Running))
	path := filepath.Join(cfg.StateDir, "dir")
	require.Contains(t, c.run(numbers(t), cfg).failure(),
		fmt.Sprintf("state directory %s is in use by another process of this application (pid %d): stop it, or give this one another Config.StateDir", path, os.Getpid()))
	a.stop()
	c.run(numbers(t), cfg).stop() // the lock is free again

	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	cfg.StateDir = file
	require.Contains(t, c.run(numbers(t), cfg).failure(), "state directory "+filepath.Join(file, "dir")+" cannot be created: ")

	t.Run("unwritable", func(t *testing.T) {
		if os.Geteuid() == 0 {
			t.Skip("root may write everywhere")
		}
		cfg.StateDir = filepath.Join(t.TempDir(), "readonly")
		require.NoError(t, os.Mkdir(cfg.StateDir, 0o500))
		err := c.run(numbers(t), cfg).failure()
		require.Contains(t, err, "state directory "+filepath.Join(cfg.StateDir, "dir")+" cannot be created: ")
		require.Contains(t, err, "set Config.StateDir to a folder that this user may write")
	})
}

func TestBuildNamesTheMissingSerde(t *testing.T) {
	t.Parallel()
	type order struct{ ID string }
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).MapValues(func(s string) order { return order{s} }).To("out")
	_, err := b.Build()
	require.Error(t, err)
	for _, s := range []string{"KSTREAM-SINK-0000000002", "order", "serde", "Register"} {
		require.Contains(t, err.Error(), s)
	}
}

func TestNewTellsAllMistakesOfAConfigurationTogether(t *testing.T) {
	t.Parallel()
	small := int64(-1)
	_, err := streams.New(numbers(t), streams.Config{
		ApplicationID: "no spaces", Guarantee: 7, Threads: -1, CommitInterval: -time.Second, MaxTaskIdle: time.Microsecond, CacheBytes: &small, StateMemory: 1,
		ReplicationFactor: -2, BufferedRecords: -3, MaxPollInterval: 1000 * time.Hour, SessionTimeout: 1000 * time.Hour, TransactionTimeout: 1000 * time.Hour,
		Reset: topology.ResetByDuration, InstanceID: "no spaces", DeadLetterTopic: "no/slashes",
	})
	require.Error(t, err)
	lines := strings.Split(err.Error(), "\n")
	for i, s := range []string{"ApplicationID", "Guarantee", "CommitInterval", "MaxTaskIdle", "MaxPollInterval", "SessionTimeout", "TransactionTimeout", "Threads", "BufferedRecords", "CacheBytes",
		"StateMemory", "ReplicationFactor", "Reset", "InstanceID", "DeadLetterTopic", "BootstrapServers"} {
		require.Contains(t, lines[i], "streams: Config."+s)
	}
	require.Len(t, lines, 16)
	for _, servers := range []string{"", "a:1,b:2", "http://a:9092", "a: 9092", "a:0", "a:65536", "a:kafka"} {
		_, err = streams.New(numbers(t), streams.Config{ApplicationID: "a", BootstrapServers: []string{"localhost:9092", servers}})
		require.ErrorContains(t, err, fmt.Sprintf("streams: Config.BootstrapServers has %q: give host:port", servers))
	}
	_, err = streams.New(numbers(t), streams.Config{ApplicationID: "a", BootstrapServers: []string{"b", "127.0.0.1:1", "[::1]:65535", "::1"}})
	require.NoError(t, err)
	_, err = streams.New(numbers(t), streams.Config{ApplicationID: "a", BootstrapServers: []string{"b"}, Guarantee: streams.ExactlyOnce, CommitInterval: time.Minute, TransactionTimeout: time.Hour})
	require.ErrorContains(t, err, "TransactionTimeout 1h0m0s must be below SessionTimeout 45s")
	_, err = streams.New(nil, streams.Config{})
	require.ErrorContains(t, err, "New needs the topology")
	nothing, err := streams.NewBuilder().Build() // a test driver takes it, as Kafka Streams' does
	require.NoError(t, err)
	_, err = streams.New(nothing, streams.Config{ApplicationID: "a", BootstrapServers: []string{"b"}})
	require.ErrorContains(t, err, "the program reads nothing: begin with Stream, Table or GlobalTable")
}

func TestAppRunsOnce(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topics(1, "in", "out")
	a := c.run(numbers(t), c.config("once"))
	require.NoError(t, a.Wait(c.ctx, streams.Running))
	require.ErrorContains(t, a.Run(c.ctx), "an App runs once")
	a.stop()
	require.ErrorContains(t, a.Run(c.ctx), "an App runs once")
	require.ErrorContains(t, a.Wait(c.ctx, streams.Running), "is NOT_RUNNING and will not be RUNNING")
}

// A record that a broker refuses is an error of that record: the handler decides.
func TestAppAsksAboutARecordThatIsTooLarge(t *testing.T) {
	t.Parallel()
	eachGuarantee(t, func(t *testing.T, g streams.Guarantee) {
		c := newCluster(t)
		c.topics(1, "in", "out")
		b := streams.NewBuilder()
		b.Stream("in", serde.String, serde.String).MapValues(func(v string) string {
			if v == "large" {
				return strings.Repeat("x", 2<<20)
			}
			return v
		}).To("out")
		top := build(t, b)
		cfg := c.config("large")
		cfg.Guarantee = g
		c.produce("in", "a", "large", "b")
		require.Contains(t, c.run(top, cfg).failure(), "MESSAGE_TOO_LARGE")
		cfg.OnProductionError = func(_ context.Context, f *streams.Failure) streams.Decision { return streams.Drop }
		a := c.run(top, cfg)
		a.caughtUp()
		a.stop()
		values := c.values("out")
		require.Subset(t, values, []string{"a", "b"})
		if g == streams.ExactlyOnce {
			require.Equal(t, []string{"a", "b"}, values)
		}
	})
}
