package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/examples/internal/demo/demotest"
)

var program string

func TestMain(m *testing.M) { demotest.Build(m, &program) }

// want is the table of an input none of whose events is late, made without the program's help.
func want(t *testing.T, input string) string {
	counts := map[string]int{}
	for line := range strings.Lines(input) {
		page, at, _ := strings.Cut(strings.TrimSpace(line), "\t")
		when, err := time.Parse(time.RFC3339, at)
		require.NoError(t, err)
		counts[when.UTC().Format("2006-01-02 15:04")+"\t"+page]++
	}
	var out strings.Builder
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(&out, "%s\t%d\n", k, counts[k])
	}
	return out.String()
}

func TestWithoutInputItCountsItsOwnEvents(t *testing.T) {
	t.Parallel()
	c := demotest.StartFrom(t, nil, program, "-dir", t.TempDir())
	require.Zero(t, c.Code(), c.Errors())
	require.Equal(t, want(t, sample()), c.Output())
	for _, line := range []string{"millrace", "application   windowed", "broker        embedded", "created: views final-counts windowed-views-per-minute-changelog", "exactly_once_v2", "RUNNING"} {
		require.Contains(t, c.Errors(), line)
	}
}

func TestWhatComesAfterTheGraceIsLeftOut(t *testing.T) {
	t.Parallel()
	out, errs, code := demotest.Run(t, "", program, "-dir", t.TempDir(), demotest.File(t, ""+
		"/home\t2020-02-29T10:00:59Z\n"+
		"/home\t2020-02-29T10:01:09Z\n"+
		"/home\t2020-02-29T10:00:01Z\n"+ // ten seconds of grace are not over
		"/home\t2020-02-29T10:01:10Z\n"+
		"/home\t2020-02-29T10:00:02Z\n")) // they are
	require.Zero(t, code, errs)
	require.Equal(t, "2020-02-29 10:00\t/home\t2\n2020-02-29 10:01\t/home\t2\n", out)
}

func TestFinalCountsComeWhileAPipeIsOpen(t *testing.T) {
	t.Parallel()
	r, w := demotest.Pipe(t)
	c := demotest.StartFrom(t, r, program, "-dir", t.TempDir())
	_, err := w.WriteString("/a\t2026-01-01T12:00:00Z\n/a\t2026-01-01T12:00:30Z\n/a\t2026-01-01T12:01:10Z\n")
	require.NoError(t, err)
	require.True(t, c.WaitForOutput("2026-01-01 12:00\t/a\t2\n"), c.Errors())
	require.NoError(t, w.Close())
	require.Zero(t, c.Code(), c.Errors())
	require.Equal(t, "2026-01-01 12:00\t/a\t2\n2026-01-01 12:01\t/a\t1\n", c.Output())
}

func TestKilledItCountsEachEventOnce(t *testing.T) {
	var b strings.Builder
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for i := range 200_000 {
		fmt.Fprintf(&b, "/page%d\t%s\n", i%17, noon.Add(time.Duration(i)*5*time.Millisecond).Format(time.RFC3339))
	}
	text, dir := b.String(), t.TempDir()
	input := demotest.File(t, text)
	for k := range 3 {
		c := demotest.StartOpen(t, text[:len(text)/4*(k+1)], program, "-dir", dir)
		require.True(t, c.WaitFor("RUNNING") && c.After(150*time.Millisecond), "it ended before kill %d: %s", k, c.Errors())
		c.Kill()
	}
	out, errs, code := demotest.Run(t, "", program, "-dir", dir, input)
	require.Zero(t, code, errs)
	require.Equal(t, want(t, text), out)
}

func TestAnInputThatHasGrownGoesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := "/a\t2026-01-01T12:00:00Z\n"
	out, errs, code := demotest.Run(t, first, program, "-dir", dir)
	require.Zero(t, code, errs)
	require.Equal(t, want(t, first), out)
	second := first + "/a\t2026-01-01T12:02:00Z\n/b\t2026-01-01T12:02:00Z\n"
	out, errs, code = demotest.Run(t, second, program, "-dir", dir)
	require.Zero(t, code, errs)
	require.Equal(t, want(t, second), out)
}

func TestALineThatIsNoEventIsNamed(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"/home", "/home\tyesterday", "\t2026-01-01T12:00:00Z", "/home\t1969-12-31T23:59:59Z"} {
		_, errs, code := demotest.Run(t, "/\t2026-01-01T12:00:00Z\n"+bad+"\n", program, "-dir", t.TempDir())
		require.Equal(t, 1, code, errs)
		require.Contains(t, errs, "line 2 of the input of topic views: "+fmt.Sprintf("%q", bad)+" is not page<TAB>time, such as")
	}
}
