// Package archtest enforces the import rules: imports go one way, and heavy dependencies sit in few packages.
package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/millrace-go/millrace/"

// lines are the two import lines, lowest first: a package may import those to its left, and packages below its own prefix.
var lines = [][]string{
	{"serde", "window", "state", "topology", "streams/internal", "streams", "streams/streamstest", "examples"},
	{"broker/internal", "broker", "examples"},
}

// tops may import everything and are imported by nothing but each other and tests.
var tops = []string{"examples", "cmd", "console", "bench"}

// only says where a heavy dependency may be imported by code that is not a test.
var only = map[string][]string{
	"github.com/cockroachdb/pebble/v2":  {"state", "broker"},
	"github.com/twmb/franz-go/pkg/kgo":  {"streams/internal", "streams", "cmd", "examples", "bench"},
	"github.com/twmb/franz-go/pkg/kadm": {"streams/internal", "cmd", "examples", "bench"},
}

// pure packages have no goroutine, clock, file or socket: these imports are refused.
var pure = map[string][]string{
	"serde":                     {"os", "net", "io/fs", "net/http"},
	"window":                    {"os", "net", "io/fs", "net/http"},
	"topology":                  {"os", "net", "io/fs", "net/http", "sync"},
	"broker/internal/group":     {"os", "net", "io/fs", "sync"},
	"broker/internal/txn":       {"os", "net", "io/fs", "sync"},
	"streams/internal/assignor": {"os", "net", "io/fs", "sync"},
}

type pkg struct {
	ImportPath string
	Imports    []string
	Dir        string
	GoFiles    []string
}

func packages(t *testing.T) []pkg {
	out, err := exec.Command("go", "list", "-json", module+"...").Output()
	require.NoError(t, err)
	var ps []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return ps
		}
		require.NoError(t, err)
		ps = append(ps, p)
	}
}

// under says whether the package path (without the module) lies in one of the folders.
func under(path string, folders ...string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return path == f || strings.HasPrefix(path, f+"/") })
}

// rank is a package's place in a line, by its longest matching folder; -1 if it has none.
func rank(line []string, path string) int {
	best, length := -1, 0
	for i, f := range line {
		if under(path, f) && len(f) > length {
			best, length = i, len(f)
		}
	}
	return best
}

func TestImportsGoOneWay(t *testing.T) {
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		for _, imp := range p.Imports {
			to, ours := strings.CutPrefix(imp, module)
			if !ours || under(from, tops...) {
				continue
			}
			if under(to, tops...) {
				t.Errorf("%s imports %s: nothing imports it", from, to)
			}
			ok := under(to, "internal")
			for _, line := range lines {
				f, o := rank(line, from), rank(line, to)
				ok = ok || f >= 0 && o >= 0 && (o < f || o == f && line[f] != from)
			}
			// The test driver may run on the embedded broker.
			ok = ok || from == "streams/streamstest" && to == "broker"
			if !ok {
				t.Errorf("%s imports %s: imports go one way, see docs/architecture.md", from, to)
			}
		}
	}
}

func TestHeavyDependenciesHaveTheirPlace(t *testing.T) {
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		for _, imp := range p.Imports {
			for dep, folders := range only {
				if (imp == dep || strings.HasPrefix(imp, dep+"/")) && !under(from, folders...) {
					t.Errorf("%s imports %s: only %v may", from, imp, folders)
				}
			}
		}
	}
}

func TestPureCoresStayPure(t *testing.T) {
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		for _, imp := range p.Imports {
			if slices.Contains(pure[from], imp) {
				t.Errorf("%s imports %s: its time, files and sockets come in through its arguments", from, imp)
			}
		}
	}
}
