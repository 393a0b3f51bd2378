package randomtest

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/window"
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
	g.unmergeable = g.unmergeable || n.nulls
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

// storeOptions draws options of a store.
func (g *gen) storeOptions(named bool) (string, []streams.StoreOption) {
	name := fmt.Sprint("store", len(g.nodes))
	kinds := []string{"none", "As", "InMemory"}
	if g.mixes {
		kinds = append(kinds, "Caching")
	}
	switch choose(g, "store", kinds) {
	case "As":
		return "As(" + name + ")", []streams.StoreOption{streams.As(name)}
	case "InMemory":
		if named {
			return "As(" + name + "), InMemory()", []streams.StoreOption{streams.As(name), streams.InMemory()}
		}
		return "InMemory()", []streams.StoreOption{streams.InMemory()}
	case "Caching":
		return "As(" + name + "), Caching(false)", []streams.StoreOption{streams.As(name), streams.Caching(false)}
	}
	return "", nil
}

// grouping is a stream that is grouped.
type grouping struct {
	text  string
	group func(s streams.Stream[string, int64]) streams.GroupedStream[string, int64]
	mean  func(m meaning) meaning
	moves bool // to another partition
}

func (g *gen) grouping(in int) grouping {
	k := choose(g, "key", keyFuncs)
	rekeyed := g.nodes[in].rekeyed
	switch choose(g, "grouping", []string{"key", "by", "try"}) {
	case "by":
		return grouping{fmt.Sprintf("n%d.GroupBy(%s)", in, k.name), func(s streams.Stream[string, int64]) streams.GroupedStream[string, int64] { return s.GroupBy(k.f) },
			func(m meaning) meaning {
				return m.each(func(r rec) []rec {
					if r.null {
						return nil
					}
					r.key, r.noKey = k.f(r.key, r.val), false
					return []rec{r}
				}).repartitioned(g.randomProgram, true)
			}, true}
	case "try":
		return grouping{fmt.Sprintf("n%d.TryGroupBy(tombstone and v%%4 == 0 Null; %s)", in, k.name),
			func(s streams.Stream[string, int64]) streams.GroupedStream[string, int64] {
				return s.TryGroupBy(func(_ context.Context, r record64) (string, error) {
					if !isCloser(r.Key) && (r.Tombstone || r.Value%4 == 0) {
						return "", streams.Null
					}
					return k.f(r.Key, r.Value), nil
				})
			},
			func(m meaning) meaning {
				return m.each(func(r rec) []rec {
					if r.null || r.val%4 == 0 {
						return nil // a null key is lost on the way
					}
					r.key, r.noKey = k.f(r.key, r.val), false
					return []rec{r}
				}).repartitioned(g.randomProgram, true)
			}, true}
	}
	return grouping{fmt.Sprintf("n%d.GroupByKey()", in), func(s streams.Stream[string, int64]) streams.GroupedStream[string, int64] { return s.GroupByKey() },
		func(m meaning) meaning { return m.repartitioned(g.randomProgram, rekeyed) }, rekeyed}
}

func addValue(a, v int64) int64 { return a + v }
func zero() int64               { return 0 }

func weigh(k string, v, a int64) int64 { return a + 2*v + int64(len(k)) }

func tallyUp(_ context.Context, r record64, a int64) (int64, error) {
	if r.Tombstone {
		return a + 100, nil
	}
	return a + r.Value, nil
}

func drawAggregate(g *gen) bool {
	in, ok := g.oneOf(aStream)
	if !ok {
		return false
	}
	group := g.grouping(in)
	f := choose(g, "fold", []fold{counting, summing, highest, weighing, {name: "TryReduce(a+v)", begun: false, add: summing.add}, {name: "TryAggregate(0, a+v)", begun: true, add: summing.add}})
	text, opts := g.storeOptions(false)
	n := g.derive(fmt.Sprintf("%s.%s %s", group.text, f.name, text), aTable, in)
	n.settled, n.ordered, n.nulls, n.rekeyed, n.zeros = false, true, false, false, f.begun
	n.make = func(_ *streams.Builder, in []handle) handle {
		s := group.group(in[0].s)
		switch f.name {
		case counting.name:
			return handle{t: s.Count(opts...)}
		case summing.name:
			return handle{t: s.Reduce(addValue, opts...)}
		case highest.name:
			return handle{t: s.Reduce(func(a, v int64) int64 { return max(a, v) }, opts...)}
		case weighing.name:
			return handle{t: s.Aggregate(zero, weigh, opts...)}
		case "TryReduce(a+v)":
			return handle{t: s.TryReduce(func(_ context.Context, a int64, r record64) (int64, error) { return a + r.Value, nil }, opts...)}
		}
		return handle{t: s.TryAggregate(zero, func(_ context.Context, r record64, a int64) (int64, error) { return a + r.Value, nil }, opts...)}
	}
	n.mean = func(in []meaning) meaning { return byKey(group.mean(in[0]).recs, f) }
	g.add(n)
	return true
}

// drawLatest reduces a stream to the last value of each key.
func drawLatest(g *gen) bool {
	in, ok := g.from(func(n *node) bool { return n.kind == aStream && n.ordered })
	if !ok {
		return false
	}
	rekeyed := g.nodes[in].rekeyed
	n := g.derive(fmt.Sprintf("n%d.GroupByKey().Reduce(v)", in), aTable, in)
	n.settled, n.nulls, n.rekeyed = false, false, false
	n.make = func(_ *streams.Builder, in []handle) handle {
		return handle{t: in[0].s.GroupByKey().Reduce(func(_, v int64) int64 { return v })}
	}
	n.mean = func(in []meaning) meaning {
		recs := in[0].repartitioned(g.randomProgram, rekeyed).recs
		// The time of a row is the highest of its records, its value the last one's.
		values := latest(slices.DeleteFunc(slices.Clone(recs), func(r rec) bool { return r.null }))
		times := byKey(recs, highest)
		return values.eachRow2(times)
	}
	g.add(n)
	return true
}

// eachRow2 gives rows the times of other ones.
func (m meaning) eachRow2(times meaning) meaning {
	return tableAt(func(came int) rows {
		out, ts := rows{}, times.at(came)
		for k, r := range m.at(came) {
			out[k] = row{val: r.val, time: ts[k].time}
		}
		return out
	})
}

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

const (
	// span is how far apart the times of the input are, at most; functions that move times move them a little beyond.
	timespan = 60
	// generous is a grace that nothing is later than.
	generous = 200
)

// graceAfter is a grace that nothing is later than that has waited for so many rounds of closers: closers of the last of them may overtake it.
func graceAfter(wait int) int64 {
	if wait == 0 {
		return generous
	}
	return int64(wait)*round + round/2
}

// windowing is a definition of windows in both worlds.
type windowing struct {
	text     string
	sliding  bool
	session  bool
	define   window.Windows[string, window.Windowed[string]]
	sessions window.Session[string]
	mean     func(recs []rec, f fold) meaning
}

func (g *gen) windowing(exact bool, wait int) windowing {
	grace := graceAfter(wait)
	if exact {
		grace = choose(g, "grace", []int64{0, 1, 5, 20})
	}
	size := choose(g, "size", []int64{10, 7, 25, 1})
	switch choose(g, "windows", []string{"Tumbling", "Hopping", "Sliding", "Session"}) {
	case "Hopping":
		hop := max(1, size/choose(g, "hops", []int64{2, 3}))
		return windowing{text: fmt.Sprintf("Hopping{%d, %d, grace %d}", size, hop, grace),
			define: window.Hopping[string]{Size: ms(size), Advance: ms(hop), Grace: ms(grace)},
			mean: func(recs []rec, f fold) meaning {
				return windowed(recs, f, hopping(size, hop), func(w winspan) int64 { return w.to + grace })
			}}
	case "Sliding": // what is late for one window and not for another leaves windows whose meaning is the order of what came
		grace = graceAfter(wait)
		return windowing{text: fmt.Sprintf("Sliding{%d, grace %d}", size, grace), sliding: true,
			define: window.Sliding[string]{Difference: ms(size), Grace: ms(grace)},
			mean: func(recs []rec, f fold) meaning {
				return windowed(recs, f, sliding(size), func(w winspan) int64 { return w.to + grace + 1 })
			}}
	case "Session":
		return windowing{text: fmt.Sprintf("Session{%d, grace %d}", size, grace), session: true,
			sessions: window.Session[string]{Gap: ms(size), Grace: ms(grace)},
			mean:     func(recs []rec, f fold) meaning { return sessions(recs, f, size, grace) }}
	}
	return windowing{text: fmt.Sprintf("Tumbling{%d, grace %d}", size, grace), define: window.Tumbling[string]{Size: ms(size), Grace: ms(grace)},
		mean: func(recs []rec, f fold) meaning {
			return windowed(recs, f, hopping(size, size), func(w winspan) int64 { return w.to + grace })
		}}
}

func drawWindows(g *gen) bool {
	in, ok := g.from(func(n *node) bool { return n.kind == aStream && n.timed && n.wait < maxWait })
	if !ok {
		return false
	}
	group := g.grouping(in)
	w := g.windowing(g.exact && g.nodes[in].wait == 0, g.nodes[in].wait)
	f := choose(g, "fold", []fold{counting, summing, highest, weighing, tallying})
	if f.name == counting.name {
		f.nulls = !w.sliding // as in Kafka Streams
	}
	f.nulls = f.nulls && !w.sliding
	onClose := g.flip("on close") && (!w.session || !g.exact)
	text, opts := g.storeOptions(false)
	if w.session && g.exact {
		// Sessions that are closed are still there, whatever has come meanwhile.
		text, opts = text+" Retention(1h)", append(opts, streams.Retention(time.Hour))
	}
	if onClose {
		text = "EmitOnClose() " + text
	}
	n := g.derive(fmt.Sprintf("%s.WindowedBy(%s).%s %s", group.text, w.text, f.name, text), aWindows, in)
	n.settled, n.ordered, n.nulls, n.rekeyed, n.zeros, n.final = false, true, false, false, f.begun, onClose
	if onClose {
		n.wait++
	}
	n.make = func(_ *streams.Builder, in []handle) handle {
		s := group.group(in[0].s)
		if w.session {
			ws := s.WindowedBySession(w.sessions)
			if onClose {
				ws = ws.EmitOnClose()
			}
			switch f.name {
			case counting.name:
				return handle{w: ws.Count(opts...)}
			case summing.name:
				return handle{w: ws.Reduce(addValue, opts...)}
			case highest.name:
				return handle{w: ws.Reduce(func(a, v int64) int64 { return max(a, v) }, opts...)}
			case weighing.name:
				return handle{w: ws.Aggregate(zero, weigh, func(_ string, a, b int64) int64 { return a + b }, opts...)}
			}
			return handle{w: ws.TryAggregate(zero, tallyUp, func(_ context.Context, _ string, a, b int64) (int64, error) { return a + b, nil }, opts...)}
		}
		ws := s.WindowedBy(w.define)
		if onClose {
			ws = ws.EmitOnClose()
		}
		switch f.name {
		case counting.name:
			return handle{w: ws.Count(opts...)}
		case summing.name:
			return handle{w: ws.Reduce(addValue, opts...)}
		case highest.name:
			return handle{w: ws.Reduce(func(a, v int64) int64 { return max(a, v) }, opts...)}
		case weighing.name:
			return handle{w: ws.Aggregate(zero, weigh, opts...)}
		}
		return handle{w: ws.TryAggregate(zero, tallyUp, opts...)}
	}
	n.mean = func(in []meaning) meaning { return w.mean(group.mean(in[0]).recs, f) }
	g.add(n)
	return true
}

// maxWait is how often what comes of the input can wait for windows to close.
const maxWait = 3

// drawFinal makes a stream of windows that are told once.
func drawFinal(g *gen) bool {
	in, ok := g.from(func(n *node) bool { return n.kind == aWindows && n.final })
	if !ok {
		return false
	}
	whole := g.flip("whole key")
	text := "k@window"
	if !whole {
		text = "k"
	}
	n := g.derive(fmt.Sprintf("n%d.ToStream().MapKey(%s)", in, text), aStream, in)
	n.rekeyed, n.ordered, n.zeros = true, false, false
	n.make = func(_ *streams.Builder, in []handle) handle {
		// A window that a filter does not want is told as a tombstone.
		return handle{s: in[0].w.ToStream().MapKey(func(k window.Windowed[string]) string {
			if whole {
				return flatKey(k)
			}
			return k.Key
		}).TryFilter(func(_ context.Context, r record64) (bool, error) { return !r.Tombstone, nil })}
	}
	n.mean = func(in []meaning) meaning {
		var out []rec
		for name, r := range in[0].at(end) {
			if !whole {
				name = r.key
			}
			out = append(out, rec{key: name, val: r.val, time: r.time, came: end - 1})
		}
		return meaning{recs: out}
	}
	g.add(n)
	return true
}

func drawStreamJoin(g *gen) bool {
	l, ok := g.from(func(n *node) bool {
		return n.kind == aStream && n.timed && n.wait < maxWait && (!g.exact || n.wait == 0)
	})
	if !ok {
		return false
	}
	r, ok := g.from(func(n *node) bool {
		return n.kind == aStream && n.timed && n.wait == g.nodes[l].wait && (!g.exact || n.roots&g.nodes[l].roots == 0)
	})
	if !ok {
		return false
	}
	kind := choose(g, "kind", []string{"JoinStream", "LeftJoinStream", "OuterJoinStream", "TryLeftJoinStream"})
	j := joinDef{f: joiner, needLeft: kind != "OuterJoinStream", needRight: kind == "JoinStream"}
	j.before, j.after = choose(g, "before", []int64{10, 0, 3, -2}), choose(g, "after", []int64{10, 0, 4, 25})
	if j.before+j.after < 0 || !j.needRight {
		j.before = max(0, j.before)
	}
	if j.before < 0 {
		g.base = 1000
	}
	grace := graceAfter(g.nodes[l].wait)
	if !g.exact && !j.needRight {
		j.after = grace
	}
	if !g.exact && !j.needLeft {
		j.before = grace
	}
	def := window.Join{Before: ms(j.before), After: ms(j.after), Grace: ms(grace)}
	n := g.derive(fmt.Sprintf("n%d.%s(n%d, {before %d, after %d, grace %d})", l, kind, r, j.before, j.after, grace), aStream, l, r)
	n.ordered, n.rekeyed, n.settled = false, false, false
	if j.needRight {
		n.nulls = false
	} else if n.wait == 0 {
		n.wait = 1
	} else {
		n.wait = 2*n.wait + 2 // what is alone waits for the window and the grace, each as long as what it has waited for
	}
	if j.before < 0 {
		n.wait = never // closers of one time do not meet
	}
	lMoves, rMoves := g.nodes[l].rekeyed, g.nodes[r].rekeyed
	n.make = func(_ *streams.Builder, in []handle) handle {
		l, r := in[0].s, in[1].s
		switch kind {
		case "JoinStream":
			return handle{s: l.JoinStream(r, def, joinBoth)}
		case "LeftJoinStream":
			return handle{s: l.LeftJoinStream(r, def, joinRight)}
		case "TryLeftJoinStream":
			return handle{s: l.TryLeftJoinStream(r, def, func(_ context.Context, _ string, l int64, r *int64) (int64, error) { return joinRight(l, r), nil })}
		}
		return handle{s: l.OuterJoinStream(r, def, joiner)}
	}
	n.mean = func(in []meaning) meaning {
		return meaning{recs: j.joined(in[0].repartitioned(g.randomProgram, lMoves).recs, in[1].repartitioned(g.randomProgram, rMoves).recs)}
	}
	g.add(n)
	return true
}

// drawTableJoin joins a stream with a table.
func drawTableJoin(g *gen) bool {
	s, ok := g.from(func(n *node) bool { return n.kind == aStream && (!g.exact || n.wait == 0) })
	if !ok {
		return false
	}
	t, ok := g.from(func(n *node) bool {
		if n.kind != aTable || n.global {
			return false
		}
		return g.exact && n.wait == 0 && n.roots&g.nodes[s].roots == 0 && !n.rekeyed || !g.exact && n.settled
	})
	if !ok {
		return false
	}
	left := g.flip("left")
	try := g.flip("try")
	versions := g.nodes[t].versions
	grace := int64(-1)
	if versions && g.nodes[s].timed && g.nodes[s].wait == 0 && g.flip("grace") {
		grace = generous
		if g.exact {
			grace = choose(g, "grace", []int64{0, 3, 10})
		}
	}
	var opts []streams.JoinOption
	text := "Join"
	if left {
		text = "LeftJoin"
	}
	if try {
		text = "Try" + text
	}
	text = fmt.Sprintf("n%d.%s(n%d)", s, text, t)
	if grace >= 0 {
		text += fmt.Sprintf(" grace %d", grace)
		opts = append(opts, streams.Grace(ms(grace)))
	}
	n := g.derive(text, aStream, s, t)
	from := g.nodes[s]
	n.ordered, n.timed, n.nulls, n.rekeyed, n.settled = from.ordered && grace < 0, from.timed, from.nulls && left, false, false
	n.zeros, n.wait = false, from.wait
	if grace >= 0 {
		n.wait++
	}
	n.make = func(_ *streams.Builder, in []handle) handle {
		s, t := in[0].s, in[1].t
		switch {
		case left && try:
			return handle{s: s.TryLeftJoin(t, func(_ context.Context, r record64, v *int64) (int64, error) { return joinRight(r.Value, v), nil }, opts...)}
		case left:
			return handle{s: s.LeftJoin(t, joinRight, opts...)}
		case try:
			return handle{s: s.TryJoin(t, func(_ context.Context, r record64, v int64) (int64, error) { return joinBoth(r.Value, v), nil }, opts...)}
		}
		return handle{s: s.Join(t, joinBoth, opts...)}
	}
	n.mean = func(in []meaning) meaning {
		recs := in[0].repartitioned(g.randomProgram, from.rekeyed).recs
		when := func(r rec) int { return r.came }
		if grace >= 0 {
			at := released(recs, grace)
			when = func(r rec) int { return at[r] }
		}
		return meaning{recs: looked(recs, left, func(r rec) (int64, bool) {
			var found row
			ok := false
			switch {
			case r.noKey:
			case versions:
				found, ok = in[1].asOf(when(r), r.key, r.time)
			default:
				found, ok = in[1].at(when(r))[r.key]
			}
			return found.val, ok
		}, joiner)}
	}
	g.add(n)
	return true
}

// drawGlobalJoin joins a stream with the global table.
func drawGlobalJoin(g *gen) bool {
	s, ok := g.oneOf(aStream)
	if !ok {
		return false
	}
	t, ok := g.from(func(n *node) bool { return n.global })
	if !ok {
		if !g.flip("global table") {
			return false
		}
		n := node{text: fmt.Sprintf("GlobalTable(%q)", globalTopic), mean: func(in []meaning) meaning { return latest(in[0].recs) }}
		n.make = func(b *streams.Builder, _ []handle) handle {
			return handle{g: b.GlobalTable(globalTopic, serde.String, serde.Int64)}
		}
		n.kind, n.global = aTable, true
		t = g.add(n)
	}
	left := g.flip("left")
	key := choose(g, "key", keyFuncs)
	text := fmt.Sprintf("n%d.JoinGlobal(n%d, %s)", s, t, key.name)
	if left {
		text = fmt.Sprintf("n%d.LeftJoinGlobal(n%d, %s)", s, t, key.name)
	}
	n := g.derive(text, aStream, s)
	n.in = []int{s, t}
	n.settled = false
	n.make = func(_ *streams.Builder, in []handle) handle {
		if left {
			return handle{s: in[0].s.LeftJoinGlobal(in[1].g, key.f, joinRight)}
		}
		return handle{s: in[0].s.JoinGlobal(in[1].g, key.f, joinBoth)}
	}
	n.mean = func(in []meaning) meaning {
		var out []rec
		for _, r := range in[0].recs {
			v, ok := in[1].at(end)[key.f(r.key, r.val)]
			switch {
			case r.null:
				continue
			case ok:
				r.val = joinBoth(r.val, v.val)
			case left:
				r.val = joinRight(r.val, nil)
			default:
				continue
			}
			out = append(out, r)
		}
		return meaning{recs: out}
	}
	g.add(n)
	return true
}

// drawCogroup aggregates two streams into one table.
func drawCogroup(g *gen) bool {
	a, ok := g.oneOf(aStream)
	if !ok {
		return false
	}
	b, ok := g.from(func(n *node) bool { return n.kind == aStream && n.wait == g.nodes[a].wait })
	if !ok {
		return false
	}
	ga, gb := g.grouping(a), g.grouping(b)
	text, opts := g.storeOptions(false)
	kind := aTable
	var w windowing
	if g.nodes[a].timed && g.nodes[b].timed && g.nodes[a].wait < maxWait && g.flip("windows") {
		kind = aWindows
		w = g.windowing(false, g.nodes[a].wait)
		text = fmt.Sprintf("WindowedBy(%s) %s", w.text, text)
	}
	n := g.derive(fmt.Sprintf("%s.Cogroup(a+v).Cogroup(%s, a+3v).Aggregate(0) %s", ga.text, gb.text, text), kind, a, b)
	n.settled, n.ordered, n.nulls, n.rekeyed, n.zeros = false, true, false, false, true
	n.make = func(_ *streams.Builder, in []handle) handle {
		c := ga.group(in[0].s).Cogroup(func(_ string, v, a int64) int64 { return a + v }).
			Cogroup(gb.group(in[1].s), func(_ string, v, a int64) int64 { return a + 3*v })
		switch {
		case kind == aTable:
			return handle{t: c.Aggregate(zero, opts...)}
		case w.session:
			return handle{w: c.WindowedBySession(w.sessions).Aggregate(zero, func(_ string, a, b int64) int64 { return a + b }, opts...)}
		}
		return handle{w: c.WindowedBy(w.define).Aggregate(zero, opts...)}
	}
	f := fold{begun: true, add: summing.add}
	n.mean = func(in []meaning) meaning {
		second := gb.mean(in[1]).each(func(r rec) []rec { r.val *= 3; return []rec{r} })
		recs := slices.Concat(ga.mean(in[0]).recs, second.recs)
		slices.SortStableFunc(recs, func(a, b rec) int { return a.came - b.came })
		if kind == aTable {
			return byKey(recs, f)
		}
		return w.mean(recs, f)
	}
	g.add(n)
	return true
}
