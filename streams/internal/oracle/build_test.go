package oracle

import (
	"fmt"
	"time"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/window"
)

type (
	streamOf = streams.Stream[string, int64]
	tableOf  = streams.Table[string, int64]
	globalOf = streams.GlobalTable[string, int64]
	keyed    = window.Windowed[string]
)

// built is a program's handles.
type built struct {
	b       *streams.Builder
	handles []any
	splits  map[int]*streams.Splitter[string, int64]
}

// build writes the program with the DSL.
func (p *program) build() *streams.Builder {
	x := &built{b: streams.NewBuilder(), splits: map[int]*streams.Splitter[string, int64]{}}
	for i := range p.nodes {
		n := &p.nodes[i]
		var h any
		switch {
		case n.kind == stream:
			h = x.stream(i, n)
		case n.kind == table:
			h = x.table(i, n)
		default:
			h = x.b.GlobalTable(topicOf(i), serde.String, serde.Int64)
		}
		x.handles = append(x.handles, h)
	}
	for _, i := range p.sinks {
		out := fmt.Sprintf("out-%d", i)
		switch h := x.handles[i].(type) {
		case streamOf:
			h.To(out)
		case tableOf:
			h.ToStream().To(out)
		}
	}
	return x.b
}

func (x *built) s(i int) streamOf { return x.handles[i].(streamOf) }
func (x *built) t(i int) tableOf  { return x.handles[i].(tableOf) }

func (x *built) stream(i int, n *node) streamOf {
	if n.verb == "stream" {
		return x.b.Stream(topicOf(i), serde.String, serde.Int64)
	}
	s := x.s(n.in[0])
	wants := func(_ string, v int64) bool { return n.wants(v) }
	switch n.verb {
	case "filter":
		return s.Filter(wants)
	case "filterNot":
		return s.FilterNot(wants)
	case "mapValues":
		return s.MapValues(n.mapped)
	case "flatMapValues":
		return s.FlatMapValues(n.several)
	case "mapKey":
		return s.MapKey(func(k string) string { return "x" + k })
	case "selectKey":
		return s.SelectKey(func(_ string, v int64) string { return n.keyOf(v) })
	case "merge":
		return s.Merge(x.s(n.in[1]))
	case "branch":
		x.splits[i] = s.Split()
		return x.splits[i].Branch(wants)
	case "rest":
		return x.splits[n.split].Default()
	case "repartition":
		return s.Repartition()
	case "join":
		return s.Join(x.t(n.in[1]), pair)
	case "leftJoin":
		return s.LeftJoin(x.t(n.in[1]), half)
	case "joinGlobal":
		return s.JoinGlobal(x.handles[n.in[1]].(globalOf), n.globalKey, pair)
	case "leftJoinGlobal":
		return s.LeftJoinGlobal(x.handles[n.in[1]].(globalOf), n.globalKey, half)
	case "joinStream":
		w := window.Join{Before: millis(n.win.size), After: millis(n.win.advance), Grace: millis(n.win.grace)}
		return s.JoinStream(x.s(n.in[1]), w, pair)
	}
	panic(n.verb)
}

func (x *built) table(i int, n *node) tableOf {
	var opts []streams.StoreOption
	if n.store != "" {
		opts = append(opts, streams.As(n.store))
	}
	if n.verb == "table" {
		return x.b.Table(topicOf(i), serde.String, serde.Int64)
	}
	switch n.verb {
	case "toTable":
		return x.s(n.in[0]).ToTable(opts...)
	case "aggregate":
		return aggregated(x.s(n.in[0]).GroupByKey(), n, opts)
	case "groupBy":
		return aggregated(x.s(n.in[0]).GroupBy(func(_ string, v int64) string { return n.keyOf(v) }), n, opts)
	case "window":
		return windowed(x.s(n.in[0]).GroupByKey(), n, opts)
	case "cogroup":
		return x.cogroup(n).Aggregate(nothing, opts...)
	case "cogroupWindow":
		if n.win.kind == "session" {
			return byText(x.cogroup(n).WindowedBySession(sessions(n)).Aggregate(nothing, func(_ string, a, b int64) int64 { return sum(a, b) }), opts)
		}
		return byText(x.cogroup(n).WindowedBy(timeWindows(n)).Aggregate(nothing), opts)
	}
	t := x.t(n.in[0])
	switch n.verb {
	case "tableFilter":
		return t.Filter(func(_ string, v int64) bool { return n.wants(v) }, opts...)
	case "tableMap":
		return t.MapValues(n.mapped, opts...)
	case "tableGroup":
		return regrouped(t, n).Filter(notZero, opts...)
	case "roundTrip":
		return t.ToStream().MapValues(func(v int64) int64 { return v + 1 }).ToTable(opts...)
	case "tableJoin":
		return t.Join(x.t(n.in[1]), pair, opts...)
	case "tableLeftJoin":
		return t.LeftJoin(x.t(n.in[1]), half, opts...)
	case "tableOuterJoin":
		return t.OuterJoin(x.t(n.in[1]), either, opts...)
	}
	var foreign []streams.ForeignKeyOption
	if n.store != "" {
		foreign = append(foreign, streams.As(n.store))
	}
	points := func(_ string, v int64) (string, bool) { return n.points(v) }
	switch n.verb {
	case "foreignJoin":
		return t.JoinForeignKey(x.t(n.in[1]), points, pair, foreign...)
	case "foreignLeftJoin":
		return t.LeftJoinForeignKey(x.t(n.in[1]), points, half, foreign...)
	}
	panic(n.verb)
}

func aggregated(g streams.GroupedStream[string, int64], n *node, opts []streams.StoreOption) tableOf {
	switch n.fold {
	case "count":
		return g.Count(opts...)
	case "add", "hash":
		return g.Aggregate(nothing, func(_ string, v, a int64) int64 { return fold(n.fold, a, v) }, opts...)
	}
	return g.Reduce(func(a, v int64) int64 { return fold(n.fold, a, v) }, opts...)
}

func regrouped(t tableOf, n *node) tableOf {
	g := t.GroupBy(func(_ string, v int64) (string, int64) { return n.row(v) })
	switch n.fold {
	case "count":
		return g.Count()
	case "sum":
		return g.Reduce(func(a, v int64) int64 { return a + v }, func(a, v int64) int64 { return a - v })
	}
	return g.Aggregate(nothing, func(_ string, v, a int64) int64 { return a + v*v }, func(_ string, v, a int64) int64 { return a - v*v })
}

func windowed(g streams.GroupedStream[string, int64], n *node, opts []streams.StoreOption) tableOf {
	if n.win.kind == "session" {
		w := g.WindowedBySession(sessions(n))
		if n.fold == "count" {
			return byText(w.Count(), opts)
		}
		return byText(w.Reduce(sum), opts)
	}
	w := g.WindowedBy(timeWindows(n))
	if n.fold == "count" {
		return byText(w.Count(), opts)
	}
	return byText(w.Reduce(sum), opts)
}

func (x *built) cogroup(n *node) streams.CogroupedStream[string, int64] {
	return x.s(n.in[0]).GroupByKey().Cogroup(func(_ string, v, a int64) int64 { return left(a, v) }).
		Cogroup(x.s(n.in[1]).GroupByKey(), func(_ string, v, a int64) int64 { return right(a, v) })
}

// byText is a windowed table with keys that are text.
func byText(t streams.Table[keyed, int64], opts []streams.StoreOption) tableOf {
	return t.ToStream().
		MapKey(func(k keyed) string { return windowText(k.Key, int64(k.Start), int64(k.End)) }).
		ToTable(opts...)
}

func sessions(n *node) window.Session[string] {
	return window.Session[string]{Gap: millis(n.win.size), Grace: millis(n.win.grace)}
}

func timeWindows(n *node) window.Windows[string, keyed] {
	switch n.win.kind {
	case "tumbling":
		return window.Tumbling[string]{Size: millis(n.win.size), Grace: millis(n.win.grace)}
	case "hopping":
		return window.Hopping[string]{Size: millis(n.win.size), Advance: millis(n.win.advance), Grace: millis(n.win.grace)}
	case "sliding":
		return window.Sliding[string]{Difference: millis(n.win.size), Grace: millis(n.win.grace)}
	}
	panic(n.win.kind)
}

func millis(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
