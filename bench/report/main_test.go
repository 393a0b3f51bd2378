package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const java, ours = `{"impl":"java","workload":"W1","guarantee":"at_least_once","variant":"cache 0","cpu_us_rec":9,"rss_mb":300}
`, `{"impl":"millrace","workload":"W1","guarantee":"at_least_once","variant":"cache 0","cpu_us_rec":`

func report(t *testing.T, lines string) (table string, missed []string) {
	t.Helper()
	rs, err := parse(strings.NewReader(lines))
	require.NoError(t, err)
	var b strings.Builder
	missed = write(&b, rs)
	return b.String(), missed
}

func TestTheMedianDecidesWhetherAGoalIsMet(t *testing.T) {
	_, missed := report(t, java+ours+"9}\n"+ours+"3}\n"+ours+"1}\n")
	require.Equal(t, []string{sections[1].title + ": W1, cache 0, at-least-once: not measured"}, missed)
	_, missed = report(t, java+ours+"9}\n"+ours+"3.1}\n"+ours+"1}\n")
	require.Contains(t, missed, sections[0].title+": W1, cache 0, at-least-once: missed")
}

func TestAGoalWithoutTheOtherSideIsNotMet(t *testing.T) {
	_, missed := report(t, ours+"1}\n")
	require.Equal(t, []string{sections[0].title + ": W1, cache 0, at-least-once: not measured"}, missed)
}

func TestALineThatIsNoResultIsAnError(t *testing.T) {
	for _, line := range []string{"java: stream error", `{"hang":true}`, `{"impl":"java"}`} {
		_, err := parse(strings.NewReader(line))
		require.Error(t, err)
	}
}
