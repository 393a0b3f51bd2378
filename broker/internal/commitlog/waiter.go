package commitlog

import "slices"

// Waiter is woken when a partition that it watches has something new: records,
// a moved last stable offset or log start, a failure, its deletion. It can watch
// many partitions at a time, which a channel per partition could not serve
// without a goroutine for each.
type Waiter struct{ c chan struct{} }

// NewWaiter returns a waiter that watches nothing yet.
func NewWaiter() *Waiter { return &Waiter{c: make(chan struct{}, 1)} }

// C returns the channel that receives a value after a change. Changes between
// two receives are one value.
func (w *Waiter) C() <-chan struct{} { return w.c }

// Watch makes the partition wake w until Unwatch. To miss nothing, watch first and read then.
func (p *Partition) Watch(w *Waiter) {
	p.view.mu.Lock()
	defer p.view.mu.Unlock()
	p.view.waiters = append(p.view.waiters, w)
}

// Unwatch ends what Watch began.
func (p *Partition) Unwatch(w *Waiter) {
	p.view.mu.Lock()
	defer p.view.mu.Unlock()
	if i := slices.Index(p.view.waiters, w); i >= 0 {
		last := len(p.view.waiters) - 1
		p.view.waiters[i] = p.view.waiters[last]
		p.view.waiters[last] = nil
		p.view.waiters = p.view.waiters[:last]
	}
}

// wake tells all waiters. v.mu is held.
func (v *view) wake() {
	for _, w := range v.waiters {
		select {
		case w.c <- struct{}{}:
		default: // it has not looked since the last change
		}
	}
}
