package state

import (
	"bytes"
	"errors"
	"sync"
	"time"
)

// sweeper removes expired ranges in the background. Nobody sees them any more; removing each at once would cost a flush when time passes
// quickly.
type sweeper struct {
	db *DB

	mu      sync.Mutex
	ranges  []span
	timer   *time.Timer
	busy    sync.WaitGroup
	stopped bool
}

// sweepAfter is how long expired ranges wait for others, sweepAt how many are waited for.
const (
	sweepAfter = 10 * time.Second
	sweepAt    = 256
)

// later removes a range some time.
func (s *sweeper) later(low, high []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	if n := len(s.ranges); n > 0 && bytes.Equal(s.ranges[n-1].high, low) {
		s.ranges[n-1].high = high
	} else {
		s.ranges = append(s.ranges, span{low, high})
	}
	switch {
	case s.timer == nil:
		s.busy.Add(1)
		s.timer = time.AfterFunc(sweepAfter, s.run)
	case len(s.ranges) >= sweepAt && s.timer.Stop():
		go s.run()
	}
}

func (s *sweeper) run() {
	defer s.busy.Done()
	s.mu.Lock()
	ranges := s.ranges
	s.ranges, s.timer = nil, nil
	s.mu.Unlock()
	for _, r := range ranges {
		switch err := s.db.excise(r.low, r.high); {
		case errors.Is(err, errClosed):
			return
		case err != nil:
			s.db.f.tell(err)
			return
		}
	}
}

// stop waits for the removal under way and leaves the rest for the next start.
func (s *sweeper) stop() {
	s.mu.Lock()
	s.stopped = true
	if s.timer != nil && s.timer.Stop() {
		s.busy.Done()
	}
	s.mu.Unlock()
	s.busy.Wait()
}
