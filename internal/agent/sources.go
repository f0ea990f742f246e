package agent

import (
	"fmt"
	"net/url"
	"slices"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/target/self"
)

// used gives the source of a Sync and its imports.
func (e effective) used() []importing {
	if !hasUpstream(e.source) {
		return e.imports
	}
	return append([]importing{{spec: e.source, shared: e.shared, confined: e.confined}}, e.imports...)
}

// named gives the Sources that a Sync uses by their names, also where they are not declared.
func (e effective) named() []string {
	var names []string
	for _, one := range e.used() {
		names = append(names, one.shared)
	}
	if e.spec.Source != nil {
		names = append(names, e.spec.Source.Name)
	}
	for _, one := range e.spec.Imports {
		names = append(names, one.Source.Name)
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}

// verifications are the signatures that everything above a Sync, and it itself, demand of what is pulled.
func (e effective) verifications() []*v1alpha1.Verification { return e.terms.Verifications() }

func (a *Agent) inheritSource(e *effective, above effective) {
	if e.spec.Source == nil {
		return
	}
	e.imports = nil // those of the parent go with the parent's source
	e.source, e.shared, e.err = a.declaredSource(*e.spec.Source, above)
	e.confined = isConfined(*e.spec.Source, above)
}

// addImports adds a Sync's own imports to those that its source brings.
func (a *Agent) addImports(e *effective, above effective) {
	e.imports = slices.Clone(e.imports)
	for i, one := range e.spec.Imports {
		spec, shared, err := a.declaredSource(one.Source, above)
		if err == nil && slices.ContainsFunc(e.imports, func(other importing) bool { return other.at == one.At }) {
			err = fault.New(fault.Invalid, "import", one.At, "the parent's source has an import there already").
				WithHint("choose another directory")
		}
		if err != nil && e.err == nil {
			e.err = fault.Wrap(fault.KindOf(err), "resolve", fmt.Sprintf("spec.imports[%d] (%s)", i, one.At), err)
		}
		if err == nil {
			e.imports = append(e.imports, importing{
				at: one.At, path: orElse(one.Path, "."), spec: spec, shared: shared, confined: isConfined(one.Source, above),
			})
		}
	}
}

// isConfined says whether a source is declared in place by somebody who acts as a service account.
func isConfined(declared v1alpha1.SyncSource, user effective) bool {
	return declared.Name == "" && user.to.ServiceAccount != ""
}

// declaredSource gives the upstream that a Sync names or declares, if it may use that.
func (a *Agent) declaredSource(declared v1alpha1.SyncSource, user effective) (v1alpha1.SourceSpec, string, error) {
	if declared.Name == "" {
		return declared.SourceSpec, "", confineSource(user, user, declared.SourceSpec)
	}
	shared, ok := a.registry.Get(self.SourceID(declared.Name))
	if !ok || shared.Deleting {
		return v1alpha1.SourceSpec{}, declared.Name, fault.New(fault.NotFound, "resolve", "Source "+declared.Name, "it is not declared").
			WithHint("declare it beside the Sync, or name another one")
	}
	decoded, err := v1alpha1.DecodeSource(shared.Object)
	if err != nil {
		return v1alpha1.SourceSpec{}, declared.Name, err
	}
	return decoded.Spec, declared.Name, confineSource(user, a.resolveParent(shared), decoded.Spec)
}

// resolveParent gives the Sync that declared a Source.
func (a *Agent) resolveParent(declaration self.Declaration) effective {
	return a.resolveAt(declaration.Parent, 1)
}

// confineSource keeps those who act as a service account from using what belongs to the agent: its credentials, its files.
func confineSource(user, declarer effective, spec v1alpha1.SourceSpec) error {
	if user.to.ServiceAccount == "" && declarer.to.ServiceAccount == "" || !namesWhatIsTheAgents(spec) {
		return nil
	}
	return fault.New(fault.Denied, "use", "source "+sourceName(spec),
		"a Sync that acts as a service account cannot name the agent's files, variables, proxies or local repositories").
		WithHint("declare the Source higher up, in a Sync that is not confined")
}

// namesWhatIsTheAgents says whether a source reads a file or a variable of the agent, or goes through a proxy or to a repository that only
// the agent can reach.
func namesWhatIsTheAgents(spec v1alpha1.SourceSpec) bool {
	if verifiesByFiles(spec.Verify) {
		return true
	}
	switch {
	case spec.Git != nil:
		parsed, err := url.Parse(spec.Git.URL)
		local := err == nil && parsed.Scheme == "file"
		return local || spec.Git.Credentials != nil || spec.Git.CAFile != "" || spec.Git.Proxy != ""
	case spec.OCI != nil:
		return spec.OCI.Credentials != nil || spec.OCI.CAFile != "" || spec.OCI.Proxy != ""
	case spec.Helm != nil:
		return spec.Helm.Credentials != nil || spec.Helm.CAFile != "" || spec.Helm.Proxy != ""
	case spec.Bucket != nil:
		return spec.Bucket.Credentials != nil || spec.Bucket.CAFile != "" || spec.Bucket.Proxy != ""
	case spec.Archive != nil:
		return spec.Archive.Credentials != nil || spec.Archive.CAFile != "" || spec.Archive.Proxy != ""
	}
	return false
}

// verifiesByFiles says whether a verification reads a file or a variable of the agent.
func verifiesByFiles(verify *v1alpha1.Verification) bool {
	if verify == nil {
		return false
	}
	var keys []*v1alpha1.PublicKeys
	if verify.Git != nil {
		keys = append(keys, verify.Git.AllowedSigners, verify.Git.PGPKeys)
	}
	if verify.OCI != nil {
		keys = append(keys, verify.OCI.Keys, verify.OCI.TrustedRoot)
	}
	if verify.Helm != nil {
		keys = append(keys, verify.Helm.PGPKeys)
	}
	return slices.ContainsFunc(keys, func(key *v1alpha1.PublicKeys) bool { return key != nil && (key.Env != "" || key.File != "") })
}

func hasUpstream(spec v1alpha1.SourceSpec) bool {
	return spec.Git != nil || spec.OCI != nil || spec.Helm != nil || spec.Bucket != nil || spec.Archive != nil
}

// sourceName is the URL of a source, without credentials.
func sourceName(spec v1alpha1.SourceSpec) string {
	switch {
	case spec.Git != nil:
		return hideUserinfo(spec.Git.URL)
	case spec.OCI != nil:
		return hideUserinfo(spec.OCI.URL)
	case spec.Helm != nil:
		return hideUserinfo(spec.Helm.URL)
	case spec.Bucket != nil:
		return hideUserinfo(spec.Bucket.Endpoint) + "/" + spec.Bucket.Bucket
	case spec.Archive != nil:
		return hideUserinfo(spec.Archive.URL)
	}
	return ""
}

// sourcesAt gives the sources that a person may mean by a word for a revision: a commit, branch or tag of Git, a digest, tag or version of
// others.
func sourcesAt(spec v1alpha1.SourceSpec, revision string) []v1alpha1.SourceSpec {
	var all []v1alpha1.SourceSpec
	switch {
	case spec.Git != nil:
		for _, ref := range refsOf(revision) {
			at, repository := spec, *spec.Git
			repository.Ref, at.Git = ref, &repository
			all = append(all, at)
		}
	case spec.OCI != nil:
		at, repository := spec, *spec.OCI
		repository.Ref, at.OCI = ociRef(revision), &repository
		all = append(all, at)
	case spec.Helm != nil:
		at, repository := spec, *spec.Helm
		repository.Version, at.Helm = revision, &repository
		all = append(all, at)
	default:
		all = append(all, spec)
	}
	return all
}

func ociRef(revision string) v1alpha1.OCIRef {
	if len(revision) > len("sha256:") && revision[:len("sha256:")] == "sha256:" {
		return v1alpha1.OCIRef{Digest: revision}
	}
	return v1alpha1.OCIRef{Tag: revision}
}

// withImports mounts the newest imports of a member into another revision of its source.
func (a *Agent) withImports(m *member, artifact source.Artifact) (source.Artifact, error) {
	a.mu.Lock()
	feeds := m.feeds
	a.mu.Unlock()
	var mounts []source.Mounted
	for _, one := range feeds[1:] {
		latest := one.feed.Latest()
		if latest.Artifact == nil {
			missing := fault.New(fault.Transient, "read", one.name, "no revision has been read yet")
			return nil, importFault(one.at, orFault(latest.Err, missing))
		}
		mounts = append(mounts, source.Mounted{At: one.at, Path: one.path, Artifact: latest.Artifact, Name: one.name})
	}
	return source.Mount(artifact, mounts)
}
