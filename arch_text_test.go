package setpoint_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// unfinished are the words of code that is not done: an issue is the place for it.
var unfinished = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)

// machine finds what is only true on somebody's machine: home and work directories.
var machine = regexp.MustCompile(`(^|[^\w.~/:-])/(work|root|home/[a-z]\w*|Users/\w+)/`)

// registry finds the hosts of package registries and of their mirrors: which one is used is the reader's setting, not ours.
var registry = regexp.MustCompile(`\b(proxy\.golang\.org|sum\.golang\.org|goproxy\.(io|cn)|deb\.debian\.org|registry\.npmjs\.org|pypi\.org)\b`)

// tracked gives the files that are under version control, or would be.
func tracked(t *testing.T) []string {
	t.Helper()
	list, err := exec.CommandContext(t.Context(), "git", "ls-files", "--cached", "--others", "--exclude-standard", "-z").Output()
	if err != nil {
		t.Fatalf("list the files under version control: %v", err)
	}
	names := slices.DeleteFunc(strings.Split(string(list), "\x00"), func(name string) bool {
		info, err := os.Lstat(name)
		return err != nil || !info.Mode().IsRegular() // also those that are deleted and not committed
	})
	slices.Sort(names)
	return slices.Compact(names)
}

func TestWords(t *testing.T) {
	for _, name := range tracked(t) {
		if name == "arch_text_test.go" || path.Base(name) == "go.sum" {
			continue
		}
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		number := 0
		for line := range strings.Lines(string(content)) {
			number++
			if word := unfinished.FindString(line); word != "" && path.Ext(name) == ".go" {
				t.Errorf("%s:%d: %s: finish it, or open an issue", name, number, word)
			}
			if place := machine.FindString(line); place != "" {
				t.Errorf("%s:%d: %q is a path of one machine", name, number, strings.TrimSpace(place))
			}
			if host := registry.FindString(line); host != "" {
				t.Errorf("%s:%d: %s: the host of a registry is the user's setting", name, number, host)
			}
		}
	}
}

// requirements gives what go.mod requires, by module; the value says that go.mod calls it indirect.
func requirements(t *testing.T) map[string]bool {
	t.Helper()
	content, err := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json").Output()
	if err != nil {
		t.Fatalf("read go.mod: %v", err)
	}
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal(content, &mod); err != nil {
		t.Fatal(err)
	}
	required := map[string]bool{}
	for _, r := range mod.Require {
		required[r.Path] = r.Indirect
	}
	return required
}

// TestGoModSaysWhatIsUsed: a module is required directly if and only if some file imports it.
func TestGoModSaysWhatIsUsed(t *testing.T) {
	required := requirements(t)
	user := map[string]string{}
	for _, f := range tree(t) {
		for _, imported := range f.imports() {
			if owner := ownerOf(imported, required); owner != "" {
				user[owner] = f.path
			}
		}
	}
	for name, indirect := range required {
		switch {
		case indirect && user[name] != "":
			t.Errorf("go.mod calls %s indirect, and %s imports it", name, user[name])
		case !indirect && user[name] == "":
			t.Errorf("go.mod requires %s, and nothing imports it", name)
		}
	}
}

// ownerOf gives the module that a package belongs to: the one with the longest path.
func ownerOf(imported string, required map[string]bool) string {
	owner := ""
	for name := range required {
		if under(imported, name) && len(name) > len(owner) {
			owner = name
		}
	}
	return owner
}

// reason is a row of CONTRIBUTING.md's table: a module, what for, and instead of what.
var reason = regexp.MustCompile("(?m)^\\| `([^` ]+)` \\| +([^|\\s][^|]*)\\|")

// TestDependenciesHaveReasons: what the module requires itself is in CONTRIBUTING.md's table, each with the reason for it, and
// nothing else is.
func TestDependenciesHaveReasons(t *testing.T) {
	text, err := os.ReadFile("CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n## Dependencies\n")
	table, _, _ = strings.Cut(table, "\n## ")
	listed := map[string]bool{}
	for _, row := range reason.FindAllStringSubmatch(table, -1) {
		listed[row[1]] = true
	}
	required := requirements(t)
	for name, indirect := range required {
		if !indirect && !listed[name] {
			t.Errorf("go.mod requires %s: say why in CONTRIBUTING.md, under Dependencies", name)
		}
	}
	for name := range listed {
		if indirect, found := required[name]; !found || indirect {
			t.Errorf("CONTRIBUTING.md gives a reason for %s, which go.mod does not require directly", name)
		}
	}
}
