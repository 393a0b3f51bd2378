package streams

import (
	"errors"
	"fmt"
	"time"

	"github.com/millrace-go/millrace/window"
)

// windowing is what an aggregate has to know of its windows, whatever the type of their keys: Assign, Length and the like do not mention it.
type windowing struct {
	// assign appends the windows of an instant; nil for sliding windows and sessions.
	assign func(dst []window.Window, at Time) []window.Window
	// reach is the size of the longest time window, the difference of sliding windows, the gap of sessions, in milliseconds.
	reach int64
	// even says that all windows have the same size.
	even bool

	grace int64 // in milliseconds
	// A window is closed when its end is at or before stream time minus wait. Sliding windows and sessions, whose end belongs to them, wait a
	// millisecond longer than their grace.
	wait int64
	// held is how long Suppress holds a closed window back: the wait without that millisecond.
	held int64

	size, retention time.Duration // of the store; retention is the shortest that is enough
	onClose         bool
	sessions        bool
}

// windowingOf checks a definition of time or sliding windows.
func windowingOf[K, WK any](w window.Windows[K, WK], onClose bool) (windowing, error) {
	if w == nil {
		return windowing{}, errors.New("the windows given to WindowedBy are nil: give a definition, window.Tumbling say")
	}
	if err := w.Check(); err != nil {
		return windowing{}, err
	}
	switch w := w.(type) {
	case window.Assigner[K, WK]:
		return timeWindowing(w, onClose)
	case window.Slider[K, WK]:
		d, grace := w.Span(), w.Lateness()
		win := windowing{reach: window.Millis(d), even: true, grace: window.Millis(grace), size: d, retention: longer(longer(d, d), grace), onClose: onClose}
		win.held, win.wait = win.grace, addMillis(win.grace, 1)
		return win, nil
	}
	return windowing{}, fmt.Errorf("%T is neither a window.Assigner nor a window.Slider: WindowedBy needs one of the two", w)
}

func timeWindowing[K, WK any](w window.Assigner[K, WK], onClose bool) (windowing, error) {
	win := windowing{assign: w.Assign, reach: window.Millis(w.Length()), grace: window.Millis(w.Lateness()), size: w.Length(), retention: longer(w.Length(), w.Lateness()), onClose: onClose}
	win.held, win.wait = win.grace, win.grace
	switch any(w).(type) {
	case window.Tumbling[K], window.Hopping[K]:
		win.even = true
	}
	if onClose && w.Length() == window.Forever {
		return windowing{}, errors.New("EmitOnClose: these windows never close: leave it out")
	}
	return win, nil
}

// sessionWindowing checks a definition of sessions.
func sessionWindowing[K, WK any](w window.Sessions[K, WK], onClose bool) (windowing, error) {
	if w == nil {
		return windowing{}, errors.New("the sessions given to WindowedBySession are nil: give a definition, window.Session say")
	}
	if err := w.Check(); err != nil {
		return windowing{}, err
	}
	gap, grace := w.Inactivity(), w.Lateness()
	win := windowing{reach: window.Millis(gap), grace: window.Millis(grace), retention: longer(gap, grace), onClose: onClose, sessions: true}
	win.held = addMillis(win.reach, win.grace)
	win.wait = addMillis(win.held, 1)
	return win, nil
}

// closed is the time up to which windows that end at or before it are closed.
func (w *windowing) closed(clock Time) Time { return clock.AddMillis(-w.wait) }

// windowAt is the window that starts at an instant, of which only the start is kept. buf is memory to work in.
func (w *windowing) windowAt(start Time, buf *[]window.Window) (window.Window, error) {
	if w.assign == nil || w.even {
		return window.Window{Start: start, End: start.AddMillis(w.reach)}, nil
	}
	*buf = w.assign((*buf)[:0], start)
	for _, win := range *buf {
		if win.Start == start {
			return win, nil
		}
	}
	return window.Window{}, fmt.Errorf("a window that starts at %v is in the store, but Assign does not answer it for its own start: the definition has changed, or it breaks the rule of window.Assigner", start)
}

// checkWindowed checks the options of a windowed aggregate.
func (b *Builder) checkWindowed(name, store string, c *nodeConfig, w *windowing) {
	b.check(name, c)
	if c.store.ttl > 0 {
		b.fail(fmt.Errorf("node %s: TTL is for tables: windows are kept by Retention", name))
		c.store.ttl = 0
	}
	if c.store.versioned {
		b.fail(fmt.Errorf("node %s: windows cannot be Versioned: leave the option out", name))
	}
	if c.store.hasRetention && c.store.retention < w.retention {
		b.fail(fmt.Errorf("node %s: Retention(%v) is shorter than its windows and their grace take: use at least %v", name, c.store.retention, w.retention))
	}
	if c.store.name == "" {
		b.nameGenerated("store", store, "As")
	}
}

// longer is a + b, at most window.Forever. Neither is negative.
func longer(a, b time.Duration) time.Duration {
	if a > window.Forever-b {
		return window.Forever
	}
	return a + b
}

// addMillis is longer for milliseconds.
func addMillis(a, b int64) int64 { return int64(Time(a).AddMillis(b)) }
