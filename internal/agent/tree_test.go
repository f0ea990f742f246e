package agent

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/plan"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/store/sqlite"
	"github.com/setpoint-dev/setpoint/internal/target"
	"github.com/setpoint-dev/setpoint/internal/target/self"
)

// declarer is an agent that only knows declarations: what it makes of them is the matter of these tests.
func declarer(t *testing.T) *Agent {
	t.Helper()
	db, err := sqlite.Open(context.Background(), ":memory:", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	a := &Agent{
		cfg:       Config{Name: "test", Source: v1alpha1.SourceSpec{Git: &v1alpha1.GitSource{URL: "https://git.example.com/fleet.git"}}, Path: "clusters/a"},
		members:   map[string]*member{},
		overrides: map[string]override{},
	}
	a.registry, err = self.Open(context.Background(), self.Options{
		Store: db, Agent: "test", Changed: func(state.ID) {}, Health: func(state.ID) state.Health { return state.Health{} },
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// declare takes "kind name: spec in YAML" as a Sync of a parent would.
func declare(t *testing.T, a *Agent, parent, kind, name, spec string) {
	t.Helper()
	var content map[string]any
	if err := yaml.Unmarshal([]byte(spec), &content); err != nil {
		t.Fatal(err)
	}
	object := state.NewObject(map[string]any{
		"apiVersion": v1alpha1.APIVersion, "kind": kind, "metadata": map[string]any{"name": name}, "spec": content,
	}, state.Origin{})
	steps := []plan.Step{{ID: object.ID(), Op: diff.Create, Want: object}}
	err := a.registry.Apply(context.Background(), a.owner(parent), steps, func(result target.Result) {
		if result.Err != nil {
			t.Fatal(result.Err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestChildrenInheritTheirSource(t *testing.T) {
	a := declarer(t)
	declare(t, a, "root", "Source", "payments", "git: {url: https://git.example.com/payments.git}")
	declare(t, a, "root", "Sync", "shop", "path: apps/shop")
	declare(t, a, "shop", "Sync", "shop-front", "path: front")
	declare(t, a, "root", "Sync", "payments", "source: {name: payments}")
	declare(t, a, "payments", "Sync", "payments-db", "path: db")
	declare(t, a, "root", "Sync", "other", "source: {git: {url: https://git.example.com/other.git}}")
	declare(t, a, "root", "Sync", "lost", "source: {name: nowhere}")
	for name, want := range map[string]string{
		"root": "fleet", "shop": "fleet", "shop-front": "fleet", "payments": "payments", "payments-db": "payments", "other": "other",
	} {
		e := a.resolve(name)
		if e.err != nil || !strings.Contains(e.source.Git.URL, "/"+want+".git") {
			t.Errorf("%s follows %s (%v), want %s", name, e.source.Git.URL, e.err, want)
		}
	}
	if e := a.resolve("lost"); fault.KindOf(e.err) != fault.NotFound || fault.HintOf(e.err) == "" {
		t.Errorf("an unknown source: %v, want NotFound with a hint", e.err)
	}
}

func TestAuthorityNarrows(t *testing.T) {
	a := declarer(t)
	declare(t, a, "root", "Sync", "tenant", "to: {kubernetes: {serviceAccount: tenants/a, namespace: a}}")
	for _, test := range []struct {
		name, spec string
		allowed    bool
	}{
		{"inherits", "path: x", true},
		{"same", "to: {kubernetes: {serviceAccount: tenants/a}}", true},
		{"namespace", "to: {kubernetes: {namespace: b}}", true},
		{"other-account", "to: {kubernetes: {serviceAccount: kube-system/admin}}", false},
		{"other-context", "to: {kubernetes: {context: production}}", false},
		{"kubeconfig", "to: {kubernetes: {kubeconfig: /etc/kubernetes/admin.conf}}", false},
		{"plain-source", "source: {git: {url: https://git.example.com/tenant.git}}", true},
		{"credentials", "source: {git: {url: https://evil.example.com/x.git, credentials: {token: {env: SETPOINT_GIT_TOKEN}}}}", false},
		{"ca-file", "source: {git: {url: https://evil.example.com/x.git, caFile: /etc/shadow}}", false},
		{"local-repository", "source: {git: {url: file:///srv/secrets}}", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			declare(t, a, "tenant", "Sync", test.name, test.spec)
			e := a.resolve(test.name)
			if allowed := e.err == nil; allowed != test.allowed {
				t.Fatalf("error %v, allowed should be %v", e.err, test.allowed)
			}
			if !test.allowed && (fault.KindOf(e.err) != fault.Denied || fault.HintOf(e.err) == "") {
				t.Errorf("error %v of kind %s, want Denied with a hint", e.err, fault.KindOf(e.err))
			}
			if e.to.ServiceAccount != "tenants/a" {
				t.Errorf("acts as %q, want its parent's service account", e.to.ServiceAccount)
			}
		})
	}
	declare(t, a, "tenant", "Source", "mine", "git: {url: https://evil.example.com/x.git, credentials: {token: {file: /etc/shadow}}}")
	declare(t, a, "root", "Sync", "user", "source: {name: mine}")
	if e := a.resolve("user"); fault.KindOf(e.err) != fault.Denied {
		t.Errorf("a confined Sync's Source with credentials, used by another: %v, want Denied", e.err)
	}
}

func TestCyclesAreFoundWhereTheyAreDeclared(t *testing.T) {
	a := declarer(t)
	need := func(names ...string) []v1alpha1.Reference {
		var refs []v1alpha1.Reference
		for _, name := range names {
			refs = append(refs, v1alpha1.Reference{Group: v1alpha1.Group, Kind: v1alpha1.KindSync, Name: name})
		}
		return refs
	}
	a.members = map[string]*member{
		"root":   {name: "root"},
		"a":      {name: "a", parent: "root", needs: need("b")},
		"b":      {name: "b", parent: "root", needs: need("c")},
		"c":      {name: "c", parent: "root", needs: need("a")},
		"fine":   {name: "fine", parent: "root", needs: need("d")},
		"d":      {name: "d", parent: "root"},
		"orphan": {name: "orphan", parent: "d", needs: need("root")},
	}
	for _, test := range []struct{ from, to, want string }{
		{"a", "b", "a b c a"}, {"b", "c", "b c a b"}, {"fine", "d", ""},
		{"orphan", "root", "orphan root d orphan"}, // a parent waits for its children
	} {
		if got := strings.Join(a.cycle(test.from, test.to), " "); got != test.want {
			t.Errorf("cycle of %s over %s = %q, want %q", test.from, test.to, got, test.want)
		}
	}
}

func TestDefaultNamesAreStableAndDistinct(t *testing.T) {
	git := func(url string) v1alpha1.SourceSpec { return v1alpha1.SourceSpec{Git: &v1alpha1.GitSource{URL: url}} }
	one := DefaultName(git("https://git.example.com/fleet.git"), "clusters/eu-1")
	if !strings.HasPrefix(one, "eu-1-") || one != DefaultName(git("https://token@git.example.com/fleet.git"), "clusters/eu-1/") {
		t.Errorf("name %q: want eu-1-…, whatever the credentials", one)
	}
	for _, other := range []string{
		DefaultName(git("https://git.example.com/fleet.git"), "clusters/us/eu-1"), DefaultName(git("https://git.example.com/other.git"), "clusters/eu-1"),
	} {
		if other == one {
			t.Errorf("two roots have the name %q", one)
		}
	}
	if name := DefaultName(git("git@git.example.com:team/fleet.git"), "."); !strings.HasPrefix(name, "fleet-") {
		t.Errorf("name %q, want fleet-…", name)
	}
}

func TestHostOfBothFormsOfAddress(t *testing.T) {
	for address, want := range map[string]string{
		"https://Git.example.com/x.git": "git.example.com", "ssh://git@git.example.com:2222/x": "git.example.com:2222",
		"git@git.example.com:team/x.git": "git.example.com", "https://user:pass@git.example.com/x": "git.example.com",
	} {
		if got := serverOf(address); got != want {
			t.Errorf("serverOf(%s) = %q, want %q", address, got, want)
		}
	}
}
