// Command report reads lines of benchmark results, one JSON object each, from the files that are its arguments, and prints medians, ratios and goals as
// Markdown. It fails if a goal is missed or a line is none.
//
//	report [-head file] results.jsonl ...
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// result is one line: numbers by name, and who was measured at what.
type result struct {
	impl    string // java, kafka, go-hand or millrace
	bench   string
	numbers map[string]float64
}

// goal is a bound for Millrace's number, or for its ratio to the other's.
type goal struct {
	ratio       bool
	least, most float64 // 0: no bound
}

func (g goal) String() string {
	what := ""
	if g.ratio {
		what = " ×"
	}
	switch {
	case g.most > 0:
		return "≤ " + short(g.most) + what
	case g.least > 0:
		return "≥ " + short(g.least) + what
	}
	return ""
}

func (g goal) met(ours, ratio float64) bool {
	v := ours
	if g.ratio {
		v = ratio
	}
	return (g.most == 0 || v <= g.most) && (g.least == 0 || v >= g.least)
}

// section is a table: one number of every benchmark whose name begins with one of the prefixes.
type section struct {
	title    string
	field    string
	other    string
	prefixes []string
	goal     goal
}

func ratioMost(x float64) goal  { return goal{ratio: true, most: x} }
func ratioLeast(x float64) goal { return goal{ratio: true, least: x} }

var workloads = []string{"W0", "W1", "W2", "W3", "W4"}

// sections are what the project promises.
var sections = []section{
	{"CPU of the application's process per input record, µs (user and system, from RUNNING to closed)", "cpu_us_rec", "java", workloads, ratioMost(1. / 3)},
	{"Peak memory of the application's process, MB (resident)", "rss_mb", "java", workloads, ratioMost(1. / 3)},
	{"Records per second", "rec_s", "java", workloads, goal{}},
	{"From the process's start to RUNNING, s", "startup_s", "java", []string{"start"}, goal{most: 0.5}},
	{"Restart right after a clean close: from the process's start to the first new record, s", "first_s", "java", []string{"restart after a clean close"}, goal{most: 1}},
	{"Restart after kill -9 under exactly-once: from the process's start to the first new record, s", "first_s", "java", []string{"restart after kill -9"}, goal{most: 3}},
	{"Restore of 1,000,000 keys, records per second", "restore_rec_s", "java", []string{"restore"}, ratioLeast(1)},
	{"Test driver, one record at a time, records per second", "rec_s", "java", []string{"test driver"}, goal{least: 500_000}},
	{"Five stateless operators, ns per record", "ns_rec", "", []string{"five operators"}, goal{}},
	{"Five stateless operators, allocations per record", "allocs_rec", "", []string{"five operators"}, goal{most: 0.0001}},

	{"Broker: records per second", "rec_s", "kafka", []string{"produce", "consume"}, ratioLeast(1)},
	{"Broker: its CPU per produced record, µs", "broker_us_rec", "kafka", []string{"produce"}, ratioMost(0.5)},
	{"Broker: its CPU per consumed record, µs", "broker_us_rec", "kafka", []string{"consume"}, ratioMost(1)},
	{"Broker: 32 producers, one record at a time, each on the disk before it is acknowledged, records per second", "rec_s", "kafka", []string{"fsync"}, ratioLeast(2)},
	{"Broker: transactions of one record per second", "rec_s", "kafka", []string{"tx"}, ratioLeast(20)},
	{"Broker: p50 of one acknowledged record, ms", "p50_ms", "kafka", []string{"latency"}, ratioMost(0.5)},
	{"Broker: p99 of one acknowledged record, ms", "p99_ms", "kafka", []string{"latency"}, goal{}},
	{"Broker: end to end at 1,000 records per second, p50, ms", "p50_ms", "kafka", []string{"e2e"}, goal{}},
	{"Broker: ready on an empty directory, s", "ready_s", "kafka", []string{"ready, empty"}, ratioMost(1. / 50)},
	{"Broker: ready after kill -9 with 1 GiB of log, s", "ready_s", "kafka", []string{"ready, kill"}, ratioMost(1. / 10)},
	{"Broker: memory, MB (resident)", "rss_mb", "kafka", []string{"memory"}, ratioMost(1. / 10)},
	{"Broker: peak memory with 1 GiB of log above the empty broker's, MB (resident)", "above_mb", "kafka", []string{"1 GiB"}, goal{most: 64}},
}

func main() {
	head := flag.String("head", "", "a file to begin with")
	flag.Parse()
	var rs []result
	for _, name := range flag.Args() {
		b, err := os.ReadFile(name)
		must(err)
		more, err := parse(bytes.NewReader(b))
		if err != nil {
			must(fmt.Errorf("%s: %w", name, err))
		}
		rs = append(rs, more...)
	}
	if *head != "" {
		b, err := os.ReadFile(*head)
		must(err)
		fmt.Println(strings.TrimSpace(string(b)))
	}
	w := bufio.NewWriter(os.Stdout)
	missed := write(w, rs)
	must(w.Flush())
	if len(missed) > 0 {
		fmt.Fprintf(os.Stderr, "report: %d goals are missed:\n  %s\n", len(missed), strings.Join(missed, "\n  "))
		os.Exit(1)
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(2)
	}
}

// parse reads the lines of one file. Those of the workloads name workload, guarantee and variant in place of a benchmark.
func parse(in io.Reader) ([]result, error) {
	var out []result
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		var m map[string]any
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		r := result{numbers: map[string]float64{}}
		text := func(key string) string {
			s, _ := m[key].(string)
			return s
		}
		r.impl, r.bench = text("impl"), name(text)
		if r.impl == "" || r.bench == "" {
			return nil, fmt.Errorf("line %d names no implementation or benchmark: %s", n, lines.Text())
		}
		for k, v := range m {
			if f, ok := v.(float64); ok {
				r.numbers[k] = f
			}
		}
		out = append(out, r)
	}
	return out, lines.Err()
}

// name is the benchmark of a line.
func name(text func(string) string) string {
	if b := text("bench"); b != "" {
		return b
	}
	variant := text("variant")
	if variant != "" && variant != "cache 0" {
		return variant
	}
	if text("workload") == "" {
		return ""
	}
	parts := []string{text("workload")}
	if variant != "" {
		parts = append(parts, variant)
	}
	return strings.Join(append(parts, strings.ReplaceAll(text("guarantee"), "_", "-")), ", ")
}

// write prints the sections for which there are results, and returns the goals that were missed.
func write(w io.Writer, rs []result) (missed []string) {
	for _, s := range sections {
		var benches []string
		for _, r := range rs {
			_, has := r.numbers[s.field]
			if has && !slices.Contains(benches, r.bench) && slices.ContainsFunc(s.prefixes, func(p string) bool { return strings.HasPrefix(r.bench, p) }) {
				benches = append(benches, r.bench)
			}
		}
		if len(benches) == 0 {
			continue
		}
		slices.Sort(benches)
		hand := slices.ContainsFunc(rs, func(r result) bool { return r.impl == "go-hand" && slices.Contains(benches, r.bench) })
		missed = append(missed, s.write(w, rs, benches, hand)...)
	}
	return missed
}

var names = map[string]string{"java": "Kafka Streams", "kafka": "Apache Kafka"}

func (s section) write(w io.Writer, rs []result, benches []string, hand bool) (missed []string) {
	fmt.Fprintf(w, "\n### %s\n\n", s.title)
	head := []string{""}
	if s.other != "" {
		head = append(head, names[s.other])
	}
	if head = append(head, "Millrace"); s.other != "" {
		head = append(head, "ratio")
	}
	bound := s.goal != goal{}
	if bound {
		head = append(head, "goal", "")
	}
	if hand {
		head = append(head, "hand-written", "ratio")
	}
	row(w, append(head, "runs"))
	fmt.Fprintln(w, "|---|"+strings.Repeat("---:|", len(head)))
	for _, b := range benches {
		ours, n := median(rs, "millrace", b, s.field)
		cells := []string{b}
		ratio, known := 0., s.other == ""
		if s.other != "" {
			theirs, m := median(rs, s.other, b, s.field)
			cells = append(cells, cell(theirs, m))
			if known = m > 0 && n > 0; known {
				ratio = ours / theirs
			}
		}
		cells = append(cells, cell(ours, n))
		if s.other != "" {
			cells = append(cells, ratioCell(ratio, known))
		}
		if bound {
			verdict := "not measured"
			if n > 0 && (known || !s.goal.ratio) {
				verdict = "met"
				if !s.goal.met(ours, ratio) {
					verdict = "**missed**"
				}
			}
			if verdict != "met" {
				missed = append(missed, fmt.Sprintf("%s: %s: %s", s.title, b, strings.Trim(verdict, "*")))
			}
			cells = append(cells, s.goal.String(), verdict)
		}
		if hand {
			h, m := median(rs, "go-hand", b, s.field)
			cells = append(cells, cell(h, m), ratioCell(ours/h, m > 0 && n > 0))
		}
		row(w, append(cells, strconv.Itoa(n)))
	}
	return missed
}

func row(w io.Writer, cells []string) { fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")) }

func cell(v float64, n int) string {
	if n == 0 {
		return ""
	}
	return short(v)
}

func ratioCell(v float64, known bool) string {
	if !known {
		return ""
	}
	return short(v)
}

// median of a number, and of how many runs.
func median(rs []result, impl, bench, field string) (float64, int) {
	var vs []float64
	for _, r := range rs {
		if v, ok := r.numbers[field]; ok && r.impl == impl && r.bench == bench {
			vs = append(vs, v)
		}
	}
	n := len(vs)
	if n == 0 {
		return 0, 0
	}
	slices.Sort(vs)
	return (vs[n/2] + vs[(n-1)/2]) / 2, n
}

// short prints a number with the digits worth reading.
func short(v float64) string {
	switch {
	case v < 0.0005:
		return "0"
	case v >= 1000:
		s := strconv.FormatFloat(v, 'f', 0, 64)
		for i := len(s) - 3; i > 0; i -= 3 {
			s = s[:i] + "," + s[i:]
		}
		return s
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v == float64(int(v)):
		return strconv.Itoa(int(v))
	case v >= 0.1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	default:
		return strconv.FormatFloat(v, 'f', 3, 64)
	}
}
