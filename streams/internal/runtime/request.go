package runtime

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"

	"github.com/millrace-go/millrace/topology"
)

// ErrEnded says that a thread answers no more.
var ErrEnded = errors.New("the thread has ended")

// request is something to do in a thread, between records. Whoever takes it first, the thread to do it or the asker to give it up, has it.
type request struct {
	f     func()
	taken atomic.Bool
	done  chan struct{}
	err   error
}

// Do runs f in the thread, between records, and waits for it. When it returns an error that is not f's panic, f was not called and will not be.
func (t *Thread) Do(ctx context.Context, f func()) error {
	r := &request{f: f, done: make(chan struct{})}
	select {
	case t.requests <- r:
	case <-t.ended:
		return ErrEnded
	case <-ctx.Done():
		return ctx.Err()
	}
	if wake := t.wake.Load(); wake != nil {
		(*wake)()
	}
	select {
	case <-r.done:
		return r.err
	case <-t.ended:
		return r.giveUp(ErrEnded)
	case <-ctx.Done():
		return r.giveUp(ctx.Err())
	}
}

// giveUp takes a request back, or waits for it if the thread is at it.
func (r *request) giveUp(err error) error {
	if r.taken.CompareAndSwap(false, true) {
		return err
	}
	<-r.done
	return r.err
}

// answer does what was asked for.
func (t *Thread) answer() {
	for range len(t.requests) {
		(<-t.requests).do()
	}
}

func (r *request) do() {
	if !r.taken.CompareAndSwap(false, true) {
		return
	}
	defer close(r.done)
	defer func() {
		if p := recover(); p != nil {
			r.err = fmt.Errorf("request: %w", &topology.PanicError{Value: p, Stack: debug.Stack()})
		}
	}()
	r.f()
}
