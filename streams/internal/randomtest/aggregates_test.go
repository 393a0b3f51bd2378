package randomtest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/window"
)

// Groups, aggregates and windows, each with its meaning beside it.

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
	n.unsaid = w.session && !onClose
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
	n.unsaid = w.session
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
