package topology_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
)

type (
	record = topology.Record[string, string]
	next   = func(record) error
	edge   = *topology.Edge[string, string]
)

// mapped is a node that changes the value.
func mapped(from edge, name string, f func(record) record) edge {
	return topology.Connect(topology.NodeSpec{Name: name}, func(_ *topology.Context, next next) (next, error) {
		return func(r record) error { return next(f(r)) }, nil
	}, from)
}

func suffix(s string) func(record) record {
	return func(r record) record { return r.WithValue(r.Value + s) }
}

func TestRecordsGoDepthFirstToChildrenInOrderOfCreation(t *testing.T) {
	t.Parallel()
	top := topology.New()
	src := top.Source("src", serde.String, serde.String, "in")
	a := mapped(src, "a", suffix("a"))
	b := mapped(src, "b", suffix("b"))
	b.Sink("b-sink", "b", serde.String, serde.String)
	a.Sink("a-sink", "a", serde.String, serde.String)
	a.Merge("both", b).Sink("both-sink", "both", serde.String, serde.String)
	h := &host{}
	in := start(t, top, h)

	require.NoError(t, in.pipe("in", "k=v@5"))
	require.Equal(t, []string{"a/-1 k=va@5 0", "both/-1 k=va@5 0", "b/-1 k=vb@5 0", "both/-1 k=vb@5 0"}, h.take())
}

func TestNullKeyAndTombstoneReachTheSinkAsNulls(t *testing.T) {
	t.Parallel()
	top := topology.New()
	top.Source("src", serde.String, serde.String, "in").Sink("snk", "out", serde.String, serde.String)
	h := &host{}
	in := start(t, top, h)

	require.NoError(t, in.pipe("in", "null=v@1"))
	require.NoError(t, in.pipe("in", "k=null@2"))
	require.NoError(t, in.pipe("in", "=@3"))
	require.Equal(t, []string{"out/-1 null=v@1 0", "out/-1 k=null@2 0", "out/-1 =@3 0"}, h.take())
}

// shouter is a processor with a Close.
type shouter struct {
	*topology.ProcessorContext[string, string]
	closed *int
}

func (s shouter) Process(_ context.Context, r record) error {
	m, ok := s.Metadata()
	return s.Forward(r.WithValue(r.Value + "/" + m.Topic + strconv.FormatInt(m.Offset, 10) + strconv.FormatBool(ok)))
}
func (s shouter) Close() error { *s.closed++; return nil }

func TestProcessorIsMadePerTaskSeesItsRecordAndIsClosedOnce(t *testing.T) {
	t.Parallel()
	closed := 0
	top := topology.New()
	src := top.Source("src", serde.String, serde.String, "in")
	src.Process("p", func(c *topology.ProcessorContext[string, string]) (topology.Processor[string, string], error) {
		require.Equal(t, "p", c.NodeName())
		require.Equal(t, "1_2", c.Task().String())
		require.Equal(t, "app", c.ApplicationID())
		return shouter{c, &closed}, nil
	}).Sink("snk", "out", serde.String, serde.String)
	h := &host{}
	in := start(t, top, h)
	require.NoError(t, in.pipe("in", "k=v"))
	require.NoError(t, in.pipe("in", "k=w"))
	require.Equal(t, []string{"out/-1 k=v/in0true@0 0", "out/-1 k=w/in1true@0 0"}, h.take())
	require.NoError(t, in.Close())
	require.NoError(t, in.Close())
	require.Equal(t, 1, closed)
}

func TestForwardToNamesOneChild(t *testing.T) {
	t.Parallel()
	top := topology.New()
	p := top.Source("src", serde.String, serde.String, "in").Process("p", func(c *topology.ProcessorContext[string, string]) (topology.Processor[string, string], error) {
		return topology.ProcessorFunc[string, string](func(_ context.Context, r record) error { return c.ForwardTo(r.Key, r) }), nil
	})
	p.Sink("a", "to-a", serde.String, serde.String)
	p.Sink("b", "to-b", serde.String, serde.String)
	h := &host{}
	in := start(t, top, h)
	require.NoError(t, in.pipe("in", "b=1"))
	require.Equal(t, []string{"to-b/-1 b=1@0 0"}, h.take())
	require.ErrorContains(t, in.pipe("in", "c=1"), `node p has no child "c"`)
}

func TestErrorIsReportedOnceAtTheInnermostNode(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	build := func() *topology.Topology {
		top := topology.New()
		outer := top.Source("src", serde.String, serde.String, "in").Process("outer", func(c *topology.ProcessorContext[string, string]) (topology.Processor[string, string], error) {
			return topology.ProcessorFunc[string, string](func(_ context.Context, r record) error {
				if err := c.Forward(r); err != nil {
					return err
				}
				return c.Forward(r.WithValue("after"))
			}), nil
		})
		outer.Process("inner", func(c *topology.ProcessorContext[string, string]) (topology.Processor[string, string], error) {
			return topology.ProcessorFunc[string, string](func(_ context.Context, r record) error {
				if r.Value == "bad" {
					return boom
				}
				return c.Forward(r)
			}), nil
		}).Sink("snk", "out", serde.String, serde.String)
		return top
	}
	t.Run("the handler fails", func(t *testing.T) {
		t.Parallel()
		h := &host{}
		in := start(t, build(), h)
		err := in.pipe("in", "k=bad@7")
		require.ErrorIs(t, err, boom)
		require.EqualError(t, err, "node inner, task 1_2, record in/2@0: boom")
		require.Len(t, h.failed, 1)
		require.Empty(t, h.sent)
	})
	t.Run("the handler goes on: only that record is dropped", func(t *testing.T) {
		t.Parallel()
		h := &host{skip: true}
		in := start(t, build(), h)
		require.NoError(t, in.pipe("in", "k=bad@7"))
		require.Len(t, h.failed, 1)
		require.Equal(t, []string{"out/-1 k=after@7 0"}, h.take())
	})
	t.Run("an error of the runtime is nobody's to skip", func(t *testing.T) {
		t.Parallel()
		for _, err := range []error{topology.Fatal(io.ErrClosedPipe), fmt.Errorf("get: %w", state.ErrDBFailed), state.ErrNoSpace, &state.DamagedError{Store: "st", Err: io.EOF}} {
			h := &host{skip: true, sendErr: err}
			in := start(t, build(), h)
			require.ErrorIs(t, in.pipe("in", "k=v"), err)
			require.Empty(t, h.failed)
		}
	})
}

func TestSinkErrorsNameTheSink(t *testing.T) {
	t.Parallel()
	refusing := serde.New(func(b []byte, s string) ([]byte, error) { return b, errors.New("no such word") }, func(b []byte) (string, error) { return string(b), nil })
	top := topology.New()
	src := top.Source("src", serde.String, serde.String, "in")
	src.Sink("snk", "out", refusing, serde.String)
	mapped(src, "back", func(r record) record { r.Time = -1; return r }).Sink("past", "out", serde.String, serde.String)
	h := &host{skip: true}
	in := start(t, top, h)
	require.NoError(t, in.pipe("in", "k=v"))
	require.Len(t, h.failed, 2)
	require.EqualError(t, h.failed[0], "node snk, task 1_2, record in/2@0: encode key for topic out: no such word")
	var encode *topology.EncodeError
	require.ErrorAs(t, h.failed[0], &encode)
	require.EqualError(t, h.failed[1], "node past, task 1_2, record in/2@0: the record's time -1 is negative")
}

func TestLoadSaysWhichPartCouldNotBeDecoded(t *testing.T) {
	t.Parallel()
	top := topology.New()
	top.Source("src", serde.Int64, serde.Int64, "in")
	in := start(t, top, &host{})
	head, err := in.NewHead("in")
	require.NoError(t, err)
	long := make([]byte, 8)
	for _, c := range []struct {
		raw  topology.Raw
		part string
	}{
		{topology.Raw{Key: []byte("x"), Value: long}, "key"},
		{topology.Raw{Key: long, Value: []byte("x")}, "value"},
		{topology.Raw{Key: long, Value: long, Time: -1}, "timestamp"},
	} {
		_, err := head.Load(&c.raw, -1)
		var d *topology.DecodeError
		require.ErrorAs(t, err, &d)
		require.Equal(t, c.part, d.Part)
		require.Equal(t, "src", d.Node)
	}
}

func TestTimestampExtractorSeesPartitionTime(t *testing.T) {
	t.Parallel()
	top := topology.New()
	top.AddSource(topology.SourceSpec[string, string]{Name: "src", Topics: []string{"in"}, Key: serde.String, Value: serde.String,
		Timestamps: func(r record, m topology.RecordMetadata, partition topology.Time) topology.Time {
			return partition + 1 + topology.Time(m.Offset) + r.Time
		}})
	in := start(t, top, &host{})
	head, err := in.NewHead("in")
	require.NoError(t, err)
	got, err := head.Load(&topology.Raw{Offset: 10, Time: 100}, 1000)
	require.NoError(t, err)
	require.Equal(t, topology.Time(1111), got)

	for _, c := range []struct {
		f                     topology.TimestampExtractor[string, string]
		time, partition, want topology.Time
	}{
		{topology.RecordTime[string, string], 5, 9, 5},
		{topology.RecordTime[string, string], -7, 9, -1},
		{topology.UsePartitionTime[string, string], 5, 9, 5},
		{topology.UsePartitionTime[string, string], -7, 9, 9},
		{topology.UsePartitionTime[string, string], -7, -1, topology.InvalidTime},
	} {
		require.Equal(t, c.want, c.f(record{Time: c.time}, topology.RecordMetadata{}, c.partition))
	}
	top = topology.New()
	top.AddSource(topology.SourceSpec[string, string]{Name: "src", Topics: []string{"in"}, Key: serde.String, Value: serde.String, Timestamps: topology.UsePartitionTime[string, string]})
	head, err = start(t, top, &host{}).NewHead("in")
	require.NoError(t, err)
	_, err = head.Load(&topology.Raw{Time: -7}, -1)
	require.ErrorContains(t, err, "the timestamp extractor refuses the record's time -7")
}

func TestPartitionerChoosesDropsAndMulticasts(t *testing.T) {
	t.Parallel()
	top := topology.New()
	top.Source("src", serde.String, serde.String, "in").AddSink(topology.SinkSpec[string, string]{Name: "snk", Topic: "out", Key: serde.String, Value: serde.String,
		Partitioner: func(topic string, r record, n int32) []int32 {
			switch r.Value {
			case "default":
				return nil
			case "drop":
				return []int32{}
			case "all":
				return []int32{0, 1, n - 1}
			}
			return []int32{n}
		}})
	h := &host{partitions: 3, skip: true}
	in := start(t, top, h)
	for _, v := range []string{"default", "drop", "all", "beyond"} {
		require.NoError(t, in.pipe("in", "k="+v))
	}
	require.Equal(t, []string{"out/-1 k=default@0 0", "out/0 k=all@0 0", "out/1 k=all@0 0", "out/2 k=all@0 0"}, h.take())
	require.Equal(t, []string{"snk: partitioner"}, h.dropped)
	require.ErrorContains(t, h.failed[0], "the partitioner answered 3, but topic out has partitions 0 to 2")
}

func TestDynamicSinkBindsItsSerdesToEachTopic(t *testing.T) {
	t.Parallel()
	top := topology.New()
	top.Source("src", serde.String, serde.String, "in").AddSink(topology.SinkSpec[string, string]{Name: "snk", Key: serde.String, Value: bound{},
		Dynamic: func(r record, m topology.RecordMetadata) string { return r.Key }, DynamicName: "byKey"})
	h := &host{}
	in := start(t, top, h)
	for _, k := range []string{"x", "y", "x"} {
		require.NoError(t, in.pipe("in", k+"=v"))
	}
	require.Equal(t, []string{"x/-1 x=v for x-value@0 0", "y/-1 y=v for y-value@0 0", "x/-1 x=v for x-value@0 0"}, h.take())
}

// bound is a serde that writes the role that it is bound to.
type bound struct{ role string }

func (b bound) Append(dst []byte, v string) ([]byte, error) {
	return append(append(append(dst, v...), " for "...), b.role...), nil
}
func (b bound) Decode(src []byte) (string, error) { return string(src) + " from " + b.role, nil }
func (b bound) Bind(r serde.Role) (serde.Serde[string], error) {
	return bound{r.String()}, nil
}

func TestSourceBindsItsSerdesToEachTopic(t *testing.T) {
	t.Parallel()
	top := topology.New()
	top.AddRepartitionTopic(topology.RepartitionTopic{Name: "x-repartition"})
	src := top.Source("src", serde.String, serde.Serde[string](bound{}), "x-repartition", "other")
	src.Sink("out", "out", serde.String, serde.String)
	src.Sink("snk", "x-repartition", serde.String, serde.String)
	h := &host{}
	in := start(t, top, h)
	require.NoError(t, in.pipe("app-x-repartition", "k=v"))
	require.NoError(t, in.pipe("other", "k=v"))
	require.Equal(t, []string{
		"out/-1 k=v from app-x-repartition-value@0 0", "app-x-repartition/-1 k=v from app-x-repartition-value@0 0",
		"out/-1 k=v from other-value@0 0", "app-x-repartition/-1 k=v from other-value@0 0",
	}, h.take())
	_, err := in.NewHead("unknown")
	require.ErrorContains(t, err, `no source for topic "unknown"`)
}

func TestStoreThatIsNotConnectedFailsTheStart(t *testing.T) {
	t.Parallel()
	top := topology.New()
	ref := top.AddStore(state.KeyValue("st", serde.String, serde.String))
	src := top.Source("src", serde.String, serde.String, "in")
	use := func(c *topology.ProcessorContext[string, string]) (topology.Processor[string, string], error) {
		st := c.Store(ref)
		return topology.ProcessorFunc[string, string](func(_ context.Context, r record) error { return st.Put(r.Key, r.Value) }), nil
	}
	src.Process("has", use, ref)
	src.Process("hasnot", use)
	require.NoError(t, top.Err())
	_, err := top.Start(context.Background(), nil, topology.TaskID{}, topology.Env{ApplicationID: "app"}, &host{})
	require.EqualError(t, err, `node hasnot, task 0_0: it is not connected to store "st": pass that to Process or streams.Using`)

	wrong := topology.New()
	wrong.AddStore(state.KeyValue("st", serde.String, serde.String))
	other := topology.NamedStore[state.KeyValueStore[string, int64]]("st")
	wrong.Source("src", serde.String, serde.String, "in").Process("p", func(c *topology.ProcessorContext[string, string]) (topology.Processor[string, string], error) {
		c.Store(other)
		return nil, nil
	}, other)
	_, err = wrong.Start(context.Background(), nil, topology.TaskID{}, topology.Env{ApplicationID: "app"}, &host{})
	require.ErrorContains(t, err, "store st is a")
}

func TestProcessorMetadataChangesOnlyWithItsValue(t *testing.T) {
	t.Parallel()
	top := topology.New()
	var c *topology.Context
	topology.Connect(topology.NodeSpec{Name: "n"}, func(ctx *topology.Context, next next) (next, error) {
		c = ctx
		return next, nil
	}, top.Source("src", serde.String, serde.String, "in"))
	in, err := top.Open(nil, topology.TaskID{}, topology.Env{ApplicationID: "app"})
	require.NoError(t, err)
	in.SetProcessorMetadata(map[string]int64{"n": 5})
	require.NoError(t, in.Start(context.Background(), &host{}))
	v, ok := c.ProcessorMetadata("n")
	require.True(t, ok)
	require.Equal(t, int64(5), v)
	_, changed := in.ProcessorMetadata()
	require.False(t, changed)
	c.SetProcessorMetadata("n", 5)
	_, changed = in.ProcessorMetadata()
	require.False(t, changed)
	c.SetProcessorMetadata("n", 6)
	values, changed := in.ProcessorMetadata()
	require.True(t, changed)
	require.Equal(t, map[string]int64{"n": 6}, values)
	in.ProcessorMetadataCommitted()
	_, changed = in.ProcessorMetadata()
	require.False(t, changed)
}
