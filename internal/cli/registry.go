package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/setpoint-dev/setpoint/internal/source/oci"
)

// registryTimeout bounds a command that talks to a registry: pushing may take a while over a slow line.
const registryTimeout = 30 * time.Minute

// registryCall is how a command reaches a registry.
type registryCall struct {
	plainHTTP bool
	caFile    string
	proxy     string
	helpers   bool
}

// asksRegistry gives a command the flags that say how to reach the registry.
func (c *registryCall) asksRegistry(command *cobra.Command) {
	flags := command.Flags()
	flags.BoolVar(&c.plainHTTP, "plain-http", false, "speak HTTP without TLS")
	flags.StringVar(&c.caFile, "ca-file", "", "PEM file of certificates to trust beside the system's")
	flags.StringVar(&c.proxy, "proxy", "", "http, https or socks5 URL (default HTTPS_PROXY and NO_PROXY)")
	flags.BoolVar(&c.helpers, "credential-helpers", false, "execute the programs that the Docker configuration names for credentials")
}

// repository opens the repository that a person names; so it is shown the credentials of the environment.
func (s *session) repository(reference string, call registryCall) (*oci.Repository, error) {
	access := oci.Access{
		CAFile: call.caFile, Proxy: call.proxy, PlainHTTP: call.plainHTTP, Getenv: s.Getenv, CredentialHelpers: call.helpers,
	}
	named, err := oci.Open(reference, access)
	if err != nil {
		return nil, usage{err} // nothing was sent yet
	}
	access.EnvironHost = named.Host()
	return oci.Open(reference, access)
}

// checkTags refuses tags that no registry takes, before anything is sent.
func checkTags(tags ...string) error {
	for _, tag := range tags {
		if err := oci.CheckTag(tag); err != nil {
			return usage{err}
		}
	}
	return nil
}

// bounded gives a context that ends what takes too long.
func bounded(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	return context.WithTimeout(cmd.Context(), registryTimeout)
}

// credentialsHelp ends the description of each command that talks to a registry.
const credentialsHelp = `

Credentials are those of SETPOINT_OCI_USERNAME and SETPOINT_OCI_PASSWORD, or SETPOINT_OCI_TOKEN, else
those that ` + "`docker login`" + ` has written into the Docker configuration.`
