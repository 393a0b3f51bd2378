package topology

// Wrapper sees every record that every processor node handles: for tracing, timing, debugging (KIP-1112). It is asked once for each node of each task,
// when the node is made; ctx says which. before is called with the time and headers of a record that the node is about to handle, after with the
// error, if any, that it ended with: children behind the node have handled what it forwarded by then. Both are called in the task's goroutine, and either may
// be nil. Sources and sinks are not wrapped.
type Wrapper = func(ctx *Context) (before func(at Time, h Headers), after func(err error))

// Wrap sets the topology's wrapper. Nodes of a topology without one cost nothing more.
func (t *Topology) Wrap(w Wrapper) { t.wrapper = w }

// wrapped is f with the topology's wrapper around it.
func wrapped[K, V any](ctx *Context, f func(Record[K, V]) error) func(Record[K, V]) error {
	if ctx.in.t.wrapper == nil {
		return f
	}
	before, after := ctx.in.t.wrapper(ctx)
	if before == nil && after == nil {
		return f
	}
	return func(r Record[K, V]) error {
		if before != nil {
			before(r.Time, r.Headers)
		}
		err := f(r)
		if after != nil {
			after(err)
		}
		return err
	}
}
