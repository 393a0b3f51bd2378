package streams_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/window"
)

// A running application closes the last window of a topic that has fallen silent, behind a repartition, too, and what comes for it later is late.
func TestAppAdvancesIdleStreamTime(t *testing.T) {
	t.Parallel()
	for _, g := range guarantees {
		t.Run(g.String(), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.topics(1, "in", "out")
			b := streams.NewBuilder()
			b.Stream("in", serde.String, serde.String).
				SelectKey(func(_, v string) string { return v }).
				GroupByKey(streams.Named("by")).
				WindowedBy(window.Tumbling[string]{Size: time.Second}).
				EmitOnClose().
				Count(streams.As("counts")).
				ToStream().
				MapKey(atWindow).
				To("out")
			cfg := c.config("idle")
			cfg.Guarantee, cfg.IdleAdvance = g, 300*time.Millisecond
			app := c.run(build(t, b), cfg)
			at := func(v string, ms int64) *kgo.Record {
				return &kgo.Record{Topic: "in", Key: []byte("k"), Value: []byte(v), Timestamp: time.UnixMilli(ms)}
			}
			now := time.Now().UnixMilli() / 1000 * 1000 // retention goes by the clock
			c.produceRaw(at("a", now), at("a", now+1), at("b", now+2))
			for len(c.counts("out")) < 2 {
				require.NoError(t, c.ctx.Err())
			}
			for _, n := range c.counts("out") {
				require.Contains(t, []int64{1, 2}, n)
			}
			c.produceRaw(at("a", now+3))
			app.caughtUp()
			require.Len(t, c.counts("out"), 2, "the window is closed")
			var late int64
			for _, d := range app.Dropped() {
				if d.Reason == "late" {
					late += d.Count
				}
			}
			require.EqualValues(t, 1, late)
			app.stop()
		})
	}
}
