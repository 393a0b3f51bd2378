package window

import (
	"fmt"
	"time"

	"github.com/millrace-go/millrace/serde"
)

// Unlimited is one window that starts at Start and never ends: [Start, MaxTime). Records before Start belong to no window and are
// left out without being counted as dropped. It never closes, so results cannot wait for that.
type Unlimited[K any] struct {
	base[K]
	Start Time // not before the epoch; the epoch if not given
}

// Assign appends the window if the instant is not before its start.
func (w Unlimited[K]) Assign(dst []Window, at Time) []Window {
	if at < w.Start {
		return dst
	}
	return append(dst, Window{w.Start, MaxTime})
}

// Length is Forever.
func (w Unlimited[K]) Length() time.Duration { return Forever }

// Lateness is 0: a window that never closes has no late records.
func (w Unlimited[K]) Lateness() time.Duration { return 0 }

// Serde is TimeSerde(in, Forever).
func (w Unlimited[K]) Serde(in serde.Serde[K]) serde.Serde[Windowed[K]] { return builtin(in, Forever) }

// Check wants a Start that is not before the epoch.
func (w Unlimited[K]) Check() error {
	if w.Start < 0 {
		return fmt.Errorf("window: Unlimited.Start is %v; windows start at or after the epoch: use 0 to take every record", w.Start)
	}
	return nil
}
