package streams

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/millrace-go/millrace/streams/internal/kafka"
	"github.com/millrace-go/millrace/streams/internal/runtime"
)

// ErrNotRunning says that a question needs a state that the application is not in: it has not started, or it ends.
var ErrNotRunning = errors.New("streams: the application does not run")

// ErrRebalancing says that a question cannot be answered at the moment, because tasks are assigned to instances and threads or their stores are restored. Ask again a little
// later: Wait(ctx, Running) tells when.
var ErrRebalancing = errors.New("streams: the application rebalances")

// Processed is the number of records that this instance's tasks have processed since the last start of their threads.
func (a *App) Processed() (n int64) {
	for _, t := range a.liveThreads() {
		n += t.Processed()
	}
	return n
}

// Dropped is what this instance has dropped since it was made, by node and reason: null keys and tombstones where a verb has no use for them, records that are
// late for their window ("late"), Skip, what the error handlers drop. A store that refuses what is older than it keeps counts under its name
// ("expired"). Records that are processed again, because a transaction was aborted or a thread has started anew, are counted again. Any goroutine may ask, at any
// time.
func (a *App) Dropped() []Dropped { return a.rc.Drops.List() }

// liveThreads are the threads in order of their names.
func (a *App) liveThreads() []*runtime.Thread {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]*runtime.Thread, 0, len(a.threads))
	for _, name := range slices.Sorted(maps.Keys(a.threads)) {
		out = append(out, a.threads[name])
	}
	return out
}

// CaughtUp waits until this instance's tasks have processed and committed every record that is in their input topics, repartition topics included. While
// others write to the inputs it may never return; it is for finite inputs and for tests. With several instances it speaks for this one only.
func (a *App) CaughtUp(ctx context.Context) error {
	if err := a.Wait(ctx, Running); err != nil {
		return err
	}
	a.mu.Lock()
	clients, plan := a.kafka, a.plan
	a.mu.Unlock()
	reader, err := kafka.NewReader(clients, "query")
	if err != nil {
		return err
	}
	defer reader.Close()
	var before map[runtime.TopicPartition]runtime.Ends
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		ends, done, err := a.caughtUp(ctx, reader, clients, plan)
		if err != nil {
			return err
		}
		// What one task has committed may have become another's input meanwhile: the ends must not have moved.
		if done && maps.Equal(ends, before) {
			return nil
		}
		before = nil
		if done {
			before = ends
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (a *App) caughtUp(ctx context.Context, reader *kafka.Reader, clients *kafka.Config, plan *kafka.Plan) (map[runtime.TopicPartition]runtime.Ends, bool, error) {
	if s := a.State(); s >= Stopping {
		return nil, false, fmt.Errorf("%w: it is %s", ErrNotRunning, s)
	}
	at := map[runtime.TopicPartition]int64{}
	for _, t := range a.liveThreads() {
		ask, cancel := context.WithTimeout(ctx, time.Second)
		ps, ok, err := t.Positions(ask)
		cancel()
		if err != nil || !ok {
			return nil, false, ctx.Err() // a thread that starts anew answers later
		}
		maps.Copy(at, ps)
	}
	if moving, err := reader.Unowned(ctx, clients, plan, at); err != nil || moving {
		return nil, false, err
	}
	tps := slices.Collect(maps.Keys(at))
	if len(tps) == 0 {
		return nil, true, nil
	}
	ends, err := reader.Ends(ctx, tps)
	if err != nil {
		return nil, false, err
	}
	behind := map[runtime.TopicPartition]int64{}
	for tp, e := range ends {
		switch {
		case at[tp] < 0:
			return nil, false, nil
		case at[tp] < e.High:
			behind[tp] = max(at[tp], e.Start)
		}
	}
	if len(behind) == 0 {
		return ends, true, nil
	}
	// What is left may hold no record: transaction markers, aborted records, gaps of compaction.
	select {
	case b := <-reader.Fetch(ctx, behind, runtime.FetchLimits{Partition: 1 << 20}):
		for _, p := range b.Partitions {
			if len(p.Records) == 0 && p.Next >= ends[p.TopicPartition].High {
				delete(behind, p.TopicPartition)
			}
		}
		return ends, len(behind) == 0, b.Err
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
}
