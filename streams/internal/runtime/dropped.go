package runtime

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Dropped is how many records a node has dropped for one reason.
type Dropped struct {
	Node, Reason string
	Count        int64
}

// drops counts dropped records by node and reason. One goroutine counts, any may read.
type drops struct {
	mu     sync.Mutex
	counts map[Dropped]*atomic.Int64 // keys have Count 0

	// last is the counter that was used last: drops come in runs, and comparing the same two strings costs nothing.
	lastKey Dropped
	last    *atomic.Int64
}

func (d *drops) add(node, reason string) {
	k := Dropped{Node: node, Reason: reason}
	if d.last == nil || d.lastKey != k {
		d.lastKey, d.last = k, d.counter(k)
	}
	d.last.Add(1)
}

func (d *drops) counter(k Dropped) *atomic.Int64 {
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

func (d *drops) list() []Dropped {
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
