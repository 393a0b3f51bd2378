package window_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/millrace-go/millrace/window"
)

type (
	tumbling = window.Tumbling[string]
	hopping  = window.Hopping[string]
)

const ms = time.Millisecond

func TestTimeSaturates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		got  window.Time
		want window.Time
	}{
		{"adds", window.Time(5).Add(2 * ms), 7},
		{"subtracts", window.Time(5).Add(-7 * ms), -2},
		{"cuts parts of a millisecond off", window.Time(5).Add(1999 * time.Microsecond), 6},
		{"forever is the end of time from the epoch on", window.Time(0).Add(window.Forever), window.MaxTime},
		{"forever from anywhere later too", window.Time(9).Add(window.Forever), window.MaxTime},
		{"forever from before the epoch is less", window.Time(-1).Add(window.Forever), window.MaxTime - 1},
		{"minus forever", window.Time(-9).Add(-window.Forever), window.MinTime},
		{"millis up", window.MaxTime.AddMillis(1), window.MaxTime},
		{"millis down", window.MinTime.AddMillis(-1), window.MinTime},
		{"the whole way", window.MinTime.AddMillis(math.MaxInt64), -1},
		{"from the clock", window.At(time.Unix(1, 999_999)), 1000},
	} {
		require.Equal(t, c.want, c.got, c.name)
	}
	require.Equal(t, 3*ms, window.Time(5).Sub(2))
	require.Equal(t, -3*ms, window.Time(2).Sub(5))
	require.Equal(t, window.Forever, window.MaxTime.Sub(window.MinTime))
	require.Equal(t, -window.Forever, window.MinTime.Sub(window.MaxTime))
	require.Equal(t, window.Forever, window.MaxTime.Sub(0), "292 million years are no Duration")
	require.Equal(t, int64(math.MaxInt64), window.Millis(window.Forever))
	require.Equal(t, int64(-math.MaxInt64), window.Millis(-window.Forever))
	require.Equal(t, int64(1500), window.Millis(1500*ms))
	require.Equal(t, int64(7), window.Time(7).Millis())
}

func TestTimeReadsAsADate(t *testing.T) {
	t.Parallel()
	for want, at := range map[string]window.Time{
		"1970-01-01T00:00:00Z":           0,
		"1969-12-31T23:59:59.999Z":       -1,
		"2026-01-02T03:04:05.006Z":       window.At(time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC)),
		"292278994-08-17T07:12:55.807Z":  window.MaxTime,
		"-292275055-05-16T16:47:04.192Z": window.MinTime,
	} {
		require.Equal(t, want, at.String())
		require.Equal(t, at, window.At(at.Time()), "there and back")
	}
	w := window.Window{Start: 0, End: 60_000}
	require.Equal(t, "1970-01-01T00:00:00Z/1970-01-01T00:01:00Z", w.String())
	require.Equal(t, "k@1970-01-01T00:00:00Z/1970-01-01T00:01:00Z", window.Windowed[string]{Key: "k", Window: w}.String())
}

func TestAssign(t *testing.T) {
	t.Parallel()
	const last = math.MaxInt64
	for _, c := range []struct {
		name string
		w    window.Assigner[string, window.Windowed[string]]
		at   window.Time
		want []window.Window
	}{
		{"a window contains its start", tumbling{Size: 10 * ms}, 10, []window.Window{{10, 20}}},
		{"and not its end", tumbling{Size: 10 * ms}, 9, []window.Window{{0, 10}}},
		{"no window before the epoch", tumbling{Size: 10 * ms}, -1, nil},
		{"nor at the beginning of time", tumbling{Size: 10 * ms}, math.MinInt64, nil},
		{"a window of all time", tumbling{Size: window.Forever}, last - 1, []window.Window{{0, last}}},
		{"the last window that fits", tumbling{Size: 10 * ms}, last - 8, []window.Window{{last - 17, last - 7}}},
		{"an end that does not fit wraps", tumbling{Size: 10 * ms}, last, []window.Window{{last - 7, math.MinInt64 + 2}}},
		{"hopping windows overlap", hopping{Size: 10 * ms, Advance: 5 * ms}, 12, []window.Window{{5, 15}, {10, 20}}},
		{"early instants lie in fewer", hopping{Size: 10 * ms, Advance: 5 * ms}, 3, []window.Window{{0, 10}}},
		{"an advance that does not divide the size", hopping{Size: 10 * ms, Advance: 4 * ms}, 13, []window.Window{{4, 14}, {8, 18}, {12, 22}}},
		{"or leaves an instant in one less", hopping{Size: 10 * ms, Advance: 4 * ms}, 15, []window.Window{{8, 18}, {12, 22}}},
		{"an advance of a size tumbles", hopping{Size: 10 * ms, Advance: 10 * ms}, 12, []window.Window{{10, 20}}},
		{"the step at the end of time stops", hopping{Size: 4 * ms, Advance: 2 * ms}, last,
			[]window.Window{{last - 3, math.MinInt64}, {last - 1, math.MinInt64 + 2}}},
		{"forever in steps of half of it", hopping{Size: window.Forever, Advance: window.Forever / 2}, 5, []window.Window{{0, last}}},
		{"unlimited from its start", window.Unlimited[string]{Start: 5}, 5, []window.Window{{5, last}}},
		{"unlimited not before its start", window.Unlimited[string]{Start: 5}, 4, nil},
		{"a definition without size has no windows", tumbling{}, 5, nil},
		{"nor one with too long an advance", hopping{Size: ms, Advance: 2 * ms}, 5, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			before := window.Window{Start: 1, End: 2}
			got := c.w.Assign([]window.Window{before}, c.at)
			require.Equal(t, append([]window.Window{before}, c.want...), got)
			for _, w := range c.want {
				if w.End > w.Start {
					require.NoError(t, window.CheckAssigned(w))
				} else {
					require.ErrorContains(t, window.CheckAssigned(w), "beyond the end of time")
				}
			}
		})
	}
	require.EqualError(t, window.CheckAssigned(window.Window{Start: -1, End: 5}),
		"window: a window starts at 1969-12-31T23:59:59.999Z, before the epoch")
}

// bruteForce says which windows contain an instant by trying all that start at or before it.
func bruteForce(at, size, advance int64) (ws []window.Window) {
	for n := int64(0); n*advance <= at; n++ {
		if start := n * advance; at < start+size {
			ws = append(ws, window.Window{Start: window.Time(start), End: window.Time(start + size)})
		}
	}
	return ws
}

func TestAssignEqualsItsDefinition(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(1, 60).Draw(t, "size")
		advance := rapid.Int64Range(1, size).Draw(t, "advance")
		at := rapid.Int64Range(-10, 500).Draw(t, "at")
		w := hopping{Size: time.Duration(size) * ms, Advance: time.Duration(advance) * ms}
		require.NoError(t, w.Check())
		got := w.Assign(nil, window.Time(at))
		require.Equal(t, bruteForce(at, size, advance), got)
		if size == advance {
			require.Equal(t, got, tumbling{Size: w.Size}.Assign(nil, window.Time(at)))
		}
	})
}

func TestAssignedWindowsKeepTheContractOfAssigner(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(1, int64(window.Forever/ms)).Draw(t, "size")
		advance := rapid.Int64Range((size+49)/50, size).Draw(t, "advance") // so at most 50 windows
		at := window.Time(rapid.Int64().Draw(t, "at"))
		for _, w := range []window.Assigner[string, window.Windowed[string]]{
			tumbling{Size: time.Duration(size) * ms},
			hopping{Size: time.Duration(size) * ms, Advance: time.Duration(advance) * ms},
			window.Unlimited[string]{Start: window.Time(size)},
		} {
			ws := w.Assign(nil, at)
			require.LessOrEqual(t, len(ws), 50)
			for i, x := range ws {
				require.GreaterOrEqual(t, x.Start, window.Time(0))
				require.LessOrEqual(t, x.Start, at, "an instant is in its windows")
				if i > 0 {
					require.Greater(t, x.Start, ws[i-1].Start, "by ascending start")
				}
				fits := window.CheckAssigned(x) == nil
				if fits && at != window.MaxTime {
					require.Greater(t, x.End, at, "an instant is in its windows")
				}
				again, ok := window.StartingAt(w, x.Start)
				require.True(t, ok, "the windows of a window's start contain it")
				require.Equal(t, x.Start, again.Start)
				if fits {
					require.Equal(t, x, again)
				} else {
					require.Equal(t, window.MaxTime, again.End)
				}
			}
			if at >= window.Time(size) {
				require.NotEmpty(t, ws)
			}
		}
	})
}

func TestJoin(t *testing.T) {
	t.Parallel()
	j := window.Join{Before: 10 * ms, After: 3 * ms, Grace: ms}
	require.Equal(t, window.Window{Start: 90, End: 103}, j.ForLeft(100))
	require.Equal(t, window.Window{Start: 97, End: 110}, j.ForRight(100))
	require.Equal(t, window.Window{Start: 0, End: 5}, j.ForLeft(2), "nothing before the epoch")
	require.Equal(t, 13*ms, j.Size())
	require.NoError(t, j.Check())

	later := window.Join{Before: -2 * ms, After: 5 * ms}
	require.Equal(t, window.Window{Start: 12, End: 15}, later.ForLeft(10))
	require.Equal(t, window.Window{Start: 5, End: 8}, later.ForRight(10))
	require.NoError(t, later.Check())

	all := window.Within(window.Forever, 0)
	require.Equal(t, window.Window{Start: 0, End: window.MaxTime}, all.ForLeft(5))
	require.Equal(t, window.Forever, all.Size())
	require.NoError(t, all.Check())
	require.NoError(t, window.Join{}.Check())
}

func TestJoinIsTheSameSeenFromEitherSide(t *testing.T) {
	t.Parallel()
	in := func(w window.Window, at window.Time) bool { return w.Start <= at && at <= w.End }
	rapid.Check(t, func(t *rapid.T) {
		before := rapid.Int64Range(0, 50).Draw(t, "before")
		after := rapid.Int64Range(0, 50).Draw(t, "after")
		j := window.Join{Before: time.Duration(before) * ms, After: time.Duration(after) * ms}
		left := window.Time(rapid.Int64Range(0, 200).Draw(t, "left"))
		right := window.Time(rapid.Int64Range(0, 200).Draw(t, "right"))
		meet := left-window.Time(before) <= right && right <= left+window.Time(after)
		require.Equal(t, meet, in(j.ForLeft(left), right))
		require.Equal(t, meet, in(j.ForRight(right), left))
	})
}

func TestCheckNamesFieldAndFix(t *testing.T) {
	t.Parallel()
	const part = 1500 * time.Microsecond
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"tumbling", tumbling{Size: time.Minute, Grace: time.Second}.Check(), ""},
		{"tumbling forever", tumbling{Size: window.Forever, Grace: window.Forever}.Check(), ""},
		{"tumbling without size", tumbling{}.Check(), "window: Tumbling.Size is 0s; it must be positive: set it, to time.Minute say"},
		{"tumbling of a part", tumbling{Size: part}.Check(), "window: Tumbling.Size is 1.5ms; windows are measured in whole milliseconds: use 2ms"},
		{"tumbling negative grace", tumbling{Size: ms, Grace: -ms}.Check(), "window: Tumbling.Grace is -1ms; it must not be negative: leave it out for none"},
		{"tumbling grace of a part", tumbling{Size: ms, Grace: 5}.Check(), "window: Tumbling.Grace is 5ns; windows are measured in whole milliseconds: use 1ms"},
		{"tumbling all of it", tumbling{Size: -ms, Grace: -ms}.Check(), "window: Tumbling.Size is -1ms; it must be positive: set it, to time.Minute say\n" +
			"window: Tumbling.Grace is -1ms; it must not be negative: leave it out for none"},
		{"hopping", hopping{Size: time.Minute, Advance: time.Minute}.Check(), ""},
		{"hopping without advance", hopping{Size: time.Minute}.Check(), "window: Hopping.Advance is 0s; it must be positive: set it, to time.Minute say"},
		{"hopping with gaps", hopping{Size: 10 * ms, Advance: 11 * ms}.Check(),
			"window: Hopping.Advance is 11ms; records between two windows would be lost: use at most Size, which is 10ms"},
		{"unlimited", window.Unlimited[string]{}.Check(), ""},
		{"unlimited before the epoch", window.Unlimited[string]{Start: -1}.Check(),
			"window: Unlimited.Start is 1969-12-31T23:59:59.999Z; windows start at or after the epoch: use 0 to take every record"},
		{"sliding", window.Sliding[string]{Difference: ms}.Check(), ""},
		{"sliding zero", window.Sliding[string]{}.Check(), "window: Sliding.Difference is 0s; it must be positive: set it, to time.Minute say"},
		{"sliding grace", window.Sliding[string]{Difference: ms, Grace: -ms}.Check(), "window: Sliding.Grace is -1ms; it must not be negative: leave it out for none"},
		{"session", window.Session[string]{Gap: ms}.Check(), ""},
		{"session zero", window.Session[string]{}.Check(), ""},
		{"session negative", window.Session[string]{Gap: -ms}.Check(), "window: Session.Gap is -1ms; it must not be negative: leave it out for none"},
		{"session grace", window.Session[string]{Gap: ms, Grace: -ms}.Check(), "window: Session.Grace is -1ms; it must not be negative: leave it out for none"},
		{"join between", window.Join{Before: -5 * ms, After: 4 * ms}.Check(), "window: Join.Before + After is -1ms; it must not be negative: no two records would ever meet"},
		{"join both negative", window.Join{Before: -window.Forever, After: -window.Forever}.Check(), "must not be negative"},
		{"join part", window.Join{Before: -part, After: 2 * ms}.Check(), "window: Join.Before is -1.5ms; windows are measured in whole milliseconds: use -1ms"},
		{"join grace", window.Join{Grace: -ms}.Check(), "window: Join.Grace is -1ms; it must not be negative: leave it out for none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.want == "" {
				require.NoError(t, c.err)
			} else {
				require.ErrorContains(t, c.err, c.want)
			}
		})
	}
}
