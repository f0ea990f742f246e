package oci

import (
	"net/url"
	"os"
	"strings"

	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source/fetch"
)

// Bounds of what a registry answers.
const (
	maxManifest = 4 << 20 // bytes of a manifest, and of a page of tags
	pageSize    = 1000    // tags that are asked for at once
	maxPages    = 100     // pages of tags, and of referrers
)

// Access says how to reach a registry. The zero value reaches a public one.
type Access struct {
	// Credentials; default: the environment's for EnvironHost, then those of the Docker configuration.
	Credentials *v1alpha1.Credentials
	// CAFile is a PEM file of certificates that are trusted beside the system's.
	CAFile string
	// Proxy is an http, https or socks5 URL; default the environment's.
	Proxy string
	// PlainHTTP speaks HTTP without TLS.
	PlainHTTP bool
	// Getenv, DockerConfig, CredentialHelpers and EnvironHost are as in Options.
	Getenv            func(string) string
	DockerConfig      string
	CredentialHelpers bool
	EnvironHost       string

	field string // of the source, for hints: "oci", "helm"; "" on the command line
}

func (a Access) with(opts Options) Access {
	a.Getenv, a.DockerConfig = opts.Getenv, opts.DockerConfig
	a.CredentialHelpers, a.EnvironHost = opts.CredentialHelpers, opts.EnvironHost
	return a
}

// Repository is one repository of a registry. Safe for concurrent use.
type Repository struct {
	remote *remote.Repository
	access Access
	ref    registry.Reference
	doing  string // what a person asked for, whatever requests that takes: "push"; "" when nobody did
}

// Open reads a reference ("oci://registry.example.com/fleet/base", with ":tag" or "@sha256:…" or neither) and gets ready to talk. Nothing
// is sent yet. Errors are faults of kind Invalid.
func Open(reference string, access Access) (*Repository, error) {
	ref, err := parseLocation(reference)
	if err != nil {
		return nil, err
	}
	if access.Getenv == nil {
		access.Getenv = os.Getenv
	}
	client, err := fetch.New(fetch.Options{CAFile: access.CAFile, Proxy: access.Proxy, Insecure: access.PlainHTTP})
	r := &Repository{access: access, ref: ref}
	if err != nil {
		return nil, r.forPerson(err)
	}
	signed := &auth.Client{Client: client.HTTP(), Cache: auth.NewCache(), Credential: r.credential, ClientID: "setpoint"}
	signed.SetUserAgent("setpoint")
	base := ref
	base.Reference = ""
	r.remote = &remote.Repository{
		Client: signed, Reference: base, PlainHTTP: access.PlainHTTP, MaxMetadataBytes: maxManifest,
		TagListPageSize: pageSize, TagListMaxPages: maxPages, ReferrerListMaxPages: maxPages,
	}
	return r, nil
}

// At gives the same repository with another reference: a tag or digest, or "".
func (r *Repository) At(reference string) *Repository {
	at := *r
	at.ref.Reference = reference
	return &at
}

// during names in errors what a person asks for.
func (r *Repository) during(command string) *Repository {
	at := *r
	at.doing = command
	return &at
}

// Name gives "oci://registry.example.com/fleet/base", for people.
func (r *Repository) Name() string { return "oci://" + r.ref.Registry + "/" + r.ref.Repository }

// Reference gives the tag or digest, or "".
func (r *Repository) Reference() string { return r.ref.Reference }

// String gives the name with the tag or digest.
func (r *Repository) String() string { return r.Name() + suffix(r.ref.Reference) }

// Host gives the registry, "registry.example.com:5000".
func (r *Repository) Host() string { return r.ref.Registry }

func suffix(reference string) string {
	switch {
	case reference == "":
		return ""
	case strings.Contains(reference, ":"):
		return "@" + reference
	}
	return ":" + reference
}

func parseLocation(text string) (registry.Reference, error) {
	invalid := func(cause, hint string) (registry.Reference, error) {
		return registry.Reference{}, fault.New(fault.Invalid, "read", "the URL of a registry", cause).WithHint(hint)
	}
	const example = "write it as oci://registry.example.com/fleet/base"
	rest, ok := strings.CutPrefix(text, "oci://")
	if !ok {
		return invalid("it does not begin with oci://", example)
	}
	host, _, _ := strings.Cut(rest, "/")
	if strings.Contains(host, "@") {
		return invalid("it holds credentials", "take them out: they are read from SETPOINT_OCI_USERNAME and SETPOINT_OCI_PASSWORD, or "+
			"SETPOINT_OCI_TOKEN, or the Docker configuration, and for a source from its credentials")
	}
	if parsed, err := url.Parse("oci://" + host); err != nil || parsed.Host == "" || strings.ContainsAny(host, "?#%") {
		return invalid("its host is not a name", example)
	}
	ref, err := registry.ParseReference(tagged(strings.TrimSuffix(rest, "/")))
	if err != nil || strings.Contains(ref.Reference, ":") && !strings.HasPrefix(ref.Reference, "sha256:") {
		return invalid("it is not the name of a repository", example+", with :tag or @sha256:… where one is meant; names are in lower case")
	}
	return ref, nil
}

// tagged gives a reference with the tag of the version that it may name: 1.5.0+build.
func tagged(reference string) string {
	slash := strings.LastIndexByte(reference, '/') + 1
	name, version, _ := strings.Cut(reference[slash:], ":")
	if version == "" || strings.Contains(name, "@") {
		return reference
	}
	return reference[:slash] + name + ":" + TagOf(version)
}
