package streams_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/topology"
)

// A source that begins at the end, or at a time, has nothing to do with what was there before; what comes from its first start on is the application's, also while it
// does not run.
func TestAppBeginsWhereItsSourceIsReset(t *testing.T) {
	t.Parallel()
	at := func(topic string, ago time.Duration, v string) *kgo.Record {
		return &kgo.Record{Topic: topic, Key: []byte("k"), Value: []byte(v), Timestamp: time.Now().Add(-ago)}
	}
	for _, c := range []struct {
		name   string
		source func(b *streams.Builder) streams.Stream[string, string]
		reset  topology.ResetKind
		early  []string // of what was there before
	}{
		{"at the end", func(b *streams.Builder) streams.Stream[string, string] {
			return b.Stream("in", serde.String, serde.String, streams.Latest())
		}, topology.ResetEarliest, nil},
		{"at a time", func(b *streams.Builder) streams.Stream[string, string] {
			return b.Stream("in", serde.String, serde.String, streams.FromDuration(time.Hour))
		}, topology.ResetEarliest, []string{"YOUNG"}},
		{"at a time that has no records", func(b *streams.Builder) streams.Stream[string, string] {
			return b.Stream("in", serde.String, serde.String, streams.FromDuration(time.Second))
		}, topology.ResetEarliest, nil},
		{"at the end, by pattern", func(b *streams.Builder) streams.Stream[string, string] {
			return b.StreamMatching(regexp.MustCompile("i[n]"), serde.String, serde.String, streams.Latest())
		}, topology.ResetEarliest, nil},
		{"at the end, by configuration, but what is on its way", func(b *streams.Builder) streams.Stream[string, string] {
			return b.Stream("in", serde.String, serde.String).Repartition()
		}, topology.ResetLatest, nil},
		{"at the beginning, against the configuration", func(b *streams.Builder) streams.Stream[string, string] {
			return b.Stream("in", serde.String, serde.String, streams.Earliest())
		}, topology.ResetLatest, []string{"OLD", "YOUNG"}},
	} {
		for _, g := range guarantees {
			t.Run(c.name+", "+g.String(), func(t *testing.T) {
				t.Parallel()
				cl := newCluster(t)
				cl.topics(2, "in", "out")
				cl.produceRaw(at("in", 2*time.Hour, "old"), at("in", time.Minute, "young"))
				b := streams.NewBuilder()
				c.source(b).MapValues(strings.ToUpper).To("out")
				top := build(t, b)
				cfg := cl.config("reset")
				cfg.Guarantee, cfg.Reset = g, c.reset
				a := cl.run(top, cfg)
				a.caughtUp()
				require.Equal(t, c.early, cl.values("out"))
				a.stop()
				cl.produceRaw(at("in", 0, "while it was away"))
				a = cl.run(top, cfg)
				a.caughtUp()
				cl.produceRaw(at("in", 0, "while it runs"))
				a.caughtUp()
				a.stop()
				require.ElementsMatch(t, append(c.early, "WHILE IT RUNS", "WHILE IT WAS AWAY"), cl.values("out"))
			})
		}
	}
}

// Where a source begins is committed before anything is processed: an instance that takes the partition over begins there, not at what the end is by then.
func TestAppCommitsWhereItBegins(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topics(1, "in", "out", "empty")
	c.produce("in", "k=before")
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String, streams.Latest()).Merge(b.Stream("empty", serde.String, serde.String, streams.Latest())).To("out")
	a := c.run(build(t, b), c.config("begins"))
	a.caughtUp()
	a.stop()
	offsets, err := c.adm.FetchOffsets(c.ctx, "begins")
	require.NoError(t, err)
	o, ok := offsets.Lookup("in", 0)
	require.True(t, ok)
	require.EqualValues(t, 1, o.At)
	o, ok = offsets.Lookup("empty", 0)
	require.True(t, ok)
	require.EqualValues(t, 0, o.At)
}

// A source that must not begin without an offset fails the application, which goes on where someone has committed one.
func TestAppDoesNotBeginWithoutOffset(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topics(2, "in", "out")
	c.topics(1, "free")
	c.produceRaw(&kgo.Record{Topic: "in", Partition: 1, Key: []byte("k"), Value: []byte("old")})
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String, streams.NoReset()).Merge(b.Stream("free", serde.String, serde.String)).MapValues(strings.ToUpper).To("out")
	top := build(t, b)
	cfg := c.config("careful")
	require.Contains(t, c.run(top, cfg).failure(), "no offset is committed for in/0, in/1, and NoReset forbids to begin without one: commit where to begin for group careful")

	var begin kadm.Offsets
	ends, err := c.adm.ListEndOffsets(c.ctx, "in")
	require.NoError(t, err)
	ends.Each(func(o kadm.ListedOffset) { begin.AddOffset(o.Topic, o.Partition, o.Offset, -1) })
	require.NoError(t, c.adm.CommitAllOffsets(c.ctx, "careful", begin))
	app := c.run(top, cfg)
	c.produce("in", "k=new")
	app.caughtUp()
	app.stop()
	require.Equal(t, []string{"NEW"}, c.values("out"))
}

// What a log has deleted behind a committed offset is gone: the partition goes on where the configuration says.
func TestAppGoesOnBehindWhatWasDeleted(t *testing.T) {
	t.Parallel()
	for reset, want := range map[topology.ResetKind][]string{
		topology.ResetEarliest: {"1", "3", "4"},
		topology.ResetLatest:   {"1", "4"},
	} {
		c := newCluster(t)
		c.topics(1, "in", "out")
		b := streams.NewBuilder()
		b.Stream("in", serde.String, serde.String, streams.Earliest()).To("out")
		top := build(t, b)
		cfg := c.config("deleted")
		cfg.Reset = reset
		c.produce("in", "k=1")
		a := c.run(top, cfg)
		a.caughtUp()
		a.stop()
		c.produce("in", "k=2", "k=3")
		var to kadm.Offsets
		to.AddOffset("in", 0, 2, -1)
		_, err := c.adm.DeleteRecords(c.ctx, to)
		require.NoError(t, err)
		a = c.run(top, cfg)
		require.NoError(t, a.Wait(c.ctx, streams.Running))
		c.until("it goes on", func() bool {
			c.produce("in", "k=4")
			return a.Processed() > 0
		})
		a.caughtUp()
		a.stop()
		require.Equal(t, want, slices.Compact(c.values("out")))
	}
}
