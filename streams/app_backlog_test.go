package streams_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
)

// Changelogs that do not fit into one answer together: a broker fills the answer partition by partition and leaves the last ones empty, which says
// nothing about them.
func TestAppRestoresMoreThanOneAnswerHolds(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	const partitions, rows, size = 8, 9, 500_000
	c.topics(partitions, "in", "out")
	b := streams.NewBuilder()
	b.Table("in", serde.String, serde.String, streams.As("rows")).MapValues(func(v string) string { return v[:8] }).ToStream().To("out")
	top := build(t, b)
	cfg := c.config("answers")
	a := c.run(top, cfg)
	for row := range rows {
		var rs []*kgo.Record
		for p := range partitions {
			k := fmt.Sprintf("%d-%d", p, row)
			rs = append(rs, &kgo.Record{Topic: "in", Key: []byte(k), Value: []byte(k + strings.Repeat("x", size))})
		}
		c.produceRaw(rs...)
	}
	a.caughtUp()
	a.stop()
	require.NoError(t, os.RemoveAll(cfg.StateDir))
	a = c.run(top, cfg)
	a.caughtUp()
	var restored int64
	for _, n := range a.restores() {
		restored += n
	}
	require.EqualValues(t, partitions*rows, restored)
	a.stop()
}

// A task waits for the records that the broker has of its other partition: it has to fetch them for that, however much of the first is waiting.
func TestAppFetchesWhatATaskWaitsFor(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topics(1, "left", "right", "out")
	const n = 40_000
	for _, topic := range []string{"left", "right"} {
		rs := make([]*kgo.Record, n)
		for i := range rs {
			rs[i] = &kgo.Record{Topic: topic, Key: fmt.Appendf(nil, "k%d", i), Value: []byte(topic)}
		}
		c.produceRaw(rs...)
	}
	b := streams.NewBuilder()
	right := b.Table("right", serde.String, serde.String)
	b.Stream("left", serde.String, serde.String).
		LeftJoin(right, func(l string, r *string) string { return l }).To("out")
	cfg := c.config("waits")
	cfg.BufferedRecords = 10
	a := c.run(build(t, b), cfg)
	a.caughtUp()
	a.stop()
	require.Len(t, c.read("out"), n)
}

// A topic that appears and matches gives a running task one input more: what its others have waiting is not lost over it.
func TestAppLosesNothingWhenATopicAppears(t *testing.T) {
	t.Parallel()
	eachGuarantee(t, func(t *testing.T, g streams.Guarantee) {
		c := newCluster(t)
		c.topics(1, "events-0", "out")
		work := make([]byte, 8<<10)
		b := streams.NewBuilder()
		b.StreamMatching(regexp.MustCompile("events-.*"), serde.String, serde.String).
			Peek(func(_, _ string) { sha256.Sum256(work) }). // so that records wait
			To("out")
		cfg := c.config("appears")
		cfg.Guarantee = g
		cfg.Kafka.Options = append(cfg.Kafka.Options, kgo.MetadataMaxAge(100*time.Millisecond))
		n := 0
		feed := func(topic string, k int) {
			vs := make([]string, k)
			for i := range vs {
				vs[i] = fmt.Sprintf("v%06d", n+i)
			}
			n += k
			c.produce(topic, vs...)
		}
		feed("events-0", 60_000)
		a := c.run(build(t, b), cfg)
		c.until("it processes", func() bool { return a.Processed() > 0 })
		for i := range 3 {
			topic := fmt.Sprintf("events-%d", i+1)
			c.topics(1, topic)
			feed(topic, 10)
			feed("events-0", 1000)
		}
		c.until("all topics are read", func() bool { return a.Processed() >= int64(n) })
		a.caughtUp()
		a.stop()
		got := c.values("out")
		require.Equal(t, n, len(got))
		require.Len(t, slices.Compact(got), n)
	})
}
