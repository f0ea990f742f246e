package cli

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/setpoint-dev/setpoint/internal/source/oci"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/term"
)

// listing is what `setpoint list` shows.
type listing struct {
	Repository string       `json:"repository"`
	Tags       []oci.Listed `json:"tags"`
	More       int          `json:"more,omitempty"` // tags that are not shown
}

func (s *session) listCommand() *cobra.Command {
	var call registryCall
	command := &cobra.Command{
		Use:   "list oci://REGISTRY/REPOSITORY",
		Short: "List the versions and tags of a repository in a registry",
		Long: `List the tags of a repository in a registry, the newest version first, with the digest that each leads
to, when its content was made, from which commit, and whether there is a signature beside it (which is
verified by Syncs and by ` + "`setpoint pull --verify-key`" + `, not here).` + credentialsHelp + codes(),
		Example: `  setpoint list oci://registry.example.com/fleet/base
  setpoint list oci://registry.example.com/fleet/base -o json`,
		Args: oneReference,
	}
	call.asksRegistry(command)
	command.RunE = func(cmd *cobra.Command, args []string) error {
		ctx, cancel := bounded(cmd)
		defer cancel()
		repository, err := s.repository(args[0], call)
		if err != nil {
			return err
		}
		if repository.Reference() != "" {
			return misused("the name holds a tag or digest", "name the repository alone: all of its tags are listed")
		}
		tags, more, err := repository.List(ctx)
		if err != nil {
			return err
		}
		found := listing{Repository: repository.Name(), Tags: tags, More: more}
		return s.out.Show(s.format, found, func() { s.printListing(found) })
	}
	return command
}

func (s *session) printListing(found listing) {
	if len(found.Tags) == 0 {
		s.out.Line("there are no tags in ", found.Repository)
		return
	}
	rows := make([]term.Row, 0, len(found.Tags))
	for _, one := range found.Tags {
		created, commit, signed := "-", "-", "-"
		if !one.Created.IsZero() {
			created = one.Created.Format("2006-01-02 15:04")
		}
		if one.Revision != "" {
			commit = state.Revision{ID: one.Revision}.Short()
		}
		if one.Dirty {
			commit += " and changes"
		}
		if one.Signed {
			signed = "yes"
		}
		rows = append(rows, term.Row{Cells: []term.Cell{
			{Text: cmp.Or(one.Version, one.Tag)}, {Text: state.Revision{ID: string(one.Digest)}.Short(), Style: term.Dim},
			{Text: created}, {Text: commit}, {Text: signed},
		}})
	}
	s.out.Table([]string{"TAG", "DIGEST", "CREATED", "COMMIT", "SIGNED"}, rows)
	if found.More > 0 {
		s.out.Line()
		s.out.Line(fmt.Sprintf("and %s that are not shown", plural(found.More, "older tag")))
	}
}
