package topology

// ConnectRouter is Connect for a node that chooses a child for each record: f gets what hands a record to each of the node's children, in the
// order in which they are added behind it. It runs when a task starts, when all children are known.
func ConnectRouter[K, V, K2, V2 any](spec NodeSpec, f func(ctx *Context, children []func(Record[K2, V2]) error) (func(Record[K, V]) error, error), edges ...*Edge[K, V]) *Edge[K2, V2] {
	t := topologyOf(spec.Name, edges)
	t.require(f != nil, spec.Name)
	n := &node{name: spec.Name, kind: processorNode, stores: spec.Stores}
	n.start = func(in *Instance, children []any) (any, error) {
		typed := make([]func(Record[K2, V2]) error, len(children))
		for i, c := range children {
			typed[i] = c.(func(Record[K2, V2]) error)
		}
		ctx := in.context(n)
		recv, err := f(ctx, typed)
		if err != nil {
			return nil, err
		}
		return wrapped(ctx, recv), nil
	}
	return &Edge[K2, V2]{t, t.add(n, parentsOf(edges))}
}
