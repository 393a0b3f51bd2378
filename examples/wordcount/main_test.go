package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/examples/internal/demo/demotest"
)

var program string

func TestMain(m *testing.M) { demotest.Build(m, &program) }

// want is the table of a text, made without the program's help.
func want(text string, top int) string {
	counts := map[string]int{}
	for _, line := range strings.Split(text, "\n") {
		for _, w := range words(line) {
			counts[w]++
		}
	}
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return cmp.Or(counts[b]-counts[a], strings.Compare(a, b)) })
	var out strings.Builder
	for i, k := range keys {
		if top > 0 && i == top {
			break
		}
		fmt.Fprintf(&out, "%d\t%s\n", counts[k], k)
	}
	return out.String()
}

func TestAFileIsCountedAndTheReportSaysWhere(t *testing.T) {
	t.Parallel()
	text := "Zwölf Boxkämpfer, 12 boxers;\nZWÖLF\n\nno newline at the end"
	out, errs, code := demotest.Run(t, "", program, "-dir", t.TempDir(), "-top", "0", demotest.File(t, text))
	require.Zero(t, code, errs)
	require.Equal(t, want(text, 0), out)
	for _, line := range []string{"millrace", "application   wordcount", "broker        embedded", "state", "created: lines counts wordcount-word-counts-repartition wordcount-word-counts-changelog", "exactly_once_v2", "RUNNING"} {
		require.Contains(t, errs, line)
	}
}

func TestStandardInputIsCounted(t *testing.T) {
	t.Parallel()
	out, errs, code := demotest.Run(t, "b a b\n", program, "-dir", t.TempDir())
	require.Zero(t, code, errs)
	require.Equal(t, "2\tb\n1\ta\n", out)
}

func TestTheSameInputIsNotCountedTwiceAndAnotherOneStartsAfresh(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out, errs, code := demotest.Run(t, "one two\ntwo\n", program, "-dir", dir)
	require.Zero(t, code, errs)
	require.Equal(t, "2\ttwo\n1\tone\n", out)

	out, errs, code = demotest.Run(t, "one two\ntwo\n", program, "-dir", dir)
	require.Zero(t, code, errs)
	require.Equal(t, "2\ttwo\n1\tone\n", out)
	require.Contains(t, errs, "going on behind line 2")

	// What has grown goes on.
	out, errs, code = demotest.Run(t, "one two\ntwo\nthree two\n", program, "-dir", dir)
	require.Zero(t, code, errs)
	require.Equal(t, "3\ttwo\n1\tone\n1\tthree\n", out)
	require.NotContains(t, errs, "restored", "a clean stop causes no restore")

	out, errs, code = demotest.Run(t, "four\n", program, "-dir", dir)
	require.Zero(t, code, errs)
	require.Equal(t, "1\tfour\n", out)
	require.Contains(t, errs, "starting afresh")
}

// A line without an end was counted as it stood: what is behind it now may belong to its last word.
func TestALastLineThatHasGrownStartsAfresh(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out, errs, code := demotest.Run(t, "one two\nthr", program, "-dir", dir)
	require.Zero(t, code, errs)
	require.Equal(t, "1\tone\n1\tthr\n1\ttwo\n", out)

	out, errs, code = demotest.Run(t, "one two\nthr", program, "-dir", dir)
	require.Zero(t, code, errs)
	require.Equal(t, "1\tone\n1\tthr\n1\ttwo\n", out)
	require.Contains(t, errs, "going on behind line 2")

	out, errs, code = demotest.Run(t, "one two\nthree\n", program, "-dir", dir)
	require.Zero(t, code, errs)
	require.Equal(t, "1\tone\n1\tthree\n1\ttwo\n", out)
	require.Contains(t, errs, "starting afresh")
}

func TestATableThatCannotBeWrittenIsAnError(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("Linux alone has a file that is always full")
	}
	require.NoError(t, err)
	defer full.Close()
	var errs strings.Builder
	cmd := exec.Command(program, "-dir", t.TempDir())
	cmd.Stdout, cmd.Stderr = full, &errs
	require.Error(t, cmd.Run())
	require.Equal(t, 1, cmd.ProcessState.ExitCode())
	require.Contains(t, errs.String(), "wordcount: write /dev/stdout: no space left on device")
}

func TestCountsAreShownWhileAPipeIsOpen(t *testing.T) {
	t.Parallel()
	r, w := demotest.Pipe(t)
	c := demotest.StartFrom(t, r, program, "-dir", t.TempDir())
	_, err := w.WriteString("b a b\n")
	require.NoError(t, err)
	require.True(t, c.WaitFor("b 2, a 1"), c.Errors())
	_, err = w.WriteString("a a\n")
	require.NoError(t, err)
	require.True(t, c.WaitFor("a 3, b 2"), c.Errors())
	require.NoError(t, w.Close())
	require.Zero(t, c.Code(), c.Errors())
	require.Equal(t, "3\ta\n2\tb\n", c.Output())
}

func TestWithoutInputItCountsWhatItCarries(t *testing.T) {
	t.Parallel()
	c := demotest.StartFrom(t, nil, program, "-dir", t.TempDir())
	require.Zero(t, c.Code(), c.Errors())
	require.Equal(t, want(carried, 20), c.Output())
}

func TestItAgreesWithTheShell(t *testing.T) {
	if testing.Short() {
		t.Skip("ten megabytes")
	}
	for _, tool := range []string{"sh", "tr", "sort", "uniq", "awk"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("the pipeline to compare with needs it: ", err)
		}
	}
	var b strings.Builder
	r := rand.New(rand.NewPCG(3, 4))
	for b.Len() < 10<<20 {
		fmt.Fprintf(&b, "Word%d, term%d; (%x)\t-- %d\n", r.IntN(3000), r.IntN(500), r.IntN(1<<16), r.IntN(10))
	}
	name := demotest.File(t, b.String())
	pipeline := exec.Command("sh", "-c", `LC_ALL=C; export LC_ALL
		tr '[:upper:]' '[:lower:]' <"$0" | tr -cs '[:alnum:]' '\n' | grep -v '^$' | sort | uniq -c | awk '{print $1 "\t" $2}' | sort -k1,1nr -k2,2`, name)
	shell, err := pipeline.Output()
	require.NoError(t, err)
	out, errs, code := demotest.Run(t, "", program, "-dir", t.TempDir(), "-top", "0", name)
	require.Zero(t, code, errs)
	require.True(t, string(shell) == out, "the counts differ from the shell's")
}

// The broker dies with the process each time.
func TestKilledTwentyTimesItCountsEachLineOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("a minute of kills")
	}
	var b strings.Builder
	r := rand.New(rand.NewPCG(1, 2))
	for range 1_000_000 {
		fmt.Fprintf(&b, "w%d x%d\n", r.IntN(5000), r.IntN(50))
	}
	text := b.String()
	name, dir := demotest.File(t, text), t.TempDir()
	const kills = 20
	for k := range kills {
		c := demotest.StartOpen(t, text[:len(text)/(kills+1)*(k+1)], program, "-dir", dir, "-top", "0")
		require.True(t, c.WaitFor("RUNNING") && c.After(time.Duration(20+r.IntN(280))*time.Millisecond), "it ended before kill %d: %s", k, c.Errors())
		c.Kill()
	}
	out, errs, code := demotest.Run(t, "", program, "-dir", dir, "-top", "0", name)
	require.Zero(t, code, errs)
	require.Equal(t, want(text, 0), out)
}

func TestBadArgumentsEndInOneLineThatNamesTheFix(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	closed := l.Addr().String()
	require.NoError(t, l.Close())
	blocked := demotest.File(t, "not a folder")
	for _, c := range []struct {
		name, line string
		code       int
		args       []string
	}{
		{"an unknown flag", "wordcount: flag provided but not defined: -tpo: wordcount -h tells how it is called\n", 2, []string{"-tpo", "3"}},
		{"a negative number", `invalid value "-1" for flag -top`, 2, []string{"-top", "-1"}},
		{"a flag behind the file", "-top stands behind a: flags come first", 2, []string{"a", "-top", "1"}},
		{"no broker", `flag -brokers: "," names no broker: give host:port`, 1, []string{"-dir", t.TempDir(), "-brokers", ","}},
		{"a missing file", "no such file", 1, []string{"-dir", t.TempDir(), "missing.txt"}},
		{"a folder as input", "is a folder: name a file", 1, []string{"-dir", t.TempDir(), t.TempDir()}},
		{"two files", "one file at most", 2, []string{"-dir", t.TempDir(), "a", "b"}},
		{"an unreachable broker", "no broker answers at " + closed, 1, []string{"-dir", t.TempDir(), "-brokers", closed, blocked}},
		{"a directory that is none", "flag -dir: mkdir " + blocked + ": not a directory: name a folder that can be written", 1, []string{"-dir", blocked, blocked}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			out, errs, code := demotest.Run(t, "x\n", program, c.args...)
			require.Equal(t, c.code, code, errs)
			require.Empty(t, out)
			require.Contains(t, errs, c.line)
			require.True(t, c.code == 1 || strings.Count(errs, "\n") == 1, "one line: %s", errs)
		})
	}
}

func TestHelpSaysWhatIsReadWithoutAFile(t *testing.T) {
	t.Parallel()
	out, errs, code := demotest.Run(t, "", program, "-h")
	require.Zero(t, code)
	require.Empty(t, errs)
	require.Contains(t, out, "Usage: wordcount [flags] [FILE]\n\nWithout FILE it reads standard input; ")
	require.Contains(t, out, "\n\nFlags:\n  -brokers")
}

func TestASecondProcessIsRefusedByName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, _ := demotest.Pipe(t)
	first := demotest.StartFrom(t, r, program, "-dir", dir)
	require.True(t, first.WaitFor("RUNNING"))
	_, errs, code := demotest.Run(t, "x\n", program, "-dir", dir)
	require.Equal(t, 1, code)
	require.Contains(t, errs, dir+" is in use by another wordcount: stop it, or give this one another folder with -dir\n")
	first.Interrupt()
	require.NotEqual(t, -1, first.Code(), "Ctrl-C ends it in good order")
}
