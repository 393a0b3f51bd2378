package conformance_test

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace-go/millrace/streams/streamstest"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

// decided names, for each quirk of Java that this library does not repeat, the decision's page in docs/decisions. A case of such a quirk
// that differs from its recording is counted as decided otherwise; one that agrees, or that panics, is counted like any other.
var decided = map[string]string{
	"cogroup-unnamed-refused": "0003-quirks-of-kafka-streams.md",
	"emit-close-loss":         "0003-quirks-of-kafka-streams.md",
	"replacement-characters":  "0003-quirks-of-kafka-streams.md",
	"grace-left-null-key":     "0003-quirks-of-kafka-streams.md",
	"self-join-optimized":     "0003-quirks-of-kafka-streams.md",
	"session-headers":         "0003-quirks-of-kafka-streams.md",
	"sliding-zero":            "0003-quirks-of-kafka-streams.md",
	"suppress-old-value":      "0003-quirks-of-kafka-streams.md",
	"table-self-join":         "0003-quirks-of-kafka-streams.md",
	"zero-join-window":        "0003-quirks-of-kafka-streams.md",
	"cache-accounting":        "0002-caches-make-room-between-records.md",
}

// caseTimeout ends a case that hangs. A case takes milliseconds.
const caseTimeout = time.Minute

// TestConformance plays the recorded cases: each is a subtest, <file>/<case>. MILLRACE_CONFORMANCE names their folder; without it, the
// folder shared/conformance beside the repository is taken. MILLRACE_CONFORMANCE_SUMMARY=1 prints what failed by file, operator and aspect.
func TestConformance(t *testing.T) {
	files, err := conformanceFiles()
	if err != nil {
		t.Fatal(err)
	}
	if files == nil {
		t.Skip("no recorded cases: MILLRACE_CONFORMANCE is not set and there is no folder shared/conformance beside the repository")
	}
	s := newSummary()
	for _, file := range files {
		group := strings.TrimSuffix(filepath.Base(file), ".jsonl")
		t.Run(group, func(t *testing.T) { runFile(t, s, group, file) })
	}
	if os.Getenv("MILLRACE_CONFORMANCE_SUMMARY") != "" {
		fmt.Print(s)
	}
	fmt.Printf("conformance: %d cases, %d pass, %d decided otherwise, %d fail\n", s.all.cases, s.all.pass, s.all.decided, s.all.fail)
}

// conformanceFiles are the files of recorded cases, nil if there is no folder of them.
func conformanceFiles() ([]string, error) {
	folder := os.Getenv("MILLRACE_CONFORMANCE")
	if folder == "" {
		root, err := moduleRoot()
		if err != nil {
			return nil, err
		}
		folder = filepath.Join(root, "..", "shared", "conformance")
		if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.jsonl"))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s holds no *.jsonl", folder)
	}
	return files, err
}

// moduleRoot is the folder of go.mod, here or above.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod here or above")
		}
		dir = parent
	}
}

func runFile(t *testing.T, s *summary, group, file string) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 64<<20)
	for n := 1; lines.Scan(); n++ {
		if len(strings.TrimSpace(lines.Text())) == 0 {
			continue
		}
		c, err := parseCase(lines.Bytes())
		name := fmt.Sprintf("line-%d", n)
		if err == nil {
			name = c.Name
		}
		t.Run(name, func(t *testing.T) {
			if err != nil {
				s.count(group, &recordedCase{}, failed, []string{"format"})
				t.Fatalf("%s, line %d: %v", file, n, err)
			}
			runCase(t, s, group, c)
		})
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

func runCase(t *testing.T, s *summary, group string, c *recordedCase) {
	v := guarded(c)
	outcome := passed
	if len(v.differences) > 0 {
		outcome = failed
		if page := decision(c); page != "" && !slices.Contains(v.aspects, "panic") {
			outcome = decidedOtherwise
			t.Logf("decided otherwise: docs/decisions/%s (quirks %v)\n%s\n  %s", page, c.Quirk, c.short(), strings.Join(v.differences, "\n  "))
		}
	}
	s.count(group, c, outcome, v.aspects)
	if outcome == failed {
		t.Errorf("%s (quirks %v)\n%s\n  %s", c.About, c.Quirk, c.short(), strings.Join(v.differences, "\n  "))
	}
}

func decision(c *recordedCase) string {
	for _, q := range c.Quirk {
		if page := decided[q]; page != "" {
			return page
		}
	}
	return ""
}

// guarded plays a case; a panic and a hang are differences of this case alone.
func guarded(c *recordedCase) *verdict {
	done := make(chan *verdict, 1)
	go func() {
		v := &verdict{}
		defer func() {
			if p := recover(); p != nil {
				if u, ok := p.(unsupported); ok {
					v.add("unsupported", "%v", u)
				} else {
					v.add("panic", "%v\n%s", p, shortStack(debug.Stack()))
				}
			}
			done <- v
		}()
		play(c, v)
	}()
	select {
	case v := <-done:
		return v
	case <-time.After(caseTimeout):
		v := &verdict{}
		v.add("hang", "not finished after %v", caseTimeout)
		return v
	}
}

// shortStack is the part of a stack below the panic, without the test's own frames at its end.
func shortStack(stack []byte) string {
	lines := strings.Split(string(stack), "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, "panic(") {
			lines = lines[i+2:]
			break
		}
	}
	return strings.Join(lines[:min(len(lines), 16)], "\n")
}

// play builds the case's topology, plays its steps and compares.
func play(c *recordedCase, v *verdict) {
	top, d, err := start(c, v)
	if err != nil {
		if c.Expected.BuildError == "" {
			v.add("build", "refused: %v", err)
		}
		return
	}
	defer func() {
		if err := d.Close(); err != nil && !failsAtEnd(c) {
			v.add("close", "%v", err)
		}
	}()
	if c.Expected.BuildError != "" {
		v.add("build", "accepted; Java refuses it: %s: %s", c.Expected.BuildError, c.Expected.BuildMessage)
		return
	}
	if c.Expected.Describe != nil {
		v.compareDescription(*c.Expected.Describe, top.Describe())
	}
	if c.Expected.Dropped != nil || c.Expected.InternalTopics != nil {
		cfg, _, _ := configuration(c)
		v.compareTopics(c.Expected.InternalTopics, internalTopics(top, cfg))
	}
	if playSteps(c, d, v) {
		compareEnd(c, d, v)
	}
}

// failsAtEnd says whether the case ends with an error.
func failsAtEnd(c *recordedCase) bool {
	n := len(c.Expected.Steps)
	return n > 0 && c.Expected.Steps[n-1].Error != ""
}

// start is all that a case's buildError may come from: the DSL's calls, Build and the driver's start.
func start(c *recordedCase, v *verdict) (*topology.Topology, *streamstest.Driver, error) {
	cfg, build, err := configuration(c)
	if err != nil {
		panic(err)
	}
	top, err := buildProgram(c).Build(build...)
	if err != nil {
		return nil, nil, err
	}
	d, err := streamstest.New(top, cfg)
	return top, d, err
}

// playSteps says whether all steps were played: after one that fails, or that should have failed, nothing is left to compare.
func playSteps(c *recordedCase, d *streamstest.Driver, v *verdict) bool {
	for i, s := range c.Steps {
		if i >= len(c.Expected.Steps) {
			return true
		}
		want, at := c.Expected.Steps[i], fmt.Sprintf("step %d (%s)", i, s)
		err := s.play(d)
		if want.Error != "" {
			if err == nil {
				v.add("error", "%s: no error; Java's is %s", at, want.Error)
			}
			return false
		}
		if err != nil {
			v.add("error", "%s: %v", at, err)
			return false
		}
		v.compareProduced(at, want.Produced, d.Produced())
	}
	return true
}

func (s step) play(d *streamstest.Driver) error {
	if s.AdvanceWallClock != nil {
		return d.AdvanceWallClock(millis(*s.AdvanceWallClock))
	}
	r := streamstest.Raw{Topic: s.Pipe, Key: s.Key, Value: s.Value, Time: window.Time(s.Time)}
	for _, h := range s.Headers {
		r.Headers = append(r.Headers, topology.Header{Key: h.key, Value: h.value})
	}
	return d.Pipe(r)
}

func (s step) String() string {
	if s.AdvanceWallClock != nil {
		return fmt.Sprintf("wall clock + %d", *s.AdvanceWallClock)
	}
	return "pipe " + s.Pipe + " " + recordText(canonicalBytes(s.Key), canonicalBytes(s.Value), fmt.Sprint(s.Time), s.Headers)
}

// compareEnd compares the stores' contents and the dropped records.
func compareEnd(c *recordedCase, d *streamstest.Driver, v *verdict) {
	if c.Expected.Dropped != nil && *c.Expected.Dropped != d.Dropped() {
		v.add("dropped", "%d records; Java drops %d", d.Dropped(), *c.Expected.Dropped)
	}
	if c.Expected.Stores == nil {
		return
	}
	names := d.Stores()
	for _, name := range sortedKeys(c.Expected.Stores) {
		if !slices.Contains(names, name) {
			v.add("stores", "no store %s", name)
		}
	}
	for _, name := range slices.Sorted(slices.Values(names)) {
		rows, ok := d.Dump(name)
		if !ok {
			continue
		}
		var got [][]any
		for r := range rows {
			got = append(got, slices.Clone(r))
		}
		want, ok := c.Expected.Stores[name]
		if !ok && !zeroJoinWindow(c) {
			v.add("stores", "store %s, which Java does not have", name)
		}
		if ok {
			v.compareStore(name, withoutHeaders(name, want), got)
		}
	}
}

// withoutHeaders leaves out the headers that Java keeps with the entries of joins' stores in memory, or with dsl.store.format HEADERS: nothing reads them,
// and Millrace does not keep them (docs/decisions/0003-quirks-of-kafka-streams.md).
func withoutHeaders(store string, rows []expectedRow) []expectedRow {
	if !strings.Contains(store, "JOIN") && !strings.Contains(store, "-OUTER") && !strings.HasSuffix(store, "-join-store") && !strings.HasSuffix(store, "-subscription-store") {
		return rows
	}
	for i := range rows {
		if r := &rows[i]; r.headers {
			r.fields = r.fields[:len(r.fields)-1]
		}
	}
	return rows
}

// zeroJoinWindow says whether a join of the program has stores of windows of size 0, which the recordings leave out.
func zeroJoinWindow(c *recordedCase) bool {
	return slices.ContainsFunc(c.Program, func(o operation) bool {
		return o.Window != nil && o.Window.Type == "" && o.Window.Before+o.Window.After == 0
	})
}
