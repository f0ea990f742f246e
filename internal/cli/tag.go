package cli

import (
	"github.com/spf13/cobra"
)

// tagged is what `setpoint tag` shows.
type tagged struct {
	Reference string `json:"reference"` // with the new tag
	Digest    string `json:"digest"`
	Moved     bool   `json:"moved"` // false when it led there already
}

func (s *session) tagCommand() *cobra.Command {
	var call registryCall
	var force bool
	command := &cobra.Command{
		Use:   "tag oci://REGISTRY/REPOSITORY:TAG|@DIGEST TAG",
		Short: "Give an artifact of a registry another tag",
		Long: `Give an artifact of a registry another tag: stable, latest. Syncs that follow that tag take it from
then on. A tag that is a version (1.4.0) does not move: versions are released once.` + credentialsHelp + codes(),
		Example: `  setpoint tag oci://registry.example.com/fleet/base:1.4.0 stable`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return misused("an artifact and a tag are wanted",
					"write it like `setpoint tag oci://registry.example.com/fleet/base:1.4.0 stable`")
			}
			return nil
		},
	}
	command.Flags().BoolVar(&force, "force", false, "move a tag that is a version")
	call.asksRegistry(command)
	command.RunE = func(cmd *cobra.Command, args []string) error {
		ctx, cancel := bounded(cmd)
		defer cancel()
		repository, err := s.repository(args[0], call)
		if err != nil {
			return err
		}
		if repository.Reference() == "" {
			return misused("the name holds no tag or digest",
				"say which artifact is meant, like oci://registry.example.com/fleet/base:1.4.0")
		}
		if err := checkTags(args[1]); err != nil {
			return err
		}
		digest, moved, err := repository.Tag(ctx, args[1], force)
		if err != nil {
			return err
		}
		done := tagged{Reference: repository.At(args[1]).String(), Digest: string(digest), Moved: moved}
		return s.out.Show(s.format, done, func() {
			verb := "tagged "
			if !moved {
				verb = "already there: "
			}
			s.out.Line(verb, done.Reference)
			s.out.Line("  digest  ", done.Digest)
		})
	}
	return command
}
