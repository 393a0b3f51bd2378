package wire

import (
	"context"
	"slices"
	"sync"
)

// budget bounds the memory of the frames that are being read or handled. A frame takes its share as its bytes arrive, so that one
// that is announced and does not come holds nobody up. Frames that have come in part could wait for each other's memory for ever:
// one at a time takes more than there is.
type budget struct {
	mu    sync.Mutex
	free  int64 // negative while over has more than there was
	over  *share
	queue []*share // those that wait, the first to come first
}

// share is what one frame has of the budget.
type share struct {
	held, want int64
	granted    chan struct{}
}

func newBudget(bytes int64) *budget { return &budget{free: bytes} }

// take gives n more bytes to s. It waits until there are some; waited says that it had to.
func (b *budget) take(ctx context.Context, s *share, n int64) (waited bool, err error) {
	b.mu.Lock()
	if b.over == s || len(b.queue) == 0 && b.free >= n {
		b.free -= n
		s.held += n
		b.mu.Unlock()
		return false, nil
	}
	s.want, s.granted = n, make(chan struct{})
	b.queue = append(b.queue, s)
	b.grant()
	b.mu.Unlock()
	select {
	case <-s.granted:
		return true, nil
	case <-ctx.Done():
		b.mu.Lock()
		defer b.mu.Unlock()
		b.queue = slices.DeleteFunc(b.queue, func(o *share) bool { return o == s }) // not there if it was granted meanwhile
		b.grant()
		return true, ctx.Err()
	}
}

// give takes back all that s has.
func (b *budget) give(s *share) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free += s.held
	s.held = 0
	if b.over == s {
		b.over = nil
	}
	b.grant()
}

// grant gives to those that wait what they want. b.mu is held.
func (b *budget) grant() {
	for len(b.queue) > 0 {
		s := b.queue[0]
		if b.free < s.want {
			if b.over != nil {
				return
			}
			b.over = s
		}
		b.queue = slices.Delete(b.queue, 0, 1)
		b.free -= s.want
		s.held += s.want
		close(s.granted)
	}
}
