package state

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

var (
	// ErrDBFailed: the database has met an error that it cannot recover from. Close it, move its directory aside and open a new one: the stores
	// are rebuilt from their changelogs.
	ErrDBFailed = errors.New("the store database has failed")
	// ErrNoSpace: the disk has less room than DBOptions.MinFree. Nothing was written. Make room and try again.
	ErrNoSpace = errors.New("the disk of the state directory is full")

	errClosed = errors.New("the store database is closed")
)

// DamagedError: rows of a store cannot be read. Reads and Stores.Apply return it. The store's partition is emptied when it is opened next, to
// be rebuilt from its changelog: so close the task and start it anew.
type DamagedError struct {
	Store     string
	Partition int32
	Err       error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("store %s, partition %d is damaged and has to be rebuilt: %v", e.Store, e.Partition, e.Err)
}

func (e *DamagedError) Unwrap() error { return e.Err }

// faults is Pebble's logger and its listener. Pebble's own would end the process on a corruption; and where it gives up it expects that
// Fatalf does not return. Here a fatal error marks the database as failed and ends the goroutine, which is never the caller's: see DB.do.
type faults struct {
	log     *slog.Logger
	onFault func(error)
	now     func() time.Time

	mu      sync.Mutex
	err     error     // fatal
	quietTo time.Time // background errors are logged once in a while: a full disk brings thousands a second
	muted   int
	damaged map[storePartition]*DamagedError
	healed  int           // how often a partition was emptied
	fatal   chan struct{} // closed with err

	corrupt func(span) // is told of a file that cannot be read; nil while the database opens
}

type storePartition struct {
	id        uint32
	partition int32
}

// Infof implements pebble.Logger.
func (f *faults) Infof(string, ...any) {}

// Errorf implements pebble.Logger.
func (f *faults) Errorf(format string, args ...any) { f.noise(fmt.Errorf(format, args...)) }

// Fatalf implements pebble.Logger.
func (f *faults) Fatalf(format string, args ...any) {
	f.fail(fmt.Errorf(format, args...))
	runtime.Goexit()
}

// fail marks the database as failed.
func (f *faults) fail(err error) {
	f.mu.Lock()
	first := f.err == nil
	if first {
		f.err = fmt.Errorf("%w: %w", ErrDBFailed, err)
		err = f.err
		close(f.fatal)
	}
	f.mu.Unlock()
	if first {
		f.log.Error("the store database has failed", "err", err)
		f.tell(err)
	}
}

func (f *faults) failed() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *faults) tell(err error) {
	if f.onFault != nil {
		f.onFault(err)
	}
}

// noise logs an error of the background, at most once in ten seconds. It tells whether it was logged.
func (f *faults) noise(err error) bool {
	f.mu.Lock()
	now := f.now()
	if now.Before(f.quietTo) {
		f.muted++
		f.mu.Unlock()
		return false
	}
	muted := f.muted
	f.muted, f.quietTo = 0, now.Add(10*time.Second)
	f.mu.Unlock()
	f.log.Error("store database", "err", err, "unlogged", muted)
	return true
}

// listener is Pebble's event listener.
func (f *faults) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			if f.noise(err) {
				f.tell(fmt.Errorf("store database: %w", err))
			}
		},
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			err := fmt.Errorf("file %s: %w", i.Path, i.Details)
			f.noise(err)
			if f.corrupt != nil {
				f.corrupt(span{clone(i.Bounds.Start), append(clone(i.Bounds.End.Key), 0)})
			}
		},
	}
}

// damage notes that a partition of a store cannot be read.
func (f *faults) damage(e *DamagedError, p storePartition) {
	f.mu.Lock()
	_, known := f.damaged[p]
	f.damaged[p] = e
	f.mu.Unlock()
	if !known {
		f.log.Error("a store is damaged", "store", e.Store, "partition", e.Partition, "err", e.Err)
		f.tell(e)
	}
}

// damageOf is the partition's damage, nil if none is known.
func (f *faults) damageOf(p storePartition) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e := f.damaged[p]; e != nil {
		return e
	}
	return nil
}

// heal forgets that a partition was damaged.
func (f *faults) heal(p storePartition) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.healed++
	delete(f.damaged, p)
}

// healings changes when a partition is healed: what was found out before may be of the past.
func (f *faults) healings() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.healed
}
