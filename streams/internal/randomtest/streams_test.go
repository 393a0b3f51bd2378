package randomtest

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/millrace-go/millrace/streams"
)

// The verbs of streams, each with its meaning beside it.

type record64 = streams.Record[string, int64]

// stateless adds a verb that makes records of each record of a stream.
func (g *gen) stateless(in int, text string, f func(r rec) []rec, do func(s streams.Stream[string, int64]) streams.Stream[string, int64]) *node {
	n := g.derive(fmt.Sprintf("n%d.%s", in, text), aStream, in)
	n.make = func(_ *streams.Builder, in []handle) handle { return handle{s: do(in[0].s)} }
	n.mean = func(in []meaning) meaning { return in[0].each(f) }
	return g.nodes[g.add(n)]
}

func drawFilter(g *gen) bool {
	in, ok := g.oneOf(aStream)
	if !ok {
		return false
	}
	p := choose(g, "predicate", predicates)
	try := func(_ context.Context, r record64) (bool, error) {
		if r.Tombstone {
			return false, nil
		}
		return p.f(r.Key, r.Value), nil
	}
	not := func(k string, v int64) bool { return isCloser(k) || !p.f(k, v) }
	switch choose(g, "form", []string{"plain", "not", "try"}) {
	case "plain":
		g.stateless(in, "Filter("+p.name+")", func(r rec) []rec {
			if r.null || p.f(r.key, r.val) {
				return []rec{r}
			}
			return nil
		}, func(s streams.Stream[string, int64]) streams.Stream[string, int64] { return s.Filter(p.f) })
	case "not":
		g.stateless(in, "Filter(not "+p.name+")", func(r rec) []rec {
			if r.null || !p.f(r.key, r.val) {
				return []rec{r}
			}
			return nil
		}, func(s streams.Stream[string, int64]) streams.Stream[string, int64] {
			return s.FilterNot(func(k string, v int64) bool { return !not(k, v) })
		})
	case "try":
		g.stateless(in, "TryFilter(value and "+p.name+")", func(r rec) []rec {
			if !r.null && p.f(r.key, r.val) {
				return []rec{r}
			}
			return nil
		}, func(s streams.Stream[string, int64]) streams.Stream[string, int64] { return s.TryFilter(try) })
	}
	return true
}

func drawMapValues(g *gen) bool {
	in, ok := g.oneOf(aStream)
	if !ok {
		return false
	}
	v := choose(g, "function", valueFuncs)
	switch choose(g, "form", []string{"plain", "key", "try", "flat", "seq", "peek"}) {
	case "plain":
		g.stateless(in, "MapValues("+v.name+")", func(r rec) []rec {
			if !r.null {
				r.val = v.f(r.val)
			}
			return []rec{r}
		}, func(s streams.Stream[string, int64]) streams.Stream[string, int64] { return s.MapValues(v.f) })
	case "key":
		g.stateless(in, "MapValuesWithKey(len(k) + "+v.name+")", func(r rec) []rec {
			if !r.null {
				r.val = v.f(r.val) + int64(len(r.key))
			}
			return []rec{r}
		}, func(s streams.Stream[string, int64]) streams.Stream[string, int64] {
			return s.MapValuesWithKey(func(k string, n int64) int64 { return v.f(n) + int64(len(k)) })
		})
	case "try":
		g.stateless(in, "TryMapValues(tombstone 7; v%5 == 0 Null; v%7 == 0 Skip; "+v.name+")", func(r rec) []rec {
			switch {
			case r.null:
				r.val, r.null = 7, false
			case r.val%5 == 0:
				r.val, r.null = 0, true
			case r.val%7 == 0:
				return nil
			default:
				r.val = v.f(r.val)
			}
			return []rec{r}
		}, func(s streams.Stream[string, int64]) streams.Stream[string, int64] {
			return s.TryMapValues(func(_ context.Context, r record64) (int64, error) {
				switch {
				case isCloser(r.Key):
					return r.Value, nil
				case r.Tombstone:
					return 7, nil
				case r.Value%5 == 0:
					return 0, streams.Null
				case r.Value%7 == 0:
					return 0, streams.Skip
				}
				return v.f(r.Value), nil
			})
		})
	case "flat":
		g.stateless(in, "FlatMapValues(v, and "+v.name+" if v is odd)", func(r rec) (out []rec) {
			if r.null {
				return nil
			}
			out = append(out, r)
			if r.val%2 == 1 {
				r.val = v.f(r.val)
				out = append(out, r)
			}
			return out
		}, func(s streams.Stream[string, int64]) streams.Stream[string, int64] {
			return s.FlatMapValues(func(n int64) []int64 {
				if n%2 == 1 {
					return []int64{n, v.f(n)}
				}
				return []int64{n}
			})
		})
	case "seq":
		g.stateless(in, "FlatMapValuesSeq("+v.name+", v)", func(r rec) []rec {
			if r.null {
				return nil
			}
			first := r
			first.val = v.f(r.val)
			return []rec{first, r}
		}, func(s streams.Stream[string, int64]) streams.Stream[string, int64] {
			return s.FlatMapValuesSeq(func(n int64) iter.Seq[int64] { return slices.Values([]int64{v.f(n), n}) })
		})
	case "peek":
		g.stateless(in, "Peek()", func(r rec) []rec { return []rec{r} }, func(s streams.Stream[string, int64]) streams.Stream[string, int64] {
			return s.Peek(func(string, int64) {})
		})
	}
	return true
}

// drawKey draws a verb that changes keys.
func drawKey(g *gen) bool {
	in, ok := g.oneOf(aStream)
	if !ok {
		return false
	}
	k := choose(g, "key", keyFuncs)
	form := choose(g, "form", []string{"rename", "select", "try", "map", "tryMap", "flat", "tryFlat"})
	var n *node
	switch form {
	case "rename":
		n = g.stateless(in, "MapKey(r+k)", func(r rec) []rec {
			r.key, r.noKey = rename(r.key), false
			return []rec{r}
		}, func(s streams.Stream[string, int64]) streams.Stream[string, int64] { return s.MapKey(rename) })
	case "select":
		n = g.stateless(in, "SelectKey("+k.name+")", func(r rec) []rec {
			if r.null {
				return nil
			}
			r.key, r.noKey = k.f(r.key, r.val), false
			return []rec{r}
		}, func(s streams.Stream[string, int64]) streams.Stream[string, int64] { return s.SelectKey(k.f) })
	case "try":
		n = g.stateless(in, "TrySelectKey(v%4 == 0 Null; "+k.name+")", func(r rec) []rec {
			if r.val%4 == 0 && !r.null {
				r.key, r.noKey = "", true
			} else {
				r.key, r.noKey = k.f(r.key, r.val), false
			}
			return []rec{r}
		}, func(s streams.Stream[string, int64]) streams.Stream[string, int64] {
			return s.TrySelectKey(func(_ context.Context, r record64) (string, error) {
				if r.Value%4 == 0 && !r.Tombstone && !isCloser(r.Key) {
					return "", streams.Null
				}
				return k.f(r.Key, r.Value), nil
			})
		})
	case "map":
		n = g.stateless(in, "Map("+k.name+", v+1)", func(r rec) []rec {
			if r.null {
				return nil
			}
			r.key, r.noKey, r.val = k.f(r.key, r.val), false, r.val+1
			return []rec{r}
		}, func(s streams.Stream[string, int64]) streams.Stream[string, int64] {
			return s.Map(func(key string, v int64) (string, int64) { return k.f(key, v), v + 1 })
		})
	case "tryMap":
		n = g.stateless(in, "TryMap("+k.name+", v+1, time+1; v%6 == 0 Skip)", func(r rec) []rec {
			if r.val%6 == 0 && !r.null {
				return nil
			}
			r.key, r.noKey = k.f(r.key, r.val), false
			if !r.null {
				r.val++
			}
			r.time++
			return []rec{r}
		}, func(s streams.Stream[string, int64]) streams.Stream[string, int64] {
			return s.TryMap(func(_ context.Context, r record64) (record64, error) {
				if r.Value%6 == 0 && !r.Tombstone && !isCloser(r.Key) {
					return r, streams.Skip
				}
				r.Key, r.NoKey = k.f(r.Key, r.Value), false
				if !r.Tombstone {
					r.Value++
				}
				r.Time++
				return r, nil
			})
		})
	case "flat":
		n = g.stateless(in, "FlatMap(k, v; "+k.name+", v+2)", func(r rec) []rec {
			if r.null {
				return nil
			}
			second := r
			second.key, second.val = k.f(r.key, r.val), r.val+2
			r.noKey, second.noKey = false, false
			return []rec{r, second}
		}, func(s streams.Stream[string, int64]) streams.Stream[string, int64] {
			return s.FlatMap(func(key string, v int64, emit func(string, int64)) {
				emit(key, v)
				if !isCloser(key) {
					emit(k.f(key, v), v+2)
				}
			})
		})
	case "tryFlat":
		n = g.stateless(in, "TryFlatMap("+k.name+", v twice; a tombstone never)", func(r rec) []rec {
			if r.null {
				return nil
			}
			r.key, r.noKey = k.f(r.key, r.val), false
			return []rec{r, r}
		}, func(s streams.Stream[string, int64]) streams.Stream[string, int64] {
			return s.TryFlatMap(func(_ context.Context, r record64, emit func(record64)) error {
				if r.Tombstone {
					return nil
				}
				r.Key, r.NoKey = k.f(r.Key, r.Value), false
				emit(r)
				if !isCloser(r.Key) {
					emit(r)
				}
				return nil
			})
		})
	}
	n.ordered = n.ordered && form == "rename"
	n.nulls = form == "try"
	n.rekeyed = true
	return true
}

func drawMerge(g *gen) bool {
	a, ok := g.oneOf(aStream)
	if !ok {
		return false
	}
	b, ok := g.from(func(n *node) bool {
		return n.kind == aStream && n != g.nodes[a] && n.wait == g.nodes[a].wait && (!g.exact || n.roots&g.nodes[a].roots == 0)
	})
	if !ok {
		return false
	}
	n := g.derive(fmt.Sprintf("n%d.Merge(n%d)", a, b), aStream, a, b)
	n.ordered = false
	n.make = func(_ *streams.Builder, in []handle) handle { return handle{s: in[0].s.Merge(in[1].s)} }
	n.mean = func(in []meaning) meaning {
		out := slices.Concat(in[0].recs, in[1].recs)
		slices.SortStableFunc(out, func(a, b rec) int { return a.came - b.came })
		return meaning{recs: out}
	}
	g.add(n)
	return true
}

// drawSplit adds a branch and what is left.
func drawSplit(g *gen) bool {
	in, ok := g.oneOf(aStream)
	if !ok {
		return false
	}
	p := choose(g, "predicate", predicates)
	try := g.flip("try")
	text := fmt.Sprintf("n%d.Split().Branch(%s)", in, p.name)
	if try {
		text = fmt.Sprintf("n%d.Split().TryBranch(tombstone or %s)", in, p.name)
	}
	wants := func(r rec) bool { return r.null && try || !r.null && p.f(r.key, r.val) }
	var split *streams.Splitter[string, int64] // of the build that is going on
	first := g.derive(text, aStream, in)
	first.make = func(_ *streams.Builder, in []handle) handle {
		split = in[0].s.Split()
		if try {
			return handle{s: split.TryBranch(func(_ context.Context, r record64) (bool, error) {
				return r.Tombstone || p.f(r.Key, r.Value), nil
			})}
		}
		return handle{s: split.Branch(p.f)}
	}
	first.mean = func(in []meaning) meaning {
		return in[0].each(func(r rec) []rec {
			if wants(r) {
				return []rec{r}
			}
			return nil
		})
	}
	g.add(first)
	// Closers go with the first branch: what is behind the other one has to wait for nothing.
	rest := g.derive(fmt.Sprintf("n%d's Default()", len(g.nodes)-1), aStream, in)
	rest.wait = never
	rest.make = func(*streams.Builder, []handle) handle { return handle{s: split.Default()} }
	rest.mean = func(in []meaning) meaning {
		return in[0].each(func(r rec) []rec {
			if wants(r) {
				return nil
			}
			return []rec{r}
		})
	}
	g.add(rest)
	return true
}

// never marks streams without closers.
const never = 100

func drawRepartition(g *gen) bool {
	in, ok := g.from(func(n *node) bool { return n.kind <= changes && !n.nulls })
	if !ok {
		return false
	}
	n := g.derive(fmt.Sprintf("n%d.Repartition()", in), g.nodes[in].kind, in)
	n.rekeyed = false
	n.make = func(_ *streams.Builder, in []handle) handle { return handle{s: in[0].s.Repartition()} }
	n.mean = func(in []meaning) meaning { return in[0].repartitioned(g.randomProgram, true) }
	g.add(n)
	return true
}

// repartitioned is a stream behind its internal topic, if it needs one.
func (m meaning) repartitioned(p *randomProgram, needed bool) meaning {
	if !needed || m.recs == nil {
		return m
	}
	return m.each(func(r rec) []rec {
		r.part = partitionOf(r.key, r.noKey, p.partitions)
		return []rec{r}
	})
}
