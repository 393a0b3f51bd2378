package streams

import (
	"slices"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

// slidingNode keeps the sliding windows of a key (KIP-450). There is a window for each different set of records, not for each millisecond: one that ends
// at a record, its left window, and one that starts right after a record, its right window, if it holds any. The stored time of a window is that of its
// last record, from which the record before another one is found.
//
// Records before the difference have no left window of their own, because no window starts before 0: they share the one from 0 on.
type slidingNode[K, V, A any] struct {
	*windowNode[K, V, A]
	span  int64
	found []slidingWindow[A] // of the record's key, around the record
}

type slidingWindow[A any] struct {
	start Time
	state.Stamped[A]
}

func newSlidingNode[K, V, A any](n *windowNode[K, V, A]) *slidingNode[K, V, A] {
	return &slidingNode[K, V, A]{windowNode: n, span: n.windows.reach}
}

func (n *slidingNode[K, V, A]) process(r Record[K, V]) error {
	if r.NoKey || r.Tombstone {
		n.ctx.Drop(droppedNull(r.NoKey))
		return nil
	}
	closed, err := n.advance(r)
	if err != nil {
		return err
	}
	if end := r.Time.AddMillis(n.span); end <= closed {
		return n.late(r, window.Window{Start: r.Time, End: end}, n.onLate)
	}
	if r.Time < Time(n.span) {
		return n.processEarly(r, closed)
	}
	return n.processBackwards(r, closed)
}

// processBackwards goes through the windows around a record by descending start, then makes those that are missing.
func (n *slidingNode[K, V, A]) processBackwards(r Record[K, V], closed Time) error {
	// The right window, which starts a millisecond after the record, is looked for on the way.
	if err := n.find(n.rows.store.FetchDescending(r.Key, max(0, r.Time.AddMillis(-2*n.span)), r.Time.AddMillis(1))); err != nil {
		return err
	}
	var left, right *state.Stamped[A] // aggregates to begin the record's own windows with
	var hasLeft, hasRight bool        // the windows are there
	previous := Time(-1)              // of the record before
	for i := range n.found {
		w := &n.found[i]
		switch end := w.start.AddMillis(n.span); {
		case w.start > r.Time:
			hasRight = true
		case end > r.Time:
			if right == nil {
				right = &w.Stamped
			}
			if err := n.put(r, w.start, &w.Stamped, closed); err != nil {
				return err
			}
		case end == r.Time:
			hasLeft = true
			if err := n.put(r, w.start, &w.Stamped, closed); err != nil {
				return err
			}
			if w.Time >= r.Time {
				return nil // there is a record of this time: all windows are there
			}
			previous = w.Time
		default:
			left, previous = &w.Stamped, w.Time
		}
		if left != nil {
			break
		}
	}
	if previous >= 0 {
		if start := previous.AddMillis(1); !n.has(start) && start.AddMillis(n.span) >= r.Time {
			if err := n.put(r, start, nil, closed); err != nil {
				return err
			}
		}
	}
	if !hasLeft {
		if previous < r.Time.AddMillis(-n.span) {
			left = nil
		}
		if err := n.put(r, r.Time.AddMillis(-n.span), left, closed); err != nil {
			return err
		}
	}
	if !hasRight {
		return n.putRight(r, right)
	}
	return nil
}

// processEarly is for a record before the first instant that has a left window.
func (n *slidingNode[K, V, A]) processEarly(r Record[K, V], closed Time) error {
	if err := n.find(n.rows.store.Fetch(r.Key, 0, r.Time.AddMillis(1))); err != nil {
		return err
	}
	var first, right *state.Stamped[A]
	hasRight := false
	previous := Time(-1)
	for i := range n.found {
		w := &n.found[i]
		switch {
		case w.start == 0:
			first = &w.Stamped
			if w.Time < r.Time {
				previous = w.Time
			}
		case w.start <= r.Time:
			right = &w.Stamped
			if err := n.put(r, w.start, right, closed); err != nil {
				return err
			}
		default:
			hasRight = true
		}
	}
	if right == nil && first != nil && first.Time > r.Time {
		right = first // it holds later records only
	}
	if !hasRight {
		if err := n.putRight(r, right); err != nil {
			return err
		}
	}
	if previous >= 0 && !n.has(previous.AddMillis(1)) {
		if err := n.put(r, previous.AddMillis(1), nil, closed); err != nil {
			return err
		}
	}
	return n.put(r, 0, first, closed)
}

// find collects windows before any is changed.
func (n *slidingNode[K, V, A]) find(windows func(yield func(state.Entry[Time, state.Stamped[A]], error) bool)) error {
	clear(n.found)
	n.found = n.found[:0]
	for e, err := range windows {
		if err != nil {
			return topology.Fatal(err)
		}
		n.found = append(n.found, slidingWindow[A]{e.Key, e.Value})
	}
	return nil
}

// has says whether a window was found that starts then.
func (n *slidingNode[K, V, A]) has(start Time) bool {
	return slices.ContainsFunc(n.found, func(w slidingWindow[A]) bool { return w.start == start })
}

// put adds the record to a window whose aggregate is agg, nil for a window that begins with the record.
func (n *slidingNode[K, V, A]) put(r Record[K, V], start Time, agg *state.Stamped[A], closed Time) error {
	w := window.Window{Start: start, End: start.AddMillis(n.span)}
	if w.End <= closed {
		return n.late(r, w, n.onLate)
	}
	var old A
	at := r.Time
	if agg != nil {
		old, at = agg.Value, max(at, agg.Time)
	}
	c, done, err := n.next(r, old, agg != nil)
	if done || err != nil {
		return err
	}
	return n.rows.update(r.Key, w, c, at, r.Headers)
}

// putRight makes the record's right window, which does not hold the record, with the aggregate of the records in it, if there are any.
func (n *slidingNode[K, V, A]) putRight(r Record[K, V], agg *state.Stamped[A]) error {
	if agg == nil || agg.Time <= r.Time {
		return nil
	}
	start := r.Time.AddMillis(1)
	w := window.Window{Start: start, End: start.AddMillis(n.span)}
	return n.rows.update(r.Key, w, change[A]{New: agg.Value, HasNew: true}, agg.Time, r.Headers)
}
