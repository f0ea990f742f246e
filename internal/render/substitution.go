package render

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render/placeholder"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// The bounds of a substitution.
const (
	// maxSubstituteErrors is the number of errors that are told at once.
	maxSubstituteErrors = 50
	// maxSubstituted is what objects with variables may hold together, in bytes.
	maxSubstituted = 256 << 20
)

// substitute puts values in the place of variables, where the request says so. An object that holds none stays the one that it is. Whatever
// is wrong is told together: as faults of kind Invalid with the place of the variable, or those of the values' source.
func substitute(ctx context.Context, request Request, found []Found) ([]Found, error) {
	if request.How.Substitute == nil {
		return found, nil
	}
	values, err := valuesOf(ctx, request)
	if err != nil {
		return nil, err
	}
	s := substitution{values: values}
	out := make([]Found, len(found))
	for i, one := range found {
		if ctx.Err() != nil {
			return nil, fault.Wrap(fault.Transient, "substitute", request.Path, ctx.Err())
		}
		out[i] = s.one(one)
		if len(s.errs) >= maxSubstituteErrors || s.size > maxSubstituted {
			break
		}
	}
	if s.size > maxSubstituted {
		cause := fmt.Sprintf("the objects with their values are longer than %d MiB together", maxSubstituted>>20)
		s.errs = append(s.errs, fault.New(fault.Invalid, "substitute", request.Path, cause).WithHint("split it over several Syncs"))
	}
	return out, errors.Join(s.errs...)
}

// substitution is one that is going on.
type substitution struct {
	values map[string]placeholder.Value
	size   int
	errs   []error
}

func (s *substitution) one(found Found) Found {
	object := found.Object
	if !placeholder.Marked(object) || object.Annotation(v1alpha1.AnnotationSubstitute) == "disabled" {
		return found
	}
	outcome := placeholder.Object{
		Values: s.values, Quoted: found.Quoted, Most: maxSubstituteErrors - len(s.errs),
	}.In(object.Content())
	for _, problem := range outcome.Problems {
		where := strings.ReplaceAll(strings.TrimPrefix(problem.Pointer, "/"), "/", ".")
		s.errs = append(s.errs, fault.New(fault.Invalid, "substitute", place(found, problem.Pointer), where+": "+problem.Cause).
			WithHint(problem.Hint))
	}
	if len(outcome.Problems) > 0 {
		return found
	}
	made := state.NewObject(outcome.Content, object.Origin())
	if err := made.Check(); err != nil {
		s.errs = append(s.errs, fault.Wrap(fault.Invalid, "substitute", place(found, ""), err))
	}
	data, _ := made.MarshalJSON() // it was made of JSON
	s.size += len(data)
	found.Object = made.WithSecrets(append(moved(object.Secrets(), outcome.Renamed), outcome.Secrets...))
	return found
}

// place gives the file and line of a field, or the object where that is not known.
func place(found Found, pointer string) string {
	origin := found.Object.Origin()
	if found.Line != nil {
		if line := found.Line(pointer); line > 0 {
			origin.Line = line
		}
	}
	if at := origin.String(); at != "" {
		return at
	}
	return found.Object.ID().String()
}

// moved gives pointers to fields as they are after keys above them were renamed.
func moved(pointers []string, renamed map[string]string) []string {
	for i, pointer := range pointers {
		for end := len(pointer); end > 0; end = strings.LastIndexByte(pointer[:end], '/') {
			if now, ok := renamed[pointer[:end]]; ok {
				pointers[i] = now + pointer[end:]
				break
			}
		}
	}
	return pointers
}
