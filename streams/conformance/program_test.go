package conformance_test

import (
	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

// A recorded program names the results of its operations. Their types are known when the program is read only, so that each handle of the
// DSL is held behind an interface with the program's operators as methods; handles of all key and value types share one generic wrapper.
type (
	streamHandle interface {
		filter(o *operation, not bool) streamHandle
		mapValues(o *operation) streamHandle
		mapRecords(o *operation) streamHandle
		flatMap(o *operation) streamHandle
		flatMapValues(o *operation) streamHandle
		selectKey(fn string, opts ...streams.NodeOption) streamHandle
		peek(o *operation) streamHandle
		forEach(o *operation)
		merge(o *operation, other streamHandle) streamHandle
		split(p *program, o *operation)
		repartition(o *operation) streamHandle
		to(o *operation)
		toTable(o *operation) tableHandle
		groupByKey(o *operation) groupedHandle
		groupBy(o *operation) groupedHandle
		join(o *operation, other any) streamHandle
		process(p *program, o *operation) streamHandle
		processValues(p *program, o *operation) streamHandle
	}
	tableHandle interface {
		filter(o *operation, not bool) tableHandle
		mapValues(o *operation) tableHandle
		transformValues(o *operation) tableHandle
		toStream(o *operation) streamHandle
		groupBy(o *operation) tableGroupedHandle
		suppress(o *operation) tableHandle
		join(o *operation, other tableHandle) tableHandle
		joinForeignKey(o *operation, other tableHandle) tableHandle
		storeType() storeType
	}
	// aggregator verbs: what can be counted, reduced and aggregated.
	groupedHandle interface {
		count(o *operation) tableHandle
		reduce(o *operation) tableHandle
		aggregate(o *operation) tableHandle
		windowedBy(o *operation) windowedHandle
		cogroup(o *operation) cogroupedHandle
	}
	windowedHandle interface {
		count(o *operation) tableHandle
		reduce(o *operation) tableHandle
		aggregate(o *operation) tableHandle
	}
	tableGroupedHandle interface {
		count(o *operation) tableHandle
		reduce(o *operation) tableHandle
		aggregate(o *operation) tableHandle
	}
	cogroupedHandle interface {
		cogroup(o *operation, with groupedHandle) cogroupedHandle
		windowedBy(o *operation) windowedHandle
		aggregate(o *operation) tableHandle
	}
)

// program builds the topology of one case with the public DSL, as a user would.
type program struct {
	b       *streams.Builder
	handles map[string]any
	stores  map[string]storeType // stores whose Go type a processor has to know
	refs    map[string]topology.AnyStore
}

// storeType is the Go type of a store that a processor may ask for by name.
type storeType uint8

const (
	plainText storeType = iota
	stampedText
	stampedLong
	versionedText
	versionedLong
)

func buildProgram(c *recordedCase) *streams.Builder {
	p := &program{b: streams.NewBuilder(), handles: map[string]any{}, stores: map[string]storeType{}, refs: map[string]topology.AnyStore{}}
	for i := range c.Program {
		o := &c.Program[i]
		if r := p.apply(o); r != nil && o.ID != "" {
			p.handles[o.ID] = r
		}
	}
	return p.b
}

// get is the handle of an id, which must be of type H.
func get[H any](p *program, o *operation, id string) H {
	v, ok := p.handles[id]
	if !ok {
		refuse("%s: no result is called %q", o.Op, id)
	}
	h, ok := v.(H)
	if !ok {
		refuse("%s: %q is a %T", o.Op, id, v)
	}
	return h
}

func (p *program) apply(o *operation) any {
	switch o.Op {
	case "stream", "table", "globalTable", "addStateStore", "addGlobalStore":
		return p.source(o)
	case "cogroup":
		if o.With == "" {
			return get[groupedHandle](p, o, o.From).cogroup(o)
		}
		return get[cogroupedHandle](p, o, o.From).cogroup(o, get[groupedHandle](p, o, o.With))
	case "windowedBy":
		return get[interface {
			windowedBy(*operation) windowedHandle
		}](p, o, o.From).windowedBy(o)
	case "count":
		return p.keep(o, get[interface{ count(*operation) tableHandle }](p, o, o.From).count(o))
	case "reduce":
		return p.keep(o, get[interface{ reduce(*operation) tableHandle }](p, o, o.From).reduce(o))
	case "aggregate":
		return p.keep(o, get[interface{ aggregate(*operation) tableHandle }](p, o, o.From).aggregate(o))
	}
	switch h := get[any](p, o, o.From).(type) {
	case streamHandle:
		return p.onStream(o, h)
	case tableHandle:
		return p.keep(o, p.onTable(o, h))
	}
	refuse("%s of a %T", o.Op, p.handles[o.From])
	return nil
}

func (p *program) onStream(o *operation, s streamHandle) any {
	switch o.Op {
	case "filter", "filterNot":
		return s.filter(o, o.Op == "filterNot")
	case "mapValues":
		return s.mapValues(o)
	case "map":
		return s.mapRecords(o)
	case "flatMap":
		return s.flatMap(o)
	case "flatMapValues":
		return s.flatMapValues(o)
	case "selectKey":
		return s.selectKey(o.Fn, named(o.Name)...)
	case "peek":
		return s.peek(o)
	case "foreach":
		s.forEach(o)
	case "merge":
		return s.merge(o, get[streamHandle](p, o, o.With))
	case "split":
		s.split(p, o)
	case "repartition":
		return s.repartition(o)
	case "to":
		s.to(o)
	case "toTable":
		return p.keep(o, s.toTable(o))
	case "groupByKey":
		return s.groupByKey(o)
	case "groupBy":
		return s.groupBy(o)
	case "join", "leftJoin", "outerJoin":
		return s.join(o, get[any](p, o, o.With))
	case "process":
		return s.process(p, o)
	case "processValues":
		return s.processValues(p, o)
	default:
		refuse("operator %s of a stream", o.Op)
	}
	return nil
}

func (p *program) onTable(o *operation, t tableHandle) any {
	switch o.Op {
	case "filter", "filterNot":
		return t.filter(o, o.Op == "filterNot")
	case "mapValues":
		return t.mapValues(o)
	case "transformValues":
		return t.transformValues(o)
	case "toStream":
		return t.toStream(o)
	case "tableGroupBy":
		return t.groupBy(o)
	case "suppress":
		return t.suppress(o)
	case "join", "leftJoin", "outerJoin":
		return t.join(o, get[tableHandle](p, o, o.With))
	case "fkJoin", "fkLeftJoin":
		return t.joinForeignKey(o, get[tableHandle](p, o, o.With))
	}
	refuse("operator %s of a table", o.Op)
	return nil
}

// keep remembers the type of a named store behind a table, for processors that look into it.
func (p *program) keep(o *operation, h any) any {
	t, ok := h.(tableHandle)
	if ok && o.Materialized != nil && o.Materialized.Name != nil {
		p.stores[*o.Materialized.Name] = t.storeType()
		if o.Materialized.Store == "versioned" {
			p.stores[*o.Materialized.Name] += versionedText - stampedText
		}
	}
	return h
}

func (p *program) source(o *operation) any {
	switch o.Op {
	case "addStateStore":
		p.addStore(o)
		return nil
	case "addGlobalStore":
		p.addGlobalStore(o)
		return nil
	}
	switch o.Value {
	case "", "string":
		return source(p, o, serde.String)
	case "long":
		return source(p, o, serde.Int64)
	}
	refuse("values of type %s", o.Value)
	return nil
}

func source[V any](p *program, o *operation, value serde.Serde[V]) any {
	switch o.Op {
	case "stream":
		opts := sourceOptions[V](o)
		if o.Topics != nil {
			return text(p.b.StreamOf(o.Topics, serde.String, value, opts...))
		}
		return text(p.b.Stream(o.Topic, serde.String, value, opts...))
	case "table":
		return p.keep(o, tableOf[string, V]{p.b.Table(o.Topic, serde.String, value, tableOptions[V](o)...), serde.String})
	}
	g := globalOf[V]{p.b.GlobalTable(o.Topic, serde.String, value, tableOptions[V](o)...)}
	if o.Materialized != nil && o.Materialized.Name != nil {
		p.stores[*o.Materialized.Name] = stampedTypeOf[V]()
	}
	return g
}

func stampedTypeOf[V any]() storeType {
	if isLong[V]() {
		return stampedLong
	}
	return stampedText
}

func (p *program) addStore(o *operation) {
	name, opts := *o.StoreName, storeDefinitionOptions(o)
	switch o.Store {
	case "keyValue":
		p.refs[name] = p.b.AddStore(state.KeyValue(name, serde.String, serde.String, opts...))
		p.stores[name] = plainText
	case "timestamped":
		p.refs[name] = p.b.AddStore(state.TimestampedKeyValue(name, serde.String, serde.String, opts...))
		p.stores[name] = stampedText
	default:
		refuse("state store %s", o.Store)
	}
}

func storeDefinitionOptions(o *operation) (opts []state.Option) {
	switch o.Kind {
	case "", "rocksdb":
	case "inMemory":
		opts = append(opts, state.InMemory())
	default:
		refuse("store kind %s", o.Kind)
	}
	if o.Logging != nil && !*o.Logging {
		opts = append(opts, state.WithoutLogging())
	}
	return opts
}

func (p *program) addGlobalStore(o *operation) {
	name := *o.StoreName
	p.stores[name] = plainText
	ref := topology.NamedStore[state.KeyValueStore[string, string]](name)
	p.refs[name] = p.b.AddGlobalStore(state.KeyValue(name, serde.String, serde.String, storeDefinitionOptions(o)...), o.Topic, serde.String, serde.String,
		func(ctx *topology.Context) (topology.Processor[string, string], error) {
			return newGlobalWriter(ctx, ref), nil
		})
}

// text is a handle of a stream with string keys.
func text[V any](s streams.Stream[string, V]) streamOf[string, V] {
	return streamOf[string, V]{s, serde.String}
}

// --- options ----------------------------------------------------------------------------------------------------------

func named(name *string) []streams.NodeOption {
	if name == nil {
		return nil
	}
	return []streams.NodeOption{streams.Named(*name)}
}

func groupOptions(o *operation) []streams.GroupOption {
	if o.Name == nil {
		return nil
	}
	return []streams.GroupOption{streams.Named(*o.Name)}
}

func sourceOptions[V any](o *operation) (opts []streams.SourceOption) {
	if o.Name != nil {
		opts = append(opts, streams.Named(*o.Name))
	}
	if t := timestamps[V](o.Timestamps); t != nil {
		opts = append(opts, t)
	}
	return opts
}

func tableOptions[V any](o *operation) (opts []streams.TableOption) {
	if o.Name != nil {
		opts = append(opts, streams.Named(*o.Name))
	}
	if t := timestamps[V](o.Timestamps); t != nil && o.Op == "table" { // Java never asks the extractor of a global table
		opts = append(opts, t)
	}
	for _, m := range materializedOptions(o.Materialized) {
		opts = append(opts, m)
	}
	return opts
}

func storeOptions(o *operation) (opts []streams.StoreOption) {
	if o.Name != nil {
		opts = append(opts, streams.Named(*o.Name))
	}
	for _, m := range materializedOptions(o.Materialized) {
		opts = append(opts, m)
	}
	return opts
}

// materializedOption is an option of every verb that can have a store.
type materializedOption interface {
	streams.TableOption
	streams.StoreOption
	streams.ForeignKeyOption
}

// materializedOptions are Kafka's Materialized. Whether serdes are given makes no difference here: they are always known.
func materializedOptions(m *materialized) (opts []materializedOption) {
	if m == nil {
		return nil
	}
	if m.Name != nil {
		opts = append(opts, streams.As(*m.Name))
	} else {
		opts = append(opts, streams.Materialized())
	}
	switch m.Store {
	case "":
	case "rocksdb":
		opts = append(opts, streams.OnDisk())
	case "inMemory":
		opts = append(opts, streams.InMemory())
	case "versioned":
		opts = append(opts, streams.Versioned(millis(m.HistoryRetention)))
	default:
		refuse("materialized store %s", m.Store)
	}
	if m.Caching != nil {
		opts = append(opts, streams.Caching(*m.Caching))
	}
	if m.Logging != nil && !*m.Logging {
		opts = append(opts, streams.WithoutLogging())
	}
	if m.Retention != nil {
		opts = append(opts, streams.Retention(millis(*m.Retention)))
	}
	return opts
}

func joinOptions(o *operation) (opts []streams.JoinOption) {
	if o.Name != nil {
		opts = append(opts, streams.Named(*o.Name))
	}
	if o.Grace != nil {
		opts = append(opts, streams.Grace(millis(*o.Grace)))
	}
	return opts
}

func streamJoinOptions(o *operation) (opts []streams.StreamJoinOption) {
	if o.Name != nil {
		opts = append(opts, streams.Named(*o.Name))
	}
	if o.StoreName != nil {
		opts = append(opts, streams.As(*o.StoreName))
	}
	return opts
}

// windowsOf is the window definition of an aggregate that is not a session.
func windowsOf[K any](w *windowShape) window.Windows[K, window.Windowed[K]] {
	switch w.Type {
	case "tumbling":
		return window.Tumbling[K]{Size: millis(w.Size), Grace: millis(w.Grace)}
	case "hopping":
		return window.Hopping[K]{Size: millis(w.Size), Advance: millis(w.Advance), Grace: millis(w.Grace)}
	case "sliding":
		return window.Sliding[K]{Difference: millis(w.Diff), Grace: millis(w.Grace)}
	case "unlimited":
		return window.Unlimited[K]{Start: window.Time(w.Start)}
	}
	panic(unsupported("window " + w.Type))
}
