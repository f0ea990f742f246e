package helm_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	helmchart "helm.sh/helm/v4/pkg/chart/v2"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/helm"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/sourcetest"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// repositories gives charts by "URL name version".
type repositories struct {
	charts map[string]source.Artifact
	asked  []string
}

func (r *repositories) Artifact(_ context.Context, spec v1alpha1.SourceSpec) (source.Artifact, error) {
	name := spec.Helm.URL + " " + spec.Helm.Chart + " " + spec.Helm.Version
	r.asked = append(r.asked, name)
	if artifact := r.charts[name]; artifact != nil {
		return artifact, nil
	}
	return nil, fault.New(fault.Transient, "pull", name, "it is being pulled")
}

const parent = "apiVersion: v2\nname: app\nversion: 0.1.0\ndependencies:\n  - {name: sub, version: 1.x.x, repository: %q}\n"

func sub(version string) map[string]string {
	return map[string]string{
		"Chart.yaml":       "apiVersion: v2\nname: sub\nversion: " + version + "\n",
		"templates/x.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: sub}\ndata: {version: {{ .Chart.Version }}}\n",
	}
}

// lock makes a Chart.lock of one dependency, as helm dependency update does.
func lock(repository, version string) string {
	wanted := []*helmchart.Dependency{{Name: "sub", Version: "1.x.x", Repository: repository}}
	locked := []*helmchart.Dependency{{Name: "sub", Version: version, Repository: repository}}
	data, _ := json.Marshal([2][]*helmchart.Dependency{wanted, locked})
	sum := sha256.Sum256(data)
	return fmt.Sprintf("dependencies:\n- name: sub\n  repository: %s\n  version: %s\ndigest: sha256:%s\n", repository, version, hex.EncodeToString(sum[:]))
}

func TestDependenciesAreTakenFromSources(t *testing.T) {
	const url = "https://charts.example.com"
	sources := &repositories{charts: map[string]source.Artifact{
		url + " sub 1.x.x": artifactOf(sub("1.9.0")), url + " sub 1.2.3": artifactOf(sub("1.2.3")), "oci://example.com/charts sub 1.x.x": artifactOf(sub("1.5.0")),
	}}
	for name, test := range map[string]struct{ repository, lock, want string }{
		"range": {url, "", "1.9.0"}, "lock": {url, lock(url, "1.2.3"), "1.2.3"}, "registry": {"oci://example.com/charts", "", "1.5.0"},
		"beside": {"file://../beside", "", "1.7.0"},
	} {
		t.Run(name, func(t *testing.T) {
			files := chart("", "Chart.yaml", fmt.Sprintf(parent, test.repository))
			if test.lock != "" {
				files["app/Chart.lock"] = test.lock
			}
			for name, text := range sub("1.7.0") {
				files["beside/"+name] = text
			}
			r := request(files, nil)
			r.Outside.Sources = sources
			if got := field(must(t, r), "sub", "data.version"); got != test.want {
				t.Errorf("version %v, want %s", got, test.want)
			}
		})
	}
}

func TestDependenciesThatCannotBeHad(t *testing.T) {
	const url = "https://charts.example.com"
	for name, test := range map[string]struct {
		repository, lock string
		kind             fault.Kind
		word             string
	}{
		"being pulled":   {url, "", fault.Transient, "being pulled"},
		"out of sync":    {url, lock("https://other.example.com", "1.2.3"), fault.Invalid, "out of sync"},
		"wrong digest":   {url, strings.Replace(lock(url, "1.2.3"), "sha256:", "sha256:0", 1), fault.Invalid, "helm dependency update"},
		"alias":          {"@stable", "", fault.Invalid, "URL"},
		"alias, long":    {"alias:stable", "", fault.Invalid, "URL"},
		"nowhere":        {"", "", fault.NotFound, "charts"},
		"outside":        {"file://../../beside", "", fault.Invalid, "out of the source"},
		"absolute":       {"file:///etc", "", fault.Invalid, "out of the source"},
		"not there":      {"file://../nope", "", fault.NotFound, "nope"},
		"another":        {"file://../wrong", "", fault.Invalid, "wanted"},
		"itself":         {"file://../app", "", fault.Invalid, "depend on each other"},
		"another scheme": {"ftp://example.com", "", fault.NotFound, "charts"},
	} {
		t.Run(name, func(t *testing.T) {
			files := chart("", "Chart.yaml", fmt.Sprintf(parent, test.repository))
			if test.lock != "" {
				files["app/Chart.lock"] = test.lock
			}
			for name, text := range sub("2.0.0") {
				files["wrong/"+name] = text
			}
			r := request(files, nil)
			r.Outside.Sources = &repositories{}
			refused(t, r, test.kind, test.word)
		})
	}
	r := request(chart("", "Chart.yaml", fmt.Sprintf(parent, url)), nil)
	refused(t, r, fault.NotFound, "no source")
}

// packed makes a .tgz of files.
func packed(t *testing.T, files map[string]string) string {
	t.Helper()
	return string(sourcetest.TarGzOf(t, files))
}

func below(dir string, files map[string]string) map[string]string {
	out := map[string]string{}
	for name, text := range files {
		out[dir+"/"+name] = text
	}
	return out
}

func TestPackedSubcharts(t *testing.T) {
	files := chart("", "Chart.yaml", fmt.Sprintf(parent, "https://charts.example.com"), "charts/sub-1.0.0.tgz", packed(t, below("sub", sub("1.0.0"))))
	if got := field(must(t, request(files, nil)), "sub", "data.version"); got != "1.0.0" {
		t.Errorf("version %v", got)
	}
	bomb := map[string]string{"sub/Chart.yaml": sub("1.0.0")["Chart.yaml"]}
	for i := range 12 {
		bomb[fmt.Sprintf("sub/files/%d", i)] = strings.Repeat("x", 4<<20)
	}
	for name, archive := range map[string]string{
		"a bomb": packed(t, bomb), "a large file": packed(t, map[string]string{"sub/Chart.yaml": strings.Repeat("#", 6<<20)}),
		"a path up": packed(t, map[string]string{"sub/../../x": "x"}), "no archive": "text", "cut off": packed(t, below("sub", sub("1.0.0")))[:50],
		"an absolute path": packed(t, map[string]string{"/etc/x": "x"}), "nothing": packed(t, nil),
	} {
		t.Run(name, func(t *testing.T) {
			files["app/charts/sub-1.0.0.tgz"] = archive
			r := request(files, nil)
			r.Outside.Sources = &repositories{}
			if _, err := helm.New(helm.Options{}).Render(t.Context(), r); err == nil {
				t.Error("it is taken")
			}
		})
	}
}

// counted counts the files that are read.
type counted struct {
	source.Artifact
	read atomic.Int64
}

func (c *counted) ReadFile(name string) ([]byte, error) {
	c.read.Add(1)
	return c.Artifact.ReadFile(name)
}

// TestOneChartIsLoadedOnce by hundreds of releases of it at the same time, with values that enable other subcharts, and none disturbs another.
func TestOneChartIsLoadedOnce(t *testing.T) {
	files, _ := chartIn(t, "testdata/parity/subcharts.txtar")
	artifact := &counted{Artifact: artifactOf(files)}
	renderer := helm.New(helm.Options{})
	var group sync.WaitGroup
	for i := range 100 {
		group.Go(func() {
			values := map[string]any{"replica": map[string]any{"enabled": i%2 == 0, "port": i}, "unused": map[string]any{"enabled": false}}
			result, err := render.Formats{Helm: renderer}.Render(t.Context(), render.Request{
				Artifact: artifact, Path: ".", Name: fmt.Sprintf("r%d", i), How: v1alpha1.Rendering{Helm: &v1alpha1.Helm{Values: values}},
			})
			if err != nil {
				t.Error(err)
				return
			}
			want := fmt.Sprintf("no object r%d-replica", i)
			if i%2 == 0 {
				want = "Service"
			}
			if got := field(result, fmt.Sprintf("r%d-replica", i), "kind"); got != want {
				t.Errorf("%v, want %s", got, want)
			}
		})
	}
	group.Wait()
	if got := int(artifact.read.Load()); got > len(files)+1 { // and one look for .helmignore
		t.Errorf("%d files were read for a chart of %d", got, len(files))
	}
}

// decrypting is an artifact whose values are encrypted: with the key they read as what they hold.
type decrypting struct {
	source.Artifact
	values string
}

func (d decrypting) ReadFile(name string) ([]byte, error) {
	if name == "app/values.yaml" {
		return []byte(d.values), nil
	}
	return d.Artifact.ReadFile(name)
}

func (d decrypting) Raw() source.Artifact { return d.Artifact }

func (d decrypting) Sensitive(name string) bool { return name == "app/values.yaml" }

func (d decrypting) Secrets() []string { return nil }

func (d decrypting) Encrypted(*state.Object) ([]string, bool) { return nil, false }

// TestWhatIsEncryptedIsNotShared with those who have another key, or none, for the same chart.
func TestWhatIsEncryptedIsNotShared(t *testing.T) {
	renderer := helm.New(helm.Options{})
	stored := artifactOf(chart(configMap+`{a: {{ .Values.a }}}`, "values.yaml", "a: ciphertext\n"))
	for _, test := range []struct {
		artifact source.Artifact
		want     string
	}{
		{stored, "ciphertext"}, {decrypting{stored, "a: plaintext\n"}, "plaintext"}, {stored, "ciphertext"}, {decrypting{stored, "a: another\n"}, "another"},
	} {
		r := request(nil, nil)
		r.Artifact = test.artifact
		result, err := render.Formats{Helm: renderer}.Render(t.Context(), r)
		if got := field(result, "cm", "data.a"); err != nil || got != test.want {
			t.Errorf("%v, %v, want %s", got, err, test.want)
		}
	}
}
