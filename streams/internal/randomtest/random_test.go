package randomtest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/streamstest"
	"github.com/millrace-go/millrace/topology"
)

// randomParts run beside each other. Each has as many programs as -rapid.checks says: 100, so 500 in all.
const randomParts = 5

// Random programs on random input must have the answer of the oracle, however they are run: with or without caches and rewrites, in one partition or four, with
// one commit for each record or few, and with crashes.
func TestRandomPrograms(t *testing.T) {
	t.Parallel()
	for part := range randomParts {
		t.Run(strconv.Itoa(part), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				p := drawProgram(t, rapid.IntRange(0, 2).Draw(t, "exact") == 2)
				in := drawInput(t, p)
				for range 4 {
					v := drawVariant(t, p)
					want := p.answer(in.byTopic(v.partitions), v.partitions)
					got, err := runOnDriver(p, in, v)
					if err != nil {
						t.Fatalf("%v\n%s%s%s", err, p, in, v)
					}
					for _, out := range slices.Sorted(maps.Keys(want)) {
						if got[out] != want[out] {
							t.Fatalf("%s has\n  %s\nwant\n  %s\n%s%s%s", out, got[out], want[out], p, in, v)
						}
					}
				}
			})
		})
	}
}

// piped is an input record.
type piped struct {
	topic string
	rec
}

// input is what is piped into a program. A phase is worked off before the next one begins.
type input struct{ phases [][]piped }

func (in input) String() string {
	var b strings.Builder
	for _, phase := range in.phases {
		for i, r := range phase {
			if i > 0 {
				b.WriteByte(' ')
			}
			fmt.Fprintf(&b, "%s:%s", r.topic, r.print(true))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// byTopic is the input as the oracle has it.
func (in input) byTopic(partitions int) map[string][]rec {
	out := map[string][]rec{}
	came := 0
	for _, phase := range in.phases {
		for _, r := range phase {
			r.came, r.part = came, partitionOf(r.key, r.noKey, partitions)
			out[r.topic] = append(out[r.topic], r.rec)
			came++
		}
	}
	return out
}

// inputKeys lie in three of four partitions.
var inputKeys = []string{"a", "b", "c", "aa", "bc"}

// drawInput draws what is piped into the topics that a program reads: first the global table, then tables and streams in turns, in exact programs mixed.
func drawInput(t *rapid.T, p *randomProgram) input {
	var tables, flows []string
	global := false
	for _, n := range p.nodes {
		switch {
		case len(n.in) > 0:
		case n.global:
			global = true
		case slices.Contains(tableTopics, topicOf(n)):
			tables = append(tables, topicOf(n))
		default:
			flows = append(flows, topicOf(n))
		}
	}
	var in input
	phase := func(label string, topics []string, most int) {
		if len(topics) == 0 {
			return
		}
		i := 0
		in.phases = append(in.phases, rapid.SliceOfN(rapid.Custom(func(t *rapid.T) piped {
			r := piped{topic: rapid.SampledFrom(topics).Draw(t, "topic")}
			r.key = rapid.SampledFrom(inputKeys).Draw(t, "key")
			switch kind := rapid.IntRange(0, 15).Draw(t, "kind"); {
			case kind == 15 && r.topic == "s1":
				r.key, r.noKey = "", true
			case kind >= 13:
				r.null = true
			}
			if !r.null {
				r.val = rapid.Int64Range(1, 20).Draw(t, "value")
			}
			if p.exact {
				r.time = max(0, int64(i)+rapid.Int64Range(-25, 3).Draw(t, "late"))
				i++
			} else {
				r.time = rapid.Int64Range(0, timespan).Draw(t, "time")
			}
			r.time += p.base
			return r
		}), 0, most).Draw(t, label))
	}
	if global {
		phase("global", []string{globalTopic}, 6)
	}
	if p.exact {
		phase("mixed", slices.Concat(tables, flows), 50)
		return in
	}
	for range rapid.IntRange(1, 2).Draw(t, "phases") {
		phase("tables", tables, 25)
		phase("streams", flows, 30)
	}
	return in
}

// variant is a way to run a program.
type variant struct {
	partitions int
	cache      int64
	rewrites   streams.Rewrite
	guarantee  streams.Guarantee
	each       bool // a record is worked off and committed before the next one is piped
	// commits and crashes come before those records, by their number, if there is no commit for each record. Without them all are piped at once.
	manual  bool
	commits []int
	crashes []int
}

func (v variant) String() string {
	return fmt.Sprintf("partitions %d, cache %d, rewrites %v, %v, each %v, manual %v, commits before %v, crashes before %v\n",
		v.partitions, v.cache, v.rewrites, v.guarantee, v.each, v.manual, v.commits, v.crashes)
}

func drawVariant(t *rapid.T, p *randomProgram) variant {
	v := variant{
		partitions: rapid.SampledFrom([]int{1, 4}).Draw(t, "partitions"),
		cache:      rapid.SampledFrom([]int64{0, 1 << 20}).Draw(t, "cache"),
		rewrites:   rapid.SampledFrom([]streams.Rewrite{0, streams.AllRewrites}).Draw(t, "rewrites"),
		guarantee:  rapid.SampledFrom([]streams.Guarantee{streams.AtLeastOnce, streams.ExactlyOnce}).Draw(t, "guarantee"),
	}
	switch how := rapid.SampledFrom([]string{"each", "batch", "manual", "crashes"}).Draw(t, "how"); {
	case p.exact || how == "each":
		v.each = true
	case how == "manual", how == "crashes":
		v.manual = true
		places := rapid.SliceOfN(rapid.IntRange(0, 100), 0, 5)
		v.commits = places.Draw(t, "commits")
		if how == "crashes" {
			v.guarantee = streams.ExactlyOnce
			v.crashes = places.Draw(t, "crashes")
		}
	}
	return v
}

// closers are keys of which one lies in each of four partitions.
var closers = func() []string {
	var out []string
	for p := range 4 {
		for i := 0; ; i++ {
			if k := "~" + strconv.Itoa(i); partitionOf(k, false, 4) == p {
				out = append(out, k)
				break
			}
		}
	}
	return out
}()

// round is how far one round of closers is behind the one before.
const round = 1_000_000

// closersFor is a round of closers for topics. It closes what the one before has brought about.
func closersFor(number int, topics []string) (out []piped) {
	for _, topic := range topics {
		for _, k := range closers {
			out = append(out, piped{topic, rec{key: k, val: int64(number), time: int64(number) * round}})
		}
	}
	return out
}

// raw is a record as a driver takes it.
func (r piped) raw() streamstest.Raw {
	out := streamstest.Raw{Topic: r.topic, Time: streams.Time(r.time)}
	if !r.noKey {
		out.Key = []byte(r.key)
	}
	if !r.null {
		out.Value, _ = serde.Int64.Append(nil, r.val)
	}
	return out
}

// topology builds the program. Where MergeRepartitions is refused, because what Kafka Streams makes of the plan cannot run, it is left out as the refusal says.
func (p *randomProgram) topology(rewrites streams.Rewrite) (*topology.Topology, error) {
	b := streams.NewBuilder()
	p.build(b)
	top, err := b.Build(streams.Optimize(rewrites))
	if err != nil && rewrites&streams.MergeRepartitions != 0 && strings.Contains(err.Error(), "leave MergeRepartitions out") {
		return p.topology(rewrites &^ streams.MergeRepartitions)
	}
	return top, err
}

// topics are those that the program reads, of the kind that of lists.
func (p *randomProgram) topics(of ...string) (out []string) {
	for _, n := range p.nodes {
		if len(n.in) == 0 && slices.Contains(of, topicOf(n)) {
			out = append(out, topicOf(n))
		}
	}
	return out
}

// withClosers is the input and what closes all windows behind it.
func (p *randomProgram) withClosers(in input) [][]piped {
	var phases [][]piped
	add := func(phase []piped) {
		if len(phase) > 0 {
			phases = append(phases, phase)
		}
	}
	add(closersFor(0, p.topics(globalTopic)))
	for _, phase := range in.phases {
		add(phase)
	}
	rounds := 2
	for _, n := range p.nodes {
		if n.wait < never {
			rounds = max(rounds, n.wait+2)
		}
	}
	for i := range rounds {
		for _, topics := range [][]string{tableTopics, streamTopics} {
			add(closersFor(i+1, p.topics(topics...)))
		}
	}
	return phases
}

// runOnDriver runs a program on the test driver and answers what each output has.
func runOnDriver(p *randomProgram, in input, v variant) (_ map[string]string, err error) {
	top, err := p.topology(v.rewrites)
	if err != nil {
		return nil, err
	}
	var opts []streamstest.Option
	if v.partitions > 1 {
		opts = append(opts, streamstest.Partitions(v.partitions))
	}
	switch {
	case v.manual:
		opts = append(opts, streamstest.ManualCommit())
	case !v.each:
		opts = append(opts, streamstest.Batches())
	}
	d, err := streamstest.New(top, streams.Config{CacheBytes: &v.cache, Guarantee: v.guarantee}, opts...)
	if err != nil {
		return nil, err
	}
	r := &driverRun{Driver: d, variant: v, out: map[int][]rec{}}
	err = r.run(p.withClosers(in))
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	got := map[string]string{}
	for i := range p.nodes {
		got[fmt.Sprint("out", i)] = p.outcome(i, r.out[i])
	}
	return got, err
}

type driverRun struct {
	*streamstest.Driver
	variant
	piped int
	out   map[int][]rec // by node
}

func (r *driverRun) run(phases [][]piped) error {
	for _, phase := range phases {
		if err := r.phase(phase); err != nil {
			return err
		}
	}
	return nil
}

// phase pipes records and works off everything that comes of them.
func (r *driverRun) phase(phase []piped) error {
	if !r.manual {
		err := r.PipeAll(func(yield func(streamstest.Raw) bool) {
			for _, p := range phase {
				if !yield(p.raw()) {
					return
				}
			}
		})
		r.collect()
		return err
	}
	for _, p := range phase {
		if slices.Contains(r.commits, r.piped) {
			if err := r.Commit(); err != nil {
				return err
			}
		}
		if slices.Contains(r.crashes, r.piped) {
			if err := r.Crash(); err != nil {
				return err
			}
		}
		if err := r.Pipe(p.raw()); err != nil {
			return err
		}
		r.piped++
	}
	// A commit lets the next sub-topology see what is committed, and it works then: there is more to come until two in a row bring nothing.
	for quiet := 0; quiet < 2; quiet++ {
		if err := r.Commit(); err != nil {
			return err
		}
		if r.collect() > 0 {
			quiet = -1
		}
	}
	return nil
}

// collect takes what has come out, and says how many records were made in all.
func (r *driverRun) collect() int {
	all := r.Produced()
	for _, p := range all {
		number, ok := strings.CutPrefix(p.Topic, "out")
		if !ok {
			continue
		}
		i, _ := strconv.Atoi(number)
		r.out[i] = append(r.out[i], recOf(p.Key, p.Value, int64(p.Time)))
	}
	return len(all)
}

// recOf is a record of an output as the oracle has it.
func recOf(key, value []byte, at int64) rec {
	out := rec{key: string(key), noKey: key == nil, null: value == nil, time: at}
	if value != nil {
		out.val, _ = serde.Int64.Decode(value)
	}
	return out
}

// The oracle's hash is Kafka's: these are the partitions that Kafka's own clients choose.
func TestOraclesHashIsKafkas(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]int32{"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536, "a-little-bit-longer-string": -1486304829, "abc": 479470107} {
		require.Equal(t, want, int32(murmur2(key)), key)
	}
}
