package cli

import (
	"encoding/json"
	"strings"

	"github.com/spf13/cobra"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/term"
)

func (s *session) schemaCommand() *cobra.Command {
	kinds := v1alpha1.Kinds()
	return &cobra.Command{
		Use:   "schema [KIND]",
		Short: "Print the JSON Schema of the kinds that Setpoint defines, for editors and checks",
		Long: `Print the JSON Schema of the kinds that Setpoint defines (Source, Sync and Policy; File, Directory,
Link and App of a host), or of one of them, so that editors complete and check what is written.

In editors with the YAML language server (Visual Studio Code, Neovim and others) name the file in
the first line of a manifest:

  # yaml-language-server: $schema=setpoint.schema.json

The annotations that objects of any kind may have, such as setpoint.dev/wave, are in docs/kinds.md.` + codes(),
		Example:   "  setpoint schema > setpoint.schema.json\n  setpoint schema App -o yaml",
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: kinds,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return s.printSchema(json.RawMessage(v1alpha1.Schema()))
			}
			for _, kind := range kinds {
				if strings.EqualFold(kind, args[0]) {
					return s.schemaOf(kind)
				}
			}
			return usage{fault.New(fault.NotFound, "find", "the kind "+args[0], "Setpoint defines no such kind").
				WithHint("there are " + strings.Join(kinds, ", "))}
		},
	}
}

// schemaOf takes one kind out of the schema of all.
func (s *session) schemaOf(kind string) error {
	var whole struct {
		Schema      string                    `json:"$schema"`
		Definitions map[string]map[string]any `json:"definitions"`
	}
	if err := json.Unmarshal(v1alpha1.Schema(), &whole); err != nil {
		return fault.Wrap(fault.Internal, "read", "the schema", err)
	}
	one := whole.Definitions[kind]
	one["$schema"], one["title"] = whole.Schema, kind
	return s.printSchema(one)
}

// printSchema prints JSON, or YAML when asked for; there is no table of a schema.
func (s *session) printSchema(schema any) error {
	if s.format == term.FormatYAML {
		return s.out.Encode(term.FormatYAML, schema, "")
	}
	return s.out.Encode(term.FormatJSON, schema, "  ")
}
