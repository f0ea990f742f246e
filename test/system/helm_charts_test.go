package system_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/test/registry"
	"github.com/setpoint-dev/setpoint/test/system"
	"github.com/setpoint-dev/setpoint/test/tools"
)

// helmCommand is the helm command, with settings of its own.
type helmCommand struct {
	t          *testing.T
	kubeconfig string // may be empty
	namespace  string
	home       string
}

func newHelm(t *testing.T, kubeconfig, namespace string) *helmCommand {
	return &helmCommand{t: t, kubeconfig: kubeconfig, namespace: namespace, home: t.TempDir()}
}

// try runs helm, and says whether it has succeeded.
func (h *helmCommand) try(args ...string) (output string, err error) {
	h.t.Helper()
	command := exec.CommandContext(h.t.Context(), tools.Path(h.t, "helm"), args...)
	command.Env = []string{
		"KUBECONFIG=" + h.kubeconfig, "HELM_NAMESPACE=" + h.namespace, "PATH=" + os.Getenv("PATH"), "TZ=UTC",
		"HOME=" + h.home, "HELM_CACHE_HOME=" + h.home, "HELM_CONFIG_HOME=" + h.home, "HELM_DATA_HOME=" + h.home,
	}
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		err = fmt.Errorf("helm %s: %w\n%s%s", strings.Join(args, " "), err, out, &stderr)
	}
	return string(out), err
}

// run runs helm, which has to succeed.
func (h *helmCommand) run(args ...string) string {
	h.t.Helper()
	out, err := h.try(args...)
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

// read decodes what helm says as JSON.
func (h *helmCommand) read(into any, args ...string) {
	h.t.Helper()
	out := h.run(append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		h.t.Fatalf("helm %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// listedRelease is a line of helm list.
type listedRelease struct {
	Name, Namespace, Revision, Status, Chart string
	AppVersion                               string `json:"app_version"`
}

func (h *helmCommand) list() (releases []listedRelease) {
	h.t.Helper()
	h.read(&releases, "list")
	return releases
}

// history gives the lines of helm history, as "2 deployed shop-1.1.0 Upgrade complete", without whom they come from.
func (h *helmCommand) history(release string) (lines []string) {
	h.t.Helper()
	var list []struct {
		Revision                   int
		Status, Chart, Description string
	}
	h.read(&list, "history", release)
	for _, one := range list {
		what, _, _ := strings.Cut(one.Description, " (")
		lines = append(lines, fmt.Sprintf("%d %s %s %s", one.Revision, one.Status, one.Chart, what))
	}
	return lines
}

// publisher gives charts to those who ask: a chart repository over HTTP, or a registry.
type publisher interface {
	// publish makes a package of a chart's directory available.
	publish(helm *helmCommand, archive string)
	// source is a source of the newest chart of a range of versions, in flow style.
	source(chart, version string) string
}

// website is a chart repository whose index helm has made.
type website struct {
	t      *testing.T
	dir    string
	server *httptest.Server
}

func newWebsite(t *testing.T) publisher {
	w := &website{t: t, dir: t.TempDir()}
	w.server = httptest.NewServer(w)
	t.Cleanup(w.server.Close)
	return w
}

// ServeHTTP implements http.Handler: files with an ETag.
func (w *website) ServeHTTP(out http.ResponseWriter, request *http.Request) {
	name := filepath.Join(w.dir, filepath.Base(request.URL.Path))
	content, err := os.ReadFile(name)
	if err != nil {
		http.NotFound(out, request)
		return
	}
	out.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(content)))
	file, err := os.Open(name)
	if err != nil {
		http.NotFound(out, request)
		return
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		http.NotFound(out, request)
		return
	}
	http.ServeContent(out, request, name, info.ModTime(), file)
}

func (w *website) publish(helm *helmCommand, archive string) {
	w.t.Helper()
	copyFile(w.t, archive, filepath.Join(w.dir, filepath.Base(archive)))
	made := w.t.TempDir() // nobody sees half an index
	all, err := filepath.Glob(filepath.Join(w.dir, "*.tgz"))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, one := range all {
		copyFile(w.t, one, filepath.Join(made, filepath.Base(one)))
	}
	helm.run("repo", "index", made, "--url", w.server.URL)
	copyFile(w.t, filepath.Join(made, "index.yaml"), filepath.Join(w.dir, "index.new"))
	if err := os.Rename(filepath.Join(w.dir, "index.new"), filepath.Join(w.dir, "index.yaml")); err != nil {
		w.t.Fatal(err)
	}
}

func (w *website) source(chart, version string) string {
	return fmt.Sprintf("{helm: {url: %q, chart: %s, version: %q}, interval: 1s}", w.server.URL, chart, version)
}

// charts are the charts of a registry.
type charts struct{ registry *registry.Registry }

func newCharts(t *testing.T) publisher { return charts{registry: registry.Start(t)} }

func (c charts) publish(helm *helmCommand, archive string) {
	helm.t.Helper()
	helm.run("push", archive, c.registry.Name("charts"), "--plain-http")
}

func (c charts) source(chart, version string) string {
	return fmt.Sprintf("{helm: {url: %q, chart: %s, version: %q, insecure: true}, interval: 1s}", c.registry.Name("charts"), chart, version)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// shop writes a version of the chart of testdata into a folder, and gives the folder.
func (s *scene) shop(version string) string {
	s.Helper()
	files := map[string]string{}
	for _, layer := range []string{"base", version} {
		for name, text := range archive(s.T, "shop") {
			if inside, ok := strings.CutPrefix(name, layer+"/"); ok {
				files[inside] = strings.NewReplacer("VERSION", version, "NS", s.ns).Replace(text)
			}
		}
	}
	return writeFiles(s.T, "shop", files)
}

// writeFiles writes what is not empty into a new folder of a name.
func writeFiles(t *testing.T, folder string, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), folder)
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if text == "" {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// pack makes a package of a chart's directory.
func (h *helmCommand) pack(chart string) string {
	h.t.Helper()
	dir := h.t.TempDir()
	h.run("package", chart, "-d", dir)
	made, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(made) != 1 {
		h.t.Fatalf("helm package made %v, %v", made, err)
	}
	return made[0]
}

// gadgets is the path of the definition that the chart brings.
func (s *scene) gadgets() string {
	return system.Path("apiextensions.k8s.io/v1", "customresourcedefinitions", "", "gadgets."+s.ns+".example.com")
}
