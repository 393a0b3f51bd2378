package streamstest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/streamstest"
	"github.com/millrace-go/millrace/topology"
)

// reading is what a sensor says: a type without a serde.
type reading struct {
	degrees float64
	broken  bool
}

var highest = state.KeyValue("highest", serde.String, serde.Float64)

// newRecorder makes a processor that forwards each new record temperature, broken readings to a child, and a summary each minute.
func newRecorder(ctx *topology.ProcessorContext[string, string]) (topology.Processor[string, reading], error) {
	store := ctx.Store(topology.NamedStore[state.KeyValueStore[string, float64]](highest.Name()))
	ctx.Schedule(time.Minute, topology.WallClock, func(_ context.Context, now topology.Time) error {
		n, err := store.Len()
		ctx.Commit()
		return errors.Join(err, ctx.Forward(topology.Of("sensors", fmt.Sprint(n), now)))
	})
	return topology.ProcessorFunc[string, reading](func(_ context.Context, r topology.Record[string, reading]) error {
		switch {
		case r.Tombstone:
			ctx.Drop("no reading")
			return nil
		case r.Value.broken:
			return ctx.ForwardTo("broken", r.WithValue("broken"))
		}
		old, ok, err := store.Get(r.Key)
		if err != nil || ok && old >= r.Value.degrees {
			return err
		}
		return errors.Join(store.Put(r.Key, r.Value.degrees), ctx.Forward(r.WithValue(fmt.Sprint(r.Value.degrees))))
	}), nil
}

func ExampleNewProcessor() {
	p, err := streamstest.NewProcessor(newRecorder, streams.Config{}, streamstest.Using(highest), streamstest.Children("broken"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	for at, degrees := range []float64{20, 25, 21} {
		if err := p.Process(topology.Of("roof", reading{degrees: degrees}, topology.Time(at))); err != nil {
			fmt.Println(err)
		}
	}
	for _, r := range p.Forwarded() {
		fmt.Println(r.Key, r.Value, r.Time.Millis())
	}
	// Output:
	// roof 20 0
	// roof 25 1
}

func TestProcessorAlone(t *testing.T) {
	t.Parallel()
	p, err := streamstest.NewProcessor(newRecorder, streams.Config{}, streamstest.Using(highest), streamstest.Children("broken"), streamstest.StartAt(time.Unix(100, 0)))
	require.NoError(t, err)
	require.NoError(t, p.Process(topology.Of("a", reading{degrees: 1}, 5)))
	require.NoError(t, p.Process(topology.Of("b", reading{broken: true}, 6)))
	require.NoError(t, p.Process(topology.Record[string, reading]{Key: "c", Tombstone: true}))
	require.Equal(t, []topology.Record[string, string]{topology.Of("a", "1", 5)}, p.Forwarded())
	require.Empty(t, p.Forwarded(), "taken")
	require.Equal(t, []topology.Record[string, string]{topology.Of("a", "1", 5), topology.Of("b", "broken", 6)}, p.ForwardedTo("broken"))
	require.EqualValues(t, 1, p.Dropped())
	require.Zero(t, p.CommitsRequested())

	require.NoError(t, p.AdvanceWallClock(time.Minute))
	require.Equal(t, []topology.Record[string, string]{topology.Of("sensors", "1", 160_000)}, p.Forwarded())
	require.Equal(t, 1, p.CommitsRequested())

	s, err := p.Store(topology.NamedStore[state.KeyValueStore[string, float64]]("highest"))
	require.NoError(t, err)
	v, ok, err := s.Get("a")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, 1.0, v)
	require.NoError(t, p.Close())

	_, err = streamstest.NewProcessor(newRecorder, streams.Config{})
	require.ErrorContains(t, err, `not connected to store "highest"`)
}

// closing counts its closes and adds the offset of each record to its value.
type closing struct {
	ctx    *topology.FixedKeyContext[string, int]
	closed *int
}

func (c closing) ProcessValue(_ context.Context, r topology.FixedKeyRecord[string, int]) error {
	v, _ := r.Value()
	m, _ := c.ctx.Metadata()
	return c.ctx.Forward(r.WithValue(v + int(m.Offset)))
}

func (c closing) Close() error { *c.closed++; return io.EOF }

func TestValueProcessorAlone(t *testing.T) {
	t.Parallel()
	closed := 0
	p, err := streamstest.NewValueProcessor(func(ctx *topology.FixedKeyContext[string, int]) (topology.FixedKeyProcessor[string, int], error) {
		return closing{ctx, &closed}, nil
	}, streams.Config{})
	require.NoError(t, err)
	require.NoError(t, p.Process(topology.Of("a", 10, 1)))
	require.NoError(t, p.Process(topology.Of("a", 10, 2)))
	require.Equal(t, []topology.Record[string, int]{topology.Of("a", 10, 1), topology.Of("a", 11, 2)}, p.Forwarded())
	require.ErrorIs(t, p.Close(), io.EOF)
	require.Equal(t, 1, closed)
}

func TestView(t *testing.T) {
	t.Parallel()
	b := streams.NewBuilder()
	in := b.Stream("in", serde.String, serde.String)
	counts := in.GroupByKey().Count(streams.As("counts"))
	global := b.GlobalTable("names", serde.String, serde.String)
	top, err := b.Build()
	require.NoError(t, err)
	d, err := streamstest.New(top, streams.Config{}, streamstest.Partitions(3))
	require.NoError(t, err)
	pipe := d.Input("in", serde.String, serde.String)
	for _, k := range []string{"a", "b", "c", "a"} {
		require.NoError(t, pipe.PipeKeyValue(k, "x"))
	}
	require.NoError(t, d.Input("names", serde.String, serde.String).PipeKeyValue("a", "Ada"))
	rows, err := d.View(counts)
	require.NoError(t, err)
	got := map[string]int64{}
	for e, err := range rows.All() {
		require.NoError(t, err)
		got[e.Key] = e.Value
	}
	require.Equal(t, map[string]int64{"a": 2, "b": 1, "c": 1}, got)
	names, err := d.ViewGlobal(global)
	require.NoError(t, err)
	name, ok, err := names.Get("a")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "Ada", name)

	_, err = d.View(counts.MapValues(func(n int64) int64 { return n }))
	require.ErrorContains(t, err, "streams.As")
	require.NoError(t, d.Close())
	_, _, err = rows.Get("a")
	require.ErrorContains(t, err, "closed")
}

// filed is a custom store with a file.
type filed struct{ file string }

func (f filed) Flush() error                   { return os.WriteFile(f.file, []byte("flushed"), 0o600) }
func (f filed) Restore([]state.Restored) error { return nil }
func (f filed) Dump() iter.Seq[[]any]          { return nil }
func (f filed) Close() error                   { return nil }

// Custom stores have a folder each for their task, which outlives a crash and not the driver.
func TestCustomStoresHaveFolders(t *testing.T) {
	t.Parallel()
	b := streams.NewBuilder()
	var dirs []string
	files := b.AddStore(state.Custom("files", func(c state.CustomContext) (filed, error) {
		dir, err := c.Dir()
		require.Equal(t, filepath.Join(c.Task, "files"), filepath.Join(filepath.Base(filepath.Dir(dir)), c.Name))
		dirs = append(dirs, dir)
		return filed{filepath.Join(dir, "f")}, err
	}))
	b.Stream("in", serde.String, serde.String).Process(func(ctx *topology.ProcessorContext[string, string]) (topology.Processor[string, string], error) {
		return topology.ProcessorFunc[string, string](func(context.Context, topology.Record[string, string]) error { return nil }), nil
	}, streams.Using(files))
	top, err := b.Build()
	require.NoError(t, err)
	d, err := streamstest.New(top, streams.Config{}, streamstest.Partitions(2))
	require.NoError(t, err)
	require.Len(t, dirs, 2)
	require.NotEqual(t, dirs[0], dirs[1])
	require.NoError(t, d.Commit())
	require.NoError(t, d.Crash())
	require.Equal(t, dirs[:2], dirs[2:])
	for _, dir := range dirs[:2] {
		require.FileExists(t, filepath.Join(dir, "f"))
	}
	require.NoError(t, d.Close())
	require.NoDirExists(t, dirs[0])
}
