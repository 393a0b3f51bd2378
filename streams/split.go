package streams

import (
	"context"
	"fmt"
	"strconv"

	"github.com/millrace-go/millrace/topology"
)

// Split divides the stream into branches: the first branch that wants a record gets it, and without a default the rest is dropped, uncounted; without any branch,
// everything. A tombstone goes to the first branch whose Try predicate wants it, or to the default.
//
// A branch is called by the name of the split and its own, or its number: Named("by-size") with Named("-large") makes by-size-large.
func (s Stream[K, V]) Split(o ...NodeOption) *Splitter[K, V] {
	name := s.b.name(o, "KSTREAM-BRANCH-")
	p := &Splitter[K, V]{s: s, name: name, fallback: -1}
	p.n = s.b.plan(&planNode{name: name, write: func(w *writer, in []any) any {
		return topology.ConnectRouter(topology.NodeSpec{Name: name}, p.route, edgesOf[K, V](in)...)
	}}, s.n)
	return p
}

// Splitter makes the branches of a Split, which are asked in the order of their making.
type Splitter[K, V any] struct {
	s        Stream[K, V]
	n        *planNode
	name     string
	branches []branch[K, V] // as the node's children
	fallback int            // the default's index, or -1
}

// branch is one branch's predicate: one of the two, or none for the default.
type branch[K, V any] struct {
	plain func(K, V) bool
	try   func(context.Context, Record[K, V]) (bool, error)
}

// Branch is the stream of the records that f wants and no branch before it. f is not asked about tombstones.
func (p *Splitter[K, V]) Branch(f func(K, V) bool, o ...NodeOption) Stream[K, V] {
	return p.branch(branch[K, V]{plain: f}, f != nil, len(p.branches)+1, o)
}

// TryBranch is the stream of the records that f wants and no branch before it; f is asked about tombstones too.
func (p *Splitter[K, V]) TryBranch(f func(context.Context, Record[K, V]) (bool, error), o ...NodeOption) Stream[K, V] {
	return p.branch(branch[K, V]{try: f}, f != nil, len(p.branches)+1, o)
}

// Default is the stream of the records that no branch wants.
func (p *Splitter[K, V]) Default(o ...NodeOption) Stream[K, V] {
	if p.fallback >= 0 {
		p.s.b.fail(fmt.Errorf("node %s: Default was called twice: use the first one's stream", p.name))
	}
	p.fallback = len(p.branches)
	return p.branch(branch[K, V]{}, true, 0, o)
}

func (p *Splitter[K, V]) branch(br branch[K, V], given bool, number int, o []NodeOption) Stream[K, V] {
	c := nodeConfigOf(o)
	p.s.b.index() // a branch draws a number, which its name does not show
	name := p.name + strconv.Itoa(number)
	if c.name != "" {
		name = p.name + c.name
	}
	p.s.b.check(name, &c)
	p.s.b.require(given, name)
	p.branches = append(p.branches, br)
	n := operator(name, nil, func(_ *topology.Context, next func(Record[K, V]) error) (func(Record[K, V]) error, error) {
		return next, nil
	})
	out := p.s
	out.n = p.s.b.plan(n, p.n)
	return out
}

func (p *Splitter[K, V]) route(ctx *topology.Context, children []func(Record[K, V]) error) (func(Record[K, V]) error, error) {
	run := ctx.Run()
	return func(r Record[K, V]) error {
		for i := range p.branches {
			switch br := &p.branches[i]; {
			case br.plain != nil:
				if !r.Tombstone && br.plain(r.Key, r.Value) {
					return children[i](r)
				}
			case br.try != nil:
				ok, err := br.try(run, r)
				if err != nil {
					return failed(ctx, err)
				}
				if ok {
					return children[i](r)
				}
			}
		}
		if p.fallback >= 0 {
			return children[p.fallback](r)
		}
		return nil
	}, nil
}
