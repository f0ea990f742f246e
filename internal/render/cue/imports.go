package cue

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	cueerrors "cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"
	"cuelang.org/go/mod/modfile"
)

// packages finds what a package imports: other packages of its module, and what lies below cue.mod in gen, pkg and usr. The library's own
// loader would go to registries, and finds nothing below cue.mod in a file system that is not the machine's.
type packages struct {
	files   fs.FS
	root    string // of the module
	module  string // its name, without a version; "" when there is no module
	context *build.Context
	open    []string // the imports that are being loaded, each by the one before
}

// packagesOf prepares for the packages that those in a directory import.
func packagesOf(files fs.FS, dir string) (*packages, error) {
	p := &packages{files: files}
	p.context = build.NewContext(build.Loader(p.load))
	for p.root = dir; ; p.root = path.Dir(p.root) {
		name := path.Join(p.root, "cue.mod", "module.cue")
		data, err := fs.ReadFile(files, name)
		if errors.Is(err, fs.ErrNotExist) && p.root != "." {
			continue
		}
		if err == nil {
			var parsed *modfile.File
			if parsed, err = modfile.ParseNonStrict(data, name); err == nil {
				p.module = ast.ParseImportPath(parsed.QualifiedModule()).Path
			}
		} else if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return p, err
	}
}

// load implements build.LoadFunc: it gives nil for what is part of CUE itself.
func (p *packages) load(pos token.Pos, imported string) *build.Instance {
	name := ast.ParseImportPath(imported)
	if first, _, _ := strings.Cut(name.Path, "/"); !strings.Contains(first, ".") && !p.own(name.Path) {
		return nil
	}
	instance := p.context.NewInstance(name.Path, p.load)
	instance.ImportPath, instance.DisplayPath, instance.PkgName = imported, imported, name.Qualifier
	fail := func(format string, args ...any) *build.Instance {
		instance.Err = cueerrors.Newf(pos, format, args...)
		return instance
	}
	switch {
	case strings.HasPrefix(imported, "."):
		return fail("relative import paths are not allowed: %q", imported)
	case slices.Contains(p.open, imported):
		return fail("import cycle: %s", strings.Join(append(p.open, imported), " → "))
	}
	p.open = append(p.open, imported)
	defer func() { p.open = p.open[:len(p.open)-1] }()
	for _, dir := range p.dirs(name.Path) {
		if err := p.add(instance, dir); err != nil {
			return fail("%s", err)
		}
	}
	if len(instance.Files) == 0 {
		return fail("cannot find package %q", imported)
	}
	_ = instance.Complete() // its error is in the instance
	return instance
}

func (p *packages) own(name string) bool {
	return p.module != "" && (name == p.module || strings.HasPrefix(name, p.module+"/"))
}

// dirs are those whose files make a package: its own and those above in the module, or those below cue.mod.
func (p *packages) dirs(name string) []string {
	var all []string
	if p.own(name) {
		dir := path.Join(p.root, strings.TrimPrefix(name, p.module))
		for ; dir != p.root; dir = path.Dir(dir) {
			all = append(all, dir)
		}
		slices.Reverse(all)
		return append([]string{p.root}, all...)
	}
	for _, kind := range []string{"gen", "pkg", "usr"} {
		all = append(all, path.Join(p.root, "cue.mod", kind, name))
	}
	return all
}

// add adds the files of a directory that are of the package.
func (p *packages) add(instance *build.Instance, dir string) error {
	entries, err := fs.ReadDir(p.files, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	for _, entry := range entries {
		name := path.Join(dir, entry.Name())
		if entry.IsDir() || !isPart(entry.Name()) {
			continue
		}
		data, err := fs.ReadFile(p.files, name)
		if err != nil {
			return err
		}
		if err := p.addFile(instance, name, data); err != nil {
			return err
		}
	}
	return nil
}

// isPart says whether a file may belong to a package that is imported, by its name, as CUE has it.
func isPart(name string) bool {
	return strings.HasSuffix(name, ".cue") && !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "_") &&
		!strings.HasSuffix(name, "_tool.cue") && !strings.HasSuffix(name, "_test.cue")
}

func (p *packages) addFile(instance *build.Instance, name string, data []byte) error {
	file, err := parser.ParseFile("/"+name, data, parser.ParseComments)
	if err != nil {
		return err
	}
	switch {
	case file.PackageName() != instance.PkgName:
	case conditional(file, "ignore"):
	case conditional(file, "if"):
		return fmt.Errorf("%s: @if is not read in a package that is imported", name)
	default:
		return instance.AddSyntax(file)
	}
	return nil
}

// conditional says whether a file begins with an attribute that decides whether it is part of its package.
func conditional(file *ast.File, name string) bool {
	return slices.ContainsFunc(file.Preamble(), func(decl ast.Decl) bool {
		attribute, ok := decl.(*ast.Attribute)
		if !ok {
			return false
		}
		key, _ := attribute.Split()
		return key == name
	})
}
