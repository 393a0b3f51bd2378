package streams

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams/internal/runtime"
)

// queryTimeout is how long a query waits for a thread to come to the end of its current records.
const queryTimeout = 10 * time.Second

// View reads a table's rows in this instance: the current state, record caches included, asked for between two records of each stream thread. Rows of
// partitions that other instances have are not there. The view may be used by any goroutine, as long as the application runs; entries are copies.
// It is an error if the table has no key-value store of its own: give it a name with As.
func (a *App) View[K, V any](t Table[K, V]) (state.ReadOnlyKeyValue[K, V], error) {
	name, ok := t.StoreName()
	if !ok {
		return nil, fmt.Errorf("streams: the table has no store to look into: name one with streams.As where the table is made")
	}
	return &tableView[K, V]{a, name}, nil
}

// tableView is the union of a table's stores, one for each task of the instance.
type tableView[K, V any] struct {
	a    *App
	name string
}

// each calls f with the store of each task, in the tasks' threads.
func (v *tableView[K, V]) each(f func(*state.KV[K, state.Stamped[V]]) error) error {
	return v.a.eachStore(v.name, func(s any) error {
		kv, ok := s.(*state.KV[K, state.Stamped[V]])
		if !ok {
			return fmt.Errorf("streams: store %s is a %T and cannot be viewed as a key-value table", v.name, s)
		}
		return f(kv)
	})
}

// eachStore calls f with each task's instance of a store, between records of the task's thread.
func (a *App) eachStore(name string, f func(any) error) error {
	if s := a.State(); s != Running && s != Rebalancing {
		return fmt.Errorf("%w: it is %s", ErrNotRunning, s)
	}
	ctx, cancel := context.WithTimeout(context.Background(), queryTimeout)
	defer cancel()
	for _, t := range a.liveThreads() {
		if err := a.eachTask(ctx, t, func(task *runtime.Task) error {
			if s := task.Stores().Get(name); s != nil {
				return f(s)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

func (a *App) eachTask(ctx context.Context, t *runtime.Thread, f func(*runtime.Task) error) error {
	var failed error
	err := t.Do(ctx, func() {
		for _, id := range t.Tasks() {
			if failed = f(t.Task(id)); failed != nil {
				return
			}
		}
	})
	switch {
	case errors.Is(err, runtime.ErrEnded): // in a moment there is another one
		return fmt.Errorf("%w: a thread starts anew", ErrNotRunning)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("streams: a thread has not come to the end of its record within %v: %w", queryTimeout, err)
	case err != nil:
		return fmt.Errorf("streams: the thread does not answer: %w", err)
	}
	return failed
}

// Get implements state.ReadOnlyKeyValue.
func (v *tableView[K, V]) Get(k K) (value V, ok bool, err error) {
	err = v.each(func(s *state.KV[K, state.Stamped[V]]) error {
		if ok {
			return nil
		}
		row, found, err := s.Get(k)
		value, ok = row.Value, found
		return err
	})
	return value, ok, err
}

// Range implements state.ReadOnlyKeyValue; entries come by task, within a task by key.
func (v *tableView[K, V]) Range(from, to *K) iter.Seq2[state.Entry[K, V], error] {
	return v.collect(func(s *state.KV[K, state.Stamped[V]]) iter.Seq2[state.Entry[K, state.Stamped[V]], error] {
		return s.Range(from, to)
	})
}

// RangeDescending implements state.ReadOnlyKeyValue.
func (v *tableView[K, V]) RangeDescending(from, to *K) iter.Seq2[state.Entry[K, V], error] {
	return v.collect(func(s *state.KV[K, state.Stamped[V]]) iter.Seq2[state.Entry[K, state.Stamped[V]], error] {
		return s.RangeDescending(from, to)
	})
}

// Prefix implements state.ReadOnlyKeyValue.
func (v *tableView[K, V]) Prefix(bytes []byte) iter.Seq2[state.Entry[K, V], error] {
	bytes = slices.Clone(bytes)
	return v.collect(func(s *state.KV[K, state.Stamped[V]]) iter.Seq2[state.Entry[K, state.Stamped[V]], error] {
		return s.Prefix(bytes)
	})
}

// All implements state.ReadOnlyKeyValue.
func (v *tableView[K, V]) All() iter.Seq2[state.Entry[K, V], error] {
	return v.collect(func(s *state.KV[K, state.Stamped[V]]) iter.Seq2[state.Entry[K, state.Stamped[V]], error] {
		return s.All()
	})
}

// Len implements state.ReadOnlyKeyValue.
func (v *tableView[K, V]) Len() (n int64, err error) {
	err = v.each(func(s *state.KV[K, state.Stamped[V]]) error {
		l, err := s.Len()
		n += l
		return err
	})
	return n, err
}

// collect lists what scan finds in each task's store. A task's entries are copied in its thread: the consumer of the list does not hold the thread up.
func (v *tableView[K, V]) collect(scan func(*state.KV[K, state.Stamped[V]]) iter.Seq2[state.Entry[K, state.Stamped[V]], error]) iter.Seq2[state.Entry[K, V], error] {
	return func(yield func(state.Entry[K, V], error) bool) {
		var all []state.Entry[K, V]
		err := v.each(func(s *state.KV[K, state.Stamped[V]]) error {
			for e, err := range scan(s) {
				if err != nil {
					return err
				}
				all = append(all, state.Entry[K, V]{Key: e.Key, Value: e.Value.Value})
			}
			return nil
		})
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
		if err != nil {
			yield(state.Entry[K, V]{}, err)
		}
	}
}
