package streams

import "errors"

// Answer is what a Try function may return as its error instead of a value. It is not a failure.
type Answer string

const (
	// Null stands for a null: the key for a key function, the value (a tombstone, a delete) for the others. Not for TryMap and TryFlatMap,
	// whose records have flags.
	Null Answer = "null"
	// Skip drops the record and counts it.
	Skip Answer = "skip"
)

func (a Answer) Error() string { return string(a) }

// answerOf tells an Answer from a failure.
func answerOf(err error) (Answer, bool) {
	var a Answer
	if errors.As(err, &a) {
		return a, true
	}
	return "", false
}
