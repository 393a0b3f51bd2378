package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/millrace-go/millrace/topology"
)

// ErrEnded says that a thread answers no more.
var ErrEnded = errors.New("the thread has ended")

// ErrUnsettled says that tasks are on their way: the group moves them, or their stores are being restored.
var ErrUnsettled = errors.New("tasks are on their way")

// request is something to do in a thread, between records. Whoever takes it first, the thread to do it or the asker to give it up, has it.
type request struct {
	f         func()
	committed bool // it must not see what a transaction may take back
	taken     atomic.Bool
	done      chan struct{}
	err       error
}

// EachStore calls f with the store of that name of each of the thread's tasks, one after the other, in the thread between two records, and stops at an error of f. With
// committed it waits until everything in the stores is, at most for the next commit, which comes early for it; without transactions nothing is ever taken back, and
// it does not wait. It fails with ErrUnsettled rather than to leave a store out.
func (t *Thread) EachStore(ctx context.Context, name string, committed bool, f func(store any) error) error {
	var failed error
	err := t.ask(ctx, &request{committed: committed && t.Producer.Transactional(), f: func() {
		ids, settled := t.holders(name)
		if !settled {
			failed = ErrUnsettled
		}
		for i := 0; i < len(ids) && failed == nil; i++ {
			failed = f(t.tasks[ids[i]].Stores().Get(name))
		}
	}})
	if err != nil {
		return err
	}
	return failed
}

// EachStore calls f with the store of that name of each task of several threads, see [Thread.EachStore]. It fails with ErrUnsettled, too, when the group has moved
// tasks meanwhile: one that went from a thread to another would be left out or be there twice.
func EachStore(ctx context.Context, threads []*Thread, name string, committed bool, f func(store any) error) error {
	moves := func() (n int64) {
		for _, t := range threads {
			n += t.moves.Load()
		}
		return n
	}
	before := moves()
	for _, t := range threads {
		if err := t.EachStore(ctx, name, committed, f); err != nil {
			return err
		}
	}
	if moves() != before {
		return ErrUnsettled
	}
	return nil
}

// holders are the tasks that have a store of that name, in order; settled is false while one of them does not run yet or partitions are between two owners.
func (t *Thread) holders(name string) (ids []topology.TaskID, settled bool) {
	settled = t.assigned && !t.moving
	for id, m := range t.tasks {
		if m.Stores().Get(name) != nil {
			ids = append(ids, id)
			settled = settled && m.runs()
		}
	}
	slices.SortFunc(ids, func(a, b topology.TaskID) int {
		return cmp.Or(cmp.Compare(a.Subtopology, b.Subtopology), cmp.Compare(a.Partition, b.Partition))
	})
	return ids, settled
}

// Do runs f in the thread, between records, and waits for it. When it returns an error that is not f's panic, f was not called and will not be.
func (t *Thread) Do(ctx context.Context, f func()) error { return t.ask(ctx, &request{f: f}) }

func (t *Thread) ask(ctx context.Context, r *request) error {
	r.done = make(chan struct{})
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

// answer does what was asked for. What must see committed state only is held back until there is no other.
func (t *Thread) answer() {
	for range len(t.requests) {
		t.held = append(t.held, <-t.requests)
	}
	if len(t.held) == 0 {
		return
	}
	dirty := t.dirty()
	t.held = slices.DeleteFunc(t.held, func(r *request) bool {
		if r.committed && dirty && !r.taken.Load() {
			return false
		}
		r.do()
		return true
	})
}

// queryInterval is the shortest time between commits that are made because somebody asks for committed state.
const queryInterval = 100 * time.Millisecond

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
