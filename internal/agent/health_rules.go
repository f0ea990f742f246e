package agent

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/expression"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/policy"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// The reasons of health that an expression of spec.health decides, or cannot decide.
const (
	reasonHealthRule       = "HealthRule"
	reasonHealthRuleFailed = "HealthRuleFailed"
)

// maxShown bounds what a message shows of an expression or an error, in bytes.
const maxShown = 200

// healthRule is an entry of spec.health with expressions, compiled.
type healthRule struct {
	place string // "spec.health[2]"
	check v1alpha1.HealthCheck
	asks  []question
}

// question is one expression with what it means when it is true.
type question struct {
	field   string
	program *expression.Program
	status  state.HealthStatus
}

// assessor makes of spec.health what a target asks first how an object is doing (see target.Query.Assess): nil when there are no
// expressions. An entry is about the objects that its group, kind, namespace and name match; what is left out matches everything, so that
// a kind without a group is that kind of every group. Where several entries are about one object, the worst of what they say holds. The
// error tells of every expression that cannot be compiled, by its place.
func assessor(checks []v1alpha1.HealthCheck) (func(id state.ID, content func() map[string]any) (state.Health, bool), error) {
	var rules []healthRule
	var errs []error
	for i, check := range checks {
		rule, err := compileHealth(fmt.Sprintf("spec.health[%d]", i), check)
		errs = append(errs, err)
		if len(rule.asks) > 0 {
			rules = append(rules, rule)
		}
	}
	if err := errors.Join(errs...); err != nil || len(rules) == 0 {
		return nil, err
	}
	return func(id state.ID, content func() map[string]any) (state.Health, bool) {
		return assess(rules, id, content)
	}, nil
}

// compileHealth compiles the expressions of an entry, in the order in which they are asked.
func compileHealth(place string, check v1alpha1.HealthCheck) (healthRule, error) {
	rule := healthRule{place: place, check: check}
	var errs []error
	for _, one := range []struct {
		field, source string
		status        state.HealthStatus
	}{
		{"failed", check.Failed, state.Degraded},
		{"progressing", check.Progressing, state.Progressing},
		{"healthy", check.Healthy, state.Healthy},
	} {
		if one.source == "" {
			continue
		}
		program, err := expression.Health(one.source)
		if err != nil {
			errs = append(errs, fault.Wrap(fault.Invalid, "compile", place+"."+one.field, err))
			continue
		}
		rule.asks = append(rule.asks, question{one.field, program, one.status})
	}
	return rule, errors.Join(errs...)
}

// assess asks all rules that are about an object; false when none of them says anything. The content is read once, and only if one asks.
func assess(rules []healthRule, id state.ID, content func() map[string]any) (state.Health, bool) {
	var worst state.Health
	var variables map[string]any
	said := false
	for _, rule := range rules {
		if !rule.matches(id) {
			continue
		}
		if variables == nil {
			object := content()
			if object == nil {
				return state.Health{}, false
			}
			variables = map[string]any{"object": object}
		}
		if health, ok := rule.ask(variables); ok && (!said || health.Worse(worst)) {
			worst, said = health, true
		}
	}
	return worst, said
}

func (r healthRule) matches(id state.ID) bool {
	return selects(r.check.Group, id.Group) && selects(r.check.Kind, id.Kind) &&
		selects(r.check.Namespace, id.Namespace) && selects(r.check.Name, id.Name)
}

// ask gives what the first expression that is true says. None: an object that healthy was asked of is on its way, any other is left to the
// target. An expression without a value (it reads a field that is not there) is not true; when none of them has one, nothing was said about
// the object at all, and it waits with the reason: a field that the object's controller sets may come.
func (r healthRule) ask(variables map[string]any) (state.Health, bool) {
	var first error
	valued := false
	for _, asked := range r.asks {
		holds, err := asked.program.Holds(variables)
		switch {
		case err == nil && holds:
			return r.says(asked, asked.status, "is true"), true
		case err == nil:
			valued = true
		case first == nil:
			first = cmp.Or(errors.Unwrap(err), err) // that an expression was evaluated goes without saying
		}
	}
	last := r.asks[len(r.asks)-1]
	switch {
	case !valued:
		message := fmt.Sprintf("%s of the Sync says nothing: %s", r.place, shown(first.Error()))
		return state.Health{Status: state.Progressing, Reason: reasonHealthRuleFailed, Message: message}, true
	case last.status == state.Healthy:
		return r.says(last, state.Progressing, "is not true"), true
	}
	return state.Health{}, false
}

// says gives health with the expression that it comes from.
func (r healthRule) says(asked question, status state.HealthStatus, outcome string) state.Health {
	return state.Health{Status: status, Reason: reasonHealthRule,
		Message: fmt.Sprintf("by %s of the Sync: %s %s: %s", r.place, asked.field, outcome, shown(asked.program.String()))}
}

// shown gives a text on one line, cut where it gets too long for a message.
func shown(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxShown {
		text = strings.ToValidUTF8(text[:maxShown], "") + "…"
	}
	return text
}

// selects says whether a word fits a pattern, in which "*" stands for any part of it; an empty pattern fits everything.
func selects(pattern, word string) bool { return pattern == "" || policy.Matches(pattern, word) }
