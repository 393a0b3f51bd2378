package window

import (
	"time"

	"github.com/millrace-go/millrace/serde"
)

// Session windows hold the records of a key that follow each other by at most Gap: [first record, last record], both included. A
// record exactly Gap after the last one still belongs; one that fits between two sessions merges them.
//
// A session takes records until stream time has passed its end by more than Gap and Grace: it is closed when
// End < stream time - Grace - Gap.
type Session[K any] struct {
	base[K]
	Gap   time.Duration // not negative; 0: only records of one time share a session
	Grace time.Duration // how late a record may be; 0 if not given
}

// Inactivity is Gap.
func (w Session[K]) Inactivity() time.Duration { return w.Gap }

// Lateness is Grace.
func (w Session[K]) Lateness() time.Duration { return w.Grace }

// Serde is SessionSerde(in).
func (w Session[K]) Serde(in serde.Serde[K]) serde.Serde[Windowed[K]] { return SessionSerde(in) }

// Check wants a Gap and a Grace that are not negative, in whole milliseconds.
func (w Session[K]) Check() error {
	c := checker{kind: "Session"}
	c.notNegative("Gap", w.Gap)
	c.notNegative("Grace", w.Grace)
	return c.err()
}
