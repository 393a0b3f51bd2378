package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
)

// GlobalSpec is what an instance's global stores are made of.
type GlobalSpec struct {
	Topology *topology.Topology
	Config   *Config
	DB       *state.DB // nil: stores live in memory
	Now      func() Time
	// Collector gets dead letters; nothing else is sent. It may be nil.
	Collector Collector
	Logger    *slog.Logger // nil: slog.Default
}

// Global is an instance's global stores with the nodes that keep them. Each reads all partitions of its topic; records are applied in the order
// in which they are given, there is no commit. One goroutine uses it; reading the stores is the stores' own matter.
type Global struct {
	task   *Task
	stores map[string]string // topic by store
}

// OpenGlobal opens the stores. Nil if the topology has none.
func OpenGlobal(spec GlobalSpec) (*Global, error) {
	var subs []topology.SubtopologyID
	stores := map[string]string{}
	for _, s := range spec.Topology.Subtopologies() {
		if s.Global {
			subs = append(subs, s.ID)
			for _, name := range s.Stores {
				stores[name] = s.Sources[0].Topics[0]
			}
		}
	}
	if len(subs) == 0 {
		return nil, nil
	}
	if spec.Collector == nil {
		spec.Collector = noCollector{}
	}
	t, err := OpenTask(TaskSpec{
		ID: topology.TaskID{Subtopology: subs[0]}, Topology: spec.Topology, Subtopologies: subs, Config: spec.Config, DB: spec.DB,
		Collector: spec.Collector, Shared: true, Now: spec.Now, Logger: spec.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("global stores: %w", err)
	}
	return &Global{t, stores}, nil
}

// Start makes the nodes.
func (g *Global) Start(ctx context.Context) error { return g.task.Start(ctx, nil) }

// Topics are the topics to read, by store.
func (g *Global) Topics() map[string]string { return g.stores }

// Apply lets the nodes process records of one partition. They follow what was applied before.
func (g *Global) Apply(raws []topology.Raw) error {
	if len(raws) == 0 {
		return nil
	}
	q, err := g.task.Queue(TopicPartition{raws[0].Topic, raws[0].Partition})
	if err != nil {
		return err
	}
	g.task.Push(q, raws)
	_, err = g.task.Process(len(raws))
	return err
}

// Store is the store of that name, nil if there is none.
func (g *Global) Store(name string) any {
	if _, ok := g.stores[name]; !ok {
		return nil
	}
	return g.task.Stores().Get(name)
}

// Reader is a handle of a store for one other goroutine, which reads while nothing is applied; nil if there is no such store.
func (g *Global) Reader(name string) any {
	if _, ok := g.stores[name]; !ok {
		return nil
	}
	return g.task.Stores().Reader(name)
}

// Stores are the stores: to apply what was written, and their positions.
func (g *Global) Stores() *state.Stores { return g.task.Stores() }

// PunctuateWall fires due timers.
func (g *Global) PunctuateWall(now Time) error {
	_, err := g.task.PunctuateWall(now)
	return err
}

// Close closes nodes and stores.
func (g *Global) Close() error { return g.task.Close() }

// noCollector is for nodes that write nothing.
type noCollector struct{}

var errNoCollector = errors.New("global stores write no records")

func (noCollector) Send(*topology.Outgoing) error                    { return errNoCollector }
func (noCollector) Changelog(string, int32) (state.Changelog, error) { return nil, errNoCollector }
func (noCollector) Partitions(string) (int32, error)                 { return 0, errNoCollector }
