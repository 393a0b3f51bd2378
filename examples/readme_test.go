// Package examples_test keeps the README honest: its programs are compiled and run.
package examples_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace-go/millrace/broker"
	"github.com/millrace-go/millrace/examples/internal/demo/demotest"
	"github.com/millrace-go/millrace/serde"
)

var block = regexp.MustCompile("(?s)```go\n(.*?)```")

// programs are the Go programs of the README: the application, its test, the embedded broker.
func programs(t *testing.T) []string {
	text, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	var out []string
	for _, m := range block.FindAllSubmatch(text, -1) {
		out = append(out, string(m[1]))
	}
	require.Len(t, out, 3)
	return out
}

// source writes a program where the go command finds it: outside of the module, like a user's.
func source(t *testing.T, name, text string) string {
	file := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func run(t *testing.T, name string, args ...string) string {
	out, err := exec.Command(name, args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

func TestTheProgramCountsWords(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	program := filepath.Join(t.TempDir(), "program")
	run(t, "go", "build", "-o", program, source(t, "main.go", programs(t)[0]))

	b, err := broker.Start(broker.Config{Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	defer b.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Seeds()...), kgo.ConsumeTopics("counts"), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(100*time.Millisecond))
	require.NoError(t, err)
	defer cl.Close()
	_, err = kadm.NewClient(cl).CreateTopics(ctx, 2, 1, nil, "lines", "counts")
	require.NoError(t, err)
	require.NoError(t, cl.ProduceSync(ctx, &kgo.Record{Topic: "lines", Value: []byte("to be or not to be")}).FirstErr())

	c := demotest.Start(t, "", program, b.Seeds()...)
	counts := map[string]int64{}
	for len(counts) < 4 || counts["to"] < 2 || counts["be"] < 2 {
		fs := cl.PollFetches(ctx)
		require.NoError(t, fs.Err(), c.Errors())
		for r := range fs.RecordsAll() {
			counts[string(r.Key)], err = serde.Int64.Decode(r.Value)
			require.NoError(t, err)
		}
	}
	require.Equal(t, map[string]int64{"to": 2, "be": 2, "or": 1, "not": 1}, counts)
	c.Interrupt()
	require.Zero(t, c.Code(), c.Errors())
}

func TestItsTestPasses(t *testing.T) {
	t.Parallel()
	require.Contains(t, run(t, "go", "test", "-v", source(t, "main_test.go", programs(t)[1])), "PASS: TestWordsAreCounted")
}

func TestTheBrokerIsAnOrdinaryValue(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "program")
	text := strings.Replace(programs(t)[2], "127.0.0.1:9092", "127.0.0.1:0", 1)
	run(t, "go", "build", "-o", program, source(t, "main.go", text))
	cmd := exec.Command(program)
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "127.0.0.1:")
	require.DirExists(t, filepath.Join(cmd.Dir, "data/broker"))
}

// Every relative link of the documents that a visitor reads first leads somewhere.
func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)#:]+)\)`)
	for _, name := range []string{"README.md", "CONTRIBUTING.md", "CHANGELOG.md"} {
		text, err := os.ReadFile(filepath.Join("..", name))
		require.NoError(t, err)
		for _, m := range link.FindAllSubmatch(text, -1) {
			_, err := os.Stat(filepath.Join("..", string(m[1])))
			require.NoError(t, err, "%s links to %s", name, m[1])
		}
	}
}
