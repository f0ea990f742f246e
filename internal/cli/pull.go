package cli

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source/oci"
	"github.com/setpoint-dev/setpoint/internal/source/packed"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// pulled is what `setpoint pull` shows.
type pulled struct {
	Directory string         `json:"directory"`
	Revision  state.Revision `json:"revision"`
}

func (s *session) pullCommand() *cobra.Command {
	var call registryCall
	var force bool
	var key string
	command := &cobra.Command{
		Use:   "pull oci://REGISTRY/REPOSITORY[:TAG|@DIGEST] DIR",
		Short: "Write an artifact of a registry into a local folder",
		Long: `Write the files of an artifact of a registry, or of a chart, into a local folder, which is made
where it is missing. Without a tag or digest, latest is meant. Nothing is written before all of it is
here and is what its digest says, and nothing outside of the folder.

With --verify-key the artifact has to be signed by one of the public keys in a file, as cosign does it.` +
			credentialsHelp + codes(),
		Example: `  setpoint pull oci://registry.example.com/fleet/base:1.4.0 base
  setpoint pull oci://registry.example.com/fleet/base:1.4.0 base --verify-key cosign.pub`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return misused("an artifact and a folder are wanted",
					"write it like `setpoint pull oci://registry.example.com/fleet/base:1.4.0 DIR`")
			}
			return nil
		},
	}
	command.Flags().StringVar(&key, "verify-key", "", "refuse what is not signed by one of the public keys in this file")
	command.Flags().BoolVar(&force, "force", false, "write into a folder that is not empty, replacing files of the same names")
	call.asksRegistry(command)
	command.RunE = func(cmd *cobra.Command, args []string) error {
		ctx, cancel := bounded(cmd)
		defer cancel()
		repository, err := s.repository(args[0], call)
		if err != nil {
			return err
		}
		opts := oci.Options{Options: packed.Options{Getenv: s.Getenv, Timeout: registryTimeout}}
		if key != "" {
			if _, err := os.Stat(key); err != nil {
				return usage{fault.New(fault.NotFound, "read", key, "the file of public keys cannot be read").
					WithHint("check the path given by --verify-key, and its rights")}
			}
			opts.Verify = []*v1alpha1.Verification{{OCI: &v1alpha1.OCIVerification{Keys: &v1alpha1.PublicKeys{File: key}}}}
		}
		revision, err := repository.Pull(ctx, args[1], opts, force)
		if err != nil {
			return err
		}
		return s.out.Show(s.format, pulled{Directory: args[1], Revision: revision}, func() {
			s.out.Line("pulled ", repository.String(), " into ", args[1])
			s.out.Line("  digest  ", revision.ID)
		})
	}
	return command
}
