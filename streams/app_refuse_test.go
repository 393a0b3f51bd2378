package streams_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

// What the cluster has is not what the topology needs: the application says so, and touches nothing.
func TestAppRefusesInternalTopicsThatLoseRecords(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ topic, policy, says string }{
		{"policy-words-changelog", "delete", "internal topic policy-words-changelog has cleanup.policy=delete, but needs compact"},
		{"policy-words-changelog", "compact,delete", "internal topic policy-words-changelog has cleanup.policy=compact,delete, but needs compact"},
		{"policy-words-repartition", "compact", "internal topic policy-words-repartition has cleanup.policy=compact, but needs delete"},
	} {
		t.Run(x.topic+" "+x.policy, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.topics(1, "lines", "counts")
			cfg := c.config("policy")
			a := c.run(wordCount(t), cfg)
			c.produce("lines", "a b")
			a.caughtUp()
			a.stop()
			_, err := c.adm.AlterTopicConfigs(c.ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "cleanup.policy", Value: &x.policy}}, x.topic)
			require.NoError(t, err)
			require.Contains(t, c.run(wordCount(t), cfg).failure(), x.says)
		})
	}
}

func TestAppRefusesInternalTopicsOfOtherPartitions(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topics(2, "lines", "counts")
	c.topics(3, "other-words-repartition")
	require.Contains(t, c.run(wordCount(t), c.config("other")).failure(),
		"internal topic other-words-repartition has 3 partitions, but the topology needs 2: the partitions of its input have changed; stop all instances, reset the application and start again")
}

func TestNewNamesTheTopicWhoseNameIsTooLong(t *testing.T) {
	t.Parallel()
	id := strings.Repeat("x", 240)
	_, err := streams.New(wordCount(t), streams.Config{ApplicationID: id, BootstrapServers: []string{"127.0.0.1:1"}})
	require.ErrorContains(t, err, "streams: Config.ApplicationID makes the internal topic "+id+"-words-repartition, whose name has 258 characters of at most 249: shorten it by 9")
}

// Another version of an application does not disturb the one that runs: it is refused until that one is gone.
func TestAppRefusesTwoTopologiesInOneGroup(t *testing.T) {
	t.Parallel()
	eachGuarantee(t, func(t *testing.T, g streams.Guarantee) {
		c := newCluster(t)
		c.topics(2, "lines", "counts")
		config := func() streams.Config {
			cfg := c.config("versions")
			cfg.Guarantee = g
			return cfg
		}
		second := func() *topology.Topology {
			b := streams.NewBuilder()
			b.Stream("lines", serde.String, serde.String).FlatMapValues(strings.Fields).Filter(func(_, w string) bool { return w != "b" }).
				GroupBy(func(_, w string) string { return w }).Count(streams.As("words")).ToStream().To("counts")
			return build(t, b)
		}
		one := c.run(wordCount(t), config())
		c.produce("lines", "a b a")
		one.caughtUp()
		for range 2 {
			require.Regexp(t, `the group versions runs another topology \([0-9a-f]{16}\) than this instance \([0-9a-f]{16}\): stop its other instances before this version starts`,
				c.run(second(), config()).failure())
		}
		c.produce("lines", "a b")
		one.caughtUp()
		require.Equal(t, map[string]int64{"a": 3, "b": 2}, c.counts("counts"), "it goes on")
		cfg := config()
		cfg.StateDir = one.Report().StateDir[:strings.LastIndex(one.Report().StateDir, "/")]
		one.stop()
		two := c.run(second(), cfg)
		c.produce("lines", "a b")
		two.caughtUp()
		two.stop()
		require.Equal(t, map[string]int64{"a": 4, "b": 2}, c.counts("counts"))
	})
}

// A topic that is deleted under a running application is not waited for in silence.
func TestAppNamesTheTopicThatWasDeleted(t *testing.T) {
	t.Parallel()
	for _, topic := range []string{"lines", "deleted-words-repartition", "deleted-words-changelog", "counts"} {
		t.Run(topic, func(t *testing.T) {
			t.Parallel()
			eachGuarantee(t, func(t *testing.T, g streams.Guarantee) {
				c := newCluster(t)
				c.topics(2, "lines", "counts")
				cfg := c.config("deleted")
				cfg.Guarantee = g
				a := c.run(wordCount(t), cfg)
				c.produce("lines", "a b")
				a.caughtUp()
				_, err := c.adm.DeleteTopics(c.ctx, topic)
				require.NoError(t, err)
				if topic != "lines" {
					c.produce("lines", "a b c")
				}
				require.Contains(t, a.failure(), topic)
			})
		})
	}
}

// What the broker refuses is for the production handler: dropped and told, or a dead letter in the transaction.
func TestAppAsksAboutARecordThatTheBrokerRefuses(t *testing.T) {
	t.Parallel()
	eachGuarantee(t, func(t *testing.T, g streams.Guarantee) {
		c := newCluster(t)
		c.topics(1, "in", "dead")
		small := "2000"
		_, err := c.adm.CreateTopic(c.ctx, 1, 1, map[string]*string{"max.message.bytes": &small}, "out")
		require.NoError(t, err)
		b := streams.NewBuilder()
		b.Stream("in", serde.String, serde.String).MapValues(func(v string) string {
			if v == "large" {
				return strings.Repeat("x", 5000)
			}
			return v
		}).To("out")
		top := build(t, b)
		cfg := c.config("refused")
		cfg.Guarantee, cfg.DeadLetterTopic = g, "dead"
		c.produce("in", "k=large")
		require.Contains(t, c.run(top, cfg).failure(), "produce to out/0: MESSAGE_TOO_LARGE")
		cfg.OnProductionError = func(_ context.Context, f *streams.Failure) streams.Decision { return streams.DeadLetter }
		a := c.run(top, cfg)
		a.caughtUp()
		c.produce("in", "k=small")
		a.caughtUp()
		a.stop()
		require.Equal(t, []string{"small"}, c.values("out"))
		letters := c.read("dead")
		require.Len(t, letters, 1)
		require.Len(t, letters[0].Value, 5000, "its record is gone: the letter is what was refused")
		require.Contains(t, a.log.String(), `msg="record dropped" reason="production error"`)
		require.Equal(t, []streams.Dropped{{Node: "sink of out", Reason: "production error", Count: 1}}, a.Dropped())
	})
}

// A record that is too large for any broker is one of its node: the dead letter is the input.
func TestAppWritesTheInputOfATooLargeRecordToTheDeadLetterTopic(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topics(1, "in", "out", "dead")
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).MapValues(func(v string) string { return strings.Repeat(v, 2<<20) }).To("out")
	cfg := c.config("huge")
	cfg.DeadLetterTopic = "dead"
	cfg.OnProductionError = func(_ context.Context, f *streams.Failure) streams.Decision { return streams.DeadLetter }
	c.produce("in", "k=v")
	a := c.run(build(t, b), cfg)
	a.caughtUp()
	a.stop()
	require.Equal(t, []string{"v"}, c.values("dead"))
	require.Contains(t, a.log.String(), "record for topic out: MESSAGE_TOO_LARGE")
}

// A handler, a listener or a processor's maker that panics fails the application and not the process.
func TestAppFailsWhenACallbackPanics(t *testing.T) {
	t.Parallel()
	panics := func(context.Context, *streams.Failure) streams.Decision { panic("the handler's devil") }
	for _, x := range []struct {
		name, says string
		set        func(*streams.Config)
	}{
		{"processing handler", "the handler panics: panic: the handler's devil: asked about: node double, task 0_0, record in/0@1: bad luck", func(c *streams.Config) { c.OnProcessingError = panics }},
		{"deserialization handler", "the handler panics: panic: the handler's devil: asked about: source numbers, record in/0@0", func(c *streams.Config) { c.OnDeserializationError = panics }},
		{"restore listener", "panic: the listener's devil", func(c *streams.Config) { c.OnRestore = func(streams.RestoreProgress) { panic("the listener's devil") } }},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.topics(1, "in", "out", "lines", "counts")
			cfg := c.config("panics")
			top := numbers(t)
			switch x.name {
			case "restore listener":
				top = wordCount(t)
				a := c.run(top, cfg)
				c.produce("lines", "a b")
				a.caughtUp()
				a.stop()
				cfg.StateDir = t.TempDir()
				x.set(&cfg)
				app, err := streams.New(top, cfg)
				require.NoError(t, err)
				require.ErrorContains(t, app.Run(c.ctx), x.says)
				return
			case "deserialization handler":
				c.produce("in", "k=seven!!")
			default:
				c.produceRaw(numberRecord(1), numberRecord(13))
			}
			x.set(&cfg)
			require.Contains(t, c.run(top, cfg).failure(), x.says)
		})
	}
}

// A processor that cannot be made, and a topic that the cluster will not create, would fail again at each attempt: the application does not try.
func TestAppFailsWhenItsNodesCannotStart(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topics(1, "in", "lines", "counts")
	noLicense := errors.New("no license")
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).Process(func(*topology.ProcessorContext[string, string]) (topology.Processor[string, string], error) {
		return nil, noLicense
	}, streams.Named("p"))
	require.Contains(t, c.run(build(t, b), c.config("unlicensed")).failure(), "thread 1: node p, task 0_0: no license")

	b = streams.NewBuilder()
	b.AddGlobalStore(state.KeyValue("global", serde.String, serde.String), "in", serde.String, serde.String,
		func(*topology.Context) (topology.Processor[string, string], error) { return nil, noLicense })
	b.Stream("lines", serde.String, serde.String).To("counts")
	require.Contains(t, c.run(build(t, b), c.config("global")).failure(), "no license")

	cfg := c.config("segments")
	cfg.TopicConfig = map[string]string{"segment.bytes": "many"}
	require.Contains(t, c.run(wordCount(t), cfg).failure(), "segment.bytes")
}

// What the broker does not allow is told, not tried for ever.
func TestAppNamesTheTimeoutsThatTheBrokerRefuses(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topics(1, "in", "out")
	cfg := c.config("timeouts")
	cfg.SessionTimeout = 2 * time.Hour
	require.Contains(t, c.run(numbers(t), cfg).failure(), "INVALID_SESSION_TIMEOUT")
	cfg.Guarantee, cfg.TransactionTimeout = streams.ExactlyOnce, time.Hour
	require.Contains(t, c.run(numbers(t), cfg).failure(), "INVALID_TRANSACTION_TIMEOUT")
}

// What is processed and committed leaves the repartition topics.
func TestAppDeletesWhatIsProcessedFromRepartitionTopics(t *testing.T) {
	t.Parallel()
	eachGuarantee(t, func(t *testing.T, g streams.Guarantee) {
		c := newCluster(t)
		c.topics(1, "lines", "counts")
		cfg := c.config("purge")
		cfg.Guarantee, cfg.PurgeInterval = g, 10*time.Millisecond
		a := c.run(wordCount(t), cfg)
		c.until("records are deleted", func() bool {
			c.produce("lines", "a b a")
			starts, err := c.adm.ListStartOffsets(c.ctx, "purge-words-repartition")
			require.NoError(t, err)
			o, _ := starts.Lookup("purge-words-repartition", 0)
			return o.Offset > 0
		})
		a.caughtUp()
		a.stop()
		in := c.read("lines")
		require.EqualValues(t, 2*len(in), c.counts("counts")["a"])
	})
}

// An application that is stopped while it starts, restores or is in a rebalance stops as fast.
func TestAppStopsAtAnyMoment(t *testing.T) {
	t.Parallel()
	eachGuarantee(t, func(t *testing.T, g streams.Guarantee) {
		c := newCluster(t)
		c.topics(4, "lines", "counts")
		for i := range 20 {
			cfg := c.config("anytime")
			cfg.Guarantee, cfg.Threads = g, 1+i%2
			a := c.run(wordCount(t), cfg)
			c.produce("lines", "a", "b", "c", "d")
			<-time.After(time.Duration(i) * 5 * time.Millisecond)
			a.stop()
		}
		a := c.run(wordCount(t), c.config("anytime"))
		a.caughtUp()
		a.stop()
		n := c.counts("counts")
		require.GreaterOrEqual(t, n["a"], int64(20))
		if g == streams.ExactlyOnce {
			require.Equal(t, map[string]int64{"a": 20, "b": 20, "c": 20, "d": 20}, n)
		}
	})
}

// A group with members of another kind, Java Kafka Streams for one, is not mixed with ours.
func TestAppRefusesAGroupOfOthers(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topics(1, "lines", "counts")
	other, err := kgo.NewClient(append(c.options(), kgo.ConsumerGroup("mixed"), kgo.ConsumeTopics("lines"), kgo.Balancers(kgo.RangeBalancer()))...)
	require.NoError(t, err)
	defer other.CloseAllowingRebalance()
	c.until("the other has joined", func() bool {
		gs, err := c.adm.DescribeGroups(c.ctx, "mixed")
		require.NoError(t, err)
		return gs["mixed"].State == "Stable"
	})
	require.Contains(t, c.run(wordCount(t), c.config("mixed")).failure(),
		"the group has members that are no instances of this application, such as Java Kafka Streams: stop them before it starts")
}

// A store that has become one of another kind is never read as what it was: neither its local rows nor, where they are not there, its changelog.
func TestAppRefusesAStoreOfAnotherKind(t *testing.T) {
	t.Parallel()
	counts := func(b *streams.Builder) {
		b.Stream("in", serde.String, serde.String).GroupByKey().Count(streams.As("store"))
	}
	perMinute := func(b *streams.Builder) {
		b.Stream("in", serde.String, serde.String).GroupByKey().WindowedBy(window.Tumbling[string]{Size: time.Minute}).Count(streams.As("store"))
	}
	sessions := func(b *streams.Builder) {
		b.Stream("in", serde.String, serde.String).GroupByKey().WindowedBySession(window.Session[string]{Gap: time.Minute}).Count(streams.As("store"))
	}
	const kind = "it was another kind of store: give it another name, or reset the application and delete its state directory"
	for _, x := range []struct {
		name         string
		was, now     func(*streams.Builder)
		key          string
		local, fresh string // what it says with its state directory and without
	}{
		{"short keys", counts, perMinute, "k", kind + ": a key-value store, not a window store", kind + ": the key of the changelog's record at offset 0"},
		{"long keys", counts, perMinute, "a key that is long enough", kind + ": a key-value store, not a window store", kind + ": the key of the changelog's record at offset 0"},
		{"sessions", counts, sessions, "key", kind + ": a key-value store, not a session store", kind + ": the key of the changelog's record at offset 0"},
		{"windows", perMinute, counts, "k", "cleanup.policy=compact,delete, but needs compact", "cleanup.policy=compact,delete, but needs compact"},
		{"sessions to windows", sessions, perMinute, "a key", kind + ": a session store, not a window store", kind + ": the key of the changelog's record at offset 0"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.topics(1, "in")
			cfg := c.config("changed")
			run := func(f func(*streams.Builder)) *instance {
				b := streams.NewBuilder()
				f(b)
				return c.run(build(t, b), cfg)
			}
			a := run(x.was)
			c.produceRaw(&kgo.Record{Topic: "in", Key: []byte(x.key), Value: []byte("v"), Timestamp: time.UnixMilli(1_234_567_891)})
			a.caughtUp()
			a.stop()
			require.Contains(t, run(x.now).failure(), x.local)
			run(x.was).stop() // nothing is lost
			cfg.StateDir = t.TempDir()
			require.Contains(t, run(x.now).failure(), x.fresh)
		})
	}
}
