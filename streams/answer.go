package streams

import (
	"errors"

	"github.com/millrace-go/millrace/topology"
)

// Answer is what a Try function may return as its error instead of a value. It is not a failure.
type Answer string

const (
	// Null stands for a null: the key for a key function, the value (a tombstone, a delete) for the others. Not for TryMap and TryFlatMap,
	// whose records have flags, nor where there is nothing to be null: predicates, TryPeek, TryForEach.
	Null Answer = "null"
	// Skip drops the record and counts it.
	Skip Answer = "skip"
)

func (a Answer) Error() string { return string(a) }

// Reasons for dropping a record: what dropped-records are counted by.
const (
	droppedTombstone = "tombstone"
	droppedNullKey   = "null key"
	droppedSkip      = "skip"
	droppedStale     = "out of order"
	droppedLate      = "late"
)

// answerOf tells an Answer from a failure.
func answerOf(err error) (Answer, bool) {
	if a, ok := err.(Answer); ok {
		return a, true
	}
	var a Answer
	if errors.As(err, &a) {
		return a, true
	}
	return "", false
}

// failed turns the error of a user function that has no Null to give into a dropped record (Skip) or a failure of the node.
func failed(ctx *topology.Context, err error) error {
	if a, ok := answerOf(err); ok && a == Skip {
		ctx.Drop(droppedSkip)
		return nil
	}
	return ctx.Fail(err)
}

// nullOr is failed for a function whose Null has a meaning: it answers true for Null.
func nullOr(ctx *topology.Context, err error) (null bool, _ error) {
	if a, ok := answerOf(err); ok && a == Null {
		return true, nil
	}
	return false, failed(ctx, err)
}
