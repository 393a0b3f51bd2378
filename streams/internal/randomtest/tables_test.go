package randomtest

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

// The verbs of tables, each with its meaning beside it.

type table64 = streams.Table[string, int64]

// drawTable adds a table of a topic that was not read yet.
func drawTable(g *gen) bool {
	for i, topic := range tableTopics {
		if g.reads(topic) {
			continue
		}
		n := node{text: fmt.Sprintf("Table(%q)", topic), mean: func(in []meaning) meaning { return latest(in[0].recs) }}
		n.kind, n.ordered, n.timed, n.settled, n.roots = aTable, true, true, true, 4<<i
		opts := []streams.TableOption{g.timestamps()}
		switch choose(g, "store", []string{"none", "As", "InMemory", "Versioned"}) {
		case "As":
			n.text += " As(" + topic + ")"
			opts = append(opts, streams.As(topic))
		case "InMemory":
			n.text += " InMemory()"
			opts = append(opts, streams.As(topic), streams.InMemory())
		case "Versioned":
			n.text += " Versioned(1h)"
			opts = append(opts, streams.As(topic), streams.Versioned(time.Hour))
			n.versions = true
		}
		n.make = func(b *streams.Builder, _ []handle) handle {
			return handle{t: b.Table(topic, serde.String, serde.Int64, opts...)}
		}
		g.add(n)
		return true
	}
	return false
}

// plainTable draws a table that is not versioned: what those tell of the past is another story.
func (g *gen) plainTable() (int, bool) {
	return g.from(func(n *node) bool { return n.kind == aTable && !n.global && !n.versions })
}

func drawToTable(g *gen) bool {
	in, ok := g.from(func(n *node) bool { return n.kind == aStream && n.ordered || n.kind == changes })
	if !ok {
		return false
	}
	p := *g.nodes[in]
	text, opts := g.storeOptions(false)
	n := g.derive(fmt.Sprintf("n%d.ToTable() %s", in, text), aTable, in)
	n.nulls, n.rekeyed, n.settled = false, false, p.kind == changes && p.settled
	n.make = func(_ *streams.Builder, in []handle) handle { return handle{t: in[0].s.ToTable(opts...)} }
	n.mean = func(in []meaning) meaning {
		if p.kind == changes {
			return in[0]
		}
		return latest(in[0].repartitioned(g.randomProgram, p.rekeyed).recs)
	}
	g.add(n)
	return true
}

func drawToStream(g *gen) bool {
	in, ok := g.plainTable()
	if !ok {
		return false
	}
	n := g.derive(fmt.Sprintf("n%d.ToStream()", in), changes, in)
	n.zeros = false
	n.make = func(_ *streams.Builder, in []handle) handle { return handle{s: in[0].t.ToStream()} }
	n.mean = func(in []meaning) meaning { return in[0] }
	g.add(n)
	return true
}

// drawChanges adds a verb to the stream of a table's changes.
func drawChanges(g *gen) bool {
	in, ok := g.oneOf(changes)
	if !ok {
		return false
	}
	v := choose(g, "function", valueFuncs)
	form := choose(g, "form", []string{"MapValues", "MapKey"})
	if form == "MapKey" {
		n := g.derive(fmt.Sprintf("n%d.MapKey(r+k)", in), changes, in)
		n.rekeyed = true
		n.make = func(_ *streams.Builder, in []handle) handle { return handle{s: in[0].s.MapKey(rename)} }
		n.mean = func(in []meaning) meaning {
			return tableAt(func(came int) rows {
				out := rows{}
				for k, r := range in[0].at(came) {
					out[rename(k)] = r
				}
				return out
			})
		}
		g.add(n)
		return true
	}
	n := g.derive(fmt.Sprintf("n%d.MapValues(%s)", in, v.name), changes, in)
	n.make = func(_ *streams.Builder, in []handle) handle { return handle{s: in[0].s.MapValues(v.f)} }
	n.mean = func(in []meaning) meaning {
		return in[0].eachRow(func(_ string, r row) (row, bool) { r.val = v.f(r.val); return r, true })
	}
	g.add(n)
	return true
}

func drawTableFilter(g *gen) bool {
	in, ok := g.plainTable()
	if !ok {
		return false
	}
	p := choose(g, "predicate", append([]predicateFunc{{"v > 0", func(k string, v int64) bool { return isCloser(k) || v > 0 }}}, predicates...))
	form := choose(g, "form", []string{"Filter", "FilterNot", "TryFilter"})
	text, opts := g.storeOptions(true)
	n := g.derive(fmt.Sprintf("n%d.%s(%s) %s", in, form, p.name, text), aTable, in)
	if p.name == "v > 0" && form != "FilterNot" {
		n.zeros = false
	}
	n.make = func(_ *streams.Builder, in []handle) handle {
		switch form {
		case "FilterNot":
			return handle{t: in[0].t.FilterNot(func(k string, v int64) bool { return !isCloser(k) && p.f(k, v) }, opts...)}
		case "TryFilter":
			return handle{t: in[0].t.TryFilter(func(_ context.Context, k string, v int64) (bool, error) { return p.f(k, v), nil }, opts...)}
		}
		return handle{t: in[0].t.Filter(p.f, opts...)}
	}
	n.mean = func(in []meaning) meaning {
		return in[0].eachRow(func(k string, r row) (row, bool) { return r, p.f(k, r.val) == (form != "FilterNot") })
	}
	g.add(n)
	return true
}

func drawTableMap(g *gen) bool {
	in, ok := g.plainTable()
	if !ok {
		return false
	}
	v := choose(g, "function", valueFuncs)
	form := choose(g, "form", []string{"MapValues", "MapValuesWithKey", "TryMapValues", "TransformValues"})
	name := form + "(" + v.name + ")"
	if form == "TryMapValues" {
		name = "TryMapValues(v%5 == 0 Null; " + v.name + ")"
	}
	text, opts := g.storeOptions(true)
	n := g.derive(fmt.Sprintf("n%d.%s %s", in, name, text), aTable, in)
	n.make = func(_ *streams.Builder, in []handle) handle {
		t := in[0].t
		switch form {
		case "MapValuesWithKey":
			return handle{t: t.MapValuesWithKey(func(k string, n int64) int64 { return v.f(n) + int64(len(k)) }, opts...)}
		case "TryMapValues":
			return handle{t: t.TryMapValues(func(_ context.Context, k string, n int64) (int64, error) {
				if n%5 == 0 && !isCloser(k) {
					return 0, streams.Null
				}
				return v.f(n), nil
			}, opts...)}
		case "TransformValues":
			return handle{t: t.TransformValues(func(*topology.Context) (func(context.Context, string, *int64) (int64, error), error) {
				return func(_ context.Context, _ string, n *int64) (int64, error) {
					if n == nil {
						return 0, streams.Null
					}
					return v.f(*n), nil
				}, nil
			}, opts...)}
		}
		return handle{t: t.MapValues(v.f, opts...)}
	}
	n.mean = func(in []meaning) meaning {
		return in[0].eachRow(func(k string, r row) (row, bool) {
			if form == "TryMapValues" && r.val%5 == 0 {
				return r, false
			}
			r.val = v.f(r.val)
			if form == "MapValuesWithKey" {
				r.val += int64(len(k))
			}
			return r, true
		})
	}
	g.add(n)
	return true
}

func drawTablesJoin(g *gen) bool {
	if g.mixes {
		return false
	}
	l, ok := g.plainTable()
	if !ok {
		return false
	}
	// A table that is joined with another one that comes of itself is told of a change once for each side, while the other one has changed already: an inner join
	// finds nothing for a deleted row and keeps the result: see docs/decisions/0003-quirks-of-kafka-streams.md.
	r, kind := l, "Join"
	if choose(g, "with", []string{"another", "another", "another", "itself"}) == "another" {
		if r, ok = g.from(func(n *node) bool {
			return n.kind == aTable && !n.global && !n.versions && n.roots&g.nodes[l].roots == 0
		}); !ok {
			return false
		}
		kind = choose(g, "kind", []string{"Join", "LeftJoin", "OuterJoin", "TryOuterJoin"})
	}
	text, opts := g.storeOptions(true)
	n := g.derive(fmt.Sprintf("n%d.%s(n%d) %s", l, kind, r, text), aTable, l, r)
	n.timed = false
	n.make = func(_ *streams.Builder, in []handle) handle {
		l, r := in[0].t, in[1].t
		switch kind {
		case "Join":
			return handle{t: l.Join(r, joinBoth, opts...)}
		case "LeftJoin":
			return handle{t: l.LeftJoin(r, joinRight, opts...)}
		case "OuterJoin":
			return handle{t: l.OuterJoin(r, joiner, opts...)}
		}
		return handle{t: l.TryOuterJoin(r, func(_ context.Context, _ string, l, r *int64) (int64, error) { return joiner(l, r), nil }, opts...)}
	}
	n.mean = func(in []meaning) meaning {
		same := func(k string, _ int64) (string, bool) { return k, true }
		return rowsJoined(in[0], in[1], kind == "Join" || kind == "LeftJoin", kind == "Join", same, joiner)
	}
	g.add(n)
	return true
}

// foreignKeys point from a row to a row of another table.
var foreignKeys = []struct {
	name string
	f    func(k string, v int64) (string, bool)
}{
	{"abc[v%3]", func(k string, v int64) (string, bool) { return unlessCloser(k, "abc"[v%3:][:1]), true }},
	{"k[:1], none if v%4 == 0", func(k string, v int64) (string, bool) {
		return unlessCloser(k, firstLetter(k)), isCloser(k) || v%4 != 0
	}},
	{"k", func(k string, _ int64) (string, bool) { return k, true }},
}

func drawForeignJoin(g *gen) bool {
	if g.mixes {
		return false
	}
	l, ok := g.plainTable()
	if !ok {
		return false
	}
	r, ok := g.from(func(n *node) bool {
		return n.kind == aTable && !n.global && !n.versions
	})
	if !ok {
		return false
	}
	fk := choose(g, "foreign key", foreignKeys)
	kind := choose(g, "kind", []string{"JoinForeignKey", "LeftJoinForeignKey", "TryLeftJoinForeignKey"})
	n := g.derive(fmt.Sprintf("n%d.%s(n%d, %s)", l, kind, r, fk.name), aTable, l, r)
	n.timed = false
	var opts []streams.ForeignKeyOption
	if g.flip("store") {
		name := fmt.Sprint("store", len(g.nodes))
		n.text += " As(" + name + ")"
		opts = append(opts, streams.As(name))
	}
	n.make = func(_ *streams.Builder, in []handle) handle {
		l, r := in[0].t, in[1].t
		switch kind {
		case "JoinForeignKey":
			return handle{t: l.JoinForeignKey(r, fk.f, joinBoth, opts...)}
		case "LeftJoinForeignKey":
			return handle{t: l.LeftJoinForeignKey(r, fk.f, joinRight, opts...)}
		}
		return handle{t: l.TryLeftJoinForeignKey(r, fk.f, func(_ context.Context, _ string, l int64, r *int64) (int64, error) { return joinRight(l, r), nil }, opts...)}
	}
	n.mean = func(in []meaning) meaning {
		return rowsJoined(in[0], in[1], true, kind == "JoinForeignKey", fk.f, joiner)
	}
	g.add(n)
	return true
}

// drawRegroup groups a table by another key. An aggregate of no rows is 0 if there were some once, and nothing if a cache did not see them apart: rows of 0 are
// filtered out.
func drawRegroup(g *gen) bool {
	in, ok := g.from(func(n *node) bool { return n.kind == aTable && !n.global && !n.zeros && !n.versions })
	if !ok {
		return false
	}
	k := choose(g, "key", keyFuncs)
	try := g.flip("try")
	// The lowest byte of the last one counts rows: with none, the aggregate is deleted.
	kind := choose(g, "fold", []string{"Count()", "Reduce(a+v, a-v)", "Aggregate(0, a+2v+len(k), a-2v-len(k))", "TryAggregate(0, a+256v+1, a-256v-1, none Null)"})
	text, opts := g.storeOptions(false)
	grouped := fmt.Sprintf("n%d.GroupBy(%s, v+1)", in, k.name)
	if try {
		grouped = fmt.Sprintf("n%d.TryGroupBy(%s, v+1; v%%4 == 0 Null)", in, k.name)
	}
	n := g.derive(fmt.Sprintf("%s.%s %s.Filter(v > 0)", grouped, kind, text), aTable, in)
	n.timed = false
	n.make = func(_ *streams.Builder, in []handle) handle {
		var t streams.GroupedTable[string, int64]
		if try {
			t = in[0].t.TryGroupBy(func(_ context.Context, key string, v int64) (string, int64, error) {
				if v%4 == 0 && !isCloser(key) {
					return "", 0, streams.Null
				}
				return k.f(key, v), v + 1, nil
			})
		} else {
			t = in[0].t.GroupBy(func(key string, v int64) (string, int64) { return k.f(key, v), v + 1 })
		}
		var out table64
		switch kind {
		case "Count()":
			out = t.Count(opts...)
		case "Reduce(a+v, a-v)":
			out = t.Reduce(func(a, v int64) int64 { return a + v }, func(a, v int64) int64 { return a - v }, opts...)
		case "Aggregate(0, a+2v+len(k), a-2v-len(k))":
			out = t.Aggregate(zero, weigh, func(k string, v, a int64) int64 { return a - 2*v - int64(len(k)) }, opts...)
		default:
			nullIfNone := func(n int64) (int64, error) {
				if n&255 == 0 {
					return 0, streams.Null
				}
				return n, nil
			}
			out = t.TryAggregate(zero, func(_ context.Context, _ string, v, a int64) (int64, error) { return nullIfNone(a + 256*v + 1) },
				func(_ context.Context, _ string, v, a int64) (int64, error) { return nullIfNone(a - 256*v - 1) }, opts...)
		}
		return handle{t: out.Filter(func(_ string, v int64) bool { return v > 0 })}
	}
	f := map[string]fold{
		"Count()":                                counting,
		"Reduce(a+v, a-v)":                       summing,
		"Aggregate(0, a+2v+len(k), a-2v-len(k))": weighing,
		"TryAggregate(0, a+256v+1, a-256v-1, none Null)": {begun: true, add: func(r rec, a int64) int64 { return a + 256*r.val + 1 }},
	}[kind]
	n.mean = func(in []meaning) meaning {
		return regrouped(in[0], func(key string, v int64) (string, int64, bool) { return k.f(key, v), v + 1, !try || v%4 != 0 }, f)
	}
	g.add(n)
	return true
}

// drawSuppress holds a table's changes back.
func drawSuppress(g *gen) bool {
	in, ok := g.from(func(n *node) bool {
		return n.kind == aTable && !n.global && !n.versions && n.wait < maxWait
	})
	if !ok {
		return false
	}
	n := g.derive(fmt.Sprintf("n%d.Suppress(UntilTimeLimit{5})", in), aTable, in)
	n.settled = false
	n.wait++
	n.make = func(_ *streams.Builder, in []handle) handle {
		return handle{t: in[0].t.Suppress(streams.UntilTimeLimit{Wait: ms(5)})}
	}
	n.mean = func(in []meaning) meaning { return in[0] }
	g.add(n)
	return true
}

// drawWindowTable adds a verb to a windowed table.
func drawWindowTable(g *gen) bool {
	in, ok := g.from(func(n *node) bool { return n.kind == aWindows })
	if !ok {
		return false
	}
	p, v := choose(g, "predicate", predicates), choose(g, "function", valueFuncs)
	forms := []string{"suppress", "filter", "map"}
	if g.nodes[in].unsaid {
		forms = []string{"suppress", "map"}
	}
	form := choose(g, "form", forms)
	switch {
	case form == "filter":
		n := g.derive(fmt.Sprintf("n%d.Filter(%s)", in, p.name), aWindows, in)
		n.final = g.nodes[in].final
		n.make = func(_ *streams.Builder, in []handle) handle {
			return handle{w: in[0].w.Filter(func(k window.Windowed[string], v int64) bool { return p.f(k.Key, v) })}
		}
		n.mean = func(in []meaning) meaning {
			return in[0].eachRow(func(_ string, r row) (row, bool) { return r, p.f(r.key, r.val) })
		}
		g.add(n)
	case form == "map" || g.nodes[in].final || g.nodes[in].wait >= maxWait:
		n := g.derive(fmt.Sprintf("n%d.MapValues(%s)", in, v.name), aWindows, in)
		n.final = g.nodes[in].final
		n.make = func(_ *streams.Builder, in []handle) handle { return handle{w: in[0].w.MapValues(v.f)} }
		n.mean = func(in []meaning) meaning {
			return in[0].eachRow(func(_ string, r row) (row, bool) { r.val = v.f(r.val); return r, true })
		}
		g.add(n)
	default:
		n := g.derive(fmt.Sprintf("n%d.Suppress(UntilWindowCloses{})", in), aWindows, in)
		n.final = true
		n.wait++
		n.make = func(_ *streams.Builder, in []handle) handle {
			return handle{w: in[0].w.Suppress(streams.UntilWindowCloses{})}
		}
		n.mean = func(in []meaning) meaning { return in[0] }
		g.add(n)
	}
	return true
}

// drawWindowChanges makes a stream of the changes of a windowed table.
func drawWindowChanges(g *gen) bool {
	in, ok := g.oneOf(aWindows)
	if !ok {
		return false
	}
	n := g.derive(fmt.Sprintf("n%d.ToStream().MapKey(k@window)", in), changes, in)
	n.rekeyed, n.zeros = true, false
	n.make = func(_ *streams.Builder, in []handle) handle { return handle{s: in[0].w.ToStream().MapKey(flatKey)} }
	n.mean = func(in []meaning) meaning { return in[0] }
	g.add(n)
	return true
}

// verbs are all of them. Those of streams come first: what is drawn shrinks to them.
var verbs = []verb{
	{"MapValues", drawMapValues}, {"Filter", drawFilter}, {"key", drawKey}, {"Merge", drawMerge}, {"Split", drawSplit}, {"Repartition", drawRepartition},
	{"Stream", (*gen).source}, {"Table", drawTable}, {"aggregate", drawAggregate}, {"latest", drawLatest}, {"windows", drawWindows}, {"WindowedTable", drawWindowTable},
	{"final", drawFinal}, {"window changes", drawWindowChanges}, {"stream join", drawStreamJoin}, {"table join", drawTableJoin}, {"global join", drawGlobalJoin},
	{"Cogroup", drawCogroup}, {"ToTable", drawToTable}, {"ToStream", drawToStream}, {"changes", drawChanges}, {"table filter", drawTableFilter},
	{"table map", drawTableMap}, {"tables' join", drawTablesJoin}, {"foreign key", drawForeignJoin}, {"regroup", drawRegroup}, {"Suppress", drawSuppress},
}
