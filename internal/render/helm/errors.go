package helm

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// explain makes an error of templates one that names the template and its line, in the paths of the artifact. Name is that of the template
// file that was being read or executed; "" when nobody knows.
func (j *job) explain(ctx context.Context, name string, err error) error {
	if stopped(err) || ctx.Err() != nil {
		return fault.Wrap(fault.Transient, "render", j.chart, context.Cause(ctx))
	}
	places, message := unwind(err.Error())
	at := j.chart
	if name != "" {
		at = j.source(name)
	}
	if len(places) > 0 {
		at = j.source(places[len(places)-1])
	}
	var chart said
	var bound refusal
	var asked outside
	switch {
	case errors.As(err, &asked):
		return &fault.Error{Op: "render", Item: at, Kind: fault.KindOf(asked.err), Err: asked.err}
	case errors.As(err, &bound):
		return fault.New(fault.Invalid, "render", at, bound.cause).WithHint(refusalHint)
	case errors.As(err, &chart):
		return fault.New(fault.Invalid, "render", at, "the chart says: "+j.quoted(chart.message))
	}
	cause := j.quoted(message)
	if first := j.source(name); len(places) > 1 && name != "" && !strings.HasPrefix(at, first+":") {
		cause += fmt.Sprintf(" (used by %s)", j.source(places[0]))
	}
	return fault.New(fault.Invalid, "render", at, cause)
}

// step is one place in an error of text/template: "template: podinfo/templates/x.yaml:3:5: executing "x" at <.Values.a>: ".
var step = regexp.MustCompile(`template: ([^\s:]+):(\d+)(?::\d+)?: (?:executing "[^"]*" at <((?:[^>]|>[^:])*)>: )?(?:error calling \w+: )?`)

// unwind gives the places that an error of templates names, outermost first, as "podinfo/templates/x.yaml:3", and what is wrong at the
// last. Texts given to tpl have no place of their own.
func unwind(text string) (places []string, message string) {
	end := 0
	within := ""
	for _, match := range step.FindAllStringSubmatchIndex(text, -1) {
		end = match[1]
		if file := text[match[2]:match[3]]; file != "gotpl" {
			places = append(places, file+":"+text[match[4]:match[5]])
		}
		if within = ""; match[6] >= 0 {
			within, _, _ = strings.Cut(text[match[6]:match[7]], " | setpoint")
		}
	}
	message = strings.TrimPrefix(text[end:], "in the text given to tpl: ")
	if within != "" && within != "." {
		message = within + ": " + message
	}
	return places, message
}
