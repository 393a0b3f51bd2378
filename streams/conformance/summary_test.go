package conformance_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// outcome is what became of a case.
type outcome uint8

const (
	passed outcome = iota
	decidedOtherwise
	failed
)

// tally counts cases by outcome.
type tally struct{ cases, pass, decided, fail int }

func (t *tally) add(o outcome) {
	t.cases++
	switch o {
	case passed:
		t.pass++
	case decidedOtherwise:
		t.decided++
	case failed:
		t.fail++
	}
}

// summary says what fails most: by file, by operator that a program uses, and by what differs.
type summary struct {
	all              tally
	files, operators map[string]*tally
	aspects          map[string]int
}

func newSummary() *summary {
	return &summary{files: map[string]*tally{}, operators: map[string]*tally{}, aspects: map[string]int{}}
}

func (s *summary) count(group string, c *recordedCase, o outcome, aspects []string) {
	s.all.add(o)
	tallyOf(s.files, group).add(o)
	seen := map[string]bool{}
	for _, op := range c.Program {
		name := op.label()
		if !seen[name] {
			seen[name] = true
			tallyOf(s.operators, name).add(o)
		}
	}
	if o == failed {
		for _, a := range aspects {
			s.aspects[a]++
		}
	}
}

func tallyOf(m map[string]*tally, key string) *tally {
	if m[key] == nil {
		m[key] = &tally{}
	}
	return m[key]
}

// label is an operator's name with what makes it another one: its window, its processor, its store's kind.
func (o operation) label() string {
	switch {
	case o.Window != nil && o.Window.Type != "" && o.Emit != "":
		return o.Op + " " + o.Window.Type + " " + o.Emit
	case o.Window != nil && o.Window.Type != "":
		return o.Op + " " + o.Window.Type
	case o.Window != nil:
		return o.Op + " stream"
	case o.KeyFn != "":
		return o.Op + " global"
	case o.Grace != nil:
		return o.Op + " grace"
	case o.Processor != "":
		name, _ := call(o.Processor)
		return o.Op + " " + name
	case o.Until != nil && o.Until.windowCloses:
		return o.Op + " windowCloses"
	case o.Materialized != nil && o.Materialized.Store == "versioned":
		return o.Op + " versioned"
	}
	return o.Op
}

func (s *summary) String() string {
	var b strings.Builder
	table := func(title string, m map[string]*tally) {
		fmt.Fprintf(&b, "conformance by %s: failing, cases\n", title)
		names := sortedKeys(m)
		slices.SortStableFunc(names, func(x, y string) int { return cmp.Compare(m[y].fail, m[x].fail) })
		for _, n := range names {
			fmt.Fprintf(&b, "  %5d %5d  %s\n", m[n].fail, m[n].cases, n)
		}
	}
	table("file", s.files)
	table("operator", s.operators)
	b.WriteString("conformance by what differs\n")
	for _, a := range sortedKeys(s.aspects) {
		fmt.Fprintf(&b, "  %5d  %s\n", s.aspects[a], a)
	}
	return b.String()
}
