package jsonnet

import (
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-jsonnet"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render/confined"
)

// Evaluate is the evaluator of Jsonnet, for confined.Main.
func Evaluate(files *confined.Files, request []byte) ([]confined.Object, error) {
	var work program
	if err := json.Unmarshal(request, &work); err != nil {
		return nil, fault.Wrap(fault.Invalid, "read", "", err)
	}
	text, err := evaluate(files, work)
	if err != nil {
		return nil, err
	}
	return confined.Gather(work.File, []byte(text), nil)
}

// evaluate gives the value of a program as JSON.
func evaluate(files reader, work program) (string, error) {
	vm := jsonnet.MakeVM()
	vm.SetTraceOut(io.Discard)
	vm.Importer(&importer{files: files, libraries: work.Libraries, read: map[string]jsonnet.Contents{}})
	failure := &failure{}
	vm.ErrorFormatter = failure
	for _, one := range []struct {
		values     map[string]any
		text, code func(name, value string)
	}{{work.Variables, vm.ExtVar, vm.ExtCode}, {work.Arguments, vm.TLAVar, vm.TLACode}} {
		for name, value := range one.values {
			if text, ok := value.(string); ok {
				one.text(name, text)
				continue
			}
			code, err := json.Marshal(value) // every JSON is Jsonnet
			if err != nil {
				return "", fault.Wrap(fault.Invalid, "read", name, err)
			}
			one.code(name, string(code))
		}
	}
	text, err := vm.EvaluateFile(work.File)
	if err != nil {
		return "", failure.fault(work.File)
	}
	return text, nil
}

// failure catches an error before the library makes one text of it and its trace.
type failure struct{ err error }

// Format implements jsonnet.ErrorFormatter.
func (f *failure) Format(err error) string {
	f.err = err
	return err.Error()
}

// SetMaxStackTraceSize implements jsonnet.ErrorFormatter.
func (*failure) SetMaxStackTraceSize(int) {}

// SetColorFormatter implements jsonnet.ErrorFormatter.
func (*failure) SetColorFormatter(jsonnet.ColorFormatter) {}

// place is where the library says that a static error is: "file:line:column-column message", "file:(line:column)-(line:column) message".
var place = regexp.MustCompile(`^([^\s:][^:]*):\(?(\d+):\d+\)?(?:-\(?[\d:]+\)?)?\s+`)

// fault names the file and line of an error, with a hint where the text alone does not help.
func (f *failure) fault(file string) error {
	item, cause := file, "it cannot be evaluated"
	var running jsonnet.RuntimeError
	switch {
	case errors.As(f.err, &running):
		cause = strings.TrimPrefix(running.Msg, "RUNTIME ERROR: ")
		item = innermost(running.StackTrace, file)
	case f.err != nil:
		cause = strings.TrimPrefix(f.err.Error(), "STATIC ERROR: ")
		if match := place.FindStringSubmatch(cause); match != nil {
			item, cause = match[1]+":"+match[2], cause[len(match[0]):]
		}
	}
	return fault.New(fault.Invalid, "evaluate", item, cause).WithHint(hint(cause))
}

// innermost gives the last place of a program that led to an error; the standard library is none.
func innermost(trace []jsonnet.TraceFrame, file string) string {
	for _, frame := range slices.Backward(trace) {
		name := frame.Loc.FileName
		if name != "" && !strings.HasPrefix(name, "<") && frame.Loc.Begin.Line > 0 {
			return name + ":" + strconv.Itoa(frame.Loc.Begin.Line)
		}
	}
	return file
}

func hint(cause string) string {
	switch {
	case strings.Contains(cause, "max stack frames exceeded"):
		return "look for a function that calls itself without an end"
	case strings.Contains(cause, "Undefined external variable"):
		return "give it a value in spec.jsonnet.variables"
	case strings.Contains(cause, "issing argument"), strings.Contains(cause, "couldn't manifest function"):
		return "give the arguments of the function in spec.jsonnet.arguments"
	case strings.Contains(cause, "couldn't open import"):
		return "imports are looked for beside the importing file, in spec.jsonnet.libraries, and in vendor and lib"
	}
	return ""
}
