package window

import (
	"math"
	"time"
)

// Time is an instant in milliseconds since the epoch: Kafka's own clock, 8 bytes, comparable, no location. Its arithmetic saturates at
// [MinTime] and [MaxTime].
type Time int64

const (
	MinTime Time = math.MinInt64
	MaxTime Time = math.MaxInt64
)

// Forever stands for Java's Long.MAX_VALUE milliseconds, which time.Duration cannot hold (it ends at 292 years).
const Forever time.Duration = 1<<63 - 1

// At is the Time of t, its parts of a millisecond cut off. Years beyond 292 million, which no Time has, are not looked for.
func At(t time.Time) Time { return Time(t.UnixMilli()) }

// Time is t as a time.Time in UTC.
func (t Time) Time() time.Time { return time.UnixMilli(int64(t)).UTC() }

// Millis is t in milliseconds since the epoch.
func (t Time) Millis() int64 { return int64(t) }

// String is t in RFC 3339 with the milliseconds it has.
func (t Time) String() string { return t.Time().Format(time.RFC3339Nano) }

// Add is t later by d, or earlier if d is negative, counting whole milliseconds.
func (t Time) Add(d time.Duration) Time { return t.AddMillis(Millis(d)) }

// AddMillis is t later by so many milliseconds.
func (t Time) AddMillis(ms int64) Time {
	sum := t + Time(ms)
	switch {
	case ms > 0 && sum < t:
		return MaxTime
	case ms < 0 && sum > t:
		return MinTime
	}
	return sum
}

// Sub is the time from u to t. A distance of more than 292 years is [Forever], or -Forever if t is the earlier one.
func (t Time) Sub(u Time) time.Duration {
	const most = int64(Forever / time.Millisecond)
	d := int64(t - u)
	overflow := (t >= u) != (d >= 0)
	switch {
	case t >= u && (overflow || d > most):
		return Forever
	case t < u && (overflow || d < -most):
		return -Forever
	}
	return time.Duration(d) * time.Millisecond
}

// Millis is d in whole milliseconds, cut towards zero. Forever is math.MaxInt64 and -Forever its negative.
func Millis(d time.Duration) int64 {
	switch d {
	case Forever:
		return math.MaxInt64
	case -Forever:
		return -math.MaxInt64
	}
	return d.Milliseconds()
}
