package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestModuleKeyFollowsItsContent(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module x\nrequire k8s.io/kubernetes v1.2.3\n")
	if _, _, err := readModule(dir); err == nil {
		t.Error("a module without go.sum was accepted")
	}
	write("go.sum", "one")
	r, before, err := readModule(dir)
	if err != nil {
		t.Fatal(err)
	}
	if want := (release{"v1.2.3", "1", "2"}); r != want || !strings.HasPrefix(before, "v1.2.3-") {
		t.Errorf("got %v and %q", r, before)
	}
	write("go.sum", "two")
	if _, after, err := readModule(dir); err != nil || after == before {
		t.Errorf("the key stayed %q though go.sum has changed (%v)", after, err)
	}
	write("go.mod", "module x\n")
	if _, _, err := readModule(dir); err == nil || !strings.Contains(err.Error(), "does not require") {
		t.Errorf("got %v for a module without Kubernetes", err)
	}
}

func TestFindIn(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, etcdProgram), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	missing := findIn(dir, []string{etcdProgram, kwokProgram}, found)
	if len(missing) != 1 || missing[0] != kwokProgram || found[etcdProgram] == "" {
		t.Errorf("found %v, missing %v", found, missing)
	}
	if missing := findIn("", []string{etcdProgram}, found); len(missing) != 1 {
		t.Error("found a program in no folder")
	}
}

func TestOneBuildAtATime(t *testing.T) {
	var said strings.Builder
	b := &builder{cache: t.TempDir(), log: &said}
	unlock, err := b.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		time.Sleep(300 * time.Millisecond)
		unlock()
	}()
	again, err := b.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again()
	if !strings.Contains(said.String(), "waiting for another process") {
		t.Errorf("said %q while it waited", said.String())
	}
}
