package streams_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// verbsOf are the exported methods of the DSL's handles that are wanted, as Type.Method.
func verbsOf(t *testing.T, wanted func(*ast.FuncDecl) bool) map[string]bool {
	handles := map[string]bool{}
	for _, name := range []string{"Builder", "Stream", "Splitter", "GroupedStream", "WindowedStream", "SessionWindowedStream", "CogroupedStream", "CogroupedWindowedStream",
		"CogroupedSessionWindowedStream", "Table", "GlobalTable", "GroupedTable"} {
		handles[name] = true
	}
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	verbs := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range f.Decls {
			m, ok := d.(*ast.FuncDecl)
			if !ok || m.Recv == nil || !m.Name.IsExported() || !wanted(m) {
				continue
			}
			if on := receiver(m.Recv.List[0].Type); handles[on] {
				verbs[on+"."+m.Name.Name] = true
			}
		}
	}
	return verbs
}

// receiver is the name of a method's type.
func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

var (
	quoted    = regexp.MustCompile("`([^`]+)`")
	qualified = regexp.MustCompile(`^([A-Z]\w*)\.([A-Z]\w*)$`)
	goBlock   = regexp.MustCompile("(?s)```go\n(.*?)```")
)

// TestThePageOfTheDSLIsTrue holds docs/dsl.md to the code: every verb has a row, every row's verbs are there, every row has an example, every example
// exists, every block of code is part of a test.
func TestThePageOfTheDSLIsTrue(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/dsl.md")
	require.NoError(t, err)
	page := string(text)
	files, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	var tests strings.Builder
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		tests.Write(b)
	}

	verbs := verbsOf(t, func(*ast.FuncDecl) bool { return true })
	require.Greater(t, len(verbs), 100, "the verbs are found")
	told := map[string]bool{}
	for _, line := range strings.Split(page, "\n") {
		columns := strings.Split(line, "|")
		if len(columns) < 7 || !strings.Contains(columns[1], "`") || !qualified.MatchString(quoted.FindStringSubmatch(columns[1])[1]) {
			continue
		}
		on := ""
		for _, q := range quoted.FindAllStringSubmatch(columns[1], -1) {
			name := q[1]
			if m := qualified.FindStringSubmatch(name); m != nil {
				on = m[1]
			} else {
				name = on + "." + name
			}
			require.True(t, verbs[name], "the page has a row for %s, which is not there", name)
			told[name] = true
		}
		require.Contains(t, line, "`Example", "a row without an example: %s", columns[1])
	}
	for name := range verbs {
		on, method, _ := strings.Cut(name, ".")
		plain := on + "." + strings.TrimPrefix(method, "Try")
		if !told[name] && !told[plain] {
			require.Contains(t, page, "`"+method+"`", "%s is not on the page", name)
		}
		if strings.HasPrefix(method, "Try") {
			require.Contains(t, tests.String(), "func Example"+on+"_"+method+"(", "a Try form without an example of its own")
		}
	}
	for _, q := range quoted.FindAllStringSubmatch(page, -1) {
		if strings.HasPrefix(q[1], "Example") {
			require.Contains(t, tests.String(), "func "+q[1]+"(", "the page names an example that is not there")
		}
	}
	blocks := goBlock.FindAllStringSubmatch(page, -1)
	require.NotEmpty(t, blocks)
	for _, b := range blocks {
		require.Contains(t, tests.String(), strings.TrimSuffix(b[1], "\n"), "a block of the page is part of no test")
	}
}
