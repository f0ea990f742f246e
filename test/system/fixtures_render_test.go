package system_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/setpoint-dev/setpoint/test/system"
	"github.com/setpoint-dev/setpoint/test/tools"
)

// differences are all that `setpoint render` makes otherwise than `helm template` and `kustomize build` do, of everything in the public
// repositories, by the folder: docs/rendering.md ("How it compares with helm and kustomize") lists the same.
var differences = map[string]string{
	"poshcode-cluster/apps/production":            encrypted,
	"poshcode-cluster/system/services/bases/dex":  encrypted,
	"poshcode-cluster/system/services/production": encrypted,
}

// encrypted: kustomize gives a SOPS document as it is, for something else to decrypt; here it is an error unless a key opens it, as what is
// applied would be ciphertext. With other values in the place of what is encrypted, both make the same of it.
const encrypted = "it holds SOPS documents for keys that are not here"

// chartValues make the charts render more than they do by themselves.
const chartValues = `replicaCount: 3
ingress: {enabled: true, hosts: [{host: a.example.com, paths: [{path: /, pathType: Prefix}]}]}
hpa: {enabled: true, maxReplicas: 4, cpu: 50}
serviceMonitor: {enabled: true}
redis: {enabled: true}
linkerd: {profile: {enabled: true}}
certificate: {create: true, issuerRef: {kind: ClusterIssuer, name: x}, dnsNames: [podinfo]}
serviceAccount: {enabled: true, name: other}
tls: {enabled: true}
podDisruptionBudget: {minAvailable: 1}
`

// TestFixturesRenderLikeHelm: every chart of the public repositories renders as helm template renders it, with its own values and others.
func TestFixturesRenderLikeHelm(t *testing.T) {
	folder := publicRepositories(t)
	charts := map[string]string{}
	for _, one := range find(t, folder, "Chart.yaml") {
		charts[one] = filepath.Join(folder, one)
	}
	archives, err := filepath.Glob(filepath.Join(folder, "charts", "*.tgz"))
	if err != nil || len(archives) < 3 || len(charts) == 0 {
		t.Fatalf("%d packages, %d charts, %v", len(archives), len(charts), err)
	}
	for _, one := range archives {
		charts[filepath.Base(one)] = unpack(t, one)
	}
	values := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(values, []byte(chartValues), 0o600); err != nil {
		t.Fatal(err)
	}
	helm := newHelm(t, "", "shop")
	for _, name := range slices.Sorted(maps.Keys(charts)) {
		for with, args := range map[string][]string{"its own values": nil, "other values": {"--values", values}} {
			want := documents(t, helm.run(append(args, "template", "web", charts[name], "--include-crds", "--skip-tests")...))
			got, err := rendered(t, append(args, charts[name], "--release", "web", "--namespace", "shop")...)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			} else if difference := cmp.Diff(want, got); difference != "" {
				t.Errorf("%s: helm template (-) and setpoint render (+) with %s:\n%s", name, with, difference)
			}
			t.Logf("%s with %s: %d objects", name, with, len(want))
		}
	}
}

// TestFixturesRenderLikeKustomize: every kustomization of the public repositories renders as kustomize build builds it, but for the
// differences that are known.
func TestFixturesRenderLikeKustomize(t *testing.T) {
	folder := publicRepositories(t)
	known := maps.Clone(differences)
	for _, repository := range []string{"argocd-example-apps", "flux2-kustomize-helm-example", "poshcode-cluster"} {
		root := clone(t, filepath.Join(folder, repository))
		for _, one := range find(t, root, "kustomization.yaml", "kustomization.yml", "Kustomization") {
			name := filepath.Join(repository, one)
			if known[name] == encrypted {
				delete(known, name)
				namesTheKey(t, name, filepath.Join(root, one))
				rendersAlike(t, name, filepath.Join(opened(t, root), one))
				continue
			}
			rendersAlike(t, name, filepath.Join(root, one))
		}
	}
	if len(known) > 0 {
		t.Errorf("differences that are not there any more: %v", known)
	}
}

// rendersAlike compares what a folder's kustomization gives on both sides.
func rendersAlike(t *testing.T, name, folder string) {
	t.Helper()
	got, err := rendered(t, folder)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if difference := cmp.Diff(built(t, folder), got); difference != "" {
		t.Errorf("%s: kustomize build (-) and setpoint render (+):\n%s", name, difference)
	}
	t.Logf("%s: %d objects", name, len(got))
}

// namesTheKey wants an error that says for which key a document is encrypted, and what to do.
func namesTheKey(t *testing.T, name, folder string) {
	t.Helper()
	_, err := rendered(t, folder)
	for _, word := range []string{"decrypt ", ".yaml: it is encrypted for age1", "none of the keys at hand opens it", "SOPS_AGE_KEY_FILE"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: the error does not say %q: %v", name, word, err)
		}
	}
	t.Logf("%s: %v", name, err)
}

// find gives the folders that hold a file of one of these names, sorted.
func find(t *testing.T, root string, names ...string) (folders []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && slices.Contains(names, entry.Name()) {
			var folder string
			folder, err = filepath.Rel(root, filepath.Dir(path))
			folders = append(folders, folder)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return folders
}

// What SOPS writes: at the end of a document, and in the place of a value.
var (
	sopsMark  = regexp.MustCompile(`(?m)^sops:\n(?:[ \t].*\n?|\n)*`)
	sopsValue = regexp.MustCompile(`ENC\[AES256_GCM,[^\]]*\]`)
)

// opened copies a repository, with other values where SOPS documents hold encrypted ones.
func opened(t *testing.T, root string) string {
	t.Helper()
	dir := clone(t, root)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		text, err := os.ReadFile(path)
		if err == nil {
			text = sopsValue.ReplaceAll(sopsMark.ReplaceAll(text, nil), []byte("b3BlbmVk")) // fit for the data of a Secret
			err = os.WriteFile(path, text, 0o600)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// rendered gives the objects that setpoint render shows, each as JSON, sorted.
func rendered(t *testing.T, args ...string) ([]string, error) {
	t.Helper()
	out, err := command(t, system.Binary(t), append([]string{"render", "-o", "json", "--secrets"}, args...)...)
	if err != nil {
		return nil, err
	}
	var list struct{ Items []any }
	if err := json.Unmarshal(out, &list); err != nil {
		t.Fatal(err)
	}
	return canonical(t, list.Items), nil
}

// built gives the objects that kustomize build gives.
func built(t *testing.T, folder string) []string {
	t.Helper()
	out, err := command(t, tools.Path(t, "kustomize"), "build", "--load-restrictor", "LoadRestrictionsNone", folder)
	if err != nil {
		t.Fatal(err)
	}
	return documents(t, string(out))
}

// documents gives the documents of a YAML stream.
func documents(t *testing.T, stream string) []string {
	t.Helper()
	var all []any
	for _, text := range regexp.MustCompile(`(?m)^---$`).Split(stream, -1) {
		var document any
		if err := yaml.Unmarshal([]byte(text), &document); err != nil {
			t.Fatalf("%v:\n%s", err, text)
		}
		if document != nil {
			all = append(all, document)
		}
	}
	return canonical(t, all)
}

func canonical(t *testing.T, values []any) []string {
	t.Helper()
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = system.JSON(t, value)
	}
	slices.Sort(texts)
	return texts
}

// command runs a program without any of the tester's settings; an error quotes what it says.
func command(t *testing.T, program string, args ...string) ([]byte, error) {
	t.Helper()
	home := t.TempDir()
	run := exec.CommandContext(t.Context(), program, args...)
	run.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "TZ=UTC"}
	var stderr bytes.Buffer
	run.Stderr = &stderr
	out, err := run.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s", filepath.Base(program), strings.Join(args, " "), err, &stderr)
	}
	return out, nil
}

func mustRun(t *testing.T, program string, args ...string) {
	t.Helper()
	if _, err := command(t, program, args...); err != nil {
		t.Fatal(err)
	}
}
