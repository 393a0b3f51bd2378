package streams

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
)

type (
	// Record is topology.Record.
	Record[K, V any] = topology.Record[K, V]
	// Time is topology.Time: milliseconds since the epoch.
	Time = topology.Time
)

// Builder collects what a program says with the DSL. Verbs never fail and never connect: mistakes are collected and told together by
// Build. A Builder belongs to one goroutine.
type Builder struct {
	nodes    []*planNode
	counter  int
	registry map[reflect.Type]any
	stores   []func(*writer) // adds state stores to the topology, in order
	errs     []error
	built    bool
	config   buildConfig
	sinks    []sinkTopic
	// generated are the stores and internal topics whose names were not given: RequireNames refuses them.
	generated []generatedName
}

// NewBuilder is an empty builder.
func NewBuilder() *Builder { return &Builder{registry: map[reflect.Type]any{}} }

// fail reports a mistake; one that two nodes have in common is told once.
func (b *Builder) fail(err error) {
	if !slices.ContainsFunc(b.errs, func(e error) bool { return e.Error() == err.Error() }) {
		b.errs = append(b.errs, err)
	}
}

// made panics if a verb is called on a handle that is its zero value: it has no builder, which could report the mistake.
func (b *Builder) made() {
	if b != nil {
		return
	}
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	verb := "a verb"
	for more := true; more; { // the verb is the outermost function of this package
		var f runtime.Frame
		f, more = frames.Next()
		_, name, ok := strings.Cut(f.Function, "/streams.")
		if !ok {
			break
		}
		verb = strings.ReplaceAll(name, "[...]", "")
	}
	panic(fmt.Sprintf("streams: %s is called on a zero value: call it on what Builder.Stream, Builder.Table or another verb returned", verb))
}

// inNode says of each of the mistakes that err joins at which node it is.
func inNode(node string, err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var errs []error
		for _, e := range joined.Unwrap() {
			errs = append(errs, inNode(node, e))
		}
		return errors.Join(errs...)
	}
	return fmt.Errorf("node %s: %w", node, err)
}

// require reports a function that was not given to a verb.
func (b *Builder) require(given bool, node string) {
	if !given {
		b.fail(fmt.Errorf("node %s: its function is nil: give it one", node))
	}
}

// Register makes s the serde of every T for which nothing nearer is known.
func (b *Builder) Register[T any](s serde.Serde[T]) {
	if s == nil {
		b.fail(fmt.Errorf("the serde given to Register for %v is nil: give one, serde.JSON[...]() say", reflect.TypeFor[T]()))
		return
	}
	b.registry[reflect.TypeFor[T]()] = s
}

// AddStore adds a store for processors to connect with streams.Using.
func (b *Builder) AddStore[S any](d state.Definition[S]) topology.StoreRef[S] {
	b.stores = append(b.stores, func(w *writer) { w.t.AddStore(d) })
	return topology.NamedStore[S](d.Name())
}

// Build checks everything, rewrites the plan as asked and writes the topology. It reports all mistakes at once. A builder builds once.
func (b *Builder) Build(o ...BuildOption) (*topology.Topology, error) {
	if b.built {
		return nil, errors.New("streams: Build was called twice: make a new Builder")
	}
	b.built = true
	for _, opt := range o {
		opt.build(&b.config)
	}
	t := topology.New()
	t.Wrap(b.config.wrapper)
	w := &writer{b, t}
	for _, add := range b.stores {
		add(w)
	}
	b.mergeSources()
	b.optimize()
	b.relaxNullKeys()
	b.writePlan(t)
	b.declareCopartitions(t)
	b.checkTopics(t)
	b.checkNames()
	if err := errors.Join(append(b.errs, t.Err())...); err != nil {
		return nil, fmt.Errorf("streams: the topology cannot be built:\n%w", err)
	}
	return t, nil
}
