package streams

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams/internal/runtime"
	"github.com/millrace-go/millrace/topology"
)

// queryTimeout is how long a query waits for a thread to come to the end of its current records.
const queryTimeout = 10 * time.Second

// View reads a table's rows in this instance, asked for between two records of each stream thread. Under AtLeastOnce that is the current state, record caches
// included. Under ExactlyOnce it is the state of the last commit, which no abort takes back: an answer may take until the next one, which comes after CommitInterval
// or 100 ms, whichever is shorter; Config.ReadUncommitted asks for the current state there, too. Rows of partitions that other instances have are not there. While tasks are
// assigned or restored an answer would lack their rows: it is ErrRebalancing instead, and to be asked for again. The view may be used by any goroutine, as
// long as the application runs; entries are copies, and listings go by task, within a task by key. It is an error if the table has no store of its own (give it a
// name with As) or another than a key-value store: see Store.
func (a *App) View[K, V any](t Table[K, V]) (state.ReadOnlyKeyValue[K, V], error) {
	name, ok := t.StoreName()
	if !ok {
		return nil, fmt.Errorf("streams: the table has no store to look into: name one with streams.As where the table is made")
	}
	s, err := a.Store(topology.NamedStore[state.ReadOnlyKeyValue[K, state.Stamped[V]]](name))
	if err != nil {
		return nil, err
	}
	return state.WithoutTimes(s), nil
}

// ViewGlobal reads a global table's rows, all of them, as far as this instance has come; it waits for no commit. See View.
func (a *App) ViewGlobal[K, V any](g GlobalTable[K, V]) (state.ReadOnlyKeyValue[K, V], error) {
	s, err := a.Store(topology.NamedStore[state.ReadOnlyKeyValue[K, state.Stamped[V]]](g.StoreName()))
	if err != nil {
		return nil, err
	}
	return state.WithoutTimes(s), nil
}

// Store reads a store of this instance: of all of its tasks, as View reads a table. S is the type of the store, or its read-only half:
//
//	app.Store(topology.NamedStore[state.ReadOnlyWindow[string, state.Stamped[int64]]]("clicks-per-minute"))
//
// The stores of the DSL hold state.Stamped values, those of sessions and versioned ones excepted. Writing is an error: only a store's processors write.
// A custom store is asked by EachStore.
func (a *App) Store[S any](r topology.StoreRef[S]) (s S, err error) {
	d, global, ok := a.top.StoreDefinition(r.Name())
	if !ok {
		return s, fmt.Errorf("streams: the topology has no store %q", r.Name())
	}
	view, ok := d.View(func(f func(any) error) error { return a.eachStore(r.Name(), global, f) })
	if !ok {
		return s, fmt.Errorf("streams: store %s is a custom store, which has no view: use EachStore", r.Name())
	}
	if s, ok = view.(S); !ok {
		return s, fmt.Errorf("streams: store %s is a %v, not a %v", r.Name(), d, reflect.TypeFor[S]())
	}
	return s, nil
}

// EachStore calls f with the store of each of this instance's tasks, one after the other, in the task's thread between two records: f sees one state of it, as View
// says which, and must be quick, for the thread waits. What it learns it has to copy; writing is for processors. Of a global store there is one, which f reads
// while no record is applied to it. An error of f ends it and is returned.
func (a *App) EachStore[S any](r topology.StoreRef[S], f func(s S) error) error {
	_, global, ok := a.top.StoreDefinition(r.Name())
	if !ok {
		return fmt.Errorf("streams: the topology has no store %q", r.Name())
	}
	return a.eachStore(r.Name(), global, func(store any) error {
		s, ok := store.(S)
		if !ok {
			return fmt.Errorf("streams: store %s is a %T, not a %v", r.Name(), store, reflect.TypeFor[S]())
		}
		return f(s)
	})
}

// eachStore calls f with each task's instance of a store, between records of the task's thread; with a reader of a global store.
func (a *App) eachStore(name string, global bool, f func(any) error) error {
	if s := a.State(); s != Running && s != Rebalancing {
		return fmt.Errorf("%w: it is %s", ErrNotRunning, s)
	}
	if global {
		a.mu.Lock()
		globals := a.globals
		a.mu.Unlock()
		if globals == nil {
			return fmt.Errorf("%w: its global stores are not complete yet", ErrNotRunning)
		}
		globals.Lock.RLock()
		defer globals.Lock.RUnlock()
		if s := globals.Reader(name); s != nil {
			return f(s)
		}
		return fmt.Errorf("%w: its global stores are closed", ErrNotRunning)
	}
	threads := a.liveThreads()
	if len(threads) < a.config.Threads {
		return fmt.Errorf("%w: its threads are being started", ErrRebalancing)
	}
	ctx, cancel := context.WithTimeout(context.Background(), queryTimeout)
	defer cancel()
	return a.queryError(runtime.EachStore(ctx, threads, name, !a.config.ReadUncommitted, f))
}

// queryError says what an error of a thread means to somebody who asks.
func (a *App) queryError(err error) error {
	switch s := a.State(); {
	case errors.Is(err, runtime.ErrUnsettled):
		return fmt.Errorf("%w: tasks are assigned or restored", ErrRebalancing)
	case errors.Is(err, runtime.ErrEnded) && s < Stopping:
		return fmt.Errorf("%w: a thread starts anew", ErrRebalancing)
	case errors.Is(err, runtime.ErrEnded):
		return fmt.Errorf("%w: it is %s", ErrNotRunning, s)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("streams: a thread has not come to the end of its record within %v: %w", queryTimeout, err)
	}
	return err
}
