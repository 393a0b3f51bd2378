package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// root is the module's folder as seen from this package.
const root = "../.."

var (
	quoted = regexp.MustCompile("`([^`]+)`")
	file   = regexp.MustCompile(`^[a-z_/0-9]+\.go$`)
	member = regexp.MustCompile(`^([A-Za-z]+)\.([A-Za-z]+)$`)
	name   = regexp.MustCompile(`^[A-Za-z]+$`)
	folder = regexp.MustCompile(`^[a-z_/0-9]+$`)
)

// declared are the names of a Go file: functions, types, methods and fields as Type.name.
func declared(t *testing.T, path string) map[string]bool {
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	names := map[string]bool{}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				names[d.Name.Name] = true
				continue
			}
			names[receiver(d.Recv.List[0].Type)+"."+d.Name.Name] = true
		case *ast.GenDecl:
			for _, s := range d.Specs {
				if s, ok := s.(*ast.TypeSpec); ok {
					names[s.Name.Name] = true
					members(names, s)
				}
			}
		}
	}
	return names
}

func members(names map[string]bool, s *ast.TypeSpec) {
	var fields *ast.FieldList
	switch x := s.Type.(type) {
	case *ast.StructType:
		fields = x.Fields
	case *ast.InterfaceType:
		fields = x.Methods
	default:
		return
	}
	for _, f := range fields.List {
		for _, n := range f.Names {
			names[s.Name.Name+"."+n.Name] = true
		}
	}
}

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

// sources are the module's Go files by their path from the root, with what they declare.
func sources(t *testing.T) map[string]map[string]bool {
	out := map[string]map[string]bool{}
	for _, p := range packages(t) {
		for _, f := range p.GoFiles {
			path := strings.TrimPrefix(p.ImportPath, module) + "/" + f
			out[path] = declared(t, filepath.Join(root, path))
		}
	}
	return out
}

// Where the page says that something is in a file, it is in that file.
func TestTheArchitecturePageIsTrue(t *testing.T) {
	t.Parallel()
	files := sources(t)
	all, bases := map[string]bool{}, map[string]bool{}
	for path, names := range files {
		bases[filepath.Base(path)] = true
		for n := range names {
			all[n] = true
		}
	}
	for _, page := range []string{"docs/architecture.md", "docs/broker.md"} {
		text, err := os.ReadFile(filepath.Join(root, page))
		require.NoError(t, err)
		checked := 0
		for line := range strings.Lines(string(text)) {
			here := map[string]bool{} // what the files that the line names declare
			quotes := quoted.FindAllStringSubmatch(line, -1)
			for _, q := range quotes {
				switch path := q[1]; {
				case file.MatchString(path) && strings.Contains(path, "/"):
					_, err := os.Stat(filepath.Join(root, path))
					require.NoError(t, err, "%s: %s", page, line)
					for n := range files[path] {
						here[n] = true
					}
				case file.MatchString(path) && !strings.HasSuffix(path, "_test.go"):
					require.True(t, bases[path], "%s names %s, which is nowhere: %s", page, path, line)
				case folder.MatchString(path) && strings.Contains(path, "/"):
					_, err := os.Stat(filepath.Join(root, path))
					require.NoError(t, err, "%s: %s", page, line)
				}
			}
			for _, q := range quotes {
				m := member.FindStringSubmatch(q[1])
				switch {
				case len(here) > 0 && m != nil && all[m[0]]:
					require.True(t, here[m[0]] || strings.Contains(line, "called by `"+m[0]), "%s: %s is not in a file that the line names: %s", page, m[0], line)
				case len(here) > 0 && strings.HasPrefix(line, "| Where"):
					require.True(t, here[q[1]] || !name.MatchString(q[1]) && m == nil || folder.MatchString(q[1]) && strings.Contains(q[1], "/"),
						"%s: %s is not in a file that the line names: %s", page, q[1], line)
				case m != nil && page == "docs/architecture.md" && all[m[1]]:
					require.True(t, all[m[0]], "%s: no %s: %s", page, m[0], line)
				default:
					continue
				}
				checked++
			}
		}
		t.Logf("%s: %d names", page, checked)
		require.True(t, checked > 20 || page != "docs/architecture.md")
	}
}

// The pages' maps have every package.
func TestTheMapIsComplete(t *testing.T) {
	t.Parallel()
	var maps strings.Builder
	for _, page := range []string{"docs/architecture.md", "docs/broker.md"} {
		text, err := os.ReadFile(filepath.Join(root, page))
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "| `") {
				maps.WriteString(line)
			}
		}
	}
	for _, p := range packages(t) {
		path := strings.TrimPrefix(p.ImportPath, module)
		if under(path, "examples", "bench", "interop") {
			path, _, _ = strings.Cut(path, "/")
		}
		if slices.Equal(p.GoFiles, []string{"doc.go"}) {
			continue // tests only
		}
		require.True(t, strings.Contains(maps.String(), "`"+path+"`"), "package %s is in no map of docs/architecture.md or docs/broker.md: give it a row", path)
	}
}

// Where code speaks of a page, there is one.
func TestPagesThatTheCodeNamesAreThere(t *testing.T) {
	t.Parallel()
	page := regexp.MustCompile(`docs/[a-z0-9/-]+\.md`)
	for _, p := range packages(t) {
		for _, f := range p.GoFiles {
			path := filepath.Join(root, strings.TrimPrefix(p.ImportPath, module), f)
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			for _, named := range page.FindAllString(string(text), -1) {
				_, err := os.Stat(filepath.Join(root, named))
				require.NoError(t, err, "%s names it", path)
			}
		}
	}
}
