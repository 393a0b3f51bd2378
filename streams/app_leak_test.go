package streams_test

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

// goroutines are the stacks that have something to do with an application or a broker, but for the one that asks.
func goroutines() (stacks []string) {
	buf := make([]byte, 4<<20)
	for _, s := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if !strings.Contains(s, "testing.") && !strings.Contains(s, "streams_test.goroutines(") && (strings.Contains(s, "franz-go") || strings.Contains(s, "millrace") || strings.Contains(s, "pebble")) {
			stacks = append(stacks, s)
		}
	}
	return stacks
}

// It is not parallel, so that what runs is its own.
func TestAppLeavesNothingBehind(t *testing.T) {
	for _, end := range []string{"a clean stop", "a failure", "a refused start"} {
		for _, g := range guarantees {
			t.Run(end+", "+g.String(), func(t *testing.T) {
				before := len(goroutines())
				t.Run("run", func(t *testing.T) {
					c := newCluster(t)
					c.topics(2, "lines", "counts")
					cfg := c.config("leak")
					cfg.Guarantee, cfg.Threads = g, 2
					var fails failures
					if end == "a refused start" {
						c.topics(3, "leak-words-repartition")
						c.run(fails.wordCount(t), cfg).failure()
						return
					}
					a := c.run(fails.wordCount(t), cfg)
					c.produce("lines", "a b a")
					a.caughtUp()
					if end == "a clean stop" {
						a.stop()
						return
					}
					fails.next.Store(true)
					c.produce("lines", "a")
					a.failure()
				})
				for end := time.Now().Add(patience); ; runtime.Gosched() {
					left := goroutines()
					if len(left) <= before {
						return
					}
					if time.Now().After(end) {
						t.Fatalf("left behind:\n%s", strings.Join(left, "\n\n"))
					}
				}
			})
		}
	}
}
