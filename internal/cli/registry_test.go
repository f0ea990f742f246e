package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/source/git"
	"github.com/setpoint-dev/setpoint/test/registry"
)

// TestReleases is the life of a folder in a registry: released once, found, tagged, and written somewhere else.
func TestReleases(t *testing.T) {
	r := registry.With(t, registry.Options{User: "fleet", Password: "swordfish"})
	c := newConsole(t)
	name, dir := r.Name("fleet/base"), t.TempDir()
	do := func(code int, args ...string) {
		t.Helper()
		if got := c.run(t.Context(), append(args, "--plain-http")...); got != code {
			t.Fatalf("%v: exit code %d, want %d: %s%s", args, got, code, &c.out, &c.err)
		}
		if strings.Contains(c.out.String()+c.err.String(), "swordfish") {
			t.Errorf("%v tells the password", args)
		}
	}
	says := func(out, err string) {
		t.Helper()
		if !strings.Contains(c.out.String(), out) || !strings.Contains(c.err.String(), err) {
			t.Errorf("got %q and %q, want %q and %q", &c.out, &c.err, out, err)
		}
	}
	commit, err := git.Commit(dir, map[string][]byte{"base/a.yaml": []byte("a: 1\n"), "other": nil}, "Say it",
		git.Authorship{Name: "Ada", Mail: "ada@example.com", When: now})
	if err != nil {
		t.Fatal(err)
	}
	base := filepath.Join(dir, "base")

	do(1, "push", name, "--path", base, "--version", "1.4.0")
	says("", "asks for credentials")
	c.env["SETPOINT_OCI_USERNAME"], c.env["SETPOINT_OCI_PASSWORD"] = "fleet", "swordfish"
	do(0, "push", name, "--path", base, "--version", "1.4.0", "--tag", "latest")
	says("pushed "+name+":1.4.0", "")
	do(0, "push", name, "--path", base, "--version", "1.4.0", "-o", "json")
	var pushed struct {
		Digest   string
		Uploaded bool
	}
	if err := json.Unmarshal([]byte(c.out.String()), &pushed); err != nil || pushed.Uploaded || !strings.HasPrefix(pushed.Digest, "sha256:") {
		t.Errorf("got %s and error %v", &c.out, err)
	}
	if err := os.WriteFile(filepath.Join(base, "a.yaml"), []byte("a: 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	do(1, "push", name, "--path", base, "--version", "1.4.0")
	says("", "released already")
	do(0, "push", name, "--path", base, "--version", "1.5.0")
	says("pushed "+name+":1.5.0", "something else than the commit "+commit[:7])

	do(0, "list", name)
	says("1.5.0", "")
	says(commit[:7]+" and changes", "")
	do(0, "tag", name+":1.4.0", "stable")
	do(1, "tag", name+":1.4.0", "1.5.0")
	do(1, "tag", name+":9.9.9", "stable")
	says("", "setpoint list "+name)

	copied := filepath.Join(t.TempDir(), "copy")
	do(0, "pull", name+":stable", copied)
	says(pushed.Digest, "")
	if text, err := os.ReadFile(filepath.Join(copied, "a.yaml")); err != nil || string(text) != "a: 1\n" {
		t.Errorf("got %q and error %v", text, err)
	}
	do(1, "pull", name+":stable", copied)
	says("", "--force")
	do(0, "pull", name+":1.5.0", copied, "--force")

	for _, args := range [][]string{
		{"push", name}, {"push", name, "--path", base}, {"push", name, "--version", "1.0.0"}, {"push"}, {"list"}, {"list", name + ":latest"},
		{"tag", name, "stable"}, {"tag", name + ":latest"}, {"pull", name}, {"push", name + ":1.0.0", "--path", base, "--version", "1.0.0"},
	} {
		do(2, args...)
	}
}

// TestReleaseIsReproducible: the same folder in two places, and SOURCE_DATE_EPOCH, give the same digest.
func TestReleaseIsReproducible(t *testing.T) {
	r := registry.Start(t)
	c := newConsole(t)
	c.env["SOURCE_DATE_EPOCH"] = "1767322800"
	digests := map[string]bool{}
	for _, repository := range []string{"one", "two"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte("a: 1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if code := c.run(t.Context(), "push", r.Name(repository), "--path", dir, "--version", "1.0.0", "--plain-http", "-o", "json"); code != 0 {
			t.Fatalf("exit code %d: %s", code, &c.err)
		}
		var pushed struct{ Digest string }
		if err := json.Unmarshal([]byte(c.out.String()), &pushed); err != nil {
			t.Fatal(err)
		}
		digests[pushed.Digest] = true
	}
	if len(digests) != 1 {
		t.Errorf("got %v", digests)
	}
	c.env["SOURCE_DATE_EPOCH"] = "yesterday"
	if code := c.run(t.Context(), "push", r.Name("one"), "--path", t.TempDir(), "--version", "1.0.1", "--plain-http"); code != 2 {
		t.Errorf("exit code %d", code)
	}
}
