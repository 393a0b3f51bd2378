package metadb

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// maxFailures is how many flushes and compactions in a row may fail before the database is given up. Pebble tries again
// at once and without end, and stops writes meanwhile.
const maxFailures = 100

// logger is Pebble's logger. Pebble expects Fatalf not to return; a library that is embedded in a user's program must
// not end that program, so a fatal error marks the database failed and unwinds the goroutine instead.
type logger struct {
	log      *slog.Logger
	onFail   func(error)
	failures atomic.Int64  // in a row, in the background
	gone     chan struct{} // closed when the database has failed

	mu   sync.Mutex
	err  error
	last time.Time // of the last line
}

// open is pebble.Open, but that it ends when Pebble cannot write what it has to write before it can open.
func (l *logger) open(dir string, o *pebble.Options) (*pebble.DB, error) {
	type opened struct {
		db  *pebble.DB
		err error
	}
	done := make(chan opened, 1)
	go func() {
		var r opened
		defer func() { done <- r }()
		defer Recover(&r.err)
		r.db, r.err = pebble.Open(dir, o)
	}()
	select {
	case r := <-done:
		return r.db, r.err
	case <-l.gone:
		return nil, l.failed() // what still runs in the background has nothing it could damage
	}
}

// Infof is part of pebble.Logger.
func (l *logger) Infof(string, ...any) {}

// Errorf logs at most one line a second.
func (l *logger) Errorf(format string, args ...any) {
	now := time.Now()
	l.mu.Lock()
	quiet := now.Sub(l.last) < time.Second
	if !quiet {
		l.last = now
	}
	l.mu.Unlock()
	if !quiet {
		l.log.Error("metadata database: " + fmt.Sprintf(format, args...))
	}
}

// background is told of a flush or compaction that has failed.
func (l *logger) background(err error) {
	l.Errorf("background error: %v", err)
	if l.failures.Add(1) == maxFailures {
		l.fail(fmt.Errorf("%d attempts to write failed, the last one: %w", maxFailures, err))
	}
}

func (l *logger) fail(err error) {
	l.mu.Lock()
	first := l.err == nil
	if first {
		l.err = err
		close(l.gone)
	}
	l.mu.Unlock()
	if !first {
		return
	}
	l.log.Error("metadata database failed", "err", err)
	if l.onFail != nil {
		l.onFail(err)
	}
}

func (l *logger) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// fatal is the panic of a goroutine of the broker's that ran into a fatal error of Pebble's.
type fatal struct{ err error }

func (f fatal) Error() string { return f.err.Error() }

// Fatalf is part of pebble.Logger. A goroutine of the broker's panics, which Recover turns into an error; in one of
// Pebble's own a panic would end the process.
func (l *logger) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	l.fail(err)
	if ours() {
		panic(fatal{err})
	}
	runtime.Goexit()
}

// ours reports whether a function of the broker's is among the callers, other than of this file.
func ours() bool {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		f, more := frames.Next()
		if strings.Contains(f.Function, "millrace/broker/") {
			return true
		}
		if !more {
			return false
		}
	}
}

// Recover is to be deferred where Pebble is used: it turns the end that a fatal error puts to the goroutine into an
// error that wraps ErrFailed. Other panics go on.
func Recover(err *error) {
	switch r := recover().(type) {
	case nil:
	case fatal:
		*err = errors.Join(*err, fmt.Errorf("%w: %w", ErrFailed, r.err))
	default:
		panic(r)
	}
}
