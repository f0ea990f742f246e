package policy

import (
	"fmt"
	"slices"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// maxSpent bounds what one rule may cost for all changes of a plan together, in CEL's units: some hundred milliseconds.
const maxSpent = 2_000_000

// falseRules holds or denies for each rule that is false of a change that it matches. A rule that has no value for a change holds, too:
// what it would have said is not known.
func falseRules(input Input) []Verdict {
	if len(input.Terms.Rules) == 0 || len(input.Changes) == 0 {
		return nil
	}
	variables := variablesOf(input)
	var verdicts []Verdict
	for _, rule := range input.Terms.Rules {
		verdicts = append(verdicts, rule.judge(input, variables)...)
	}
	return verdicts
}

// judge asks a rule about every change that it matches.
func (r Rule) judge(input Input, variables []map[string]any) (verdicts []Verdict) {
	var broke, mute []string // objects
	var why error
	spent := uint64(0)
	for i, change := range input.Changes {
		if !selects(r.Match, change) {
			continue
		}
		holds, cost, err := r.holds(variables[i], spent)
		spent += cost
		switch {
		case err != nil:
			if mute = append(mute, change.ID.String()); why == nil {
				why = err
			}
		case !holds:
			broke = append(broke, change.ID.String())
		}
	}
	if len(broke) > 0 {
		verdicts = append(verdicts, r.broken(input, broke))
	}
	if len(mute) > 0 {
		verdicts = append(verdicts, Verdict{Outcome: Hold, Check: RuleHolds, Approvable: true,
			Message: fmt.Sprintf("%s cannot be evaluated for %s: %s", r, such(mute), cause(why)),
			Remedy: "let the rule ask first, with has(…) or change.op, or match fewer changes; or approve it with `setpoint approve " +
				input.name() + "`"})
	}
	return verdicts
}

func (r Rule) holds(variables map[string]any, spent uint64) (holds bool, cost uint64, err error) {
	switch {
	case r.Program == nil:
		return false, 0, fmt.Errorf("it is not compiled")
	case spent > maxSpent:
		return false, 0, fmt.Errorf("for all changes together it costs more than the limit of %d", uint64(maxSpent))
	}
	return r.Program.Weigh(variables)
}

// broken is the verdict about objects for which the rule is false.
func (r Rule) broken(input Input, objects []string) Verdict {
	verdict := Verdict{Outcome: Hold, Check: RuleHolds, Approvable: true, Remedy: r.Remedy,
		Message: fmt.Sprintf("%s is not met by %s", r, such(objects))}
	if r.Message != "" {
		verdict.Message += ": " + r.Message
	}
	if r.Outcome == v1alpha1.GuardDeny {
		verdict.Outcome, verdict.Check, verdict.Approvable = Deny, RuleDenies, false
	}
	switch {
	case r.Remedy != "":
	case verdict.Outcome == Deny:
		verdict.Remedy = "change what is declared"
	default:
		verdict.Remedy = "change what is declared, or approve it with `setpoint approve " + input.name() + "`"
	}
	return verdict
}

// String names the rule and its place.
func (r Rule) String() string {
	if r.Where == "" {
		return "rule " + quoted(r.Name)
	}
	return "rule " + quoted(r.Name) + " of " + r.Where
}

// such gives the one object, or their number with the first.
func such(objects []string) string {
	if len(objects) == 1 {
		return objects[0]
	}
	return fmt.Sprintf("%d objects, such as %s", len(objects), objects[0])
}

// selects says whether a rule is about a change.
func selects(match v1alpha1.Match, change Change) bool {
	fits := func(pattern, text string) bool { return pattern == "" || Matches(pattern, text) }
	return (len(match.Ops) == 0 || slices.Contains(match.Ops, string(change.Op))) &&
		fits(match.Group, change.ID.Group) && fits(match.Kind, change.ID.Kind) &&
		fits(match.Namespace, change.ID.Namespace) && fits(match.Name, change.ID.Name)
}

// variablesOf gives what rules can see of each change. Objects are decoded only when a rule looks at them.
func variablesOf(input Input) []map[string]any {
	sync := map[string]any{"name": input.Sync.Name, "parent": input.Sync.Parent, "path": input.Sync.Path,
		"source": input.Sync.Source, "target": input.Sync.Target}
	revision := map[string]any{"id": input.Revision.ID, "ref": input.Revision.Ref, "author": input.Revision.Author,
		"message": input.Revision.Message, "time": input.Revision.Time}
	object, before := input.Terms.read("object"), input.Terms.read("before")
	all := make([]map[string]any, len(input.Changes))
	for i, change := range input.Changes {
		all[i] = map[string]any{"sync": sync, "revision": revision, "change": map[string]any{
			"op": string(change.Op), "drift": change.repairs(), "fields": paths(change),
			"id": map[string]any{
				"group": change.ID.Group, "kind": change.ID.Kind, "namespace": change.ID.Namespace, "name": change.ID.Name,
			},
			"object": content(change.Want, object), "before": content(change.Before, before),
		}}
	}
	return all
}

func paths(change Change) []string {
	fields := make([]string, len(change.Fields))
	for i, field := range change.Fields {
		fields[i] = field.Path
	}
	return fields
}

// content gives an object's content, or null. (A nil map in an interface would be an empty map.)
func content(object *state.Object, wanted bool) any {
	if object == nil || !wanted {
		return nil
	}
	return object.Content()
}
