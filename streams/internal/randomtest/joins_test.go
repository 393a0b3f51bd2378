package randomtest

import (
	"context"
	"fmt"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/window"
)

// Joins of streams, each with its meaning beside it.

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
		if grace >= 0 {
			recs = released(recs, grace)
		}
		return meaning{recs: looked(recs, left, func(r rec) (int64, bool) {
			var found row
			ok := false
			switch {
			case r.noKey:
			case versions:
				found, ok = in[1].asOf(r.came, r.key, r.time)
			default:
				found, ok = in[1].at(r.came)[r.key]
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
