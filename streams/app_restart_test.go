package streams_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
)

func TestAppRestoresNothingAfterACleanStop(t *testing.T) {
	t.Parallel()
	eachGuarantee(t, func(t *testing.T, g streams.Guarantee) {
		c := newCluster(t)
		c.topics(2, "lines", "counts")
		cfg := c.config("clean")
		cfg.Guarantee = g
		for round := range 3 {
			a := c.run(wordCount(t), cfg)
			c.produce("lines", "a b a")
			a.caughtUp()
			a.stop()
			require.Empty(t, a.restores(), "%s", a.log)
			require.NotContains(t, a.log.String(), "level=WARN")
			n := int64(round + 1)
			require.Equal(t, map[string]int64{"a": 2 * n, "b": n}, c.counts("counts"))
			require.Equal(t, round > 0, len(a.Report().Existing) == 2)
		}
	})
}

func TestAppRebuildsADeletedStateDirectory(t *testing.T) {
	t.Parallel()
	eachGuarantee(t, func(t *testing.T, g streams.Guarantee) {
		c := newCluster(t)
		c.topics(2, "lines", "counts")
		cfg := c.config("lost")
		cfg.Guarantee = g
		a := c.run(wordCount(t), cfg)
		c.produce("lines", "a b a", "c")
		a.caughtUp()
		a.stop()
		logged := len(c.read("lost-words-changelog"))
		require.Contains(t, []int{3, 4}, logged, "the last count of each word at a commit, from the caches; there may be a commit between the two of a")
		require.NoError(t, os.RemoveAll(cfg.StateDir))
		a = c.run(wordCount(t), cfg)
		c.produce("lines", "a c d")
		a.caughtUp()
		a.stop()
		require.Equal(t, map[string]int64{"a": 3, "b": 1, "c": 2, "d": 1}, c.counts("counts"))
		var restored int64
		for _, n := range a.restores() {
			restored += n
		}
		require.EqualValues(t, logged, restored)
	})
}

// failing processes lines until it has seen so many, then fails; what was processed since the last commit is lost as in a crash.
func failing(t *testing.T, after int64, seen *atomic.Int64) *streams.Builder {
	b := streams.NewBuilder()
	b.Stream("lines", serde.String, serde.String).
		TryFlatMapValues(func(_ context.Context, r streams.Record[string, string]) ([]string, error) {
			if seen.Add(1) == after {
				return nil, errors.New("the machine caught fire")
			}
			return strings.Fields(r.Value), nil
		}).
		GroupBy(func(_, w string) string { return w }).
		Count(streams.As("words")).
		ToStream().
		To("counts")
	return b
}

// An application that fails in the middle of an interval loses that interval: the next one does it again.
func TestAppGoesOnBehindTheLastCommitAfterACrash(t *testing.T) {
	t.Parallel()
	eachGuarantee(t, func(t *testing.T, g streams.Guarantee) {
		c := newCluster(t)
		c.topics(2, "lines", "counts")
		cfg := c.config("crash")
		cfg.Guarantee, cfg.CommitInterval = g, 5*time.Millisecond
		want := map[string]int64{}
		line := 0
		for crash := range 6 {
			var lines []string
			for range 400 {
				w := fmt.Sprintf("w%d", line%13)
				lines = append(lines, fmt.Sprintf("k%d=%s", line, w))
				want[w]++
				line++
			}
			c.produce("lines", lines...)
			var seen atomic.Int64
			a := c.run(build(t, failing(t, int64(50+60*crash), &seen)), cfg)
			require.Contains(t, a.failure(), "the machine caught fire")
		}
		a := c.run(build(t, failing(t, 0, new(atomic.Int64))), cfg)
		a.caughtUp()
		a.stop()
		got := c.counts("counts")
		if g == streams.ExactlyOnce {
			require.Equal(t, want, got)
			return
		}
		for w, n := range want {
			require.GreaterOrEqual(t, got[w], n, "at least once")
		}
	})
}

func TestAppRebuildsAStoreWhoseChangelogWasMadeAnew(t *testing.T) {
	t.Parallel()
	eachGuarantee(t, func(t *testing.T, g streams.Guarantee) {
		c := newCluster(t)
		c.topics(1, "lines", "counts")
		cfg := c.config("anew")
		cfg.Guarantee = g
		a := c.run(wordCount(t), cfg)
		c.produce("lines", "a b")
		a.caughtUp()
		a.stop()
		_, err := c.adm.DeleteTopics(c.ctx, "anew-words-changelog")
		require.NoError(t, err)
		c.until("the topic is gone", func() bool {
			ts, err := c.adm.ListTopics(c.ctx)
			return err == nil && !ts.Has("anew-words-changelog")
		})
		a = c.run(wordCount(t), cfg)
		c.produce("lines", "a c")
		a.caughtUp()
		a.stop()
		require.Contains(t, a.log.String(), `store=words topic=anew-words-changelog partition=0 reason="the changelog topic was deleted and created again"`)
		require.Equal(t, map[string]int64{"a": 1, "b": 1, "c": 1}, c.counts("counts"), "what the changelog has lost is lost, and said so")
	})
}

func TestAppRebuildsADamagedDatabase(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topics(1, "lines", "counts")
	cfg := c.config("damaged")
	a := c.run(wordCount(t), cfg)
	c.produce("lines", "a b a")
	a.caughtUp()
	a.stop()
	stores := filepath.Join(cfg.StateDir, "damaged", "stores")
	damaged := 0
	require.NoError(t, filepath.WalkDir(stores, func(path string, d os.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), "MANIFEST") {
			damaged++
			return os.WriteFile(path, []byte("nonsense"), 0o600)
		}
		return err
	}))
	require.NotZero(t, damaged)
	a = c.run(wordCount(t), cfg)
	c.produce("lines", "a")
	a.caughtUp()
	a.stop()
	require.Contains(t, a.log.String(), "the stores could not be used and are rebuilt from their changelogs")
	require.NotEmpty(t, a.restores())
	require.Equal(t, map[string]int64{"a": 3, "b": 1}, c.counts("counts"))
}

// The broker goes away and comes back with its data: the application goes on, whatever it was doing, and needs no restart.
func TestAppOutlivesItsBroker(t *testing.T) {
	t.Parallel()
	eachGuarantee(t, func(t *testing.T, g streams.Guarantee) {
		c := startCluster(t, t.TempDir())
		c.topics(2, "lines", "counts")
		cfg := c.config("outlive")
		cfg.Guarantee = g
		a := c.run(wordCount(t), cfg)
		want := map[string]int64{}
		for round := range 3 {
			for i := range 50 {
				c.produce("lines", fmt.Sprintf("w%d", i%5))
				want[fmt.Sprintf("w%d", i%5)]++
			}
			if round < 2 {
				c.stop()
				c.start()
			}
		}
		a.caughtUp()
		got := c.counts("counts")
		if g == streams.AtLeastOnce {
			for w, n := range want {
				require.GreaterOrEqual(t, got[w], n)
			}
		} else {
			require.Equal(t, want, got, "%s", a.log)
		}
		a.stop()
	})
}

// What was not committed cannot be, but Run returns in time, and says so; the next start does it again.
func TestAppStopsWhileItsBrokerIsAway(t *testing.T) {
	t.Parallel()
	eachGuarantee(t, func(t *testing.T, g streams.Guarantee) {
		c := startCluster(t, t.TempDir())
		c.topics(2, "lines", "counts")
		cfg := c.config("away")
		cfg.Guarantee, cfg.CommitInterval = g, 9*time.Second
		a := c.run(wordCount(t), cfg)
		c.produce("lines", "a b a")
		c.until("the line is processed", func() bool { return a.Processed() > 0 })
		c.stop()
		began := time.Now()
		a.cancel()
		require.Contains(t, a.failure(), "stopped without its last commit: ")
		require.Less(t, time.Since(began), soon)
		c.start()
		cfg.CommitInterval = 20 * time.Millisecond
		a = c.run(wordCount(t), cfg)
		a.caughtUp()
		a.stop()
		n := c.counts("counts")
		if g == streams.AtLeastOnce { // the words may have reached the repartition topic before the broker went, and go there again
			require.GreaterOrEqual(t, n["b"], int64(1))
			require.Equal(t, map[string]int64{"a": 2 * n["b"], "b": n["b"]}, n)
			return
		}
		require.Equal(t, map[string]int64{"a": 2, "b": 1}, n)
	})
}

// It stops as fast while it has nothing to commit.
func TestAppStopsWhileItWaitsForItsBroker(t *testing.T) {
	t.Parallel()
	eachGuarantee(t, func(t *testing.T, g streams.Guarantee) {
		c := startCluster(t, t.TempDir())
		c.topics(2, "lines", "counts")
		cfg := c.config("waits")
		cfg.Guarantee = g
		a := c.run(wordCount(t), cfg)
		c.produce("lines", "a b a")
		a.caughtUp()
		c.stop()
		began := time.Now()
		a.cancel()
		a.wait()
		require.Less(t, time.Since(began), soon)
	})
}
