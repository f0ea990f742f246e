package cli

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/setpoint-dev/setpoint/internal/agent"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/explain"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render/document"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/term"
)

// explanation is how a field is shown to programs.
type explanation struct {
	Path  string          `json:"path"`
	Value any             `json:"value"`
	From  []explain.Place `json:"from"`
}

// explainedObject is how an object is shown to programs.
type explainedObject struct {
	ID      string          `json:"id"`
	Because []explain.Place `json:"because,omitempty"`
	Fields  []explanation   `json:"fields"`

	content map[string]any
}

// explain shows where the fields of rendered objects come from.
func (s *session) explain(cmd *cobra.Command, local agent.LocalConfig, asked string, show func(*state.Object) map[string]any) error {
	progress := s.err.Progress()
	config := agent.ExplainConfig{LocalConfig: local, Progress: progress.Now}
	if asked != "" {
		config.Wanted = func(id state.ID) bool { return names(asked, id) }
	}
	result, err := agent.Explain(cmd.Context(), config)
	progress.End()
	if err != nil {
		return err
	}
	if asked != "" && len(result.Objects) == 0 {
		return fault.New(fault.NotFound, "explain", asked, "no such object is declared there").
			WithHint("setpoint render " + local.Path + " -o table lists them")
	}
	all := make([]explainedObject, len(result.Objects))
	for i, one := range result.Objects {
		all[i] = explainedAs(one, show(one.Object))
	}
	if result.Partial {
		s.err.Line("not everything could be tried: some places are told less exactly; name one OBJECT to look at it alone")
	}
	switch {
	case s.format == term.FormatJSON:
		return s.out.Encode(term.FormatJSON, map[string]any{"objects": all}, "  ")
	case s.format == term.FormatYAML || !cmd.Flags().Changed("output"):
		return s.printAnnotated(all)
	}
	s.printExplained(all)
	return nil
}

// names says whether a text means an object: its ID, or kind and name ("deployment/web"), with the namespace or without.
func names(asked string, id state.ID) bool {
	for _, known := range []string{id.String(), id.Kind + "/" + id.Name, id.Kind + "/" + id.Namespace + "/" + id.Name} {
		if strings.EqualFold(asked, known) {
			return true
		}
	}
	return false
}

func explainedAs(one explain.Explained, content map[string]any) explainedObject {
	object := explainedObject{ID: one.Object.ID().String(), Because: one.Because, content: content}
	for _, field := range explain.Fields(content) {
		object.Fields = append(object.Fields, explanation{Path: field.Pointer, Value: field.Value, From: one.From(field.Pointer)})
	}
	return object
}

// printExplained prints a table for each object.
func (s *session) printExplained(all []explainedObject) {
	for i, object := range all {
		if i > 0 {
			s.out.Line()
		}
		s.out.Line(s.out.Paint(term.Bold, object.ID), because(object))
		rows := make([]term.Row, len(object.Fields))
		for i, field := range object.Fields {
			rows[i].Cells = []term.Cell{{Text: field.Path}, {Text: brief(field.Value)}, {Text: told(field.From), Style: term.Dim}}
		}
		s.out.Table([]string{"FIELD", "VALUE", "FROM"}, rows)
	}
}

// because says by which values an object is there.
func because(object explainedObject) string {
	if len(object.Because) == 0 {
		return ""
	}
	return "  there because of " + told(object.Because)
}

// maxBrief bounds a value in a table, in characters.
const maxBrief = 48

func brief(value any) string {
	text, isText := value.(string)
	if !isText {
		text, _ = diff.Show(value, value)
	}
	if strings.ContainsAny(text, "\n\t") {
		text = strconv.Quote(text)
	}
	return term.Cut(text, maxBrief)
}

// maxTold bounds the places that are told of one field for people.
const maxTold = 3

func told(places []explain.Place) string {
	parts := make([]string, 0, maxTold+1)
	for i, one := range places {
		if i == maxTold {
			parts = append(parts, fmt.Sprintf("%d more", len(places)-i))
			break
		}
		parts = append(parts, one.String())
	}
	return strings.Join(parts, ", ")
}

// printAnnotated prints objects as YAML, with a comment at each field.
func (s *session) printAnnotated(all []explainedObject) error {
	for i, object := range all {
		if i > 0 {
			s.out.Line("---")
		}
		if reason := because(object); reason != "" {
			s.out.Line(s.out.Paint(term.Dim, "#"+strings.TrimPrefix(reason, " ")))
		}
		lines, comments, err := annotated(object)
		if err != nil {
			return err
		}
		for i, line := range lines {
			s.out.Line(line, s.out.Paint(term.Dim, comments[i]))
		}
	}
	return nil
}

// annotated writes an object as lines of YAML, with a comment for each, which may be empty. Values begin on a line of their own each, so
// that a comment there is about one field.
func annotated(object explainedObject) (lines, comments []string, err error) {
	root, err := nodeOf(object.content)
	if err != nil {
		return nil, nil, err
	}
	var text strings.Builder
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	encoder.CompactSeqIndent()
	if err := encoder.Encode(root); err != nil {
		return nil, nil, err
	}
	trees, err := document.Parse([]byte(text.String()), "")
	if err != nil || len(trees) != 1 {
		return nil, nil, fault.New(fault.Internal, "explain", object.ID, "it cannot be read again as it was written")
	}
	lines = strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
	comments = make([]string, len(lines))
	for _, field := range object.Fields {
		if line := trees[0].Line(field.Path); line > 0 && line <= len(lines) {
			comments[line-1] = term.Clean(told(field.From))
		}
	}
	align(lines, comments)
	return lines, comments, nil
}

// nodeOf makes YAML of JSON-shaped data. Texts of several lines are blocks, but for those that begin with white space, which the library
// would write so that they are read as others.
func nodeOf(value any) (*yaml.Node, error) {
	node := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str"}
	add := func(child any) error {
		below, err := nodeOf(child)
		node.Content = append(node.Content, below)
		return err
	}
	var errs []error
	switch v := value.(type) {
	case map[string]any:
		node.Kind, node.Tag = yaml.MappingNode, ""
		for _, name := range slices.Sorted(maps.Keys(v)) {
			errs = append(errs, add(name), add(v[name]))
		}
	case []any:
		node.Kind, node.Tag = yaml.SequenceNode, ""
		for _, item := range v {
			errs = append(errs, add(item))
		}
	case string:
		node.Value, node.Style = v, yaml.DoubleQuotedStyle
		switch {
		case !strings.ContainsAny(v, "\n\t"):
			return node, node.Encode(v)
		case strings.TrimLeft(v, " \t\n") == v:
			node.Style = yaml.LiteralStyle
		}
	default:
		return node, node.Encode(v)
	}
	return node, errors.Join(errs...)
}

// maxColumn is where comments begin at the latest, but for longer lines.
const maxColumn = 60

// align puts comments below each other.
func align(lines, comments []string) {
	column := 0
	for i, line := range lines {
		if width := term.Width(line); comments[i] != "" && width <= maxColumn {
			column = max(column, width)
		}
	}
	for i, line := range lines {
		if comments[i] != "" {
			comments[i] = strings.Repeat(" ", max(0, column-term.Width(line))+2) + "# from " + comments[i]
		}
	}
}
