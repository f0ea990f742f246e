package setpoint_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A budget has a soft limit, which exceptions may pass with a reason, and a hard one, which nothing may.
type budget struct {
	what       string
	soft, hard int
}

var (
	fileBudget      = budget{"lines in a file", 400, 600}
	functionBudget  = budget{"lines in a function", 60, 100}
	parameterBudget = budget{"parameters", 4, 6}
)

// exceptions from soft budgets: "path" or "path:Function", and why it is better so. Those that are not needed any more must go.
var exceptions = map[string]string{}

// forbiddenFolders say nothing about what is in them, so everything ends up there.
var forbiddenFolders = []string{"util", "utils", "common", "types", "manager", "managers", "helper", "helpers", "misc", "shared", "base"}

// A file is one Go file of the module, parsed.
type file struct {
	path, dir string // relative to the root, with slashes
	syntax    *ast.File
	positions *token.FileSet
}

// tree gives all Go files of this module, without nested modules.
func tree(t *testing.T) []*file {
	t.Helper()
	files, err := parseTree()
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// product gives the files that are not tests.
func product(t *testing.T) []*file {
	t.Helper()
	return slices.DeleteFunc(slices.Clone(tree(t)), func(f *file) bool { return strings.HasSuffix(f.path, "_test.go") })
}

var parseTree = sync.OnceValues(func() ([]*file, error) {
	var files []*file
	positions := token.NewFileSet()
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if entry.IsDir() {
			return enter(name, entry.Name())
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		syntax, err := parser.ParseFile(positions, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files = append(files, &file{path: name, dir: path.Dir(name), syntax: syntax, positions: positions})
		return nil
	})
	return files, err
})

// enter skips what the go command skips.
func enter(name, base string) error {
	if name == "." {
		return nil
	}
	if base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return fs.SkipDir
	}
	if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

func (f *file) imports() []string {
	var imported []string
	for _, spec := range f.syntax.Imports {
		name, _ := strconv.Unquote(spec.Path.Value)
		imported = append(imported, name)
	}
	return imported
}

// at gives "path:line" of a node.
func (f *file) at(node ast.Node) string {
	return fmt.Sprintf("%s:%d", f.path, f.positions.Position(node.Pos()).Line)
}

func (f *file) lines(node ast.Node) int {
	return f.positions.Position(node.End()).Line - f.positions.Position(node.Pos()).Line + 1
}

// uses gives the places where names of a package of the standard library are used.
func (f *file) uses(pkg string, names []string) []string {
	var found []string
	ast.Inspect(f.syntax, func(node ast.Node) bool {
		if selector, ok := node.(*ast.SelectorExpr); ok {
			if x, ok := selector.X.(*ast.Ident); ok && x.Name == pkg && slices.Contains(names, selector.Sel.Name) {
				found = append(found, f.at(node)+": "+pkg+"."+selector.Sel.Name)
			}
		}
		return true
	})
	return found
}

func TestBudgets(t *testing.T) {
	used := map[string]bool{}
	check := func(b budget, name, place string, size int) {
		switch _, excepted := exceptions[name]; {
		case size > b.hard:
			t.Errorf("%s: %d %s, and %d is a stop", place, size, b.what, b.hard)
		case size > b.soft && excepted:
			used[name] = true
		case size > b.soft:
			t.Errorf("%s: %d %s, want at most %d", place, size, b.what, b.soft)
		}
	}
	for _, f := range product(t) {
		check(fileBudget, f.path, f.path, f.positions.File(f.syntax.FileStart).LineCount())
		for _, declaration := range f.syntax.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if !ok {
				continue
			}
			name, place := f.path+":"+function.Name.Name, f.at(function)+" "+function.Name.Name
			check(functionBudget, name, place, f.lines(function))
			check(parameterBudget, name, place, function.Type.Params.NumFields())
		}
	}
	for name := range exceptions {
		if !used[name] {
			t.Errorf("%s is excepted from a budget that it keeps", name)
		}
	}
}

func TestOnePackageComment(t *testing.T) {
	comments := map[string][]string{}
	for _, f := range product(t) {
		if f.syntax.Doc != nil {
			comments[f.dir] = append(comments[f.dir], f.path)
		} else if comments[f.dir] == nil {
			comments[f.dir] = []string{}
		}
	}
	for dir, files := range comments {
		if len(files) != 1 {
			t.Errorf("%s has %d package comments, want one: %s", dir, len(files), strings.Join(files, ", "))
		}
	}
}

func TestExportedNamesAreDocumented(t *testing.T) {
	for _, f := range product(t) {
		for _, declaration := range f.syntax.Decls {
			switch d := declaration.(type) {
			case *ast.FuncDecl:
				if d.Doc == nil && d.Name.IsExported() && receiverExported(d) {
					t.Errorf("%s: %s has no comment", f.at(d), d.Name.Name)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if name := undocumented(d, spec); name != "" {
						t.Errorf("%s: %s has no comment", f.at(spec), name)
					}
				}
			}
		}
	}
}

// receiverExported says whether a function's documentation is shown: a method's is, when its type's is.
func receiverExported(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	exported := false
	ast.Inspect(d.Recv.List[0].Type, func(node ast.Node) bool {
		if name, ok := node.(*ast.Ident); ok {
			exported = exported || name.IsExported()
		}
		return true
	})
	return exported
}

// undocumented gives the exported name of a declaration that nothing is said about, neither above it, beside it, nor above its group.
func undocumented(group *ast.GenDecl, spec ast.Spec) string {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() && s.Doc == nil && s.Comment == nil && group.Doc == nil {
			return s.Name.Name
		}
	case *ast.ValueSpec:
		if s.Names[0].IsExported() && s.Doc == nil && s.Comment == nil && group.Doc == nil {
			return s.Names[0].Name
		}
	}
	return ""
}

func TestFolderNames(t *testing.T) {
	for _, f := range tree(t) {
		for part := range strings.SplitSeq(f.dir, "/") {
			if slices.Contains(forbiddenFolders, part) {
				t.Errorf("%s: %q says nothing: name the folder after what it does", f.path, part)
			}
		}
	}
}
