package streams

import "github.com/millrace-go/millrace/topology"

// Process hands the records to a processor of the Processor API and is the stream of what it forwards. f runs once per task. The key may have
// changed behind it: a grouping or join goes through an internal topic first; ProcessValues keeps the key.
func (s Stream[K, V]) Process[K2, V2 any](f func(*topology.ProcessorContext[K2, V2]) (topology.Processor[K, V], error), o ...ProcessOption) Stream[K2, V2] {
	name, using := s.processor(f != nil, "KSTREAM-PROCESSOR-", o)
	n := s.b.plan(&planNode{name: name, usesNullKeys: true, write: func(w *writer, in []any) any {
		if f == nil {
			return nil
		}
		return topology.ConnectProcessor(topology.NodeSpec{Name: name, Stores: using}, f, edgesOf[K, V](in)...)
	}}, s.n)
	return Stream[K2, V2]{b: s.b, n: n, key: &slot[K2]{}, value: &slot[V2]{}, rekeyed: true}
}

// ProcessValues hands the records to a processor that cannot change the key and is the stream of what it forwards.
func (s Stream[K, V]) ProcessValues[V2 any](f func(*topology.FixedKeyContext[K, V2]) (topology.FixedKeyProcessor[K, V], error), o ...ProcessOption) Stream[K, V2] {
	name, using := s.processor(f != nil, "KSTREAM-PROCESSVALUES-", o)
	return then(s, &planNode{name: name, usesNullKeys: true, write: func(w *writer, in []any) any {
		if f == nil {
			return nil
		}
		return topology.ConnectFixedKey(topology.NodeSpec{Name: name, Stores: using}, f, edgesOf[K, V](in)...)
	}}, &slot[V2]{})
}

// processor is the name of a processor's node, for which a given name draws no number, and its stores.
func (s Stream[K, V]) processor(given bool, prefix string, o []ProcessOption) (name string, using []string) {
	var c nodeConfig
	for _, opt := range o {
		opt.process(&c)
	}
	if name = c.name; name == "" {
		name = s.b.generate(prefix)
	}
	s.b.check(name, &c)
	s.b.require(given, name)
	return name, c.using
}
