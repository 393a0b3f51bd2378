package runtime

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Dropped is how many records a node, or a store, has dropped for one reason: "null key", "tombstone", "late", "skip", "deserialization error", and the
// like; processors give reasons of their own.
type Dropped struct {
	Node, Reason string
	Count        int64
}

// Drops counts dropped records by node and reason, for all tasks of an instance, those that have gone included. Any goroutine may read. The zero value has
// counted none.
type Drops struct {
	mu     sync.Mutex
	counts map[Dropped]*atomic.Int64 // keys have Count 0
}

// drops is how one task counts, in its goroutine. Only the first record of a node and reason takes the lock.
type drops struct {
	all   *Drops
	known map[Dropped]*atomic.Int64

	// last is the counter that was used last: drops come in runs, and comparing the same two strings costs nothing.
	lastKey Dropped
	last    *atomic.Int64
}

func newDrops(all *Drops) *drops {
	if all == nil {
		all = new(Drops)
	}
	return &drops{all: all, known: map[Dropped]*atomic.Int64{}}
}

func (d *drops) add(node, reason string) {
	k := Dropped{Node: node, Reason: reason}
	if d.last == nil || d.lastKey != k {
		c := d.known[k]
		if c == nil {
			c = d.all.counter(k)
			d.known[k] = c
		}
		d.lastKey, d.last = k, c
	}
	d.last.Add(1)
}

func (d *Drops) counter(k Dropped) *atomic.Int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.counts[k]
	if c == nil {
		c = new(atomic.Int64)
		if d.counts == nil {
			d.counts = map[Dropped]*atomic.Int64{}
		}
		d.counts[k] = c
	}
	return c
}

// List is what was dropped so far, by node, then reason.
func (d *Drops) List() []Dropped {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]Dropped, 0, len(d.counts))
	for k, c := range d.counts {
		k.Count = c.Load()
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b Dropped) int {
		if c := strings.Compare(a.Node, b.Node); c != 0 {
			return c
		}
		return strings.Compare(a.Reason, b.Reason)
	})
	return out
}
