package kustomize

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// repositories are what URLs name, as "URL path ref".
var repositories = map[string]string{
	"https://github.com/org/repo//path/to?ref=v1":                    "https://github.com/org/repo path/to v1",
	"https://github.com/org/repo?ref=main":                           "https://github.com/org/repo . main",
	"https://github.com/org/repo/a/b":                                "https://github.com/org/repo a/b ",
	"https://github.com/org/repo.git/a?ref=x&timeout=90s":            "https://github.com/org/repo.git a x",
	"https://github.com/org/repo.git//a?version=x":                   "https://github.com/org/repo.git a x",
	"github.com/org/repo/a?ref=refs/tags/v2":                         "https://github.com/org/repo a refs/tags/v2",
	"GitHub.com/org/repo":                                            "https://github.com/org/repo . ",
	"github.com:org/repo.git":                                        "https://github.com/org/repo.git . ",
	"git@github.com:org/repo.git//a/b?ref=v1":                        "git@github.com:org/repo.git a/b v1",
	"git@github.com/org/repo":                                        "git@github.com:org/repo . ",
	"ssh://git@github.com/org/repo//a":                               "git@github.com:org/repo a ",
	"ssh://github.com/org/repo":                                      "git@github.com:org/repo . ",
	"git::https://gitlab.example.com/group/repo.git//a":              "https://gitlab.example.com/group/repo.git a ",
	"git::ssh://git@gitlab.example.com:2222/group/sub/repo.git//a":   "ssh://git@gitlab.example.com:2222/group/sub/repo.git a ",
	"git@gitlab.example.com:group/sub/repo.git//a":                   "git@gitlab.example.com:group/sub/repo.git a ",
	"https://gitlab.example.com/group/sub/repo//a?submodules=false":  "https://gitlab.example.com/group/sub/repo a  without submodules",
	"https://user@dev.azure.com/org/project/_git/repo/a/b?ref=v1":    "https://dev.azure.com/org/project/_git/repo a/b v1",
	"http://127.0.0.1:8080/org/repo//a":                              "http://127.0.0.1:8080/org/repo a ",
	"https://github.com/org/repo//a/x.yaml?ref=v1":                   "https://github.com/org/repo a/x.yaml v1",
	"https://raw.githubusercontent.com/org/repo/v1/a/x.yaml":         "https://github.com/org/repo a/x.yaml v1 without submodules",
	"https://raw.githubusercontent.com/org/repo/refs/heads/m/x.yaml": "https://github.com/org/repo x.yaml refs/heads/m without submodules",
}

// notRepositories cannot be used, each with why.
var notRepositories = map[string]error{
	"https://example.com/a/x.yaml":              errWebFile,
	"https://example.com/x.json":                errWebFile,
	"https://github.com/org/repo/x.yaml":        errWebFile,
	"https://example.com/repo":                  errNoRepository,
	"https://":                                  errNoRepository,
	"https:///org/repo":                         errNoRepository,
	"git@":                                      errNoRepository,
	"gh:org/repo":                               errNoRepository,
	"file:///var/lib/repo":                      errLocal,
	"git::file:///var/lib/repo":                 errLocal,
	"git://example.com/org/repo":                errLocal,
	"https://user:secret@example.com/org/repo":  errSecret,
	"ssh://user:secret@example.com/org/repo":    errSecret,
	"https://github.com/org/repo//../x":         errLeaves,
	"https://github.com/org/repo//a/../../../x": errLeaves,
}

func describe(r repository) string {
	text := r.url + " " + r.path + " " + r.ref
	if !r.submodules {
		text += " without submodules"
	}
	return text
}

func TestRepositories(t *testing.T) {
	for entry, want := range repositories {
		got, err := parseRepository(entry)
		if err != nil || describe(got) != want {
			t.Errorf("%s: %s, %v, want %s", entry, describe(got), err, want)
		}
		if !isRemote(entry) {
			t.Errorf("%s is not taken for a URL", entry)
		}
	}
	for entry, want := range notRepositories {
		if got, err := parseRepository(entry); !errors.Is(err, want) || fault.HintOf(err) == "" {
			t.Errorf("%s: %s, %v, want %v", entry, describe(got), err, want)
		}
	}
}

func TestReferences(t *testing.T) {
	const commit = "0123456789abcdef0123456789abcdef01234567"
	for ref, want := range map[string]v1alpha1.GitRef{
		"": {}, "main": {Branch: "main"}, "v1": {Tag: "v1"}, "1.2.3": {Tag: "1.2.3"}, "v1.2.3-rc.1": {Tag: "v1.2.3-rc.1"}, "version": {Branch: "version"},
		commit: {Commit: commit}, "refs/heads/a/b": {Branch: "a/b"}, "refs/tags/v1": {Tag: "v1"},
	} {
		if got := (repository{ref: ref}).refs(); got[0] != want {
			t.Errorf("%q: %+v", ref, got)
		}
	}
}

func FuzzRepository(f *testing.F) {
	for entry := range repositories {
		f.Add(entry)
	}
	for entry := range notRepositories {
		f.Add(entry)
	}
	f.Fuzz(func(t *testing.T, entry string) {
		got, err := parseRepository(entry)
		if err == nil && (!fs.ValidPath(got.path) || got.url == "" || len(got.refs()) == 0) {
			t.Errorf("%q: %+v", entry, got)
		}
	})
}
