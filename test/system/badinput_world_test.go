package system_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/test/gitserver"
	"github.com/setpoint-dev/setpoint/test/system"
)

// badWorld is what the cases of bad input need around them: Git servers of each kind, namespaces, a narrow service account, an
// admission policy.
type badWorld struct {
	t     *testing.T
	plant *system.Plant
	fleet *gitserver.Repo
	repos map[string]*gitserver.Repo // of the cases that have another than the fleet's
	words map[string]string          // what ${NAME} stands for
	names map[string]string          // a case's namespace to its name
}

func newBadWorld(t *testing.T, cases []*badCase) *badWorld {
	t.Helper()
	dir := t.TempDir()
	open := gitserver.Start(t, gitserver.Options{})
	locked := gitserver.Start(t, gitserver.Options{Password: "right"})
	shell := gitserver.Start(t, gitserver.Options{SSH: true})
	w := &badWorld{
		t: t, plant: system.Shared(t), fleet: open.Repo("fleet"), names: map[string]string{},
		repos: map[string]*gitserver.Repo{
			"large-file": open.Repo("large"), "wrong-token": locked.Repo("locked"), "unknown-host-key": shell.Repo("shell"),
		},
	}
	w.words = map[string]string{
		"GIT": w.fleet.URL(), "LARGE": w.repos["large-file"].URL(), "LOCKED": w.repos["wrong-token"].URL(),
		"SSH": w.repos["unknown-host-key"].SSHURL(), "KEY": shell.ClientKeyFile(), "KNOWN": shell.KnownHostsFile(), "DIR": dir,
	}
	for name, content := range map[string]string{"token": "right\n", "wrong-token": "wrong\n", "other_hosts": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range cases {
		namespace := w.plant.MakeNamespace(c.name)
		w.words[c.name], w.names[namespace] = namespace, c.name
	}
	w.limitAccount()
	w.demandOwner()
	return w
}

// limitAccount lets a service account have ConfigMaps and nothing else.
func (w *badWorld) limitAccount() {
	namespace := w.words["forbidden-kind"]
	rbac := "rbac.authorization.k8s.io/v1"
	w.plant.Apply("test", system.Path("v1", "serviceaccounts", namespace, "limited"), "{apiVersion: v1, kind: ServiceAccount, metadata: {name: limited}}")
	w.plant.Apply("test", system.Path(rbac, "roles", namespace, "limited"), `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: limited}
rules:
- {apiGroups: [""], resources: [configmaps], verbs: ["*"]}
`)
	w.plant.Apply("test", system.Path(rbac, "rolebindings", namespace, "limited"), `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: limited}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: limited}
subjects: [{kind: ServiceAccount, name: limited, namespace: `+namespace+`}]
`)
}

// demandOwner makes the cluster refuse ConfigMaps without an owner in one namespace.
func (w *badWorld) demandOwner() {
	version := "admissionregistration.k8s.io/v1"
	policy := system.Path(version, "validatingadmissionpolicies", "", "every-configmap-has-an-owner")
	binding := system.Path(version, "validatingadmissionpolicybindings", "", "every-configmap-has-an-owner")
	w.plant.CleanUp(binding, policy)
	w.plant.Apply("test", policy, `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: every-configmap-has-an-owner}
spec:
  failurePolicy: Fail
  matchConstraints:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: `+w.words["admission-refusal"]+`}}
    resourceRules: [{apiGroups: [""], apiVersions: [v1], resources: [configmaps], operations: [CREATE, UPDATE]}]
  matchConditions:
  - {name: not-the-cluster-itself, expression: "object.metadata.name != 'kube-root-ca.crt'"}
  validations:
  - expression: "has(object.metadata.labels) && 'owner' in object.metadata.labels"
    message: every ConfigMap needs a label "owner"
`)
	w.plant.Apply("test", binding, `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: every-configmap-has-an-owner}
spec: {policyName: every-configmap-has-an-owner, validationActions: [Deny]}
`)
}

// repo is where the files of a case are, but for the declaration of its Sync.
func (w *badWorld) repo(c *badCase) *gitserver.Repo {
	if repo := w.repos[c.name]; repo != nil {
		return repo
	}
	return w.fleet
}

// commit writes files of every case in one commit to each repository; remove are those that go.
func (w *badWorld) commit(cases []*badCase, files func(*badCase) map[string]string, message string) {
	perRepo := map[*gitserver.Repo]map[string]string{}
	for _, c := range cases {
		for file, content := range files(c) {
			repo := w.repo(c)
			if file == "sync.yaml" {
				repo = w.fleet
			}
			if perRepo[repo] == nil {
				perRepo[repo] = map[string]string{}
			}
			perRepo[repo][c.place(file)] = os.Expand(content, w.word)
		}
	}
	for repo, content := range perRepo {
		repo.Commit(content, message)
	}
}

func (w *badWorld) word(name string) string {
	if word, ok := w.words[name]; ok {
		return word
	}
	w.t.Fatalf("nothing is known of ${%s}", name)
	return ""
}

// draft lets all repositories be written to aside, and gives those that are followed.
func (w *badWorld) draft() (followed map[string]*gitserver.Repo, fleet *gitserver.Repo) {
	followed, fleet = maps.Clone(w.repos), w.fleet
	for name, repo := range w.repos {
		w.repos[name] = repo.On("draft")
	}
	w.fleet = w.fleet.On("draft")
	return followed, fleet
}

// publish pushes what was written since draft, however many commits it took, at once.
func (w *badWorld) publish(followed map[string]*gitserver.Repo, fleet *gitserver.Repo) {
	for name, repo := range followed {
		repo.ForcePush(w.repos[name].Head())
	}
	fleet.ForcePush(w.fleet.Head())
	w.repos, w.fleet = followed, fleet
}

// good commits what is right, and takes away what was wrong.
func (w *badWorld) good(cases []*badCase, message string) {
	defer w.publish(w.draft())
	for _, c := range cases {
		var gone []string
		for _, file := range append(c.huge, append(keysOf(c.bad), keysOf(c.links)...)...) {
			if _, stays := c.good[file]; !stays && w.has(w.repo(c), c.place(file)) {
				gone = append(gone, c.place(file))
			}
		}
		if len(gone) > 0 {
			w.repo(c).Delete(message, gone...)
		}
	}
	w.commit(cases, func(c *badCase) map[string]string { return c.good }, message)
}

// bad commits what is wrong.
func (w *badWorld) bad(cases []*badCase, message string) {
	defer w.publish(w.draft())
	for _, c := range cases {
		repo := w.repo(c)
		for link, target := range c.links {
			repo.Symlink(c.place(link), target, message)
		}
		for _, file := range c.huge {
			w.commitHuge(repo, c.place(file), message)
		}
		var gone []string
		for _, file := range c.removed {
			gone = append(gone, c.place(file))
		}
		if len(gone) > 0 {
			repo.Delete(message, gone...)
		}
	}
	w.commit(cases, func(c *badCase) map[string]string { return c.bad }, message)
}

func (w *badWorld) has(repo *gitserver.Repo, file string) bool {
	return repo.Head() != "" && repo.Git("ls-tree", "--name-only", repo.Head(), "--", file) != ""
}

// commitHuge commits a file of 200 MB that takes no space: nothing but zeros.
func (w *badWorld) commitHuge(repo *gitserver.Repo, name, message string) {
	sparse := filepath.Join(w.t.TempDir(), "sparse")
	if err := os.WriteFile(sparse, nil, 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Truncate(sparse, 200<<20); err != nil {
		w.t.Fatal(err)
	}
	blob := repo.Git("hash-object", "-w", sparse)
	head := repo.Head()
	repo.Git("read-tree", head)
	repo.Git("update-index", "--add", "--cacheinfo", fmt.Sprintf("100644,%s,%s", blob, name))
	tree := repo.Git("write-tree")
	repo.ForcePush(repo.Git("-c", "user.name=Ann", "-c", "user.email=ann@example.com", "commit-tree", "-p", head, "-m", message, tree))
}

// snapshot gives the UID of everything that the cases have in the cluster.
func (w *badWorld) snapshot() map[string]string {
	uids := map[string]string{}
	for _, collection := range []string{
		system.Path("v1", "configmaps", "", ""), system.Path("v1", "secrets", "", ""), system.Path("v1", "services", "", ""),
		system.Path("apps/v1", "deployments", "", ""),
	} {
		for _, object := range w.plant.List(collection) {
			namespace, name := object.String("metadata", "namespace"), object.String("metadata", "name")
			if _, ours := w.names[namespace]; ours && name != "kube-root-ca.crt" {
				uids[collection+" "+namespace+"/"+name] = object.UID()
			}
		}
	}
	return uids
}

// plain puts names in place of what differs from run to run.
func (w *badWorld) plain(text string) string {
	for namespace, name := range w.names {
		text = strings.ReplaceAll(text, namespace, name)
	}
	return maskBad(strings.ReplaceAll(text, w.words["DIR"], "DIR"))
}

func keysOf(files map[string]string) []string {
	keys := make([]string, 0, len(files))
	for key := range maps.Keys(files) {
		keys = append(keys, key)
	}
	return keys
}
