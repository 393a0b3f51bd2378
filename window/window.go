package window

import (
	"fmt"
	"time"

	"github.com/millrace-go/millrace/serde"
)

// A Window is [Start, End) for time windows and [Start, End] for sliding and session windows.
type Window struct{ Start, End Time }

// String is the interval as ISO 8601 writes it: start/end.
func (w Window) String() string { return w.Start.String() + "/" + w.End.String() }

// Windowed is a key within a window. It is comparable when K is.
type Windowed[K any] struct {
	Key K
	Window
}

// String is key@start/end.
func (w Windowed[K]) String() string { return fmt.Sprintf("%v@%s", w.Key, w.Window) }

// Windows is what WindowedBy takes: time and sliding windows. It must be an [Assigner] or a [Slider]: Build says so. WK is the key of
// the resulting table, normally Windowed[K]. Definitions are values without state, shared by all goroutines.
type Windows[K, WK any] interface {
	// Key and Unwrap make the key of a window and take it apart: Unwrap(Key(k, w)) is k, w.
	Key(K, Window) WK
	Unwrap(WK) (K, Window)

	// Serde writes and reads the keys that Key makes. It is carried by the definition, because one Windowed[K] has three byte formats.
	// Use [KeySerde], which knows what to do when the method is that of an embedded definition.
	Serde(serde.Serde[K]) serde.Serde[WK]

	// Check says what is wrong with the definition, all of it, each mistake with its field and its fix.
	Check() error
}

// An Assigner is a [Windows] whose windows follow from the timestamp alone. Users implement it for calendar windows.
type Assigner[K, WK any] interface {
	Windows[K, WK]

	// Assign appends the windows of an instant to dst, by ascending start, and returns it. It may append none.
	//
	// Assign(nil, w.Start) contains w: so the end of a stored window is found again, of which only the start is kept. Windows start at
	// or after the epoch, end later than they start, and none is longer than Length; CheckAssigned says so of a window. An end
	// that does not fit a Time is therefore an error of that record, as in Java.
	Assign(dst []Window, at Time) []Window

	// Length is the size of the longest window. Stores keep windows for as long, plus the lateness.
	Length() time.Duration

	// Lateness is the grace: a window takes records until stream time has reached its end plus the lateness.
	Lateness() time.Duration
}

// A Slider is a [Windows] whose windows follow from the records themselves: all records that are at most Span apart. A window closes
// when stream time has passed its end by more than Lateness.
type Slider[K, WK any] interface {
	Windows[K, WK]
	Span() time.Duration
	Lateness() time.Duration
}

// Sessions is what WindowedBySession takes. Records of one key join one session when they are at most Inactivity apart; a session
// closes when stream time has passed its end by more than Inactivity and Lateness together.
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

// base makes and takes apart the keys of all definitions here.
type base[K any] struct{}

// Key is k within w.
func (base[K]) Key(k K, w Window) Windowed[K] { return Windowed[K]{k, w} }

// Unwrap takes a windowed key apart.
func (base[K]) Unwrap(w Windowed[K]) (K, Window) { return w.Key, w.Window }

// CheckAssigned says what is wrong with a window that an [Assigner] answered: a start before the epoch, or an end that is not after the
// start, as that of a window whose end does not fit a Time. A record with such a window fails.
func CheckAssigned(w Window) error {
	switch {
	case w.Start < 0:
		return fmt.Errorf("window: a window starts at %v, before the epoch", w.Start)
	case w.End <= w.Start:
		return fmt.Errorf("window: the window that starts at %v (%d ms) ends at %d ms: not after its start, or beyond the end of time",
			w.Start, w.Start.Millis(), w.End.Millis())
	}
	return nil
}

// StartingAt is the window of a that starts at an instant, and whether there is one. It is for reading windows of which only the start
// was kept, and so an end that does not fit a Time is [MaxTime], as Kafka Streams reads it.
func StartingAt[K, WK any](a Assigner[K, WK], start Time) (Window, bool) {
	return startingAt(a, new([]Window), start)
}

// startingAt uses the memory of buf and leaves there what it has grown to.
func startingAt[K, WK any](a Assigner[K, WK], buf *[]Window, start Time) (Window, bool) {
	*buf = a.Assign((*buf)[:0], start)
	for _, w := range *buf {
		if w.Start == start {
			if w.End <= w.Start {
				w.End = MaxTime
			}
			return w, true
		}
	}
	return Window{}, false
}
