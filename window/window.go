// Package window: which windows an instant belongs to and when they close.
package window

import (
	"time"

	"github.com/millrace-go/millrace/serde"
)

// Time is an instant in milliseconds since the epoch: Kafka's own clock, 8 bytes, comparable, no location.
type Time int64

func At(t time.Time) Time               { return Time(t.UnixMilli()) }
func (t Time) Time() time.Time          { return time.UnixMilli(int64(t)).UTC() }
func (t Time) String() string           { return t.Time().Format(time.RFC3339Nano) }
func (t Time) Add(d time.Duration) Time { return t + Time(d.Milliseconds()) } // saturates in the real one

// A Window is [Start, End) for time windows and [Start, End] for sliding and session windows.
type Window struct{ Start, End Time }

// Windowed is a key within a window. It is comparable when K is.
type Windowed[K any] struct {
	Key K
	Window
}

// Forever stands for Java's Long.MAX_VALUE milliseconds, which time.Duration cannot hold (it ends at 292 years).
const Forever time.Duration = 1<<63 - 1

// Windows is what WindowedBy takes: time and sliding windows. It must be an Assigner or a Slider: Build says so. WK is the key of the resulting table, normally Windowed[K].
// The serde is carried by the definition, because one Windowed[K] has three byte formats.
type Windows[K, WK any] interface {
	Key(K, Window) WK
	Unwrap(WK) (K, Window)
	Serde(serde.Serde[K]) serde.Serde[WK]
	Check() error
}

// Assigner is a Windows whose windows follow from the timestamp alone. Users implement it for calendar windows.
type Assigner[K, WK any] interface {
	Windows[K, WK]
	// Assign appends the windows of an instant, by ascending start. Assign(nil, w.Start) contains w: so the end of a stored window is
	// found again, of which only the start is kept. An end that does not fit (End <= Start) fails the record, as in Java.
	Assign(dst []Window, at Time) []Window
	Length() time.Duration
	Lateness() time.Duration
}

// A Slider is a Windows whose windows follow from the records themselves.
type Slider[K, WK any] interface {
	Windows[K, WK]
	Span() time.Duration
	Lateness() time.Duration
}

// Sessions is what WindowedBySession takes.
type Sessions[K, WK any] interface {
	Windows[K, WK]
	Inactivity() time.Duration
	Lateness() time.Duration
}

var (
	_ Assigner[string, Windowed[string]] = Tumbling[string]{}
	_ Assigner[string, Windowed[string]] = Hopping[string]{}
	_ Assigner[string, Windowed[string]] = Unlimited[string]{}
	_ Slider[string, Windowed[string]]   = Sliding[string]{}
	_ Sessions[string, Windowed[string]] = Session[string]{}
)

type base[K any] struct{}

func (base[K]) Key(k K, w Window) Windowed[K]                    { return Windowed[K]{k, w} }
func (base[K]) Unwrap(w Windowed[K]) (K, Window)                 { return w.Key, w.Window }
func (base[K]) Serde(in serde.Serde[K]) serde.Serde[Windowed[K]] { return nil }
func (base[K]) Check() error                                     { return nil }

type Tumbling[K any] struct {
	base[K]
	Size, Grace time.Duration
}

func (w Tumbling[K]) Assign(dst []Window, at Time) []Window { return dst }
func (w Tumbling[K]) Length() time.Duration                 { return w.Size }
func (w Tumbling[K]) Lateness() time.Duration               { return w.Grace }

type Hopping[K any] struct {
	base[K]
	Size, Advance, Grace time.Duration
}

func (w Hopping[K]) Assign(dst []Window, at Time) []Window { return dst }
func (w Hopping[K]) Length() time.Duration                 { return w.Size }
func (w Hopping[K]) Lateness() time.Duration               { return w.Grace }

type Unlimited[K any] struct {
	base[K]
	Start Time
}

func (w Unlimited[K]) Assign(dst []Window, at Time) []Window { return dst }
func (w Unlimited[K]) Length() time.Duration                 { return 1<<63 - 1 }
func (w Unlimited[K]) Lateness() time.Duration               { return 0 }

type Sliding[K any] struct {
	base[K]
	Difference, Grace time.Duration
}

func (w Sliding[K]) Span() time.Duration     { return w.Difference }
func (w Sliding[K]) Lateness() time.Duration { return w.Grace }

type Session[K any] struct {
	base[K]
	Gap, Grace time.Duration
}

func (w Session[K]) Inactivity() time.Duration { return w.Gap }
func (w Session[K]) Lateness() time.Duration   { return w.Grace }

// Join is the window of a stream-stream join.
type Join struct{ Before, After, Grace time.Duration }

// Within is Join{d, d, grace}.
func Within(d, grace time.Duration) Join { return Join{d, d, grace} }

// TimeSerde and SessionSerde read windowed topics.
func TimeSerde[K any](inner serde.Serde[K], size time.Duration) serde.Serde[Windowed[K]] { return nil }
func SessionSerde[K any](inner serde.Serde[K]) serde.Serde[Windowed[K]]                  { return nil }
