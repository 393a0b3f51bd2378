package topology

import (
	"context"
	"math"
	"time"

	"github.com/millrace-go/millrace/state"
)

// timer is one schedule of a node (KIP-138).
type timer struct {
	node     *node
	every    Time
	next     Time
	f        func(context.Context, Time) error
	canceled bool
}

// timers are a task's timers by clock.
type timers struct{ stream, wall []*timer }

func (in *Instance) schedule(n *node, every time.Duration, clock Clock, f func(context.Context, Time) error) func() {
	tm := &timer{node: n, every: Time(max(every.Milliseconds(), 1)), f: f}
	if clock == StreamTime {
		in.timers.stream = append(in.timers.stream, tm) // due from 0 on: the first record fires it
	} else {
		tm.next = saturatingAdd(in.host.WallClock(), tm.every)
		in.timers.wall = append(in.timers.wall, tm)
	}
	return func() { tm.canceled = true }
}

// Punctuate fires the due timers of a clock, each once, and tells whether any was due. now is the clock's time.
func (in *Instance) Punctuate(clock Clock, now Time) (fired bool, err error) {
	list := &in.timers.wall
	if clock == StreamTime {
		list = &in.timers.stream
	}
	kept := (*list)[:0]
	due := *list
	for i, tm := range due {
		if tm.canceled {
			continue
		}
		if tm.next <= now && err == nil {
			fired = true
			// Missed calls are skipped: the next one is the first multiple after now.
			missed := (now - tm.next) / tm.every
			tm.next = saturatingAdd(tm.next, saturatingMul(missed+1, tm.every))
			err = in.fire(tm, now)
		}
		if !tm.canceled {
			kept = append(kept, due[i])
		}
	}
	// A timer may have scheduled others: they are behind the ones seen here.
	*list = append(kept, (*list)[len(due):]...)
	return fired, err
}

// fire runs one timer with an empty record context: no topic, the timer's time, no headers.
func (in *Instance) fire(tm *timer, now Time) error {
	saved := *in.record
	*in.record = state.RecordContext{Partition: -1, Offset: -1, Time: now}
	err := tm.f(in.ctx, now)
	if err != nil {
		err = in.fail(tm.node, err)
	}
	*in.record = saved
	return err
}

func saturatingAdd(a, b Time) Time {
	if b > math.MaxInt64-a {
		return math.MaxInt64
	}
	return a + b
}

func saturatingMul(a, b Time) Time {
	if a != 0 && b > math.MaxInt64/a {
		return math.MaxInt64
	}
	return a * b
}
