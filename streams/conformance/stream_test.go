package conformance_test

import (
	"context"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/topology"
)

// streamOf is a stream's handle; key is the serde of its keys, for verbs behind which the DSL cannot know it.
type streamOf[K, V any] struct {
	s   streams.Stream[K, V]
	key serde.Serde[K]
}

func (s streamOf[K, V]) with(t streams.Stream[K, V]) streamOf[K, V] { return streamOf[K, V]{t, s.key} }

// A predicate of a stream is true for a tombstone. Filter keeps tombstones unasked, which is the same; FilterNot keeps them too, so that
// here its Try twin asks.
func (s streamOf[K, V]) filter(o *operation, not bool) streamHandle {
	f := predicate[K, V](o.Fn)
	if not {
		return s.with(s.s.TryFilterNot(orTombstone(f), named(o.Name)...))
	}
	return s.with(s.s.Filter(f, named(o.Name)...))
}

func orTombstone[K, V any](f func(K, V) bool) func(context.Context, streams.Record[K, V]) (bool, error) {
	return func(_ context.Context, r streams.Record[K, V]) (bool, error) {
		return r.Tombstone || f(r.Key, r.Value), nil
	}
}

func (s streamOf[K, V]) mapValues(o *operation) streamHandle {
	f := newValueFunction[K, V](o.Fn)
	switch {
	case f.null:
		return s.with(s.s.TryMapValues(func(_ context.Context, r streams.Record[K, V]) (V, error) {
			return r.Value, streams.Null
		}, named(o.Name)...))
	case f.long != nil:
		return mapStreamValues(s, f, f.long, o)
	}
	return mapStreamValues(s, f, f.text, o)
}

func mapStreamValues[K, V, R any](s streamOf[K, V], f valueFunction[K, V], g func(K, V) (R, error), o *operation) streamHandle {
	opts := named(o.Name)
	switch {
	case f.fails:
		return streamOf[K, R]{s.s.TryMapValues(func(_ context.Context, r streams.Record[K, V]) (R, error) {
			if r.Tombstone {
				return *new(R), streams.Null
			}
			return g(r.Key, r.Value)
		}, opts...), s.key}
	case f.usesKey:
		return streamOf[K, R]{s.s.MapValuesWithKey(func(k K, v V) R { r, _ := g(k, v); return r }, opts...), s.key}
	}
	return streamOf[K, R]{s.s.MapValues(func(v V) R { r, _ := g(*new(K), v); return r }, opts...), s.key}
}

func (s streamOf[K, V]) mapRecords(o *operation) streamHandle {
	f := recordFunction[K, V](o.Fn)
	return text(s.s.Map(func(k K, v V) (string, string) {
		r := f(k, v)[0]
		return r[0], r[1]
	}, named(o.Name)...))
}

func (s streamOf[K, V]) flatMap(o *operation) streamHandle {
	f := recordFunction[K, V](o.Fn)
	return text(s.s.FlatMap(func(k K, v V, emit func(string, string)) {
		for _, r := range f(k, v) {
			emit(r[0], r[1])
		}
	}, named(o.Name)...))
}

func (s streamOf[K, V]) flatMapValues(o *operation) streamHandle {
	return s.with(s.s.FlatMapValues(flatValues[V](o.Fn), named(o.Name)...))
}

func (s streamOf[K, V]) selectKey(fn string, opts ...streams.NodeOption) streamHandle {
	f := newKeyFunction[K, V](fn)
	switch {
	case f.nulls:
		return text(s.s.TrySelectKey(tryKey(f), opts...))
	case f.onlyKey:
		return text(s.s.MapKey(func(k K) string { r, _ := f.of(k, *new(V)); return r }, opts...))
	}
	return text(s.s.SelectKey(func(k K, v V) string { r, _ := f.of(k, v); return r }, opts...))
}

func tryKey[K, V any](f keyFunction[K, V]) func(context.Context, streams.Record[K, V]) (string, error) {
	return func(_ context.Context, r streams.Record[K, V]) (string, error) {
		k, ok := f.of(r.Key, r.Value)
		if !ok {
			return "", streams.Null
		}
		return k, nil
	}
}

func (s streamOf[K, V]) peek(o *operation) streamHandle {
	return s.with(s.s.Peek(func(K, V) {}, named(o.Name)...))
}

func (s streamOf[K, V]) forEach(o *operation) { s.s.ForEach(func(K, V) {}, named(o.Name)...) }

func (s streamOf[K, V]) merge(o *operation, other streamHandle) streamHandle {
	t, ok := other.(streamOf[K, V])
	if !ok {
		refuse("merge of a %T with a %T", s, other)
	}
	return s.with(s.s.Merge(t.s, named(o.Name)...).WithKeySerde(s.key))
}

// Branch's predicates are true for a tombstone, which goes to the first branch then.
func (s streamOf[K, V]) split(p *program, o *operation) {
	splitter := s.s.Split(named(o.Name)...)
	for _, b := range o.Branches {
		out := splitter.TryBranch(orTombstone(predicate[K, V](b.Fn)), named(b.Name)...)
		p.handles[b.ID] = s.with(out)
	}
	if o.Default != nil {
		p.handles[o.Default.ID] = s.with(splitter.Default(named(o.Default.Name)...))
	}
}

func (s streamOf[K, V]) repartition(o *operation) streamHandle {
	var opts []streams.RepartitionOption
	if o.Name != nil {
		opts = append(opts, streams.Named(*o.Name))
	}
	if o.Partitions != 0 {
		opts = append(opts, streams.Partitions(o.Partitions))
	}
	return s.with(s.s.Repartition(opts...))
}

func (s streamOf[K, V]) to(o *operation) {
	var opts []streams.SinkOption
	if o.Name != nil {
		opts = append(opts, streams.Named(*o.Name))
	}
	if o.TopicBy == "" {
		s.s.To(o.Topic, opts...)
		return
	}
	name, prefix := call(o.TopicBy)
	if name != "byValue" {
		refuse("topic extractor %s", o.TopicBy)
	}
	s.s.ToDynamic(func(r streams.Record[K, V], _ topology.RecordMetadata) string {
		switch {
		case !r.Tombstone:
			return prefix + first(textOf(r.Value))
		case r.NoKey:
			return prefix
		}
		return prefix + first(textOfKey(r.Key))
	}, append(opts, streams.TopicsNamed(o.TopicBy))...)
}

func (s streamOf[K, V]) toTable(o *operation) tableHandle {
	return tableOf[K, V]{s.s.ToTable(storeOptions(o)...), s.key}
}

func (s streamOf[K, V]) groupByKey(o *operation) groupedHandle {
	return groupedOf[K, V]{s.s.GroupByKey(groupOptions(o)...), s.key}
}

// A tombstone passes GroupBy in Java and meets the aggregate: TryGroupBy lets it through.
func (s streamOf[K, V]) groupBy(o *operation) groupedHandle {
	f := newKeyFunction[K, V](o.Fn)
	if f.nulls || f.onlyKey {
		return groupedOf[string, V]{s.s.TryGroupBy(tryKey(f), groupOptions(o)...), serde.String}
	}
	return groupedOf[string, V]{s.s.GroupBy(func(k K, v V) string { r, _ := f.of(k, v); return r }, groupOptions(o)...), serde.String}
}
