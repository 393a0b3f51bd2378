package streams

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/millrace-go/millrace/topology"
)

// To writes the stream to a topic, which must exist. Tombstones and null keys are written as such.
func (s Stream[K, V]) To(topic string, o ...SinkOption) {
	s.to(topology.SinkSpec[K, V]{Topic: topic}, o)
}

// ToDynamic writes each record to the topic that a function chooses. The topics must exist.
func (s Stream[K, V]) ToDynamic(topic func(Record[K, V], topology.RecordMetadata) string, o ...SinkOption) {
	s.to(topology.SinkSpec[K, V]{Dynamic: topic}, o)
}

// sinkTopic is the topic of a sink, "" if it is dynamic.
type sinkTopic struct{ node, topic string }

// checkTopics refuses external topics that are called as an internal one is before the application's id is put in front.
func (b *Builder) checkTopics(t *topology.Topology) {
	for _, s := range b.sinks {
		if t.IsInternal(s.topic) {
			b.fail(fmt.Errorf("node %s: topic %s is an internal topic of the program: write to a topic of another name, or give the grouping or Repartition another Named", s.node, s.topic))
		}
	}
}

func (s Stream[K, V]) to(spec topology.SinkSpec[K, V], o []SinkOption) {
	var c nodeConfig
	for _, opt := range o {
		opt.sink(&c)
	}
	spec.Name = s.b.nodeName(c.name, "KSTREAM-SINK-")
	s.b.check(spec.Name, &c)
	if spec.Topic == "" && spec.Dynamic == nil {
		s.b.fail(fmt.Errorf("node %s writes to no topic: name one, or give ToDynamic a function", spec.Name))
		return
	}
	s.b.sinks = append(s.b.sinks, sinkTopic{spec.Name, spec.Topic})
	if spec.DynamicName = c.dynamicName; spec.DynamicName == "" {
		spec.DynamicName = "func"
	}
	spec.Partitioner = partitionerOf[K, V](s.b, spec.Name, &c)
	s.b.plan(&planNode{name: spec.Name, usesNullKeys: true, write: func(w *writer, in []any) any {
		spec.Key, spec.Value = s.key.resolve(w.b, spec.Name, "key"), s.value.resolve(w.b, spec.Name, "value")
		if spec.Key == nil || spec.Value == nil {
			return nil
		}
		edges := edgesOf[K, V](in)
		edges[0].AddSink(spec, edges[1:]...)
		return nil
	}}, s.n)
}

// ForEach hands each record to f, but for tombstones, and ends the stream.
func (s Stream[K, V]) ForEach(f func(K, V), o ...NodeOption) {
	s.forEach(s.b.name(o, "KSTREAM-FOREACH-"), f != nil, func(*topology.Context, func(Record[K, V]) error) (func(Record[K, V]) error, error) {
		return func(r Record[K, V]) error {
			if !r.Tombstone {
				f(r.Key, r.Value)
			}
			return nil
		}, nil
	})
}

// TryForEach hands every record to f and ends the stream.
func (s Stream[K, V]) TryForEach(f func(context.Context, Record[K, V]) error, o ...NodeOption) {
	s.forEach(s.b.name(o, "KSTREAM-FOREACH-"), f != nil, func(ctx *topology.Context, _ func(Record[K, V]) error) (func(Record[K, V]) error, error) {
		run := ctx.Run()
		return func(r Record[K, V]) error {
			if err := f(run, r); err != nil {
				return failed(ctx, err)
			}
			return nil
		}, nil
	})
}

// Print writes a line for each record, "[stream]: key, value" with null for what is not there, and ends the stream: Label and Lines say what else to write. The
// writer is used by all tasks, one at a time. It is for looking at streams: values are printed with %v.
func (s Stream[K, V]) Print(w io.Writer, o ...PrintOption) {
	s.b.made()
	c := nodeConfig{label: s.n.name}
	for _, opt := range o {
		opt.print(&c)
	}
	name := s.b.nodeName(c.name, "KSTREAM-PRINTER-")
	s.b.check(name, &c)
	line := printRecord[K, V]
	if c.lines != nil {
		f, ok := c.lines.(func(Record[K, V]) string)
		if !ok {
			s.b.fail(fmt.Errorf("node %s: the function given to Lines is a %T, but the records need a %T", name, c.lines, f))
		}
		s.b.require(!ok || f != nil, name)
		line = func(out io.Writer, r Record[K, V]) { io.WriteString(out, f(r)) }
	}
	var mu sync.Mutex
	s.forEach(name, w != nil, func(ctx *topology.Context, _ func(Record[K, V]) error) (func(Record[K, V]) error, error) {
		return func(r Record[K, V]) error {
			mu.Lock()
			defer mu.Unlock()
			out := bufio.NewWriter(w)
			fmt.Fprintf(out, "[%s]: ", c.label)
			line(out, r)
			fmt.Fprintln(out)
			if err := out.Flush(); err != nil {
				return ctx.Fail(err)
			}
			return nil
		}, nil
	})
}

func printRecord[K, V any](w io.Writer, r Record[K, V]) {
	printSide(w, r.Key, r.NoKey)
	fmt.Fprint(w, ", ")
	printSide(w, r.Value, r.Tombstone)
}

func printSide[T any](w io.Writer, v T, null bool) {
	if null {
		fmt.Fprint(w, "null")
		return
	}
	fmt.Fprintf(w, "%v", v)
}

func (s Stream[K, V]) forEach(name string, given bool, f start[K, V, K, V]) {
	s.b.require(given, name)
	n := operator(name, nil, f)
	n.usesNullKeys = true
	s.b.plan(n, s.n)
}
