package term

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"sigs.k8s.io/yaml"
)

// Format is how a command shows its result.
type Format string

// The formats.
const (
	FormatTable Format = "table"
	FormatJSON  Format = "json"
	FormatYAML  Format = "yaml"
)

// String gives the format's name.
func (f *Format) String() string { return string(*f) }

// Type names what a flag of this type wants.
func (f *Format) Type() string { return "table|json|yaml" }

// Set reads a flag.
func (f *Format) Set(text string) error {
	switch Format(text) {
	case FormatTable, FormatJSON, FormatYAML:
		*f = Format(text)
		return nil
	}
	return fmt.Errorf("want table, json or yaml")
}

// Show prints a value as JSON or YAML, or calls table to print it for people. All three come from one value, so they can never
// say different things.
func (p *Printer) Show(format Format, value any, table func()) error {
	if format == FormatTable || format == "" {
		table()
		return nil
	}
	return p.Encode(format, value, "  ")
}

// ShowOne prints one value of a sequence: a line of JSON, or a YAML document.
func (p *Printer) ShowOne(format Format, value any, table func()) error {
	if format == FormatTable || format == "" {
		table()
		return nil
	}
	if format == FormatYAML {
		p.Line("---")
	}
	return p.Encode(format, value, "")
}

// Encode prints a value as JSON with an indentation, or as YAML.
func (p *Printer) Encode(format Format, value any, indent string) error {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", indent)
	if err := encoder.Encode(value); err != nil {
		return err
	}
	out := text.String()
	if format == FormatYAML {
		data, err := yaml.JSONToYAML([]byte(out))
		if err != nil {
			return err
		}
		out = string(data)
	}
	_, err := io.WriteString(p.Out, out)
	return err
}
