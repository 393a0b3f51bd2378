package topology

import (
	"context"
	"math"
	"runtime/debug"
	"time"

	"github.com/millrace-go/millrace/state"
)

// timer is one schedule of a node (KIP-138). It is due from next on.
type timer struct {
	node     *node
	every    Time
	next     Time
	f        func(context.Context, Time) error
	canceled bool
}

// timers are a task's timers by clock, each list in order of next.
type timers struct{ stream, wall []*timer }

func (ts *timers) of(c Clock) *[]*timer {
	if c == StreamTime {
		return &ts.stream
	}
	return &ts.wall
}

func (in *Instance) schedule(n *node, every time.Duration, clock Clock, f func(context.Context, Time) error) func() {
	tm := &timer{node: n, every: Time(max(every.Milliseconds(), 1)), f: f}
	if clock == WallClock {
		tm.next = saturatingAdd(in.host.WallClock(), tm.every)
	} // by stream time it is due from 0 on: the first record fires it
	insert(in.timers.of(clock), tm)
	return func() { tm.canceled = true }
}

// insert puts tm behind the timers that are due at the same time or earlier.
func insert(list *[]*timer, tm *timer) {
	l := append(*list, tm)
	i := len(l) - 1
	for ; i > 0 && l[i-1].next > tm.next; i-- {
		l[i] = l[i-1]
	}
	l[i] = tm
	*list = l
}

// Punctuate fires the due timers of a clock, each once, in order of the time for which they were due, and tells whether any was. now is the clock's time. A
// timer that is scheduled meanwhile waits for the next call.
func (in *Instance) Punctuate(clock Clock, now Time) (fired bool, err error) {
	list := in.timers.of(clock)
	if len(*list) == 0 || (*list)[0].next > now {
		return false, nil
	}
	n := 0
	for n < len(*list) && (*list)[n].next <= now {
		n++
	}
	due := append([]*timer(nil), (*list)[:n]...)
	*list = append((*list)[:0], (*list)[n:]...)
	for _, tm := range due {
		if tm.canceled {
			continue
		}
		if err == nil {
			fired = true
			err = in.fire(tm, now)
		}
		if tm.advance(now) && !tm.canceled {
			insert(list, tm)
		}
	}
	return fired, err
}

// advance sets the time after now at which the timer is due again: missed calls are skipped. It is false if there is no such time.
func (tm *timer) advance(now Time) bool {
	tm.next = saturatingAdd(tm.next+(now-tm.next)/tm.every*tm.every, tm.every)
	return tm.next > now
}

// fire runs one timer with an empty record context: no topic, the timer's time, no headers.
func (in *Instance) fire(tm *timer, now Time) (err error) {
	saved := *in.record
	*in.record = state.RecordContext{Partition: -1, Offset: -1, Time: now}
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{Value: p, Stack: debug.Stack()}
		}
		if err != nil {
			err = in.fail(tm.node, err)
		}
		*in.record = saved
	}()
	return tm.f(in.ctx, now)
}

// advance is what a node does when stream time goes on without a record.
type advance struct {
	node *node
	f    func(now Time) error
}

// Advance tells the nodes, parents first, that stream time has come to now without a record.
func (in *Instance) Advance(now Time) error {
	for i := len(in.advances) - 1; i >= 0; i-- {
		a := in.advances[i]
		if err := in.fire(&timer{node: a.node, f: func(_ context.Context, now Time) error { return a.f(now) }}, now); err != nil {
			return err
		}
	}
	return nil
}

// saturatingAdd adds b >= 0.
func saturatingAdd(a, b Time) Time {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
