package oracle

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/streamstest"
)

// TestMain makes 500 checks the default; -rapid.checks says another number.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if !given {
		if err := flag.Set("rapid.checks", "500"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// TestRandomTopologies is the package's test. A failure prints the program, with * at what is written to a topic, its input and how it was run.
func TestRandomTopologies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawProgram(t)
		loaded := p.drawInput(t, table, global) // before any stream has a record
		flowing := p.drawInput(t, stream)
		how := p.drawRun(t)
		want := p.batch(append(slices.Clone(loaded), flowing...))
		got, err := p.run(t, how, loaded, flowing)
		if err == nil {
			err = p.compare(got, want)
		}
		if err != nil {
			t.Fatalf("%v\nrun %+v\nprogram, times in order %v\n%sinput %v\nthen %v", err, how, p.inOrder, p, loaded, flowing)
		}
	})
}

// how is the way a program is run.
type how struct {
	cache      int64
	partitions int // 0: one task for all
	rewrites   streams.Rewrite
	exactly    bool
	manual     bool // commits are drawn, else there is one after each record
	crashes    bool // are drawn; only under exactly once, which makes nothing twice
	// settled: everything is worked off after each record. Where a cache holds changes of both sides of a table join back, they meet later with rows that are
	// already newer: the last row is right, but for an inner join both of whose sides are deleted, as in Kafka Streams, and what the
	// changes say of old rows is not.
	settled bool
}

func (p *program) drawRun(t *rapid.T) (h how) {
	h.cache = rapid.SampledFrom([]int64{0, 0, 300, 1 << 20}).Draw(t, "cache")
	h.partitions = rapid.SampledFrom([]int{0, 1, 4}).Draw(t, "partitions")
	h.rewrites = rapid.SampledFrom([]streams.Rewrite{0, streams.AllRewrites}).Draw(t, "rewrites")
	h.exactly = rapid.Bool().Draw(t, "exactly once")
	h.manual = rapid.Bool().Draw(t, "manual commits")
	h.crashes = h.exactly && h.manual && rapid.Bool().Draw(t, "crashes")
	h.settled = slices.ContainsFunc(p.nodes, func(n node) bool { return strings.HasPrefix(n.verb, "table") && strings.HasSuffix(n.verb, "Join") })
	return h
}

// driven is a running program and what it has made so far.
type driven struct {
	*streamstest.Driver
	how
	got []streamstest.Raw
}

// run answers what the program has written to its own topics.
func (p *program) run(t *rapid.T, h how, loaded, flowing []event) (_ *driven, err error) {
	top, err := p.build().Build(streams.Optimize(h.rewrites))
	if err != nil && h.rewrites != 0 && strings.Contains(err.Error(), "MergeRepartitions") { // some plans cannot be rewritten
		top, err = p.build().Build()
	}
	if err != nil {
		return nil, err
	}
	config := streams.Config{CacheBytes: &h.cache}
	if h.exactly {
		config.Guarantee = streams.ExactlyOnce
	}
	var options []streamstest.Option
	if h.partitions > 0 {
		options = append(options, streamstest.Partitions(h.partitions))
	}
	if h.manual {
		options = append(options, streamstest.ManualCommit())
	}
	driver, err := streamstest.New(top, config, options...)
	if err != nil {
		return nil, err
	}
	defer driver.Close()
	d := &driven{Driver: driver, how: h}
	for _, events := range [][]event{loaded, flowing} {
		for _, e := range events {
			if err := d.pipe(t, e); err != nil {
				return d, err
			}
		}
		if err := d.settle(); err != nil { // tables are complete before streams begin
			return d, err
		}
	}
	return d, p.compareStores(d)
}

func (d *driven) pipe(t *rapid.T, e event) error {
	raw := streamstest.Raw{Topic: e.topic, Time: streams.Time(e.at)}
	if !e.noKey {
		raw.Key = []byte(e.key)
	}
	if !e.absent {
		var err error
		if raw.Value, err = serde.Int64.Append(nil, e.value); err != nil {
			return err
		}
	}
	if err := d.Pipe(raw); err != nil {
		return err
	}
	if !d.manual {
		return nil
	}
	what := rapid.IntRange(0, 5).Draw(t, "then")
	if d.crashes && what == 1 {
		if err := d.Crash(); err != nil {
			return err
		}
	}
	if d.settled {
		return d.settle()
	}
	if what == 2 {
		return d.Commit()
	}
	return nil
}

// settle commits until nothing more comes of it. After a crash the first commit finds nothing, and works.
func (d *driven) settle() error {
	for quiet := 0; quiet < 2; {
		if err := d.Commit(); err != nil {
			return err
		}
		quiet++
		made := d.Produced()
		if len(made) > 0 {
			quiet = 0
		}
		for _, r := range made {
			if strings.HasPrefix(r.Topic, "out-") {
				d.got = append(d.got, r)
			}
		}
	}
	return nil
}

// compare compares what was written to topics with what the loops make.
func (p *program) compare(d *driven, want []result) error {
	for _, i := range p.sinks {
		n := &p.nodes[i]
		var events []event
		for _, r := range d.got {
			if r.Topic == fmt.Sprintf("out-%d", i) {
				e, err := eventOf(r)
				if err != nil {
					return err
				}
				events = append(events, e)
			}
		}
		var got, wanted any
		if n.kind == table {
			got, wanted = latest(events), want[i].rows
		} else {
			got, wanted = lists(events, n.ordered), lists(want[i].events, n.ordered)
		}
		if g, w := fmt.Sprint(got), fmt.Sprint(wanted); g != w {
			return fmt.Errorf("node %d, %s\n     got %s\n  wanted %s", i, n.verb, g, w)
		}
	}
	return nil
}

func eventOf(r streamstest.Raw) (e event, err error) {
	e = event{key: string(r.Key), noKey: r.Key == nil, absent: r.Value == nil, at: int64(r.Time)}
	if !e.absent {
		e.value, err = serde.Int64.Decode(r.Value)
	}
	return e, err
}

// lists are the records of each key, sorted if their order means nothing.
func lists(events []event, ordered bool) map[string][]string {
	m := map[string][]string{}
	for _, e := range events {
		e.topic = ""
		k := fmt.Sprint(e.key, e.noKey)
		m[k] = append(m[k], e.String())
	}
	if !ordered {
		for _, l := range m {
			slices.Sort(l)
		}
	}
	return m
}

// compareStores is called while the driver runs: what is in the stores that a table's rows are kept in is what has been written of them.
func (p *program) compareStores(d *driven) error {
	for _, i := range p.sinks {
		n := &p.nodes[i]
		if n.store == "" {
			continue
		}
		rows, ok := d.Dump(n.store)
		if !ok {
			return fmt.Errorf("node %d, %s: store %s is not there", i, n.verb, n.store)
		}
		var events []event
		for _, r := range d.got {
			if r.Topic == fmt.Sprintf("out-%d", i) {
				e, err := eventOf(r)
				if err != nil {
					return err
				}
				events = append(events, e)
			}
		}
		got := map[string]int64{}
		for row := range rows {
			v, err := serde.Int64.Decode(row[1].([]byte))
			if err != nil {
				return err
			}
			got[string(row[0].([]byte))] = v
		}
		if written := latest(events); !maps.Equal(got, written) {
			return fmt.Errorf("node %d, %s: store %s\n     has %v\n  but written was %v", i, n.verb, n.store, got, written)
		}
	}
	return nil
}
