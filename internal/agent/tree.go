package agent

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/loop"
	"github.com/setpoint-dev/setpoint/internal/policy"
	"github.com/setpoint-dev/setpoint/internal/probe"
	"github.com/setpoint-dev/setpoint/internal/target/self"
)

// effective is a Sync's declaration with what it inherits.
type effective struct {
	spec   v1alpha1.SyncSpec
	parent string
	source v1alpha1.SourceSpec
	// imports are mounted into the source: those of this Sync, and those that come with an inherited source.
	imports []importing
	// confined says that the source is declared by somebody who acts as a service account.
	confined bool
	to       v1alpha1.ToKubernetes
	// shared is the Source that the source was taken from by name, here or further up.
	shared   string
	deleting bool
	// terms are the constraints of this Sync and of all above it.
	terms *policy.Terms
	err   error
}

// maxDepth bounds the tree, so that no chain of declarations can be endless.
const maxDepth = 32

// resolve gives what a Sync is told to do, all the way down from the root. Authority narrows: what an ancestor is confined to, a
// descendant cannot leave.
func (a *Agent) resolve(name string) effective { return a.resolveAt(name, 0) }

func (a *Agent) resolveAt(name string, depth int) effective {
	if name == self.Root {
		return a.root()
	}
	declaration, ok := a.registry.Get(self.SyncID(name))
	if !ok || depth > maxDepth {
		return effective{err: fault.New(fault.NotFound, "resolve", "Sync "+name, "it is not declared, or nested too deeply")}
	}
	decoded, err := v1alpha1.DecodeSync(declaration.Object)
	if err != nil {
		return effective{parent: declaration.Parent, deleting: declaration.Deleting, err: err}
	}
	above := a.resolveAt(declaration.Parent, depth+1)
	e := effective{
		spec: decoded.Spec, parent: declaration.Parent, deleting: declaration.Deleting,
		source: above.source, shared: above.shared, imports: above.imports, confined: above.confined, to: above.to,
	}
	if above.err != nil {
		e.err = fault.Wrap(fault.KindOf(above.err), "inherit from", "Sync "+declaration.Parent, above.err)
	}
	a.inheritSource(&e, above)
	a.addImports(&e, above)
	if err := narrow(&e, name); err != nil {
		e.err = err
	}
	a.constrain(&e, above, name)
	return e
}

// constrain adds a Sync's own constraints, and those of the policies that it names, to what everything below its parent keeps to.
func (a *Agent) constrain(e *effective, above effective, name string) {
	terms := above.terms.Add("Sync "+name, e.spec.Constraints)
	for _, used := range e.spec.Policies {
		declared, ok := a.registry.Get(self.PolicyID(used))
		if !ok || declared.Deleting {
			terms = terms.Lacking(fault.New(fault.NotFound, "resolve", "Policy "+used+" of Sync "+name, "it is not declared").
				WithHint("declare it in a Sync that comes before, or take it out of spec.policies"))
			continue
		}
		decoded, err := v1alpha1.DecodePolicy(declared.Object)
		if err != nil {
			terms = terms.Lacking(err)
			continue
		}
		terms = terms.Add("Policy "+used, decoded.Spec)
	}
	e.terms = terms
	if e.err != nil {
		return
	}
	for _, used := range e.used() {
		if e.err == nil {
			e.err = importFault(used.at, terms.RefusesSource(sourceName(used.spec)))
		}
		if e.err == nil {
			e.err = importFault(used.at, terms.RefusesKind(used.spec))
		}
	}
	if e.err == nil {
		e.err = terms.RefusesTarget(a.targetName(e.to))
	}
	if e.err == nil && e.to.ServiceAccount != "" && len(probe.All(e.spec.Health)) > 0 {
		e.err = fault.New(fault.Denied, "probe for", "Sync "+name,
			"a Sync that acts as a service account cannot probe addresses from the agent's network").
			WithHint("declare the probes higher up, in a Sync that is not confined, and refer to that with dependsOn")
	}
}

// root is the Sync that the agent's configuration declares.
func (a *Agent) root() effective {
	sync := v1alpha1.Sync{Spec: v1alpha1.SyncSpec{Path: a.cfg.Path}}
	sync.Default()
	e := effective{spec: sync.Spec, source: a.cfg.Source, terms: (*policy.Terms)(nil).Add("Sync root", v1alpha1.Constraints{})}
	e.source.Default()
	e.to = v1alpha1.ToKubernetes{Context: a.cfg.Context, Kubeconfig: a.cfg.Kubeconfig, Namespace: a.cfg.Namespace}
	return e
}

// narrow merges where the Sync wants its objects with where it may put them.
func narrow(e *effective, name string) error {
	if e.spec.To == nil || e.spec.To.Kubernetes == nil {
		return nil
	}
	want, have := *e.spec.To.Kubernetes, e.to
	leaves := (want.Context != "" && want.Context != have.Context) ||
		(want.Kubeconfig != "" && want.Kubeconfig != have.Kubeconfig) ||
		(want.ServiceAccount != "" && want.ServiceAccount != have.ServiceAccount)
	if have.ServiceAccount != "" && leaves {
		return fault.New(fault.Denied, "resolve", "the target of Sync "+name,
			fmt.Sprintf("its parent is confined to service account %s, and it asks for %s", have.ServiceAccount, targetName(want))).
			WithHint("remove spec.to, or declare the Sync higher up, where it may choose")
	}
	if want.Context != "" || want.Kubeconfig != "" {
		e.to.Context, e.to.Kubeconfig = want.Context, orElse(want.Kubeconfig, have.Kubeconfig)
	}
	e.to.ServiceAccount = orElse(want.ServiceAccount, have.ServiceAccount)
	e.to.Namespace = orElse(want.Namespace, have.Namespace)
	return nil
}

// inputs are what a loop is told of an effective declaration.
func (a *Agent) inputs(name string, e effective) loop.Inputs {
	suspended, by := e.spec.Suspend, ""
	if suspended {
		by = "declaration"
	}
	asked := a.overrideOf(name)
	if asked.Suspended {
		suspended, by = true, "person"
	}
	assess, err := assessor(e.spec.Health)
	if err != nil && e.err == nil {
		e.err = err
	}
	in := loop.Inputs{
		Spec: loop.Spec{
			Suspend: suspended, SuspendedBy: by, Report: e.spec.Drift == v1alpha1.DriftReport,
			Orphan: e.spec.Deletion == v1alpha1.DeletionOrphan, Timeout: time.Duration(e.spec.Timeout), Err: e.err,
			Refused: a.refusedBy(e.parent, name),
		},
		Path: e.spec.Path, Prune: e.spec.Prune == nil || *e.spec.Prune, Deleting: e.deleting,
		Rollback: e.spec.Rollback == v1alpha1.RollbackLastHealthy, Terms: termsOf(e), Approval: asked.Approval, Override: asked.Windows,
		Assess:     assess,
		Backoff:    loop.Backoff{Initial: time.Duration(e.spec.Retry.Initial), Max: time.Duration(e.spec.Retry.Max)},
		Needs:      func() []loop.Need { return a.needs(name, e.spec.DependsOn) },
		TargetName: a.targetName(e.to), Ignore: ignores(e.spec.Ignore),
	}
	if len(e.spec.Health) > 0 {
		in.Checks = func() []loop.Need { return a.checks(name, e.spec.Health) }
	}
	if in.Backoff.Initial <= 0 { // a declaration that cannot be read has no defaults either
		in.Backoff = loop.Backoff{Initial: time.Duration(v1alpha1.DefaultRetryInitial), Max: time.Duration(v1alpha1.DefaultRetryMax)}
	}
	return in
}

// termsOf gives what a Sync's guards go by: the constraints of the tree, and what the Sync says for itself alone.
func termsOf(e effective) *policy.Terms {
	return e.terms.Guarded(e.spec.Guards, e.spec.AllowEmpty)
}

// refusedBy says why a newer declaration of a Sync is not in force: its parent cannot put it there.
func (a *Agent) refusedBy(parent, name string) error {
	a.mu.Lock()
	m := a.members[parent]
	a.mu.Unlock()
	if m == nil {
		return nil
	}
	return m.loop.Refused(self.SyncID(name))
}

// targetName names where a Sync's objects go.
func (a *Agent) targetName(to v1alpha1.ToKubernetes) string {
	if a.cfg.NoCluster && to == (v1alpha1.ToKubernetes{Namespace: to.Namespace}) {
		return "this host"
	}
	return targetName(to)
}

func targetName(to v1alpha1.ToKubernetes) string {
	name := "kubernetes"
	if to.Context != "" {
		name += " context " + to.Context
	}
	if to.ServiceAccount != "" {
		name += " as " + to.ServiceAccount
	}
	return name
}

// hideUserinfo takes credentials out of a URL.
func hideUserinfo(raw string) string {
	if !strings.Contains(raw, "://") {
		user, rest, both := strings.Cut(raw, "@")
		if name, _, password := strings.Cut(user, ":"); both && password {
			return name + "@" + rest
		}
		return raw
	}
	parsed, err := url.Parse(raw)
	if err != nil {
		return "(unreadable URL)"
	}
	parsed.User, parsed.RawQuery, parsed.Fragment = nil, "", ""
	return parsed.String()
}

func orElse(first, second string) string {
	if first != "" {
		return first
	}
	return second
}

// serverOf gives the server of a Git URL, in both of its forms.
func serverOf(raw string) string {
	if parsed, err := url.Parse(raw); err == nil && parsed.Host != "" {
		return strings.ToLower(parsed.Host)
	}
	before, _, _ := strings.Cut(raw, ":")
	_, server, found := strings.Cut(before, "@")
	if !found {
		server = before
	}
	return strings.ToLower(server)
}
