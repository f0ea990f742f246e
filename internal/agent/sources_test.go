package agent

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

func TestNamesOfSourcesTellNoPassword(t *testing.T) {
	for url, want := range map[string]string{
		"https://u:hunter2@git.example.com/x.git?access_token=hunter2#hunter2": "https://git.example.com/x.git",
		"u:hunter2@git.example.com:x.git":                                      "u@git.example.com:x.git",
		"git@git.example.com:x.git":                                            "git@git.example.com:x.git",
	} {
		if got := sourceName(v1alpha1.SourceSpec{Git: &v1alpha1.GitSource{URL: url}}); got != want {
			t.Errorf("%s is called %s, want %s", url, got, want)
		}
	}
}

func TestFilesOfValues(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	read := func(files ...string) (map[string]any, error) {
		l := &local{cfg: LocalConfig{Values: files}}
		if err := l.readValues(t.Context()); err != nil {
			return nil, err
		}
		return l.cfg.How.Helm.Values, nil
	}
	values, err := read(
		file("one.yaml", "debug: no\nimage: {tag: a, name: x}\n"), file("two.yaml", "image: {tag: b}\n"),
	)
	if err != nil {
		t.Fatal(err)
	}
	image, _ := values["image"].(map[string]any)
	if values["debug"] != false || image["tag"] != "b" || image["name"] != "x" {
		t.Errorf("got %v", values)
	}
	if _, err := read(file("sealed.yaml", "password: ENC[x]\nsops: {mac: x}\n")); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a sealed file that is broken: %v", err)
	}
}

func TestConfinedSources(t *testing.T) {
	confined := effective{to: v1alpha1.ToKubernetes{ServiceAccount: "shop/agent"}}
	inPlace := v1alpha1.SyncSource{SourceSpec: v1alpha1.SourceSpec{OCI: &v1alpha1.OCISource{URL: "oci://registry.example.com/x"}}}
	if !isConfined(inPlace, confined) || isConfined(v1alpha1.SyncSource{Name: "shared"}, confined) || isConfined(inPlace, effective{}) {
		t.Error("only what somebody confined declares in place goes without the agent's logins")
	}
}
