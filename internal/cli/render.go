package cli

import (
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/term"
)

func (s *session) renderCommand() *cobra.Command {
	var secrets, explained bool
	var local localFlags
	command := &cobra.Command{
		Use:   "render PATH [OBJECT]",
		Short: "Show the objects that a local folder declares, offline",
		Long: `Show the objects that a local folder declares, as an agent would read them: a folder with a
kustomization is built, a chart is rendered, Jsonnet and CUE are evaluated, any other folder is read
file by file. All errors are shown, with file and line. It needs neither cluster nor agent nor network:
directories stand in for what would be pulled (--set-source), and manifests for ConfigMaps and Secrets
of a cluster (--objects). With --sync, the folder is where a Sync is declared, and what is shown is what
that Sync declares: with its imports, chart, values, variables and keys. SOPS documents, also
those after --values, are decrypted with the keys in the environment, as sops itself reads them; key
services in the network are asked with --sops-services alone.

The output is YAML unless -o says otherwise; -o table lists the objects with the place of their
declaration. Values of Secrets show as "hmac:…", unless --secrets asks for them.

With --explain each field has the place beside it that it comes from: the line of a manifest or patch, a
field of a kustomization, a chart's template with the values that it uses, a variable, an import. That is
for all objects, or for OBJECT, which is named as in deployment/web or apps/Deployment/shop/web.` + codes(),
		Example: `  setpoint render apps/shop
  setpoint render apps/shop -o table
  setpoint render clusters/eu-1 --sync shop --set-source base=../base
  setpoint render charts/shop --values production.yaml --release shop --namespace shop
  setpoint render overlays/eu --explain deployment/web
  setpoint render apps/shop --secrets | kubectl apply --dry-run=server -f -`,
		Args: cobra.RangeArgs(1, 2),
	}
	local.on(command)
	command.Flags().BoolVar(&secrets, "secrets", false, "print secret values as they are")
	command.Flags().BoolVar(&explained, "explain", false, "show where each field of OBJECT, or of all objects, comes from")
	command.RunE = func(cmd *cobra.Command, args []string) error {
		config, err := local.config(s, args[0])
		if err != nil {
			return err
		}
		show, err := shown(secrets)
		if err != nil {
			return err
		}
		switch {
		case explained:
			return local.usedRight(args[0], s.explain(cmd, config, strings.Join(args[1:], ""), show))
		case len(args) > 1:
			return misused("an OBJECT goes with --explain alone", "setpoint render "+args[0]+" --explain "+args[1])
		}
		result, err := s.Render(cmd.Context(), config)
		if err != nil {
			return local.usedRight(args[0], err)
		}
		return s.printRendered(cmd, result, show)
	}
	return command
}

// shown gives the content of an object as it is shown: as it is, or with its secrets as hashes.
func shown(secrets bool) (func(*state.Object) map[string]any, error) {
	if secrets {
		return (*state.Object).Content, nil
	}
	redact := diff.Redactor{Key: make([]byte, 32)}
	_, err := rand.Read(redact.Key)
	return redact.Desired, err
}

func (s *session) printRendered(cmd *cobra.Command, result render.Result, show func(*state.Object) map[string]any) error {
	contents := make([]map[string]any, 0, result.Objects.Len())
	for object := range result.Objects.All() {
		contents = append(contents, show(object))
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
