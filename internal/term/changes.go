package term

import (
	"fmt"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

// valueWidth bounds one value of a difference in columns; the JSON output has all of it.
const valueWidth = 200

// verbs are how a change looks: a sign, a style, and the word in the sum.
var verbs = map[string]struct {
	sign  string
	style Style
	word  string
}{
	"create":  {"+", Good, "to create"},
	"update":  {"~", Warn, "to update"},
	"replace": {"±", Warn, "to replace"},
	"delete":  {"-", Bad, "to delete"},
	"adopt":   {"*", Warn, "to adopt"},
}

var verbOrder = []string{"create", "update", "replace", "delete", "adopt"}

// Changes prints differences, each with its fields: what is there, what is declared, who made it so and since when.
func (p *Printer) Changes(changes []v1alpha1.Change) {
	for _, change := range changes {
		p.Line(p.Change(change))
		for _, field := range change.Fields {
			p.field(field)
		}
		if len(change.TookOver) > 0 {
			p.Line(p.Paint(Dim, "    taken over from "+Clean(strings.Join(change.TookOver, ", "))))
		}
		if change.Error != nil {
			p.Problem("    ", *change.Error)
		}
	}
}

// Change gives a difference in a line, without its fields.
func (p *Printer) Change(change v1alpha1.Change) string {
	verb, ok := verbs[change.Op]
	if !ok {
		verb.sign = " "
	}
	line := p.Paint(verb.style, verb.sign+" "+Clean(change.ID.String()))
	if note := p.note(change); note != "" {
		line += p.Paint(Dim, "  "+note)
	}
	return line
}

// note says what a change is beside its sign, and where it was declared.
func (p *Printer) note(change v1alpha1.Change) string {
	var parts []string
	if change.Op != "" && change.Op != "none" {
		parts = append(parts, change.Op)
	}
	if change.Cause == "drift" {
		parts = append(parts, "drift")
	}
	if change.Origin != "" {
		parts = append(parts, Clean(change.Origin))
	}
	return strings.Join(parts, ", ")
}

// field prints "path", then what is there behind a minus and what is declared behind a plus.
func (p *Printer) field(field v1alpha1.Field) {
	who := ""
	if field.By != "" {
		who = "by " + Clean(field.By)
	}
	if since := p.Since(field.When); since != "" {
		who = strings.TrimSpace(who + " " + since + " ago")
	}
	line := "    " + Clean(field.Path)
	if who != "" {
		line += p.Paint(Dim, "  "+who)
	}
	p.Line(line)
	if field.Old != "" {
		p.Line("      ", p.Paint(Bad, "- "+Cut(Clean(field.Old), valueWidth)))
	}
	if field.New != "" {
		p.Line("      ", p.Paint(Good, "+ "+Cut(Clean(field.New), valueWidth)))
	}
}

// Problem prints an error and its hint, each line behind an indentation.
func (p *Printer) Problem(indent string, problem v1alpha1.Problem) {
	for i, line := range strings.Split(strings.TrimRight(problem.Message, "\n"), "\n") {
		sign := "✗ "
		if i > 0 {
			sign = "  "
		}
		p.Line(indent, p.Paint(Bad, sign+Clean(line)))
	}
	if problem.Hint != "" {
		p.Line(indent, "  ", p.Paint(Dim, "hint: "), Clean(problem.Hint))
	}
}

// Sum counts changes in words: "2 to create, 1 to delete, 1 refused"; "" when there are none.
func Sum(changes []v1alpha1.Change) string {
	counts, refused := map[string]int{}, 0
	for _, change := range changes {
		counts[change.Op]++
		if change.Error != nil {
			refused++
		}
	}
	sum := SumOf(counts)
	switch {
	case refused == 0:
		return sum
	case sum == "":
		return fmt.Sprintf("%d refused", refused)
	}
	return fmt.Sprintf("%s, %d refused", sum, refused)
}

// SumOf is Sum of changes that are counted already, by operation.
func SumOf(counts map[string]int) string {
	var parts []string
	for _, op := range verbOrder {
		if n := counts[op]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, verbs[op].word))
		}
	}
	return strings.Join(parts, ", ")
}
