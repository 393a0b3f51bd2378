package metadb

import (
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// scheduler runs one compaction of Pebble's at a time, and none before the database is open: pebble.Open, when it fails
// late, closes files under a compaction that the replay of its log has started, and that compaction's panic would end the process.
type scheduler struct {
	db pebble.DBForCompaction

	mu       sync.Mutex // taken after Pebble's own lock
	open     bool
	running  bool
	granting int
	idle     *sync.Cond // granting is 0
	closed   bool
}

func newScheduler() *scheduler {
	s := &scheduler{}
	s.idle = sync.NewCond(&s.mu)
	return s
}

// Register is part of pebble.CompactionScheduler, as are the methods below.
func (s *scheduler) Register(_ int, db pebble.DBForCompaction) { s.db = db }

// Unregister ends the granting.
func (s *scheduler) Unregister() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for s.granting > 0 {
		s.idle.Wait()
	}
}

// TrySchedule is asked with Pebble's lock held. What it refuses waits for grant.
func (s *scheduler) TrySchedule() (bool, pebble.CompactionGrantHandle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.take() {
		return false, nil
	}
	return true, s
}

// take takes the one place if it is free. s.mu is held.
func (s *scheduler) take() bool {
	if !s.open || s.closed || s.running {
		return false
	}
	s.running = true
	return true
}

// UpdateGetAllowedWithoutPermission says that the limit may have changed; it is always 1.
func (s *scheduler) UpdateGetAllowedWithoutPermission() {}

// opened lets compactions begin.
func (s *scheduler) opened() {
	s.mu.Lock()
	s.open = true
	s.mu.Unlock()
	s.grant()
}

// Done is told when a compaction has ended. It is part of pebble.CompactionGrantHandle, as are the methods after it.
func (s *scheduler) Done() {
	s.mu.Lock()
	s.running = false
	s.mu.Unlock()
	s.grant()
}

// Started and the others are about what a compaction takes, which nobody asks for.
func (s *scheduler) Started() {}

// MeasureCPU is part of pebble.CompactionGrantHandle.
func (s *scheduler) MeasureCPU(pebble.CompactionGoroutineKind) {}

// CumulativeStats is part of pebble.CompactionGrantHandle.
func (s *scheduler) CumulativeStats(pebble.CompactionGrantHandleStats) {}

// grant begins a compaction that waits, if there is one. Pebble's lock is not held.
func (s *scheduler) grant() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.granting++
	for waiting := true; waiting && s.take(); {
		s.mu.Unlock()
		began := s.db.Schedule(s)
		s.mu.Lock()
		if began {
			break
		}
		s.running = false
		// One that was refused since then, because the place was taken, would wait for ever.
		s.mu.Unlock()
		waiting, _ = s.db.GetWaitingCompaction()
		s.mu.Lock()
	}
	if s.granting--; s.granting == 0 {
		s.idle.Broadcast()
	}
}
