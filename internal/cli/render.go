package cli

import (
	"crypto/rand"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/term"
)

func (s *session) renderCommand() *cobra.Command {
	var secrets bool
	var local localFlags
	command := &cobra.Command{
		Use:   "render PATH",
		Short: "Show the objects that a local folder declares, offline",
		Long: `Show the objects that a local folder declares, as an agent would read them: a folder with a
kustomization is built, a chart is rendered, Jsonnet and CUE are evaluated, any other folder is read
file by file. All errors are shown, with file and line. It needs neither cluster nor agent nor network:
directories stand in for what would be pulled (--set-source), and manifests for ConfigMaps and Secrets
of a cluster (--objects). With --sync, the folder is where a Sync is declared, and what is shown is what
that Sync declares: with its imports, chart, values, variables and keys. SOPS documents are decrypted
with the keys in the environment, as sops itself reads them.

The output is YAML unless -o says otherwise; -o table lists the objects with the place of their
declaration. Values of Secrets show as "hmac:…", unless --secrets asks for them.` + codes(),
		Example: `  setpoint render apps/shop
  setpoint render apps/shop -o table
  setpoint render clusters/eu-1 --sync shop --set-source base=../base
  setpoint render charts/shop --values production.yaml --release shop --namespace shop
  setpoint render apps/shop --secrets | kubectl apply --dry-run=server -f -`,
		Args: cobra.ExactArgs(1),
	}
	local.on(command)
	command.Flags().BoolVar(&secrets, "secrets", false, "print secret values as they are")
	command.RunE = func(cmd *cobra.Command, args []string) error {
		config, err := local.config(s, args[0])
		if err != nil {
			return err
		}
		result, err := s.Render(cmd.Context(), config)
		if err != nil {
			return err
		}
		return s.printRendered(cmd, result, secrets)
	}
	return command
}

func (s *session) printRendered(cmd *cobra.Command, result render.Result, secrets bool) error {
	contents := make([]map[string]any, 0, result.Objects.Len())
	redact := diff.Redactor{Key: make([]byte, 32)}
	if _, err := rand.Read(redact.Key); err != nil {
		return err
	}
	for object := range result.Objects.All() {
		if secrets {
			contents = append(contents, object.Content())
		} else {
			contents = append(contents, redact.Desired(object))
		}
	}
	switch {
	case s.format == term.FormatJSON:
		return s.out.Encode(term.FormatJSON, map[string]any{"apiVersion": "v1", "kind": "List", "items": contents}, "  ")
	case s.format == term.FormatYAML || !cmd.Flags().Changed("output"):
		for i, content := range contents {
			if i > 0 {
				s.out.Line("---")
			}
			if err := s.out.Encode(term.FormatYAML, content, ""); err != nil {
				return err
			}
		}
		return nil
	}
	rows := make([]term.Row, 0, len(contents))
	for object := range result.Objects.All() {
		rows = append(rows, term.Row{Cells: []term.Cell{{Text: object.ID().String()}, {Text: object.Origin().String(), Style: term.Dim}}})
	}
	s.out.Table([]string{"OBJECT", "DECLARED IN"}, rows)
	s.out.Line()
	s.out.Line(fmt.Sprintf("%s, read as %s", plural(len(contents), "object"), result.Format))
	return nil
}
