package window

import (
	"fmt"
	"time"

	"github.com/millrace-go/millrace/serde"
)

// Tumbling windows have one size and follow each other without gap or overlap: [n*Size, (n+1)*Size) since the epoch.
//
// A window takes records until stream time reaches its end plus Grace: it is closed when End <= stream time - Grace.
type Tumbling[K any] struct {
	base[K]
	Size  time.Duration // positive
	Grace time.Duration // how late a record may be; 0 if not given
}

// Assign appends the one window of an instant; none for an instant before the epoch.
func (w Tumbling[K]) Assign(dst []Window, at Time) []Window {
	size := Millis(w.Size)
	return assign(dst, at, size, size)
}

// Length is Size.
func (w Tumbling[K]) Length() time.Duration { return w.Size }

// Lateness is Grace.
func (w Tumbling[K]) Lateness() time.Duration { return w.Grace }

// Serde is TimeSerde(in, w.Size).
func (w Tumbling[K]) Serde(in serde.Serde[K]) serde.Serde[Windowed[K]] { return builtin(in, w.Size) }

// Check wants a positive Size and a Grace that is not negative, in whole milliseconds.
func (w Tumbling[K]) Check() error {
	c := checker{kind: "Tumbling"}
	c.positive("Size", w.Size)
	c.notNegative("Grace", w.Grace)
	return c.err()
}

// Hopping windows have one size and start every Advance: [n*Advance, n*Advance+Size) since the epoch. An instant lies in Size/Advance
// of them, rounded up or down; each is an entry in the store and an update, so a Size that is many times Advance is costly ([Sliding]
// windows may be what is wanted).
//
// A window takes records until stream time reaches its end plus Grace: it is closed when End <= stream time - Grace. A record can be
// too late for some of its windows and not for others.
type Hopping[K any] struct {
	base[K]
	Size    time.Duration // positive
	Advance time.Duration // positive, at most Size
	Grace   time.Duration // how late a record may be; 0 if not given
}

// Assign appends the windows of an instant; none for an instant before the epoch.
func (w Hopping[K]) Assign(dst []Window, at Time) []Window {
	return assign(dst, at, Millis(w.Size), Millis(w.Advance))
}

// Length is Size.
func (w Hopping[K]) Length() time.Duration { return w.Size }

// Lateness is Grace.
func (w Hopping[K]) Lateness() time.Duration { return w.Grace }

// Serde is TimeSerde(in, w.Size).
func (w Hopping[K]) Serde(in serde.Serde[K]) serde.Serde[Windowed[K]] { return builtin(in, w.Size) }

// Check wants a positive Size, an Advance between 1 ms and Size, and a Grace that is not negative, in whole milliseconds.
func (w Hopping[K]) Check() error {
	c := checker{kind: "Hopping"}
	c.positive("Size", w.Size)
	c.positive("Advance", w.Advance)
	if w.Size > 0 && w.Advance > w.Size {
		c.fail("Advance", w.Advance, fmt.Sprintf("records between two windows would be lost: use at most Size, which is %v", w.Size))
	}
	c.notNegative("Grace", w.Grace)
	return c.err()
}

// assign appends the windows [n*advance, n*advance+size) that contain at, without those that start before the epoch. An end that does not
// fit wraps round and is so below its start, which is how the caller sees it. Sizes that Check refuses have no windows.
func assign(dst []Window, at Time, size, advance int64) []Window {
	if at < 0 || size <= 0 || advance <= 0 || advance > size {
		return dst
	}
	// No overflow: at >= 0 and size - advance >= 0.
	first := max(0, int64(at)-(size-advance)) / advance * advance
	for start := first; ; start += advance {
		dst = append(dst, Window{Time(start), Time(start + size)})
		if start > int64(at)-advance { // the next one starts after at; written so that it cannot overflow
			return dst
		}
	}
}
