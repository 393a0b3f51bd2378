package topology_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/topology"
)

// scheduling starts a topology with one node that f schedules for.
func scheduling(t *testing.T, h *host, f func(c *topology.Context)) *running {
	t.Helper()
	top := topology.New()
	topology.Connect(topology.NodeSpec{Name: "n"}, func(c *topology.Context, next next) (next, error) {
		f(c)
		return next, nil
	}, top.Source("src", serde.String, serde.String, "in"))
	return start(t, top, h)
}

func TestStreamTimersFireAtMultiplesFromZeroAndSkipWhatWasMissed(t *testing.T) {
	t.Parallel()
	h := &host{}
	in := scheduling(t, h, func(c *topology.Context) {
		c.Schedule(10*time.Millisecond, topology.StreamTime, func(_ context.Context, now topology.Time) error {
			h.log("%d", int64(now))
			return nil
		})
	})
	for _, c := range []struct {
		now   topology.Time
		fires bool
	}{{3, true}, {3, false}, {9, false}, {10, true}, {19, false}, {55, true}, {59, false}, {60, true}} {
		fired, err := in.Punctuate(topology.StreamTime, c.now)
		require.NoError(t, err)
		require.Equal(t, c.fires, fired, "at %d", int64(c.now))
	}
	require.Equal(t, []string{"3", "10", "55", "60"}, h.take())
	fired, err := in.Punctuate(topology.WallClock, 1000)
	require.NoError(t, err)
	require.False(t, fired)
}

func TestWallClockTimersFireFirstAfterOneInterval(t *testing.T) {
	t.Parallel()
	h := &host{wall: 1000}
	in := scheduling(t, h, func(c *topology.Context) {
		for name, every := range map[string]time.Duration{"a": 30, "b": 20} {
			c.Schedule(every*time.Millisecond, topology.WallClock, func(_ context.Context, now topology.Time) error {
				_, ok := c.Metadata()
				h.log("%s %d %v %d", name, int64(now), ok, int64(c.RecordContext().Time))
				return nil
			})
		}
	})
	for _, now := range []topology.Time{1019, 1020, 1070} {
		_, err := in.Punctuate(topology.WallClock, now)
		require.NoError(t, err)
	}
	require.Equal(t, []string{"b 1020 false 1020", "a 1070 false 1070", "b 1070 false 1070"}, h.take(), "in order of the time for which they were due")
}

func TestTimerCancelsItself(t *testing.T) {
	t.Parallel()
	h := &host{}
	in := scheduling(t, h, func(c *topology.Context) {
		var cancel func()
		cancel = c.Schedule(time.Millisecond, topology.StreamTime, func(context.Context, topology.Time) error {
			h.log("fired")
			cancel()
			return nil
		})
	})
	for now := range topology.Time(5) {
		_, err := in.Punctuate(topology.StreamTime, now)
		require.NoError(t, err)
	}
	require.Equal(t, []string{"fired"}, h.take())
}

func TestTimerThatSchedulesAnotherDoesNotLoop(t *testing.T) {
	t.Parallel()
	h := &host{}
	in := scheduling(t, h, func(c *topology.Context) {
		var again func(context.Context, topology.Time) error
		again = func(context.Context, topology.Time) error {
			h.log("fired")
			c.Schedule(time.Hour, topology.StreamTime, again)
			return nil
		}
		c.Schedule(time.Hour, topology.StreamTime, again)
	})
	_, err := in.Punctuate(topology.StreamTime, 1)
	require.NoError(t, err)
	require.Len(t, h.take(), 1)
	_, err = in.Punctuate(topology.StreamTime, 2)
	require.NoError(t, err)
	require.Len(t, h.take(), 1, "the new one, which is due from 0 on")
}

func TestTimerAtTheEndOfTimeFiresOnce(t *testing.T) {
	t.Parallel()
	for _, every := range []time.Duration{time.Millisecond, time.Duration(math.MaxInt64)} {
		h := &host{wall: math.MaxInt64 - 1}
		count := func(context.Context, topology.Time) error { h.log("fired"); return nil }
		in := scheduling(t, h, func(c *topology.Context) {
			c.Schedule(every, topology.StreamTime, count)
			c.Schedule(every, topology.WallClock, count)
		})
		for range 3 {
			for _, clock := range []topology.Clock{topology.StreamTime, topology.WallClock} {
				_, err := in.Punctuate(clock, math.MaxInt64)
				require.NoError(t, err)
			}
		}
		require.Len(t, h.take(), 2, "every %v", every)
	}
}

func TestTimersNearTheEndOfTimeDoNotWrapAround(t *testing.T) {
	t.Parallel()
	h := &host{}
	in := scheduling(t, h, func(c *topology.Context) {
		c.Schedule(math.MaxInt64, topology.StreamTime, func(_ context.Context, now topology.Time) error { h.log("%d", int64(now)); return nil })
	})
	for _, now := range []topology.Time{math.MaxInt64 - 10, math.MaxInt64 - 9, math.MaxInt64 - 1} {
		_, err := in.Punctuate(topology.StreamTime, now)
		require.NoError(t, err)
	}
	require.Len(t, h.take(), 1, "its interval is 292 years in milliseconds: far from over")
}

func TestErrorAndPanicOfATimerNameItsNode(t *testing.T) {
	t.Parallel()
	for _, skip := range []bool{false, true} {
		h := &host{skip: skip}
		in := scheduling(t, h, func(c *topology.Context) {
			c.Schedule(time.Millisecond, topology.StreamTime, func(context.Context, topology.Time) error { return errors.New("boom") })
			c.Schedule(time.Millisecond, topology.StreamTime, func(context.Context, topology.Time) error { panic("bang") })
		})
		in.record.Topic = "kept"
		_, err := in.Punctuate(topology.StreamTime, 1)
		require.Equal(t, "kept", in.record.Topic)
		if !skip {
			require.EqualError(t, err, "node n, task 1_2: boom")
			continue
		}
		require.NoError(t, err)
		require.Len(t, h.failed, 2)
		require.EqualError(t, h.failed[1], "node n, task 1_2: panic: bang")
		var p *topology.PanicError
		require.ErrorAs(t, h.failed[1], &p)
		require.Contains(t, string(p.Stack), "timer_test.go")
	}
}
