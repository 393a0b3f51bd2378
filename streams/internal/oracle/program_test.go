package oracle

import (
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// Every stream and table has string keys and int64 values, so that any operator may follow any other. What a program makes must not depend on
// how it is run, so a node remembers what the order of its records means:

type kind uint8

const (
	stream kind = iota
	table
	global
)

// node is a source or what an operator makes of other nodes.
type node struct {
	verb  string
	in    []int
	n, m  int64  // numbers of its function
	fold  string // how an aggregate adds: see folds
	win   windows
	split int    // of a branch's rest: the node that splits
	store string // the name that As gives, "" without
	kind  kind

	// ordered: the records of a key come in one order, however the program is run. Others are a bag, and only sums may be made of them.
	ordered bool
	// direct: nothing lies between the source and here that could delay one record behind another.
	direct bool
	// nullKeys: there may be records without a key.
	nullKeys bool
	// moving: a table that changes while streams flow. Which of its rows a record meets is a matter of luck.
	moving bool
	// phantom: a table whose first change of a row may name an old value that was never there (Kafka Streams' aggregates do so
	// without a cache). A grouping behind it would take that away.
	phantom bool
	// roots are the topics from whose records the node's come at once. A table joined with another of the same root sees changes of both sides
	// together, and as in Kafka Streams tells the old row of a join wrongly.
	roots uint64
}

// windows are those of an aggregate or join.
type windows struct {
	kind          string
	size, advance int64
	grace         int64
}

type program struct {
	nodes   []node
	sinks   []int // nodes that are written to a topic, out-<node>
	inOrder bool  // the times of the input never go back
}

func (p *program) String() string {
	var b strings.Builder
	for i, n := range p.nodes {
		fmt.Fprintf(&b, "  %2d %-14s %v n=%d m=%d", i, n.verb, n.in, n.n, n.m)
		if n.fold != "" {
			fmt.Fprintf(&b, " %s", n.fold)
		}
		if n.win.kind != "" {
			fmt.Fprintf(&b, " %+v", n.win)
		}
		if n.store != "" {
			fmt.Fprintf(&b, " as %s", n.store)
		}
		if slices.Contains(p.sinks, i) {
			b.WriteString(" *")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// operator is a verb that can be drawn.
type operator struct {
	verb  string
	takes []kind
	fits  func(p *program, in ...*node) bool
	// draw fills in what the node is, its verb and inputs aside. The node begins as a copy of its first input's order.
	draw func(t *rapid.T, p *program, n *node, in ...*node)
}

func number(t *rapid.T, from, to int64) int64 { return rapid.Int64Range(from, to).Draw(t, "number") }

func modulus(t *rapid.T, _ *program, n *node, _ ...*node) {
	n.n = number(t, 2, 4)
	n.m = number(t, 0, n.n-1)
}

func any1(*program, ...*node) bool { return true }

// long is a grace that no record is behind.
const long = 3_600_000

// drawGrace draws a grace that drops nothing.
func drawGrace(t *rapid.T, p *program, in ...*node) int64 {
	for _, n := range in {
		if !n.direct || !p.inOrder {
			return long
		}
	}
	return rapid.SampledFrom([]int64{0, 3, long}).Draw(t, "grace")
}

// bagFolds may be made of records in any order; listFolds of ordered ones.
var (
	bagFolds  = []string{"count", "sum", "max", "add"}
	listFolds = append(slices.Clone(bagFolds), "last", "hash")
)

func drawFold(t *rapid.T, n *node, ordered bool) {
	from := bagFolds
	if ordered {
		from = listFolds
	}
	n.fold = rapid.SampledFrom(from).Draw(t, "fold")
}

// becomeTable makes n the table of an aggregate of streams.
func becomeTable(n *node, in ...*node) {
	n.kind, n.moving, n.nullKeys = table, true, false
	n.phantom = n.fold == "count" || n.fold == "add" || n.fold == "hash"
	n.roots = 0
	for _, from := range in {
		n.roots |= from.roots
	}
}

func drawWindows(t *rapid.T, p *program, n *node, kinds []string, in ...*node) {
	n.win = windows{kind: rapid.SampledFrom(kinds).Draw(t, "windows"), size: number(t, 1, 40), grace: drawGrace(t, p, in...)}
	if n.win.kind == "hopping" {
		n.win.advance = number(t, 1, n.win.size)
	}
}

var (
	timeKinds = []string{"tumbling", "hopping", "session"}
	allKinds  = append(slices.Clone(timeKinds), "sliding")
)

var operators = []operator{
	{"filter", []kind{stream}, any1, modulus},
	{"filterNot", []kind{stream}, any1, modulus},
	{"mapValues", []kind{stream}, any1, func(t *rapid.T, _ *program, n *node, _ ...*node) { n.n, n.m = number(t, 1, 5), number(t, 0, 9) }},
	{"flatMapValues", []kind{stream}, any1, modulus},
	{"mapKey", []kind{stream}, any1, func(_ *rapid.T, _ *program, n *node, _ ...*node) {
		n.nullKeys, n.ordered = false, n.ordered && !n.nullKeys
	}},
	{"selectKey", []kind{stream}, any1, func(t *rapid.T, _ *program, n *node, _ ...*node) {
		n.n, n.nullKeys, n.ordered, n.direct = number(t, 1, 5), false, false, false
	}},
	{"merge", []kind{stream, stream}, any1, func(_ *rapid.T, _ *program, n *node, in ...*node) {
		n.ordered = false
		n.direct = in[0].direct && in[1].direct
		n.nullKeys = in[0].nullKeys || in[1].nullKeys
		n.roots |= in[1].roots
	}},
	{"branch", []kind{stream}, any1, modulus},
	{"repartition", []kind{stream}, any1, func(_ *rapid.T, _ *program, n *node, _ ...*node) { n.direct = false }},
	{"join", []kind{stream, table}, func(_ *program, in ...*node) bool { return !in[1].moving }, nil},
	{"leftJoin", []kind{stream, table}, func(_ *program, in ...*node) bool { return !in[1].moving && !in[0].nullKeys }, nil},
	{"joinGlobal", []kind{stream, global}, any1, modulus},
	{"leftJoinGlobal", []kind{stream, global}, any1, modulus},
	{"joinStream", []kind{stream, stream}, any1, func(t *rapid.T, p *program, n *node, in ...*node) {
		n.win = windows{kind: "join", size: number(t, 0, 20), advance: number(t, 1, 20), grace: drawGrace(t, p, in...)}
		n.ordered, n.direct, n.nullKeys = false, false, false
		n.roots |= in[1].roots
	}},
	{"toTable", []kind{stream}, func(_ *program, in ...*node) bool { return in[0].ordered }, func(_ *rapid.T, _ *program, n *node, in ...*node) {
		becomeTable(n, in...)
	}},
	{"aggregate", []kind{stream}, any1, func(t *rapid.T, _ *program, n *node, in ...*node) {
		drawFold(t, n, in[0].ordered)
		becomeTable(n, in...)
	}},
	{"groupBy", []kind{stream}, any1, func(t *rapid.T, _ *program, n *node, in ...*node) {
		n.n = number(t, 1, 5)
		drawFold(t, n, false)
		becomeTable(n, in...)
	}},
	{"window", []kind{stream}, any1, func(t *rapid.T, p *program, n *node, in ...*node) {
		drawWindows(t, p, n, allKinds, in...)
		n.fold = rapid.SampledFrom([]string{"count", "sum"}).Draw(t, "fold")
		becomeTable(n, in...)
		n.phantom = false // a table made of a stream of its changes
	}},
	{"cogroup", []kind{stream, stream}, any1, func(t *rapid.T, _ *program, n *node, in ...*node) {
		n.fold = "add"
		becomeTable(n, in...)
	}},
	{"cogroupWindow", []kind{stream, stream}, any1, func(t *rapid.T, p *program, n *node, in ...*node) {
		drawWindows(t, p, n, timeKinds, in...)
		becomeTable(n, in...)
		n.phantom = false
	}},
	{"tableFilter", []kind{table}, any1, modulus},
	{"tableMap", []kind{table}, any1, func(t *rapid.T, _ *program, n *node, _ ...*node) { n.n, n.m = number(t, 1, 5), number(t, 0, 9) }},
	{"tableGroup", []kind{table}, func(_ *program, in ...*node) bool { return !in[0].phantom }, func(t *rapid.T, p *program, n *node, _ ...*node) {
		n.n = number(t, 1, 5)
		n.fold = rapid.SampledFrom([]string{"count", "sum", "add"}).Draw(t, "fold")
		n.roots = 1 << len(p.nodes)
	}},
	{"roundTrip", []kind{table}, any1, func(_ *rapid.T, _ *program, n *node, _ ...*node) { n.phantom = false }},
	{"tableJoin", []kind{table, table}, apart, joined},
	{"tableLeftJoin", []kind{table, table}, apart, joined},
	{"tableOuterJoin", []kind{table, table}, apart, joined},
	{"foreignJoin", []kind{table, table}, any1, foreign},
	{"foreignLeftJoin", []kind{table, table}, any1, foreign},
}

func apart(_ *program, in ...*node) bool { return in[0].roots&in[1].roots == 0 }

func joined(_ *rapid.T, _ *program, n *node, in ...*node) {
	n.roots |= in[1].roots
	n.moving = n.moving || in[1].moving
	n.phantom = n.phantom || in[1].phantom
}

func foreign(t *rapid.T, p *program, n *node, in ...*node) {
	n.n = number(t, 2, 6)
	n.moving = n.moving || in[1].moving
	n.phantom = n.phantom || in[1].phantom
	n.roots = 1 << len(p.nodes)
}

const mostOperators = 12

func drawProgram(t *rapid.T) *program {
	p := &program{inOrder: rapid.Bool().Draw(t, "in order")}
	source := func(verb string, k kind, n int) {
		for range n {
			p.nodes = append(p.nodes, node{verb: verb, kind: k, ordered: true, direct: true, nullKeys: k == stream, roots: 1 << len(p.nodes)})
		}
	}
	source("stream", stream, rapid.IntRange(1, 2).Draw(t, "streams"))
	source("table", table, rapid.IntRange(0, 2).Draw(t, "tables"))
	source("global", global, rapid.IntRange(0, 1).Draw(t, "globals"))
	for range rapid.IntRange(1, mostOperators).Draw(t, "operators") {
		p.drawOperator(t)
	}
	read := map[int]bool{}
	for _, n := range p.nodes {
		for _, i := range n.in {
			read[i] = true
		}
	}
	for i := range p.nodes {
		if n := &p.nodes[i]; n.kind != global && (!read[i] || len(n.in) > 0 && rapid.IntRange(0, 3).Draw(t, "sink") == 0) {
			p.sinks = append(p.sinks, i)
		}
	}
	return p
}

func (p *program) drawOperator(t *rapid.T) {
	var fitting []operator
	for _, o := range operators {
		if len(p.inputs(o, nil)) > 0 {
			fitting = append(fitting, o)
		}
	}
	o := rapid.SampledFrom(fitting).Draw(t, "operator")
	in := rapid.SampledFrom(p.inputs(o, nil)).Draw(t, "inputs")
	ins := p.of(in)
	n := *ins[0]
	n = node{verb: o.verb, in: in, kind: n.kind, ordered: n.ordered, direct: n.direct, nullKeys: n.nullKeys, moving: n.moving, phantom: n.phantom, roots: n.roots}
	if o.draw != nil {
		o.draw(t, p, &n, ins...)
	}
	if n.kind == table && rapid.Bool().Draw(t, "named") {
		n.store = fmt.Sprintf("store-%d", len(p.nodes))
	}
	p.nodes = append(p.nodes, n)
	if o.verb == "branch" {
		n.verb, n.split = "rest", len(p.nodes)-1
		p.nodes = append(p.nodes, n)
	}
}

// inputs are all that o can read, which begin with in.
func (p *program) inputs(o operator, in []int) (all [][]int) {
	if len(in) == len(o.takes) {
		if o.fits(p, p.of(in)...) {
			all = append(all, slices.Clone(in))
		}
		return all
	}
	for i := range p.nodes {
		if p.nodes[i].kind == o.takes[len(in)] {
			all = append(all, p.inputs(o, append(slices.Clone(in), i))...)
		}
	}
	return all
}

func (p *program) of(in []int) (ns []*node) {
	for _, i := range in {
		ns = append(ns, &p.nodes[i])
	}
	return ns
}

// event is a record of a stream or a change of a table: NoKey and Null say what is not there.
type event struct {
	topic  string
	key    string
	value  int64
	at     int64
	noKey  bool
	absent bool
}

func (e event) String() string {
	k, v := e.key, fmt.Sprint(e.value)
	if e.noKey {
		k = "null"
	}
	if e.absent {
		v = "null"
	}
	return fmt.Sprintf("%s %s=%s@%d", e.topic, k, v, e.at)
}

// topicOf is the topic of a source.
func topicOf(node int) string { return fmt.Sprintf("in-%d", node) }

// drawInput draws the records of the sources of a kind.
func (p *program) drawInput(t *rapid.T, kinds ...kind) (events []event) {
	var sources []int
	for i, n := range p.nodes {
		if len(n.in) == 0 && slices.Contains(kinds, n.kind) {
			sources = append(sources, i)
		}
	}
	if len(sources) == 0 {
		return nil
	}
	clock := int64(0)
	for range rapid.IntRange(0, 40).Draw(t, "records") {
		e := event{topic: topicOf(rapid.SampledFrom(sources).Draw(t, "source"))}
		if p.inOrder {
			clock += number(t, 0, 12)
			e.at = clock
		} else {
			e.at = number(t, 0, 200)
		}
		if e.noKey = rapid.IntRange(0, 19).Draw(t, "key there") == 19; !e.noKey {
			e.key = rapid.SampledFrom([]string{"a", "b", "c", "d", "g0", "s1"}).Draw(t, "key")
		}
		if e.absent = rapid.IntRange(0, 7).Draw(t, "value there") == 7; !e.absent {
			e.value = number(t, 0, 99)
		}
		events = append(events, e)
	}
	return events
}
