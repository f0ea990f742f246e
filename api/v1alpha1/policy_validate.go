package v1alpha1

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/setpoint-dev/setpoint/internal/expression"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/window"
)

// Validate says what is wrong with the values of a Policy; see Source.Validate.
func (p *Policy) Validate() error {
	return asError(p.violations(), state.ID{Group: Group, Kind: KindPolicy, Name: p.Metadata.Name})
}

func (p *Policy) violations() []violation {
	var c checks
	c.name(p.Metadata.Name)
	c.constraints(&p.Spec)
	return c
}

// control checks what bounds a Sync, and what tells how it is doing.
func (c *checks) control(s *Sync) {
	spec := &s.Spec
	c.word("/spec/rollback", spec.Rollback, wordsRollback...)
	for i := range spec.Health {
		c.health(s, &spec.Health[i], fmt.Sprintf("/spec/health/%d", i))
	}
	c.word("/spec/guards/massDeletion", spec.Guards.MassDeletion, wordsMass...)
	c.each("/spec/guards/protected", spec.Guards.Protected, groupKinds)
	c.each("/spec/policies", spec.Policies, pattern{form: formName, want: "the name of a Policy"})
	c.unique("/spec/policies", spec.Policies)
	c.constraints(&spec.Constraints)
}

func (c *checks) constraints(s *Constraints) {
	c.word("/spec/approval", s.Approval, wordsApproval...)
	for i := range s.Windows {
		c.window(&s.Windows[i], fmt.Sprintf("/spec/windows/%d", i))
	}
	names := make([]string, len(s.Rules))
	for i := range s.Rules {
		names[i] = s.Rules[i].Name
		c.rule(&s.Rules[i], fmt.Sprintf("/spec/rules/%d", i))
	}
	for i, earlier := range repeated(names) {
		c.add(fmt.Sprintf("/spec/rules/%d/name", i), fmt.Sprintf("%q is the name of rules[%d] too", names[i], earlier),
			"give each rule a name of its own")
	}
	if s.Allowed != nil {
		c.allowed(s.Allowed, "/spec/allowed")
	}
	if s.Verify != nil {
		c.verification(s.Verify, "/spec/verify")
	}
}

func (c *checks) window(w *Window, at string) {
	c.required(at+"/kind", w.Kind)
	c.word(at+"/kind", w.Kind, wordsWindow...)
	c.word(at+"/repairs", w.Repairs, wordsRepairs...)
	c.required(at+"/schedule", w.Schedule)
	if w.Duration == 0 {
		c.add(at+"/duration", "is missing", "")
	}
	if w.Schedule != "" && w.Duration != 0 {
		c.span(w, at)
	}
}

// span has a window parsed. Where that fails, it is parsed again with one field at a time beside others that are right, to see which
// field it is.
func (c *checks) span(w *Window, at string) {
	const daily, hour = "@daily", time.Hour
	_, err := window.Parse(w.Schedule, time.Duration(w.Duration), w.TimeZone)
	if err == nil {
		return
	}
	found := len(*c)
	_, schedule := window.Parse(w.Schedule, hour, DefaultTimeZone)
	_, duration := window.Parse(daily, time.Duration(w.Duration), DefaultTimeZone)
	_, zone := window.Parse(daily, hour, w.TimeZone)
	c.failed(at+"/schedule", schedule)
	c.failed(at+"/duration", duration)
	c.failed(at+"/timeZone", zone)
	if len(*c) == found {
		c.failed(at, err)
	}
}

func (c *checks) rule(r *Rule, at string) {
	c.required(at+"/name", r.Name)
	c.form(at+"/name", r.Name, formName, "a DNS label: at most 63 of a-z, 0-9 and -")
	c.match(&r.Match, at+"/match")
	c.required(at+"/expression", r.Expression)
	c.compiled(at+"/expression", r.Expression, expression.Rule)
	c.word(at+"/outcome", r.Outcome, wordsOutcome...)
}

func (c *checks) match(m *Match, at string) {
	if m.Ops != nil && len(m.Ops) == 0 {
		c.add(at+"/ops", "is empty", "name at least one of "+listed(wordsOps)+", or remove the line")
	}
	for i, op := range m.Ops {
		c.word(fmt.Sprintf("%s/ops/%d", at, i), op, wordsOps...)
		c.required(fmt.Sprintf("%s/ops/%d", at, i), op)
	}
	c.unique(at+"/ops", m.Ops)
	c.pattern(at+"/group", m.Group, groups)
	c.pattern(at+"/kind", m.Kind, kinds)
	c.pattern(at+"/namespace", m.Namespace, namespaces)
	c.pattern(at+"/name", m.Name, objects)
}

func (c *checks) allowed(a *Allowed, at string) {
	c.each(at+"/kinds", a.Kinds, groupKinds)
	c.each(at+"/namespaces", a.Namespaces, namespaces)
	c.each(at+"/targets", a.Targets, targets)
	for i, source := range a.Sources { // not shown: it may hold a password
		if !formAnySource.MatchString(source) {
			c.add(fmt.Sprintf("%s/sources/%d", at, i), "is not the URL of a source", `want for example "https://git.example.com/team/*"`)
		}
	}
	c.some(at+"/sources", a.Sources)
}

// pattern is a form of a selector, with what it is for people.
type pattern struct {
	form *regexp.Regexp
	want string
	hint string
	not  *regexp.Regexp // what has the form and cannot be meant all the same; nil for nothing
}

const (
	hintGroup = `want for example "apps", without a version`
	hintKind  = `kinds begin with a capital letter, and are not in the plural: "Deployment"`
	hintStar  = `"*" stands for any part of a name`
)

var (
	groups     = pattern{formAnyGroup, "an API group", hintGroup, formVersion}
	kinds      = pattern{form: formAnyKind, want: "a kind", hint: hintKind}
	groupKinds = pattern{
		formAnyGroupKind, "a kind, or a group and a kind",
		`want for example "Service", "apps/Deployment" or "apps/*": no version, and kinds with a capital letter`, formVersion,
	}
	namespaces = pattern{form: formAnyNamespace, want: "the name of a namespace", hint: hintStar}
	objects    = pattern{form: formAnyName, want: "the name of an object", hint: hintStar}
	targets    = pattern{form: formAnyTarget, want: "a target", hint: `want for example "this host" or "kubernetes context eu-*"`}
)

// pattern demands the form of a selector, unless it is left out.
func (c *checks) pattern(at, value string, p pattern) {
	if value != "" && (!p.form.MatchString(value) || p.not != nil && p.not.MatchString(value)) {
		c.add(at, fmt.Sprintf("%q is not %s", value, p.want), p.hint)
	}
}

// each demands a form of every item of a list, and an item at least in a list that is not left out.
func (c *checks) each(at string, values []string, p pattern) {
	c.some(at, values)
	for i, value := range values {
		if value == "" {
			c.add(at+"/"+strconv.Itoa(i), "is empty", "give it a value, or remove the line")
		}
		c.pattern(at+"/"+strconv.Itoa(i), value, p)
	}
}

// some refuses an empty list: nobody can tell whether it means everything or nothing.
func (c *checks) some(at string, values []string) { some(c, at, values) }

// some is the same for lists of anything.
func some[T any](c *checks, at string, values []T) {
	if values != nil && len(values) == 0 {
		c.add(at, "is empty", "name at least one, or remove the line")
	}
}

func (c *checks) required(at, value string) {
	if value == "" {
		c.add(at, "is missing", "")
	}
}

func (c *checks) unique(at string, values []string) {
	for i := range repeated(values) {
		c.add(at+"/"+strconv.Itoa(i), fmt.Sprintf("%q is in the list already", values[i]), "remove it")
	}
}

// repeated gives the places of values that came before, each with the place where; those left out do not count.
func repeated(values []string) func(yield func(place, earlier int) bool) {
	return func(yield func(int, int) bool) {
		first := map[string]int{}
		for i, value := range values {
			earlier, seen := first[value]
			if !seen {
				first[value] = i
			} else if value != "" && !yield(i, earlier) {
				return
			}
		}
	}
}

// compiled demands an expression that compiles, unless it is left out.
func (c *checks) compiled(at, source string, compile func(string) (*expression.Program, error)) {
	if source != "" {
		_, err := compile(source)
		c.failed(at, err)
	}
}

// failed takes over what another package says of a value.
func (c *checks) failed(at string, err error) {
	if err == nil {
		return
	}
	message := err.Error()
	if failure, ok := errors.AsType[*fault.Error](err); ok { // the field says already what was being done
		message = (&fault.Error{Op: failure.Item, Err: failure.Err}).Error()
	}
	c.add(at, message, fault.HintOf(err))
}
