package streams_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/streamstest"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

// TestWallClockTimes checks that records have the time at which they are taken up: negative ones of their own do not fail them, and stream time follows.
func TestWallClockTimes(t *testing.T) {
	t.Parallel()
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String, streams.WallClockTimes()).
		GroupByKey().
		WindowedBy(window.Tumbling[string]{Size: time.Minute}).
		EmitOnClose().
		Count().
		ToStream().
		MapKey(atWindow).
		To("out")
	b.Table("rows", serde.String, serde.String, streams.WallClockTimes(), streams.As("rows")).ToStream().To("rows-out")
	global := b.GlobalTable("global", serde.String, serde.String, streams.WallClockTimes())
	d, err := streamstest.New(build(t, b), streams.Config{}, streamstest.StartAt(time.UnixMilli(1000)))
	require.NoError(t, err)
	in, out := d.Input("in", serde.String, serde.String), d.Output("out", serde.String, serde.Int64)
	require.NoError(t, in.PipeAt("k", "v", 9_000_000))
	require.NoError(t, in.PipeAt("k", "v", -1))
	require.Zero(t, out.Len())
	require.NoError(t, d.AdvanceWallClock(time.Minute))
	require.NoError(t, in.PipeAt("k", "v", 5))
	r, ok, err := out.Read()
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, streams.Record[string, int64]{Key: "k@0-60000", Value: 2, Time: 1000}, r)
	require.NoError(t, d.Input("rows", serde.String, serde.String).PipeAt("k", "v", 7))
	row, _, err := d.Output("rows-out", serde.String, serde.String).Read()
	require.NoError(t, err)
	require.EqualValues(t, 61_000, row.Time)
	require.NoError(t, d.Input("global", serde.String, serde.String).PipeAt("k", "v", 7))
	stamped, err := d.Store(topology.NamedStore[state.KeyValueStore[string, state.Stamped[string]]](global.StoreName()))
	require.NoError(t, err)
	v, _, err := stamped.Get("k")
	require.NoError(t, err)
	require.EqualValues(t, 61_000, v.Time)
	require.NoError(t, d.Close())
}

// TestStoresInMemory checks that the build option does to all verbs' stores what InMemory does to each, and leaves alone those that it cannot or should not move.
func TestStoresInMemory(t *testing.T) {
	t.Parallel()
	within := window.Within(time.Minute, 0)
	b := streams.NewBuilder()
	s, other := b.Stream("in", serde.String, serde.String), b.Stream("other", serde.String, serde.String)
	s.GroupByKey().Count(streams.As("count"))
	s.GroupByKey().WindowedBy(window.Tumbling[string]{Size: time.Minute}).Count(streams.As("windows"))
	s.GroupByKey().WindowedBySession(window.Session[string]{Gap: time.Minute}).Count(streams.As("sessions"))
	s.OuterJoinStream(other, within, func(_, _ *string) string { return "" }, streams.As("join"))
	b.Table("rows", serde.String, serde.String, streams.As("rows"))
	b.Table("stays", serde.String, serde.String, streams.As("stays"), streams.OnDisk())
	b.Table("versions", serde.String, serde.String, streams.As("versions"), streams.Versioned(time.Hour))
	own := b.AddStore(state.KeyValue("own", serde.String, serde.String))
	s.Process(passText, streams.Using(own))
	top, err := b.Build(streams.StoresInMemory())
	require.NoError(t, err)
	for _, name := range []string{"count", "windows", "sessions", "join-outer-this-join-store", "join-outer-other-join-store", "join-outer-shared-join-store", "rows", "stays", "versions", "own"} {
		d, _, ok := top.StoreDefinition(name)
		require.True(t, ok, name)
		require.Equal(t, name == "stays" || name == "versions" || name == "own", d.Persistent(), name)
	}
}

// TestTombstoneHeadersAreOfStoresOnDisk checks which changelogs carry a delete's headers: those of stores that Kafka Streams gives a format.
func TestTombstoneHeadersAreOfStoresOnDisk(t *testing.T) {
	t.Parallel()
	b := streams.NewBuilder()
	in := b.Table("in", serde.String, serde.String, streams.As("default"))
	same := func(v string) string { return v }
	in.MapValues(same, streams.As("memory"), streams.InMemory())
	in.MapValues(same, streams.As("disk"), streams.OnDisk())
	in.MapValues(same, streams.As("versions"), streams.Versioned(time.Hour))
	top, err := b.Build(streams.StoresInMemory(), streams.TombstoneHeaders())
	require.NoError(t, err)
	d, err := streamstest.New(top, streams.Config{ApplicationID: "app"})
	require.NoError(t, err)
	require.NoError(t, d.Pipe(streamstest.Raw{Topic: "in", Key: []byte("k"), Value: []byte("v")}))
	d.Discard()
	require.NoError(t, d.Pipe(streamstest.Raw{Topic: "in", Key: []byte("k"), Time: 1, Headers: topology.Headers{{Key: "h", Value: []byte("1")}}}))
	headers := map[string]int{}
	for _, r := range d.Produced() {
		headers[r.Topic] = len(r.Headers)
	}
	require.Equal(t, map[string]int{"app-default-changelog": 0, "app-memory-changelog": 0, "app-disk-changelog": 1, "app-versions-changelog": 0}, headers)
	require.NoError(t, d.Close())
}

func TestPrintsWhatItIsTold(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	b := streams.NewBuilder()
	s := textIn(b)
	s.Print(&out, streams.Label("clicks"), streams.Named("printer"))
	s.Print(&out, streams.Label("lines"), streams.Lines(func(r textRow) string {
		if r.Tombstone {
			return r.Key + " is gone"
		}
		return r.Key + "->" + r.Value
	}))
	top := build(t, b)
	require.Contains(t, top.Describe(), "Processor: printer")
	d, err := streamstest.New(top, streams.Config{})
	require.NoError(t, err)
	in := d.Input("in", serde.String, serde.String)
	require.NoError(t, in.PipeKeyValue("a", "x"))
	require.NoError(t, in.PipeTombstone("b"))
	require.Equal(t, "[clicks]: a, x\n[lines]: a->x\n[clicks]: b, null\n[lines]: b is gone\n", out.String())
	require.NoError(t, d.Close())

	b = streams.NewBuilder()
	textIn(b).Print(os.Stdout, streams.Lines(func(streams.Record[int, string]) string { return "" }), streams.Label(""))
	textIn(b).Print(os.Stdout, streams.Lines((func(textRow) string)(nil)))
	_, err = b.Build()
	require.ErrorContains(t, err, "the function given to Lines is a func(topology.Record[int,string]) string, but the records need a func(topology.Record[string,string]) string")
	require.ErrorContains(t, err, `Label("") names nothing`)
	require.ErrorContains(t, err, "KSTREAM-PRINTER-0000000003: its function is nil")
}

// TestTableKeepsWhatItsOptionsSay checks that a table with a TTL has a store, though no verb reads it.
func TestTableKeepsWhatItsOptionsSay(t *testing.T) {
	t.Parallel()
	b := streams.NewBuilder()
	rows := b.Table("rows", serde.String, serde.String, streams.TTL(time.Hour))
	rows.ToStream().To("out")
	_, ok := rows.StoreName()
	require.True(t, ok)
	_, ok = b.Table("plain", serde.String, serde.String).StoreName()
	require.False(t, ok)
}
