package topology

import (
	"errors"
	"io"
)

// errNoProcessor is what a task's start fails with where a supplier answers nothing. A processor that would be called through a nil pointer is not seen.
var errNoProcessor = errors.New("its function answered no processor and no error: return one of the two")

// ConnectProcessor adds a processor of the Processor API behind edges.
func ConnectProcessor[K, V, K2, V2 any](spec NodeSpec, f Supplier[K, V, K2, V2], edges ...*Edge[K, V]) *Edge[K2, V2] {
	t := topologyOf(spec.Name, edges)
	t.require(f != nil, spec.Name)
	n := &node{name: spec.Name, kind: processorNode, stores: spec.Stores}
	n.start = func(in *Instance, children []any) (any, error) {
		ctx := &ProcessorContext[K2, V2]{Context: *in.context(n), next: fanOut[K2, V2](children), named: map[string]func(Record[K2, V2]) error{}}
		for i, c := range children {
			ctx.named[n.children[i].name] = c.(func(Record[K2, V2]) error)
		}
		p, err := f(ctx)
		if err == nil {
			err = ctx.err
		}
		if err == nil && p == nil {
			err = errNoProcessor
		}
		if err != nil {
			return nil, err
		}
		if c, ok := p.(io.Closer); ok {
			in.closers = append(in.closers, c)
		}
		run := in.ctx
		return wrapped(&ctx.Context, inContext(in, func(r Record[K, V]) error {
			if err := p.Process(run, r); err != nil {
				return in.fail(n, err)
			}
			return nil
		})), nil
	}
	return &Edge[K2, V2]{t, t.add(n, parentsOf(edges))}
}

// inContext makes the time and headers of the record that a node got those of the record context while it works: nodes before it may have forwarded a
// record with others than the input's, and stores read them there.
func inContext[K, V any](in *Instance, f func(Record[K, V]) error) func(Record[K, V]) error {
	rc := in.record
	return func(r Record[K, V]) error {
		at, headers := rc.Time, rc.Headers
		rc.Time, rc.Headers = r.Time, r.Headers
		err := f(r)
		rc.Time, rc.Headers = at, headers
		return err
	}
}

// ConnectFixedKey adds a processor that cannot change the key behind edges.
func ConnectFixedKey[K, V, V2 any](spec NodeSpec, f func(*FixedKeyContext[K, V2]) (FixedKeyProcessor[K, V], error), edges ...*Edge[K, V]) *Edge[K, V2] {
	t := topologyOf(spec.Name, edges)
	t.require(f != nil, spec.Name)
	n := &node{name: spec.Name, kind: processorNode, stores: spec.Stores}
	n.start = func(in *Instance, children []any) (any, error) {
		ctx := &FixedKeyContext[K, V2]{Context: *in.context(n), next: fanOut[K, V2](children)}
		p, err := f(ctx)
		if err == nil {
			err = ctx.err
		}
		if err == nil && p == nil {
			err = errNoProcessor
		}
		if err != nil {
			return nil, err
		}
		if c, ok := p.(io.Closer); ok {
			in.closers = append(in.closers, c)
		}
		run := in.ctx
		return wrapped(&ctx.Context, inContext(in, func(r Record[K, V]) error {
			if err := p.ProcessValue(run, FixedKey(r)); err != nil {
				return in.fail(n, err)
			}
			return nil
		})), nil
	}
	return &Edge[K, V2]{t, t.add(n, parentsOf(edges))}
}
