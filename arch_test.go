// Package setpoint_test holds the rules that the whole tree keeps: which way imports may point (this file), how code is written
// (arch_code_test.go), and what files may say (arch_text_test.go). ARCHITECTURE.md gives the reasons.
package setpoint_test

import (
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/setpoint-dev/setpoint"

// pure are the packages that decide: values in, values out.
var pure = []string{
	"internal/state", "internal/fault", "internal/diff", "internal/plan", "internal/policy", "internal/expression", "internal/window",
}

// decisions are the files of the loop that decide. They keep the same rules as the pure packages.
var decisions = []string{
	"internal/loop/backoff.go", "internal/loop/damping.go", "internal/loop/decide.go", "internal/loop/decide_change.go",
	"internal/loop/decide_forbidden.go", "internal/loop/decide_health.go", "internal/loop/decide_known.go", "internal/loop/describe.go",
	"internal/loop/facts.go", "internal/loop/measure.go",
}

// impure are the parts of the standard library that reach out of the process, or talk beside the return value.
var impure = []string{
	"net", "os", "io/fs", "io/ioutil", "syscall", "database/sql", "log", "plugin", "embed", "testing", "crypto/rand", "crypto/tls",
	"path/filepath", "runtime/debug", "unsafe", "C",
}

// pureModules are the only modules of others that pure code may use: they do nothing but compute.
var pureModules = []string{"sigs.k8s.io/yaml", "cel.dev/cel-go", "github.com/robfig/cron"}

// clock are the functions of package time that read the clock or wait.
var clock = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

// ports are the packages whose sub-packages are drivers.
var ports = []string{"internal/source", "internal/render", "internal/target", "internal/store"}

// notDrivers are sub-packages of ports that drivers may share: conformance suites, and what formats have in common.
var notDrivers = []string{
	"internal/source/sourcetest", "internal/target/targettest", "internal/store/storetest",
	"internal/render/document", "internal/render/confined", "internal/render/placeholder", "internal/source/packed", "internal/source/fetch",
}

// wiring are the packages that know every driver: the agent, and the commands that work without one.
var wiring = []string{"internal/agent", "internal/cli"}

// homes says which packages may use a library; any other may not. A package stands for those below it.
var homes = []struct {
	library string
	homes   []string
}{
	{"k8s.io", []string{"internal/target/kube", "internal/render/helm"}},
	{"helm.sh/helm", []string{"internal/render/helm", "internal/source/helm", "internal/target/kube", "internal/signature"}},
	{"github.com/Masterminds/sprig", []string{"internal/render/helm"}},
	{"github.com/BurntSushi/toml", []string{"internal/render/helm"}},
	{"github.com/gobwas/glob", []string{"internal/render/helm"}},
	{"github.com/santhosh-tekuri/jsonschema", []string{"internal/render/helm"}},
	{"oras.land/oras-go", []string{"internal/source/oci"}},
	{"github.com/opencontainers", []string{"internal/source/oci"}},
	{"github.com/minio/minio-go", []string{"internal/source/bucket"}},
	{"github.com/getsops/sops", []string{"internal/render/sops"}},
	{"filippo.io/age", []string{"internal/render/sops"}},
	{"github.com/google/go-jsonnet", []string{"internal/render/jsonnet"}},
	{"cuelang.org/go", []string{"internal/render/cue"}},
	{"github.com/sigstore", []string{"internal/signature"}},
	{"github.com/hiddeco/sshsig", []string{"internal/signature"}},
	{"github.com/ProtonMail/go-crypto", []string{"internal/signature", "internal/render/sops"}},
	{"sigs.k8s.io/structured-merge-diff", []string{"internal/target/kube"}},
	{"github.com/fluxcd/cli-utils", []string{"internal/target/kube"}},
	{"sigs.k8s.io/kustomize", []string{"internal/render/kustomize"}},
	{"github.com/go-git", []string{"internal/source/git"}},
	{"golang.org/x/crypto", []string{"internal/source/git", "internal/signature"}},
	{"modernc.org/sqlite", []string{"internal/store/sqlite"}},
	{"cel.dev/cel-go", []string{"internal/expression"}},
	{"github.com/robfig/cron", []string{"internal/window"}},
	{"database/sql", []string{"internal/store/sqlite"}},
	{"github.com/fsnotify", []string{"internal/target/host"}},
	{"github.com/joho/godotenv", []string{"internal/render", "internal/target/host"}},
	{"github.com/mattn/go-shellwords", []string{"internal/target/host"}},
	{"github.com/prometheus", []string{"internal/agent", "internal/httpapi"}},
	{"github.com/spf13", []string{"internal/cli", "cmd"}},
	{"golang.org/x/term", []string{"internal/term", "internal/cli", "cmd"}},
	{"github.com/google/go-cmp", nil},
	{"pgregory.net/rapid", nil},
	{"github.com/rogpeppe/go-internal", nil},
	{"golang.org/x/tools", nil},
	{"testing", nil},
}

// places are where packages may be. Go keeps other modules out of internal/ and of commands; api/ is meant for them; the rest holds
// only what tests and measurements start, and no part of the product.
var places = []string{"api", "internal", "cmd", "test", "bench"}

// TestPureCode: what decides cannot reach a network, a disk, a process, a client library or a clock.
func TestPureCode(t *testing.T) {
	for _, name := range decisions {
		if !slices.ContainsFunc(tree(t), func(f *file) bool { return f.path == name }) {
			t.Errorf("%s is not there any more: is its successor in the list of decisions?", name)
		}
	}
	for _, f := range product(t) {
		inPure := slices.Contains(pure, f.dir)
		if !inPure && !slices.Contains(decisions, f.path) {
			continue
		}
		for _, imported := range f.imports() {
			own, isOwn := strings.CutPrefix(imported, module+"/")
			switch {
			case isOwn && inPure && !slices.Contains(pure, own) && !strings.HasPrefix(own, "api/"):
				t.Errorf("%s imports %s: pure packages import only each other", f.path, own)
			case isOwn || under(imported, pureModules...):
			case strings.Contains(firstPart(imported), "."):
				t.Errorf("%s imports %s: pure code uses no library but %s", f.path, imported, strings.Join(pureModules, ", "))
			case under(imported, impure...):
				t.Errorf("%s imports %s: pure code does not reach out", f.path, imported)
			}
		}
		for _, use := range f.uses("time", clock) {
			t.Errorf("%s uses the clock: take the time as a value", use)
		}
	}
}

// TestDriversNeverMeet: a driver sees its port and what lies below, no other driver; only the wiring sees drivers.
func TestDriversNeverMeet(t *testing.T) {
	for _, f := range product(t) {
		mine := driver(f.dir)
		for _, imported := range f.imports() {
			theirs := driver(strings.TrimPrefix(imported, module+"/"))
			switch {
			case theirs == "" || theirs == mine || slices.Contains(notDrivers, f.dir) && mine != "":
			case mine != "":
				t.Errorf("%s imports %s: drivers do not know each other", f.path, theirs)
			case !under(f.dir, wiring...) && !under(f.dir, "test", "bench"):
				t.Errorf("%s imports %s: only %s know drivers", f.path, theirs, strings.Join(wiring, " and "))
			}
		}
	}
}

// TestArrowsPointDown: nothing below the agent knows the agent, nothing below the command line knows the command line.
func TestArrowsPointDown(t *testing.T) {
	above := map[string][]string{ // package: who may import it
		"internal/cli":   {"cmd"},
		"internal/agent": {"internal/cli", "cmd"},
		"internal/term":  {"internal/cli", "cmd"},
		"internal/loop":  {"internal/agent"},
		"internal/probe": {"internal/agent"},
	}
	for _, f := range product(t) {
		for _, imported := range f.imports() {
			for below, allowed := range above {
				own := strings.TrimPrefix(imported, module+"/")
				if under(own, below) && !under(f.dir, below) && !under(f.dir, allowed...) && !under(f.dir, "test", "bench") {
					t.Errorf("%s imports %s: only %s may", f.path, own, strings.Join(allowed, ", "))
				}
			}
			if under(strings.TrimPrefix(imported, module+"/"), "test", "bench") && !under(f.dir, "test", "bench") {
				t.Errorf("%s imports %s: the product does not contain its tests", f.path, imported)
			}
		}
	}
}

// TestLibrariesHaveAHome: a library that many packages use cannot be replaced, and slows down all of their tests.
func TestLibrariesHaveAHome(t *testing.T) {
	for _, f := range product(t) {
		if under(f.dir, "test", "bench") || isSuite(f.dir) {
			continue
		}
		for _, imported := range f.imports() {
			for _, rule := range homes {
				if under(imported, rule.library) && !under(f.dir, rule.homes...) {
					t.Errorf("%s imports %s: its home is %s", f.path, imported, orTests(rule.homes))
				}
			}
		}
	}
}

// TestOnlyTheAPIIsImportable: other modules can build on api/ alone.
func TestOnlyTheAPIIsImportable(t *testing.T) {
	for _, f := range product(t) {
		if !under(f.dir, places...) {
			t.Errorf("%s: packages are under %s", f.path, strings.Join(places, ", "))
		}
	}
}

// driver gives the driver that a folder belongs to, "internal/target/kube", or "".
func driver(dir string) string {
	for _, port := range ports {
		if rest, ok := strings.CutPrefix(dir, port+"/"); ok {
			if d := port + "/" + firstPart(rest); !slices.Contains(notDrivers, d) {
				return d
			}
		}
	}
	return ""
}

// isSuite says whether a package exists for tests: its name ends in "test", as httptest's does.
func isSuite(dir string) bool { return strings.HasSuffix(path.Base(dir), "test") }

// under says whether a path is one of the roots or below one.
func under(name string, roots ...string) bool {
	return slices.ContainsFunc(roots, func(root string) bool { return name == root || strings.HasPrefix(name, root+"/") })
}

func firstPart(name string) string {
	first, _, _ := strings.Cut(name, "/")
	return first
}

func orTests(homes []string) string {
	if len(homes) == 0 {
		return "tests"
	}
	return strings.Join(homes, ", ")
}
