package randomtest

import (
	"fmt"
	"strings"

	"pgregory.net/rapid"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

// A random program is a list of steps. Each makes a stream or a table of earlier ones, knows how to say so in the DSL, and what it means (random_oracle_test.go).
//
// There are two kinds of programs:
//
//   - Free ones have one answer in whatever order the library works: windows have a grace that nothing is later than, left and outer joins of streams have windows
//     that reach as far as the input, what is aggregated may come in any order, and streams are joined with tables only whose input has come before. They run
//     with any number of partitions and threads, any commits and crashes.
//   - Exact ones have short graces and join windows, and join streams with tables that change meanwhile. Their records are piped one by one and worked off at
//     once, so that their order is certain everywhere; the answer depends on the number of partitions, each of which has a time of its own.
//
// Windows close by later records only. So all input ends with rounds of closers: records of keys of their own, one for each partition, far in the future. Every
// function of a program leaves them as they are. What comes of them is not looked at.

// nodeKind is what a node is.
type nodeKind int

const (
	aStream  nodeKind = iota
	changes           // the stream of a table's changes, of which only each key's last one is certain: caches leave others out
	aTable            // keyed by strings
	aWindows          // keyed by strings in windows
)

// handle is a node in the DSL.
type handle struct {
	s streams.Stream[string, int64]
	t streams.Table[string, int64]
	w streams.Table[window.Windowed[string], int64]
	g streams.GlobalTable[string, int64]
}

// traits are what the generator knows of a node.
type traits struct {
	kind nodeKind
	// ordered: the records of each key are in a certain order.
	ordered bool
	// timed: the times of records or rows are certain. Those of tables that are made of tables depend on what caches leave out.
	timed bool
	// nulls: there may be null keys, which a repartition loses.
	nulls bool
	// rekeyed: the key may have changed since the last topic.
	rekeyed bool
	// zeros: the initial value of an aggregate, 0, may be told as the old value of a row that is new.
	zeros bool
	// unsaid: sessions may change without saying what they were, so that a filter keeps a row that does not match any more: see
	// docs/decisions/0003-quirks-of-kafka-streams.md.
	unsaid bool
	// versions: a versioned table.
	versions bool
	// global: a global table, which can only be joined.
	global bool
	// settled: all its input is in topics of tables.
	settled bool
	// wait is through how many things its records have gone that wait for windows to close. What has waited longer comes in a later round of closers.
	wait int
	// roots are the topics that it comes from, as bits.
	roots int
	final bool // windows that were told once, when they closed
}

// node is a step of a program.
type node struct {
	traits
	text string
	in   []int
	make func(b *streams.Builder, in []handle) handle
	mean func(in []meaning) meaning
	used bool // something is made of it
}

// program is a random program.
type randomProgram struct {
	exact bool
	// mixes: it has stores with and without caches, and no joins of tables. A cache does not tell of a row that was made and deleted between two flushes, but a join
	// that is not cached may have seen it: its result stays: see docs/decisions/0003-quirks-of-kafka-streams.md.
	mixes      bool
	nodes      []*node
	partitions int // of each topic, for the answer
	// base is the time from which on records come: windows of joins that would end before 0 end at 0, as in Kafka Streams.
	base int64
	// onRecord is asked about each record of a source; an error ends the application. It may be nil.
	onRecord func() error
}

func (p *randomProgram) String() string {
	var b strings.Builder
	if p.exact {
		b.WriteString("exact\n")
	}
	for i, n := range p.nodes {
		fmt.Fprintf(&b, "n%d = %s", i, n.text)
		if !n.used {
			b.WriteString(" -> out" + fmt.Sprint(i))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// topics of random programs. What is in topics of tables comes before what is in topics of streams.
var (
	tableTopics  = []string{"t1", "t2"}
	streamTopics = []string{"s1", "s2"}
)

const globalTopic = "g"

// build says the program in the DSL.
func (p *randomProgram) build(b *streams.Builder) {
	handles := make([]handle, len(p.nodes))
	for i, n := range p.nodes {
		h := n.make(b, pick(handles, n.in))
		handles[i] = h
		if n.used || n.global {
			continue
		}
		out := fmt.Sprint("out", i)
		switch n.kind {
		case aTable:
			h.t.ToStream().To(out)
		case aWindows:
			h.w.ToStream().MapKey(flatKey).To(out)
		default:
			h.s.To(out)
		}
	}
}

// flatKey is a windowed key as a string. That of a closer stays in its partition.
func flatKey(k window.Windowed[string]) string {
	if isCloser(k.Key) {
		return k.Key
	}
	return inWindow(k.Key, winspan{int64(k.Start), int64(k.End)})
}

// answer is what each output must have, given the input of each topic.
func (p *randomProgram) answer(input map[string][]rec, partitions int) map[string]string {
	p.partitions = partitions
	meanings := make([]meaning, len(p.nodes))
	out := map[string]string{}
	for i, n := range p.nodes {
		var m meaning
		if len(n.in) == 0 {
			m = n.mean([]meaning{{recs: input[topicOf(n)]}})
		} else {
			m = n.mean(pick(meanings, n.in))
		}
		meanings[i] = m
		if n.used || n.global {
			continue
		}
		if n.kind == aStream {
			out[fmt.Sprint("out", i)] = printRecs(m.recs, n.timed, n.ordered)
		} else {
			out[fmt.Sprint("out", i)] = printRows(m.at(end), n.timed)
		}
	}
	return out
}

func topicOf(n *node) string { return strings.Split(n.text, `"`)[1] }

func pick[T any](all []T, which []int) []T {
	var out []T
	for _, i := range which {
		out = append(out, all[i])
	}
	return out
}

// outcome is what an output has, in the form of an answer.
func (p *randomProgram) outcome(i int, got []rec) string {
	n := p.nodes[i]
	if n.kind == aStream {
		return printRecs(got, n.timed, n.ordered)
	}
	m := latest(got)
	return printRows(m.at(end), n.timed)
}

// gen draws a program.
type gen struct {
	*randomProgram
	t *rapid.T
}

// verb is a kind of step: it draws one, and says by false that the program has nothing to do it with.
type verb struct {
	name string
	draw func(g *gen) bool
}

// maxSteps is how many steps follow the sources.
const maxSteps = 12

// drawProgram draws a program. Verbs are drawn again if they cannot be used.
func drawProgram(t *rapid.T, exact bool) *randomProgram {
	g := &gen{randomProgram: &randomProgram{exact: exact}, t: t}
	g.mixes = g.flip("mixes")
	g.source()
	for range rapid.IntRange(1, maxSteps).Draw(t, "steps") {
		i := rapid.IntRange(0, len(verbs)-1).Draw(t, "verb")
		for range len(verbs) { // the next one that can be used
			if verbs[i].draw(g) {
				break
			}
			i = (i + 1) % len(verbs)
		}
	}
	return g.randomProgram
}

// add adds a node to the program.
func (g *gen) add(n node) int {
	for _, i := range n.in {
		g.nodes[i].used = true
	}
	g.nodes = append(g.nodes, &n)
	return len(g.nodes) - 1
}

// derive is a node made of others, with the traits that all verbs pass on.
func (g *gen) derive(text string, kind nodeKind, in ...int) node {
	n := node{in: in, text: text}
	n.kind, n.ordered, n.timed, n.settled = kind, true, true, true
	for _, i := range in {
		p := g.nodes[i]
		n.ordered = n.ordered && p.ordered
		n.timed = n.timed && p.timed
		n.nulls = n.nulls || p.nulls
		n.rekeyed = n.rekeyed || p.rekeyed
		n.zeros = n.zeros || p.zeros
		n.unsaid = n.unsaid || p.unsaid
		n.settled = n.settled && p.settled
		n.wait = max(n.wait, p.wait)
		n.roots |= p.roots
	}
	return n
}

// from draws a node that suits, the newest ones first, so that programs are deep.
func (g *gen) from(suits func(n *node) bool) (int, bool) {
	var of []int
	for i := len(g.nodes) - 1; i >= 0; i-- {
		if suits(g.nodes[i]) {
			of = append(of, i)
		}
	}
	if len(of) == 0 {
		return 0, false
	}
	return of[rapid.IntRange(0, len(of)-1).Draw(g.t, "of")], true
}

func (g *gen) oneOf(kind nodeKind) (int, bool) {
	return g.from(func(n *node) bool { return n.kind == kind && !n.global })
}

func choose[T any](g *gen, label string, of []T) T {
	return of[rapid.IntRange(0, len(of)-1).Draw(g.t, label)]
}

func (g *gen) flip(label string) bool { return rapid.Bool().Draw(g.t, label) }

// source adds a stream that was not read yet.
func (g *gen) source() bool {
	for i, topic := range streamTopics {
		if !g.reads(topic) {
			n := node{text: fmt.Sprintf("Stream(%q)", topic), mean: func(in []meaning) meaning { return in[0] }}
			n.make = func(b *streams.Builder, _ []handle) handle {
				return handle{s: b.Stream(topic, serde.String, serde.Int64, g.timestamps())}
			}
			n.ordered, n.timed, n.nulls, n.roots = true, true, true, 1<<i
			g.add(n)
			return true
		}
	}
	return false
}

// timestamps is the option of sources that leads to onRecord.
func (p *randomProgram) timestamps() interface {
	streams.SourceOption
	streams.TableOption
} {
	return streams.Timestamps(func(r record64, _ topology.RecordMetadata, _ streams.Time) streams.Time {
		if p.onRecord != nil && p.onRecord() != nil {
			return topology.InvalidTime
		}
		return r.Time
	})
}

func (g *gen) reads(topic string) bool {
	for _, n := range g.nodes {
		if len(n.in) == 0 && topicOf(n) == topic {
			return true
		}
	}
	return false
}

// Functions of programs.

type predicateFunc struct {
	name string
	f    func(k string, v int64) bool
}

var predicates = []predicateFunc{
	{"v%2 == 0", func(k string, v int64) bool { return isCloser(k) || v%2 == 0 }},
	{"v%3 > 0", func(k string, v int64) bool { return isCloser(k) || v%3 > 0 }},
	{"v > 6", func(k string, v int64) bool { return isCloser(k) || v > 6 }},
	{"k < b", func(k string, v int64) bool { return isCloser(k) || k < "b" }},
	{"never", func(k string, v int64) bool { return isCloser(k) }},
}

type valueFunc struct {
	name string
	f    func(v int64) int64
}

// Values stay positive: 0 is an aggregate of nothing.
var valueFuncs = []valueFunc{
	{"v+1", func(v int64) int64 { return v + 1 }},
	{"v*2", func(v int64) int64 { return v * 2 }},
	{"v%4+1", func(v int64) int64 { return v%4 + 1 }},
}

type keyFunc struct {
	name string
	f    func(k string, v int64) string
}

var keyFuncs = []keyFunc{
	{"v%3", func(k string, v int64) string { return unlessCloser(k, fmt.Sprint("m", v%3)) }},
	{"k[:1]", func(k string, v int64) string { return unlessCloser(k, firstLetter(k)) }},
	{"all", func(k string, v int64) string { return unlessCloser(k, "all") }},
	{"k+v%2", func(k string, v int64) string { return unlessCloser(k, fmt.Sprint(k, v%2)) }},
}

// rename keeps different keys different.
func rename(k string) string { return unlessCloser(k, "r"+k) }

func firstLetter(k string) string { return k[:min(1, len(k))] }

func unlessCloser(k, other string) string {
	if isCloser(k) {
		return k
	}
	return other
}

func isCloser(k string) bool { return strings.HasPrefix(k, "~") }

// joiner is the function of all joins.
func joiner(l, r *int64) int64 {
	var n int64
	if l != nil {
		n += 3 * *l
	}
	if r != nil {
		n += 5 * *r
	}
	return n
}

func joinBoth(l, r int64) int64         { return joiner(&l, &r) }
func joinRight(l int64, r *int64) int64 { return joiner(&l, r) }

// folds are the aggregations.
var (
	counting = fold{name: "Count()", begun: true, add: func(_ rec, a int64) int64 { return a + 1 }}
	summing  = fold{name: "Reduce(a+v)", add: func(r rec, a int64) int64 { return a + r.val }}
	highest  = fold{name: "Reduce(max)", add: func(r rec, a int64) int64 { return max(a, r.val) }}
	weighing = fold{name: "Aggregate(0, a+2v+len(k))", begun: true, add: func(r rec, a int64) int64 { return a + 2*r.val + int64(len(r.key)) }}
	tallying = fold{name: "TryAggregate(0, a+v, tombstone a+100)", begun: true, nulls: true, add: func(r rec, a int64) int64 {
		if r.null {
			return a + 100
		}
		return a + r.val
	}}
)
