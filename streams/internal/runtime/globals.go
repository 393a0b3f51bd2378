package runtime

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/millrace-go/millrace/topology"
)

// Globals keeps an instance's global stores up to date in a goroutine of its own. They are complete, up to the ends that their topics had when it was
// opened, before the first task runs. Stream threads hold Lock for reading while they process, so that reading a store costs no lock per record.
type Globals struct {
	Lock     sync.RWMutex
	global   *Global
	reader   Reader
	position map[TopicPartition]int64
	cancel   context.CancelFunc
	done     chan struct{}
	closed   bool // under Lock
}

// OpenGlobals reads the global topics to their ends, then goes on in the background; fail is called if it cannot. partitions is by topic.
func OpenGlobals(ctx context.Context, spec GlobalSpec, r Reader, partitions map[string]int32, fail func(error), l *slog.Logger) (*Globals, error) {
	g, err := OpenGlobal(spec)
	if err != nil {
		r.Close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	gs := &Globals{global: g, reader: r, position: map[TopicPartition]int64{}, cancel: cancel, done: make(chan struct{})}
	if err := gs.load(ctx, partitions, l); err != nil {
		close(gs.done)
		gs.Close()
		return nil, fmt.Errorf("global stores: %w", err)
	}
	go gs.follow(ctx, fail, l)
	return gs, nil
}

// Reader is a handle of the global store of that name, for one goroutine that holds Lock for reading while it reads; nil if there is none,
// or if the stores are closed. Call it with Lock held for reading, too.
func (g *Globals) Reader(name string) any {
	if g.closed {
		return nil
	}
	return g.global.Reader(name)
}

func (g *Globals) load(ctx context.Context, partitions map[string]int32, l *slog.Logger) error {
	if err := g.global.Start(ctx); err != nil {
		return err
	}
	var tps []TopicPartition
	for topic, n := range partitions {
		for p := range n {
			tps = append(tps, TopicPartition{topic, p})
		}
	}
	ends, err := g.reader.Ends(ctx, tps)
	if err != nil {
		return err
	}
	left := 0
	for tp, e := range ends {
		g.position[tp] = e.Start
		if e.Start < e.High {
			left++
		}
	}
	began, records := time.Now(), 0
	for left > 0 {
		b := <-g.reader.Fetch(ctx, g.position, FetchLimits{Wait: 20 * time.Millisecond, Partition: 4 << 20})
		if b.Err != nil {
			return b.Err
		}
		left = 0
		for _, p := range b.Partitions {
			if err := g.apply(p); err != nil {
				return err
			}
			records += len(p.Records)
		}
		for tp, e := range ends {
			if g.position[tp] < e.High {
				left++
			}
		}
	}
	l.Info("global stores are complete", "records", records, "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// follow applies what comes after. A failing fetch is tried again, as long as the topics are what they were: the stores stay as they are meanwhile.
func (g *Globals) follow(ctx context.Context, fail func(error), l *slog.Logger) {
	defer close(g.done)
	var told time.Time
	for ctx.Err() == nil {
		b := <-g.reader.Fetch(ctx, g.position, FetchLimits{Wait: 500 * time.Millisecond, Partition: 1 << 20})
		if b.Err != nil {
			if ctx.Err() != nil {
				return
			}
			if err := g.check(ctx); err != nil {
				fail(fmt.Errorf("global stores: %w", err))
				return
			}
			if time.Since(told) > 10*time.Second {
				told = time.Now()
				l.Warn("global stores cannot be kept up to date at the moment", "error", b.Err)
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		for _, p := range b.Partitions {
			g.Lock.Lock()
			err := g.apply(p)
			g.Lock.Unlock()
			if err != nil {
				fail(fmt.Errorf("global stores: %w", err))
				return
			}
		}
	}
}

// check says whether the topics have lost what was not read of them yet. If they cannot be asked it says nothing.
func (g *Globals) check(ctx context.Context) error {
	tps := slices.Collect(maps.Keys(g.position))
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	ends, err := g.reader.Ends(ctx, tps)
	if err != nil {
		return nil //nolint:nilerr // the fetch that failed is tried again
	}
	for tp, e := range ends {
		if at := g.position[tp]; at < e.Start || at > e.High {
			return &LocalError{fmt.Errorf("topic %s, partition %d now goes from %d to %d, but was read up to %d: start again to read it anew", tp.Topic, tp.Partition, e.Start, e.High, at)}
		}
	}
	return nil
}

func (g *Globals) apply(p ReadPartition) error {
	raws := make([]topology.Raw, len(p.Records))
	for i, r := range p.Records {
		raws[i] = topology.Raw{Topic: p.Topic, Partition: p.Partition, Offset: r.Offset, Key: r.Key, Value: r.Value, Time: r.Time, Headers: r.Headers}
	}
	g.position[p.TopicPartition] = p.Next
	return g.global.Apply(raws)
}

// Close ends the goroutine and closes the stores.
func (g *Globals) Close() error {
	g.cancel()
	<-g.done
	g.reader.Close()
	g.Lock.Lock()
	defer g.Lock.Unlock()
	g.closed = true
	return g.global.Close()
}
