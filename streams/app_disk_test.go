package streams_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/streams"
)

// A disk that fills while the application runs: it says so, loses nothing, stops when it is asked to, and goes on by itself when there is room again.
func TestAppOutlivesAFullDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("half a minute: a disk is filled four times")
	}
	t.Parallel()
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=128m", "millrace-test", dir).CombinedOutput(); err != nil {
		t.Skipf("only root makes a small disk: mount: %v: %s", err, out)
	}
	t.Cleanup(func() { require.NoError(t, exec.Command("umount", dir).Run()) })
	eachGuaranteeInTurn(t, func(t *testing.T, g streams.Guarantee) {
		c := newCluster(t)
		c.topics(1, "lines", "counts")
		cfg := c.config("full-" + g.String())
		cfg.Guarantee, cfg.StateDir, cfg.StateMemory = g, dir, 8<<20
		ballast := filepath.Join(dir, "ballast")
		want := map[string]int64{}
		feed := func(n int) { // a megabyte of words each
			for range n {
				lines := make([]string, 16)
				for i := range lines {
					w := fmt.Sprintf("%d-%s", len(want), strings.Repeat("x", 64<<10))
					want[w]++
					lines[i] = w
				}
				c.produce("lines", lines...)
			}
		}
		a := c.run(wordCount(t), cfg)
		feed(1)
		a.caughtUp()
		require.NoError(t, os.WriteFile(ballast, make([]byte, 70<<20), 0o600))
		feed(12)
		c.until("it says what is wrong", func() bool {
			return strings.Contains(a.log.String(), "the disk of the state directory is full") && strings.Contains(a.log.String(), "of the 64 MiB that have to stay free")
		})
		a.cancel()
		a.wait() // with or without its last commit
		require.Contains(t, c.run(wordCount(t), cfg).failure(), "the disk of the state directory is full: "+filepath.Join(dir, cfg.ApplicationID, "stores")+" has ")
		require.NoError(t, os.Remove(ballast))
		a = c.run(wordCount(t), cfg)
		a.caughtUp()
		require.NoError(t, os.WriteFile(ballast, make([]byte, 70<<20), 0o600))
		feed(12)
		c.until("it says so again", func() bool { return strings.Contains(a.log.String(), "the disk of the state directory is full") })
		lines := strings.Count(a.log.String(), "\n")
		require.NoError(t, os.Remove(ballast))
		a.caughtUp()
		require.Less(t, lines, 20, "%s", a.log)
		a.stop()
		got := c.counts("counts")
		require.Len(t, got, len(want))
		for w, n := range want { // what a failed commit takes back is done again, and under at-least-once counted again
			require.True(t, got[w] == n || got[w] > n && g == streams.AtLeastOnce, "%.20s: %d, want %d", w, got[w], n)
		}
		require.NoError(t, os.RemoveAll(filepath.Join(dir, cfg.ApplicationID)))
	})
}

func eachGuaranteeInTurn(t *testing.T, f func(t *testing.T, g streams.Guarantee)) {
	for _, g := range guarantees {
		t.Run(g.String(), func(t *testing.T) { f(t, g) })
	}
}
