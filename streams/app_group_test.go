package streams_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/streams"
)

// Two instances share the partitions; one leaves, then one is taken away, and each word is counted once (at least) all the same.
func TestAppSharesItsWork(t *testing.T) {
	t.Parallel()
	eachGuarantee(t, func(t *testing.T, g streams.Guarantee) {
		c := newCluster(t)
		c.topics(4, "lines", "counts")
		want, n := map[string]int64{}, 0
		feed := func() {
			var lines []string
			for range 200 {
				lines = append(lines, fmt.Sprintf("k%d=w%d", n, n%17))
				want[fmt.Sprintf("w%d", n%17)]++
				n++
			}
			c.produce("lines", lines...)
		}
		config := func() streams.Config {
			cfg := c.config("shared")
			cfg.Guarantee = g
			return cfg
		}
		first := c.run(wordCount(t), config())
		feed()
		first.caughtUp()
		second := c.run(wordCount(t), config())
		c.until("both have tasks", func() bool {
			feed()
			return second.State() == streams.Running && second.Processed() > 0 && first.State() == streams.Running
		})
		feed()
		all := func() int64 { return first.Processed() + second.Processed() }
		c.until("everything is processed", func() bool { return all() >= int64(2*n) })
		second.stop()
		feed()
		first.caughtUp()
		third := c.run(wordCount(t), config())
		c.until("the third has tasks", func() bool { return third.State() == streams.Running })
		feed()
		first.stop()
		feed()
		c.until("the third has everything", func() bool {
			return third.CaughtUp(c.ctx) == nil && len(c.counts("counts")) == len(want) && c.counts("counts")["w0"] >= want["w0"]
		})
		third.caughtUp()
		third.stop()
		require.Equal(t, want, c.counts("counts"))
	})
}

// A restarted instance has its old place: the group does not wait for its session to time out, and nothing moves.
func TestAppTakesItsOldPlaceAfterACrash(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topics(2, "lines", "counts")
	cfg := c.config("place")
	cfg.Guarantee = streams.ExactlyOnce
	ctx := t.Context()
	var fails failures
	a := c.run(fails.wordCount(t), cfg)
	c.produce("lines", "a", "b")
	a.caughtUp()
	fails.next.Store(true)
	c.produce("lines", "a")
	require.Contains(t, a.failure(), "asked to fail")
	began := time.Now()
	a = c.run(fails.wordCount(t), cfg)
	require.NoError(t, a.Wait(ctx, streams.Running))
	require.Less(t, time.Since(began), soon, "the session lasts 45 s")
	a.caughtUp()
	a.stop()
	require.Equal(t, map[string]int64{"a": 2, "b": 1}, c.counts("counts"))
}

// Two instances with one identity would fence each other for ever: the one that is taken over from stops.
func TestAppWhoseIdentityIsTakenStops(t *testing.T) {
	t.Parallel()
	eachGuarantee(t, func(t *testing.T, g streams.Guarantee) {
		c := newCluster(t)
		c.topics(2, "lines", "counts")
		config := func() streams.Config {
			cfg := c.config("twins")
			cfg.Guarantee, cfg.InstanceID = g, "twin"
			return cfg
		}
		first := c.run(wordCount(t), config())
		c.produce("lines", "a")
		first.caughtUp()
		second := c.run(wordCount(t), config())
		require.Contains(t, first.failure(), "another process has taken over this instance's identity: is its state directory shared or copied?")
		c.produce("lines", "a")
		second.caughtUp()
		second.stop()
		require.Equal(t, map[string]int64{"a": 2}, c.counts("counts"))
	})
}
