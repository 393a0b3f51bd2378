package window

import (
	"time"

	"github.com/millrace-go/millrace/serde"
)

// Sliding windows hold the records that are at most Difference apart: [End-Difference, End], both ends included, aligned to the
// records and not to the epoch. Each record opens the window that ends with it and the one that starts right after it, so there are as
// many windows as there are different sets of records, not one per millisecond.
//
// A window takes records until stream time has passed its end by more than Grace: it is closed when End < stream time - Grace.
type Sliding[K any] struct {
	base[K]
	Difference time.Duration // positive
	Grace      time.Duration // how late a record may be; 0 if not given
}

// Span is Difference.
func (w Sliding[K]) Span() time.Duration { return w.Difference }

// Lateness is Grace.
func (w Sliding[K]) Lateness() time.Duration { return w.Grace }

// Serde is TimeSerde(in, w.Difference): Kafka writes sliding windows as time windows of that size.
func (w Sliding[K]) Serde(in serde.Serde[K]) serde.Serde[Windowed[K]] {
	return TimeSerde(in, w.Difference)
}

// Check wants a positive Difference and a Grace that is not negative, in whole milliseconds. Kafka Streams accepts a Difference of 0 and
// then fails at the first record, because its windows must end after they start.
func (w Sliding[K]) Check() error {
	c := checker{kind: "Sliding"}
	c.positive("Difference", w.Difference)
	c.notNegative("Grace", w.Grace)
	return c.err()
}
