package oci

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source/fetch"
)

// maxDockerConfig bounds the Docker configuration, in bytes.
const maxDockerConfig = 1 << 20

// tokenUser is the user name that goes with a token, where none is given. Registries that take tokens as passwords accept any name.
const tokenUser = "oauth2"

// credential gives the credentials for a registry at this moment: they are read anew whenever the registry asks, so that they can be
// rotated. The source's own win; those of the agent go to no registry that somebody else names.
func (r *Repository) credential(ctx context.Context, host string) (auth.Credential, error) {
	if host != r.ref.Host() {
		return auth.EmptyCredential, nil
	}
	if r.access.Credentials != nil {
		own, err := fetch.ReadLogin(r.access.Credentials, r.access.Getenv)
		return login(own.Username, own.Password, own.Token), err
	}
	if r.access.EnvironHost != "" && strings.EqualFold(r.access.EnvironHost, r.ref.Registry) {
		getenv := r.access.Getenv
		if found := login(getenv("SETPOINT_OCI_USERNAME"), getenv("SETPOINT_OCI_PASSWORD"), getenv("SETPOINT_OCI_TOKEN")); !empty(found) {
			return found, nil
		}
	}
	return r.dockerCredential(ctx, host)
}

func empty(credential auth.Credential) bool { return credential == auth.EmptyCredential }

func login(user, password, token string) auth.Credential {
	if token != "" {
		password = token
		if user == "" {
			user = tokenUser
		}
	}
	return auth.Credential{Username: user, Password: password}
}

// dockerCredential looks into the Docker configuration. Programs that it names are executed only where that is allowed.
func (r *Repository) dockerCredential(ctx context.Context, host string) (auth.Credential, error) {
	path := r.dockerConfig()
	if path == "" {
		return auth.EmptyCredential, nil
	}
	failed := func() (auth.Credential, error) {
		return auth.EmptyCredential, fault.New(fault.Invalid, "read", path, "no credentials can be read from it").
			WithHint("it is written by `docker login`, and the agent has to be able to read it")
	}
	var store credentials.Store
	var err error
	if r.access.CredentialHelpers {
		store, err = credentials.NewStore(path, credentials.StoreOptions{})
	} else {
		store, err = credentials.NewFileStore(path)
	}
	if err != nil {
		return failed()
	}
	found, err := credentials.Credential(store)(ctx, host)
	if err != nil {
		return failed()
	}
	return found, nil
}

// dockerConfig gives the path of the Docker configuration, "" when there is none.
func (r *Repository) dockerConfig() string {
	path := r.access.DockerConfig
	if dir := r.access.Getenv("DOCKER_CONFIG"); path == "" && dir != "" {
		path = filepath.Join(dir, "config.json")
	}
	if home := r.access.Getenv("HOME"); path == "" && home != "" {
		path = filepath.Join(home, ".docker", "config.json")
	}
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || info.Size() > maxDockerConfig {
		return ""
	}
	return path
}
