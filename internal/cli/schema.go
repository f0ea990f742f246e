package cli

import (
	"encoding/json"
	"strings"

	"github.com/spf13/cobra"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/term"
)

func (s *session) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema [KIND]",
		Short: "Print the JSON Schema of a kind, for editors and checks",
		Long: `Print the JSON Schema of a kind, so that editors complete and check it. Without a kind, list those that there are.

In Visual Studio Code and other editors with the YAML language server, write the schema to a file and name it in the first
line of a manifest: # yaml-language-server: $schema=sync.schema.json` + codes(),
		Example:   "  setpoint schema\n  setpoint schema Sync > sync.schema.json",
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: s.Kinds,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return s.out.Show(s.format, s.Kinds, func() {
					for _, kind := range s.Kinds {
						s.out.Line(kind)
					}
				})
			}
			for _, kind := range s.Kinds {
				if strings.EqualFold(kind, args[0]) {
					return s.schema(kind)
				}
			}
			return usage{fault.New(fault.NotFound, "find", "the kind "+args[0], "there is no such kind").WithHint("`setpoint schema` lists them")}
		},
	}
}

// schema prints one as JSON, or as YAML when asked for; there is no table of it.
func (s *session) schema(kind string) error {
	data, err := s.Schema(kind)
	if err != nil {
		return err
	}
	if s.format == term.FormatYAML {
		return s.out.Encode(term.FormatYAML, json.RawMessage(data), "")
	}
	return s.out.Encode(term.FormatJSON, json.RawMessage(data), "  ")
}
