package window

import "time"

// Join is the window of a stream-stream join: a left record at t meets the right records in [t-Before, t+After], both ends included.
// Seen from a right record the two are swapped. Either may be negative, so that a right record must come so much later (Before) or
// earlier (After) than the left one, as long as they leave something between them.
//
// Grace is how late a record may be; 0 if not given.
type Join struct{ Before, After, Grace time.Duration }

// Within is Join{d, d, grace}: the two records are at most d apart, whichever comes first.
func Within(d, grace time.Duration) Join { return Join{d, d, grace} }

// ForLeft is where the right records lie that a left record at an instant meets, both ends included. Neither end is before the epoch:
// a window that would end before it is [0, 0], as in Kafka.
func (j Join) ForLeft(at Time) Window { return around(at, Millis(j.Before), Millis(j.After)) }

// ForRight is where the left records lie that a right record at an instant meets.
func (j Join) ForRight(at Time) Window { return around(at, Millis(j.After), Millis(j.Before)) }

func around(at Time, before, after int64) Window {
	return Window{max(0, at.AddMillis(-before)), max(0, at.AddMillis(after))}
}

// Size is Before + After, at most Forever.
func (j Join) Size() time.Duration {
	if j.Before > 0 && j.After > Forever-j.Before {
		return Forever
	}
	return j.Before + j.After
}

// Check wants Before + After and Grace not to be negative, all in whole milliseconds.
func (j Join) Check() error {
	c := checker{kind: "Join"}
	c.whole("Before", j.Before)
	c.whole("After", j.After)
	if j.Size() < 0 || (j.Before < 0 && j.After < 0) {
		c.fail("Before + After", j.Size(), "it must not be negative: no two records would ever meet")
	}
	c.notNegative("Grace", j.Grace)
	return c.err()
}
