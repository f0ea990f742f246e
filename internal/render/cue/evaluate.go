package cue

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/cuecontext"
	cueerrors "cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/load"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render/confined"
)

// Evaluate is the evaluator of CUE, for confined.Main.
func Evaluate(files *confined.Files, request []byte) ([]confined.Object, error) {
	var work program
	if err := json.Unmarshal(request, &work); err != nil {
		return nil, fault.Wrap(fault.Invalid, "read", "", err)
	}
	value, err := evaluate(files, work)
	if err != nil {
		return nil, faults(work, err)
	}
	if err := value.Validate(cue.Concrete(true), cue.Final()); err != nil {
		return nil, faults(work, err)
	}
	text, err := value.MarshalJSON()
	if err != nil {
		return nil, faults(work, err)
	}
	return confined.Gather(work.at(), text, func(path []any) (string, int) { return origin(value.LookupPath(selectors(path))) })
}

// evaluate gives the value of a package or file, or of an expression in it.
func evaluate(files fs.FS, work program) (cue.Value, error) {
	instance, err := loaded(files, work)
	if err != nil {
		return cue.Value{}, err
	}
	cuectx := cuecontext.New()
	value := cuectx.BuildInstance(instance)
	if err := value.Err(); err != nil {
		return value, err
	}
	if work.Expression == "" {
		return value, nil
	}
	expression, err := parser.ParseExpr("spec.cue.expression", work.Expression)
	if err != nil {
		return value, err
	}
	value = cuectx.BuildExpr(expression, cue.Scope(value), cue.InferBuiltins(true))
	return value, value.Err()
}

// loaded gives the one package that a directory holds, or a file.
func loaded(files fs.FS, work program) (*build.Instance, error) {
	packages, err := packagesOf(files, work.Dir)
	if err != nil {
		return nil, err
	}
	config := &load.Config{
		Context: packages.context, SkipImports: true,
		FS: files, FromFSPath: func(name string) string { return strings.TrimPrefix(name, "/") },
		Dir: "/" + strings.TrimPrefix(work.Dir, "."), Package: "*",
		Env: []string{}, Stdin: strings.NewReader(""),
	}
	for _, name := range slices.Sorted(maps.Keys(work.Tags)) {
		config.Tags = append(config.Tags, name+"="+work.Tags[name])
	}
	arguments := []string{"."}
	if work.File != "" {
		config.Package, arguments = "", []string{"./" + work.File}
	}
	instances := load.Instances(arguments, config)
	if of := slices.DeleteFunc(slices.Clone(instances), isOfOthers); len(of) > 0 {
		instances = of
	}
	var names []string
	for _, instance := range instances {
		if instance.Err != nil {
			return nil, instance.Err
		}
		names = append(names, instance.PkgName)
	}
	if len(instances) != 1 {
		slices.Sort(names)
		return nil, fault.New(fault.Invalid, "read", work.at(), "it holds several packages: "+strings.Join(names, ", ")).
			WithHint("keep one package in a directory, or name a file in spec.path")
	}
	return instances[0], nil
}

// isOfOthers says whether what was loaded is but the files of a directory that are not in CUE: a README, a Makefile.
func isOfOthers(instance *build.Instance) bool {
	return instance.PkgName == "_" && len(instance.BuildFiles) == 0 && len(instance.OrphanedFiles)+len(instance.UnknownFiles) > 0
}

// selectors makes a path of what leads to an object.
func selectors(parts []any) cue.Path {
	all := make([]cue.Selector, len(parts))
	for i, part := range parts {
		switch p := part.(type) {
		case int:
			all[i] = cue.Index(p)
		case string:
			all[i] = cue.Str(p)
		}
	}
	return cue.MakePath(all...)
}

// origin gives the first place that declares a value, in the order of files and lines: that of its kind, when it is there, as the value
// itself may be made of many.
func origin(value cue.Value) (string, int) {
	for _, at := range []cue.Value{value.LookupPath(cue.ParsePath("kind")), value} {
		if pos := at.Pos(); pos.IsValid() {
			return clean(pos), pos.Line()
		}
	}
	return "", 0
}

func clean(pos token.Pos) string { return strings.TrimPrefix(pos.Filename(), "/") }

// most is how many errors are told: the others are often the same mistake seen again.
const most = 10

// faults gives each error of the library with file and line.
func faults(work program, err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	var all []error
	for _, one := range cueerrors.Errors(cueerrors.Sanitize(cueerrors.Promote(err, ""))) {
		item := work.at()
		for _, pos := range cueerrors.Positions(one) {
			if pos.IsValid() && pos.Filename() != "" {
				item = fmt.Sprintf("%s:%d", clean(pos), pos.Line())
				break
			}
		}
		cause := strings.Join(strings.Fields(one.Error()), " ")
		if all = append(all, fault.New(fault.Invalid, "evaluate", item, cause).WithHint(hint(cause))); len(all) == most {
			break
		}
	}
	return errors.Join(all...)
}

func hint(cause string) string {
	switch {
	case strings.Contains(cause, "cannot find package"):
		return "nothing is fetched while rendering: keep the packages of other modules in the source, under cue.mod/pkg"
	case strings.Contains(cause, "embed"):
		return "write the content in CUE: files are not embedded while rendering"
	case strings.Contains(cause, "incomplete value"), strings.Contains(cause, "non-concrete"):
		return "give it a value: in the package, or by spec.cue.tags; a definition (#Name) or hidden field (_name) may stay open"
	case strings.Contains(cause, "no tag for"):
		return "look at spec.cue.tags"
	}
	return ""
}
