package runtime_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams/internal/runtime"
	"github.com/millrace-go/millrace/topology"
)

func TestLowestHeadTimeIsNext(t *testing.T) {
	t.Parallel()
	f := fixed(t, merged("a", "b", "c"), runtime.Config{}, nil, "a", "b", "c")
	f.push("a", 10, 5, 30)
	f.push("b", 20, 1)
	f.push("c", 15)
	require.Equal(t, 6, f.process(100))
	require.Equal(t, []string{"out k=a10@10", "out k=a5@5", "out k=c15@15", "out k=b20@20", "out k=b1@1", "out k=a30@30"}, f.c.take())
	require.Equal(t, runtime.Time(30), f.StreamTime())
	require.Equal(t, int64(6), f.Processed())
	require.Zero(t, f.Buffered())
}

func TestProcessStopsAtItsLimitAndGoesOn(t *testing.T) {
	t.Parallel()
	f := fixed(t, merged("a"), runtime.Config{}, nil, "a")
	for i := range runtime.Time(1000) {
		f.push("a", i)
		if i%3 == 0 {
			f.process(1)
		}
	}
	require.Equal(t, 1000-334, f.queue("a").Len())
	require.Equal(t, 600, f.process(600))
	require.Equal(t, 66, f.process(600))
	require.Zero(t, f.process(600))
	out := f.c.take()
	require.Len(t, out, 1000)
	for i, s := range out {
		require.Equal(t, fmt.Sprintf("out k=a%d@%d", i, i), s)
	}
}

func TestCommitRequestEndsTheBatch(t *testing.T) {
	t.Parallel()
	f := fixed(t, processed(func(c *topology.ProcessorContext[string, string]) (topology.Processor[string, string], error) {
		return processor(func(_ context.Context, r record) error {
			if r.Time == 2 {
				c.Commit()
			}
			return c.Forward(r)
		}), nil
	}), runtime.Config{}, nil, "in")
	f.push("in", 1, 2, 3)
	require.Equal(t, 2, f.process(10))
	require.True(t, f.CommitRequested())
	f.Committed()
	require.False(t, f.CommitRequested())
	require.Equal(t, 1, f.process(10))
}

func TestOffsetsAreThoseOfTheHeads(t *testing.T) {
	t.Parallel()
	f := fixed(t, merged("a", "b"), runtime.Config{}, map[runtime.TopicPartition]runtime.Committed{{Topic: "a"}: {Offset: 7}, {Topic: "b"}: {Offset: -1, Start: -1}}, "a", "b")
	require.False(t, f.NeedsCommit())
	require.Empty(t, f.AppendOffsets(nil))
	f.next["a"] = 7
	f.push("a", 10, 20)
	f.next["a"] = 12 // a gap: transaction markers
	f.push("a", 30)
	require.Empty(t, f.AppendOffsets(nil), "nothing is consumed yet")
	f.process(2)
	require.True(t, f.NeedsCommit())
	text := func(at runtime.Time) runtime.Metadata { return runtime.Metadata{Time: at, Values: map[string]int64{}} }
	require.Equal(t, []runtime.Offset{{runtime.TopicPartition{Topic: "a"}, 12, text(20)}}, f.AppendOffsets(nil), "the head's offset, not the one behind the last record")
	f.process(1)
	require.Equal(t, []runtime.Offset{{runtime.TopicPartition{Topic: "a"}, 13, text(30)}}, f.AppendOffsets(nil))
	f.queue("a").Advance(15)
	require.Equal(t, []runtime.Offset{{runtime.TopicPartition{Topic: "a"}, 15, text(30)}}, f.AppendOffsets(nil), "the consumer has come behind the last marker")
	at, ok := f.SourceOffset("a")
	require.True(t, ok)
	require.Equal(t, int64(15), at)
	_, ok = f.SourceOffset("b")
	require.False(t, ok)
	f.Committed()
	require.Empty(t, f.AppendOffsets(nil))
}

func TestTimesAndProcessorMetadataSurviveInTheCommittedOffsets(t *testing.T) {
	t.Parallel()
	top := func(seen *[]int64) *topology.Topology {
		top := topology.New()
		sources := []edge{}
		for _, name := range []string{"a", "b"} {
			sources = append(sources, top.AddSource(topology.SourceSpec[string, string]{Name: name, Topics: []string{name}, Key: serde.String, Value: serde.String,
				Timestamps: func(r record, _ topology.RecordMetadata, partition runtime.Time) runtime.Time {
					return max(r.Time, partition)
				}}))
		}
		topology.Connect(topology.NodeSpec{Name: "n"}, func(c *topology.Context, next next) (next, error) {
			n, _ := c.ProcessorMetadata("count")
			*seen = append(*seen, n)
			return func(r record) error {
				n++
				c.SetProcessorMetadata("count", n)
				return next(r)
			}, nil
		}, sources...).Sink("snk", "out", serde.String, serde.String)
		return top
	}
	var seen []int64
	f := fixed(t, top(&seen), runtime.Config{}, nil, "a", "b")
	f.push("a", 100, 50)
	f.process(2)
	require.Equal(t, []string{"out k=a100@100", "out k=a50@100"}, f.c.take())
	first := f.AppendOffsets(nil)
	require.Len(t, first, 1, "b has no position that could be committed")
	f.Committed()
	f.push("b", 40)
	f.process(1)
	offsets := f.AppendOffsets(nil)
	require.Len(t, offsets, 2, "the metadata have changed: they go with every partition")
	require.Equal(t, map[string]int64{"count": 2}, first[0].Metadata.Values, "what was committed stays as it was")

	committed := map[runtime.TopicPartition]runtime.Committed{}
	for _, o := range offsets {
		committed[o.TopicPartition] = runtime.Committed{Offset: o.Offset, Metadata: o.Metadata.String()}
	}
	g := fixed(t, top(&seen), runtime.Config{}, committed, "a", "b")
	require.Equal(t, []int64{0, 3}, seen)
	require.Equal(t, runtime.Time(100), g.StreamTime())
	require.False(t, g.NeedsCommit())
	g.push("a", 1)
	g.push("b", 1)
	g.process(2)
	require.Equal(t, []string{"out k=b1@40", "out k=a1@100"}, g.c.take())
}

func TestMetadataThatCannotBeReadAreIgnored(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"not base64!", "", "AAAA", base64.StdEncoding.EncodeToString([]byte{2, 0, 0, 0, 0, 0, 0, 0, 9, 255, 255, 255, 255})} {
		f := fixed(t, merged("a"), runtime.Config{}, map[runtime.TopicPartition]runtime.Committed{{Topic: "a"}: {Offset: 3, Metadata: text}}, "a")
		require.Equal(t, runtime.Time(-1), f.StreamTime(), text)
	}
}

func TestMaxTaskIdleWaitsForEmptyPartitions(t *testing.T) {
	t.Parallel()
	f := fixed(t, merged("a", "b"), runtime.Config{MaxTaskIdle: time.Second}, nil, "a", "b")
	require.False(t, f.Ready(0))
	f.push("a", 10)
	require.False(t, f.Ready(0), "the lag of b is not known")
	f.queue("b").SetLag(5)
	require.False(t, f.Ready(100_000), "the broker has records of b")
	f.queue("b").SetLag(0)
	require.False(t, f.Ready(100_000), "they may yet come")
	require.False(t, f.Ready(100_999))
	require.True(t, f.Ready(101_000))
	f.push("b", 20)
	require.True(t, f.Ready(101_000))
	f.process(2)
	f.push("b", 30)
	f.queue("a").SetLag(0)
	require.False(t, f.Ready(200_000), "waiting begins anew")
	require.True(t, f.Ready(201_000))
}

// What will be dropped when it becomes the head is none of the records that a task waits for.
func TestMaxTaskIdleWaitsForRecordsThatHaveATime(t *testing.T) {
	t.Parallel()
	top := topology.New()
	top.AddSource(topology.SourceSpec[string, int64]{Name: "src", Topics: []string{"a", "b"}, Key: serde.String, Value: serde.Int64,
		Timestamps: func(r topology.Record[string, int64], _ topology.RecordMetadata, _ runtime.Time) runtime.Time {
			if r.Value == 13 {
				panic("unlucky")
			}
			return r.Time
		}}).Sink("snk", "out", serde.String, serde.Int64)
	long := func(n byte) string { return string([]byte{0, 0, 0, 0, 0, 0, 0, n}) }
	skips := true
	f := fixed(t, top, runtime.Config{OnDeserializationError: func(context.Context, *runtime.Failure) runtime.Decision {
		if skips {
			return runtime.Skip
		}
		return runtime.Fail
	}}, nil, "a", "b")
	f.queue("a").SetLag(1)
	f.queue("b").SetLag(1)
	f.pushValue("a", "k", long(1), 1)
	f.pushValue("b", "k", long(1), -5)
	f.pushValue("b", "k", "three", 2)
	f.pushValue("b", "k", long(13), 2)
	require.False(t, f.Ready(0), "b has nothing")
	require.Equal(t, 1, f.Buffered())
	f.pushValue("b", "k", long(2), 3)
	require.True(t, f.Ready(0))
	f.pushValue("b", "k", long(3), -5)
	require.Equal(t, 1, f.process(1))
	f.pushValue("a", "k", long(4), 4)
	require.True(t, f.Ready(0))
	require.Equal(t, 1, f.process(1))
	require.False(t, f.Ready(0), "behind the last record of b there is one without a time")

	skips = false
	f.pushValue("b", "k", "three", 5)
	require.True(t, f.Ready(0))
	n, err := f.Process(10)
	require.Zero(t, n)
	require.ErrorContains(t, err, "source src, record b/0@5: value: ")
}

func TestRecordsThatCannotBeDecoded(t *testing.T) {
	t.Parallel()
	build := func() *topology.Topology {
		top := topology.New()
		top.AddSource(topology.SourceSpec[string, int64]{Name: "src", Topics: []string{"in"}, Key: serde.String, Value: serde.Int64,
			Timestamps: func(r topology.Record[string, int64], _ topology.RecordMetadata, _ runtime.Time) runtime.Time {
				if r.Value == 13 {
					panic("unlucky")
				}
				return r.Time
			}}).Sink("snk", "out", serde.String, serde.Int64)
		return top
	}
	long := func(n byte) string { return string([]byte{0, 0, 0, 0, 0, 0, 0, n}) }

	t.Run("fail names the record and leaves it the head", func(t *testing.T) {
		t.Parallel()
		f := fixed(t, build(), runtime.Config{}, nil, "in")
		f.pushValue("in", "k", long(1), 1)
		f.pushValue("in", "k", "three", 2)
		n, err := f.Process(10)
		require.Equal(t, 1, n)
		require.ErrorContains(t, err, "source src, record in/0@1: value: ")
		require.Equal(t, int64(1), f.AppendOffsets(nil)[0].Offset)
	})
	t.Run("skip counts and goes on", func(t *testing.T) {
		t.Parallel()
		f := fixed(t, build(), runtime.Config{OnDeserializationError: always(runtime.Skip)}, nil, "in")
		f.pushValue("in", "k", "three", 2)
		f.pushValue("in", "k", long(13), 3)
		f.pushValue("in", "k", long(1), -5)
		f.pushValue("in", "k", long(1), 4)
		f.pushValue("in", "k", "three", 5)
		require.Equal(t, 1, f.process(10))
		require.Equal(t, []string{"out k=" + long(1) + "@4"}, f.c.take())
		require.Equal(t, []runtime.Dropped{{Node: "src", Reason: "deserialization error", Count: 3}, {Node: "src", Reason: "timestamp", Count: 1}}, f.dropped())
		require.Equal(t, int64(5), f.AppendOffsets(nil)[0].Offset, "the bad record at the end is done with too")
		require.Equal(t, runtime.Time(4), f.StreamTime())
	})
	t.Run("only bad records are committed too", func(t *testing.T) {
		t.Parallel()
		f := fixed(t, build(), runtime.Config{OnDeserializationError: always(runtime.Skip)}, nil, "in")
		f.pushValue("in", "k", "three", 2)
		require.Zero(t, f.process(10))
		require.True(t, f.NeedsCommit())
		require.Equal(t, int64(1), f.AppendOffsets(nil)[0].Offset)
	})
	t.Run("dead letter keeps the bytes and tells why", func(t *testing.T) {
		t.Parallel()
		f := fixed(t, build(), runtime.Config{OnDeserializationError: always(runtime.DeadLetter), DeadLetterTopic: "dlq"}, nil, "in")
		f.Push(f.queue("in"), []topology.Raw{{Topic: "in", Offset: 4, Key: []byte("k"), Value: []byte("three"), Time: 2, Headers: topology.Headers{{Key: "own", Value: []byte("x")}}}})
		require.Zero(t, f.process(10))
		require.Len(t, f.c.dead, 1)
		d := f.c.dead[0]
		require.Equal(t, "k", string(d.Key))
		require.Equal(t, "k", string(d.Hash))
		require.Equal(t, "three", string(d.Value))
		require.Equal(t, runtime.Time(2), d.Time)
		header := func(key string) string { v, _ := d.Headers.Last(key); return string(v) }
		require.Equal(t, "x", header("own"))
		require.Equal(t, "in", header("__streams.errors.topic"))
		require.Equal(t, "0", header("__streams.errors.partition"))
		require.Equal(t, "4", header("__streams.errors.offset"))
		require.Contains(t, header("__streams.errors.message"), "source src, record in/0@4: value: ")
		require.NotEmpty(t, header("__streams.errors.exception"))
		require.Contains(t, header("__streams.errors.stacktrace"), "*topology.DecodeError")
	})
	t.Run("dead letter without a topic fails", func(t *testing.T) {
		t.Parallel()
		f := fixed(t, build(), runtime.Config{OnDeserializationError: always(runtime.DeadLetter)}, nil, "in")
		f.pushValue("in", "k", "three", 2)
		_, err := f.Process(10)
		require.ErrorContains(t, err, "Config.DeadLetterTopic is empty")
	})
}

func TestDefaultTimestampsRefuseNegativeTimes(t *testing.T) {
	t.Parallel()
	f := fixed(t, merged("a"), runtime.Config{}, nil, "a")
	f.push("a", -1)
	_, err := f.Process(1)
	require.ErrorContains(t, err, "source a, record a/0@0: timestamp: the record's time -1 is negative: give the source a timestamp extractor")
}

func TestErrorsAndPanicsOfProcessors(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	build := func() *topology.Topology {
		return processed(func(c *topology.ProcessorContext[string, string]) (topology.Processor[string, string], error) {
			return processor(func(_ context.Context, r record) error {
				switch r.Time {
				case 2:
					return boom
				case 3:
					panic("bang")
				case 4:
					var none []int
					return fmt.Errorf("not reached: %d", none[r.Time])
				}
				return c.Forward(r)
			}), nil
		})
	}
	t.Run("fail", func(t *testing.T) {
		t.Parallel()
		f := fixed(t, build(), runtime.Config{}, nil, "in")
		f.push("in", 1, 2)
		_, err := f.Process(10)
		require.ErrorIs(t, err, boom)
		require.EqualError(t, err, "node p, task 0_0, record in/0@1: boom")
	})
	t.Run("a panic is an error of its record", func(t *testing.T) {
		t.Parallel()
		f := fixed(t, build(), runtime.Config{}, nil, "in")
		f.push("in", 1, 3)
		n, err := f.Process(10)
		require.Equal(t, 2, n)
		require.ErrorContains(t, err, "panic: bang")
		var p *topology.PanicError
		require.ErrorAs(t, err, &p)
		require.Contains(t, string(p.Stack), "task_test.go")
	})
	t.Run("skip", func(t *testing.T) {
		t.Parallel()
		f := fixed(t, build(), runtime.Config{OnProcessingError: always(runtime.Skip)}, nil, "in")
		f.push("in", 1, 2, 3, 4, 5, 3)
		require.Equal(t, 6, f.process(10))
		require.Equal(t, []string{"out k=in1@1", "out k=in5@5"}, f.c.take())
		require.Equal(t, []runtime.Dropped{{Node: "p", Reason: "processing error", Count: 1}, {Node: "src", Reason: "processing error", Count: 3}}, f.dropped())
		require.Equal(t, int64(6), f.AppendOffsets(nil)[0].Offset)
	})
	t.Run("dead letter", func(t *testing.T) {
		t.Parallel()
		f := fixed(t, build(), runtime.Config{OnProcessingError: always(runtime.DeadLetter), DeadLetterTopic: "dlq"}, nil, "in")
		f.push("in", 1, 2, 3)
		f.process(10)
		require.Len(t, f.c.dead, 2)
		require.Equal(t, "in2", string(f.c.dead[0].Value))
		require.Equal(t, "in3", string(f.c.dead[1].Value))
		trace, _ := f.c.dead[1].Headers.Last("__streams.errors.stacktrace")
		require.Contains(t, string(trace), "task_test.go")
	})
	t.Run("an error of the collector is not offered to a handler", func(t *testing.T) {
		t.Parallel()
		f := fixed(t, build(), runtime.Config{OnProcessingError: always(runtime.Skip), OnProductionError: always(runtime.Skip)}, nil, "in")
		f.c.err = boom
		f.push("in", 1)
		_, err := f.Process(10)
		require.ErrorIs(t, err, boom)
	})
}

func TestProductionHandlerDecidesAboutWhatCannotBeEncoded(t *testing.T) {
	t.Parallel()
	refusing := serde.New(func(b []byte, s string) ([]byte, error) { return b, errors.New("no") }, func(b []byte) (string, error) { return "", nil })
	top := topology.New()
	top.Source("src", serde.String, serde.String, "in").Sink("snk", "out", serde.String, refusing)
	f := fixed(t, top, runtime.Config{OnProductionError: always(runtime.Skip)}, nil, "in")
	f.push("in", 1)
	f.process(1)
	require.Equal(t, []runtime.Dropped{{Node: "snk", Reason: "production error", Count: 1}}, f.dropped())
}

func TestStreamTimeFiresTimersOnceItIsKnown(t *testing.T) {
	t.Parallel()
	f := fixed(t, processed(func(c *topology.ProcessorContext[string, string]) (topology.Processor[string, string], error) {
		c.Schedule(10*time.Millisecond, topology.StreamTime, func(_ context.Context, now runtime.Time) error {
			return c.Forward(topology.Of("tick", fmt.Sprint(int64(now)), now))
		})
		return processor(func(context.Context, record) error { return nil }), nil
	}), runtime.Config{}, nil, "in")
	fired, err := f.PunctuateStream()
	require.NoError(t, err)
	require.False(t, fired, "no stream time yet")
	for _, at := range []runtime.Time{7, 9, 35, 20, math.MaxInt64, math.MaxInt64} {
		f.push("in", at)
		f.process(1)
		_, err := f.PunctuateStream()
		require.NoError(t, err)
	}
	require.Equal(t, []string{"out tick=7@7", "out tick=35@35", fmt.Sprintf("out tick=%d@%[1]d", int64(math.MaxInt64))}, f.c.take())
}

func TestWallClockTimersFollowTheOwnersClock(t *testing.T) {
	t.Parallel()
	top := processed(func(c *topology.ProcessorContext[string, string]) (topology.Processor[string, string], error) {
		c.Schedule(10*time.Millisecond, topology.WallClock, func(_ context.Context, now runtime.Time) error {
			if now == 40 {
				panic("forty")
			}
			return c.Forward(topology.Of("tick", fmt.Sprint(int64(now)), now))
		})
		return processor(func(context.Context, record) error { return nil }), nil
	})
	f := fixed(t, top, runtime.Config{}, nil, "in")
	for _, now := range []runtime.Time{5, 10, 35, 39} {
		_, err := f.PunctuateWall(now)
		require.NoError(t, err)
	}
	require.Equal(t, []string{"out tick=10@10", "out tick=35@35"}, f.c.take())
	require.True(t, f.NeedsCommit(), "what a timer did is committed, whether a record comes or not")
	f.Committed()
	require.False(t, f.NeedsCommit())
	_, err := f.PunctuateWall(40)
	require.EqualError(t, err, "node p, task 0_0: panic: forty")
}

func TestStoresAreRestoredBeforeNodesAreMade(t *testing.T) {
	t.Parallel()
	var found string
	use := func(ref topology.StoreRef[state.KeyValueStore[string, string]]) *topology.Topology {
		top := processed(func(c *topology.ProcessorContext[string, string]) (topology.Processor[string, string], error) {
			st := c.Store(ref)
			found, _, _ = st.Get("k")
			return processor(func(_ context.Context, r record) error { return st.Put(r.Key, r.Value) }), nil
		}, ref)
		return top
	}
	own := use(topology.NamedStore[state.KeyValueStore[string, string]]("st"))
	own.AddStore(state.KeyValue("st", serde.String, serde.String))
	f := opened(t, own, runtime.Config{}, "in")
	require.Equal(t, []runtime.Changelog{{Store: "st", TopicPartition: runtime.TopicPartition{Topic: "app-st-changelog"}}}, f.Changelogs())
	require.NoError(t, f.Stores().Restore("st", []state.Restored{{Key: []byte("k"), Value: []byte("old")}}, state.Position{Next: 1}))
	require.NoError(t, f.Start(context.Background(), nil))
	require.Equal(t, "old", found)
	f.pushValue("in", "k", "new", 5)
	f.process(1)
	require.NoError(t, f.Flush())
	require.Equal(t, []string{"app-st-changelog/0 k=new@5"}, f.c.take())

	source := use(topology.NamedStore[state.KeyValueStore[string, string]]("st"))
	source.AddSourceStore(state.KeyValue("st", serde.String, serde.String), "in")
	g := fixed(t, source, runtime.Config{}, nil, "in")
	require.Equal(t, []runtime.Changelog{{Store: "st", TopicPartition: runtime.TopicPartition{Topic: "in"}, Source: true}}, g.Changelogs())
	g.pushValue("in", "k", "new", 5)
	g.process(1)
	require.NoError(t, g.Flush())
	require.Empty(t, g.c.take(), "the source topic is the changelog")
	at, ok := g.SourceOffset("in")
	require.True(t, ok)
	require.Equal(t, int64(1), at)

	unlogged := use(topology.NamedStore[state.KeyValueStore[string, string]]("st"))
	unlogged.AddStore(state.KeyValue("st", serde.String, serde.String, state.WithoutLogging()))
	require.Empty(t, opened(t, unlogged, runtime.Config{}, "in").Changelogs())
}

func TestWatchdogSeesTheCurrentRecord(t *testing.T) {
	t.Parallel()
	var f *fixture
	f = fixed(t, processed(func(c *topology.ProcessorContext[string, string]) (topology.Processor[string, string], error) {
		return processor(func(_ context.Context, r record) error {
			m, ok := f.Current()
			require.True(t, ok)
			require.Equal(t, topology.RecordMetadata{Topic: "in", Offset: int64(r.Time)}, m)
			return nil
		}), nil
	}), runtime.Config{}, nil, "in")
	_, ok := f.Current()
	require.False(t, ok)
	f.push("in", 0, 1, 2)
	require.Equal(t, 3, f.process(3))
}

// putting puts every record into the store "st".
func putting() *topology.Topology {
	ref := topology.NamedStore[state.KeyValueStore[string, string]]("st")
	top := processed(func(c *topology.ProcessorContext[string, string]) (topology.Processor[string, string], error) {
		st := c.Store(ref)
		return processor(func(_ context.Context, r record) error { return st.Put(r.Key, r.Value) }), nil
	}, ref)
	top.AddStore(state.KeyValue("st", serde.String, serde.String))
	return top
}

func TestCommitStepsLeaveTheStoreWhereItsChangelogGoesOn(t *testing.T) {
	t.Parallel()
	db, err := state.OpenDB(t.TempDir(), state.DBOptions{MinFree: -1})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	f := openedIn(t, db, putting(), runtime.Config{}, "in")
	require.NoError(t, f.Start(context.Background(), nil))
	f.pushValue("in", "a", "1", 1)
	f.process(1)
	require.NoError(t, f.Flush())
	require.Equal(t, []string{"app-st-changelog/0 a=1@1"}, f.c.take())
	require.Len(t, f.AppendOffsets(nil), 1)
	b := db.NewBatch()
	require.NoError(t, f.Apply(b, map[string]state.Position{"st": {Next: 1}}))
	require.NoError(t, b.Commit())
	f.Committed()
	f.pushValue("in", "b", "2", 2)
	f.process(1) // not applied: lost
	require.NoError(t, f.Close())

	g := openedIn(t, db, putting(), runtime.Config{}, "in")
	at, ok := g.Stores().Position("st")
	require.True(t, ok)
	require.Equal(t, int64(1), at.Next)
	st := g.Stores().Get("st").(state.KeyValueStore[string, string])
	v, ok, err := st.Get("a")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "1", v)
	_, ok, err = st.Get("b")
	require.NoError(t, err)
	require.False(t, ok)
	require.NoError(t, g.Close())
}

func TestStoresThatHoldTooMuchEndTheBatch(t *testing.T) {
	t.Parallel()
	db, err := state.OpenDB(t.TempDir(), state.DBOptions{MinFree: -1})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	f := openedIn(t, db, putting(), runtime.Config{PendingBytes: 10_000}, "in")
	require.NoError(t, f.Start(context.Background(), nil))
	for i := range 100 {
		f.pushValue("in", fmt.Sprint(i), string(make([]byte, 1000)), 1)
	}
	n := f.process(100)
	require.True(t, f.Full())
	require.Less(t, n, 11)
	require.Equal(t, 1, f.process(100), "one more record each time")
	f.pushValue("in", "big", string(make([]byte, 50_000)), 1)
	for err == nil {
		_, err = f.Process(1)
	}
	require.ErrorContains(t, err, "its stores [st] hold")
	require.ErrorContains(t, err, "raise Config.StateMemory")
	require.NoError(t, f.Close())
}

func TestNoHandlerIsAskedAboutAChangelogThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	f := fixed(t, putting(), runtime.Config{OnProcessingError: always(runtime.Skip)}, nil, "in")
	f.c.logErr = errors.New("fenced")
	f.push("in", 1)
	_, err := f.Process(1)
	require.ErrorIs(t, err, f.c.logErr)
}

func TestATopicThatMatchesAPatternGetsItsQueueLater(t *testing.T) {
	t.Parallel()
	f := fixed(t, merged("a"), runtime.Config{}, nil, "a")
	_, err := f.Queue(runtime.TopicPartition{Topic: "b"})
	require.ErrorContains(t, err, `no source for topic "b"`)
}

func TestProcessDoesNotAllocate(t *testing.T) {
	f := fixed(t, processed(func(c *topology.ProcessorContext[string, string]) (topology.Processor[string, string], error) {
		return processor(func(_ context.Context, r record) error {
			if r.Value == "" {
				return c.Forward(r)
			}
			return nil
		}), nil
	}), runtime.Config{}, nil, "in")
	q := f.queue("in")
	raws := []topology.Raw{{Topic: "in", Key: []byte("k"), Value: []byte("v")}, {Topic: "in", Key: []byte("k"), Value: []byte("v"), Time: 1}}
	run := func() {
		f.Push(q, raws)
		if _, err := f.Process(10); err != nil {
			panic(err)
		}
	}
	require.Zero(t, testing.AllocsPerRun(100, run))
}

func BenchmarkProcess(b *testing.B) {
	f := fixed(b, processed(func(c *topology.ProcessorContext[string, string]) (topology.Processor[string, string], error) {
		return processor(func(_ context.Context, r record) error { return nil }), nil
	}), runtime.Config{}, nil, "in")
	q := f.queue("in")
	raws := make([]topology.Raw, 1000)
	for i := range raws {
		raws[i] = topology.Raw{Topic: "in", Key: []byte("some-key"), Value: make([]byte, 64), Time: runtime.Time(i), Offset: int64(i)}
	}
	b.ReportAllocs()
	for b.Loop() {
		f.Push(q, raws)
		if _, err := f.Process(len(raws)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/record")
}
