package system_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// A badCase is one archive of testdata/badinput. Its comment says what is wrong, and on a line "show: A B" which Syncs tell it, when
// it is not the Sync of the archive's name. Its sections are:
//
//	good/sync.yaml               the declaration of the Sync; there is a usual one
//	good/PATH                    a file of cases/NAME, from which the Sync follows "app"; there are two ConfigMaps always
//	bad/PATH                     a file that changes or comes by the bad commit
//	bad/PATH (removed)           a file that goes by it
//	bad/PATH (200 MB)            a file that is not written down here
//	bad/PATH -> TARGET           a symbolic link
//	want                         what the user is told
//
// ${NAME} stands for the namespace of the case NAME, and for the addresses and files of badWorld.
type badCase struct {
	name    string
	file    string
	archive *txtar.Archive
	show    []string
	good    map[string]string
	bad     map[string]string
	removed []string
	huge    []string
	links   map[string]string
}

// usualSync follows the case's folder "app" in the repository of the root.
const usualSync = `apiVersion: setpoint.dev/v1alpha1
kind: Sync
metadata:
  name: NAME
spec:
  path: cases/NAME/app
  to: {kubernetes: {namespace: "${NAME}"}}
`

const usualConfig = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: NAME\ndata:\n  colour: green\n"

func readBadCases(t *testing.T) []*badCase {
	t.Helper()
	files, err := filepath.Glob("testdata/badinput/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d cases: %v", len(files), err)
	}
	var cases []*badCase
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		cases = append(cases, newBadCase(t, file, archive))
	}
	return cases
}

func newBadCase(t *testing.T, file string, archive *txtar.Archive) *badCase {
	t.Helper()
	name := strings.TrimSuffix(filepath.Base(file), ".txtar")
	c := &badCase{
		name: name, file: file, archive: archive, show: []string{name},
		good: map[string]string{
			"sync.yaml":       strings.ReplaceAll(usualSync, "NAME", name),
			"app/first.yaml":  strings.ReplaceAll(usualConfig, "NAME", "first"),
			"app/second.yaml": strings.ReplaceAll(usualConfig, "NAME", "second"),
		},
		bad: map[string]string{}, links: map[string]string{},
	}
	for line := range strings.Lines(string(archive.Comment)) {
		if names, ok := strings.CutPrefix(line, "show: "); ok {
			c.show = strings.Fields(names)
		}
	}
	for _, section := range archive.Files {
		when, where, _ := strings.Cut(section.Name, "/")
		bare, isRemoved := strings.CutSuffix(where, " (removed)")
		large, isHuge := strings.CutSuffix(where, " (200 MB)")
		link, target, isLink := strings.Cut(where, " -> ")
		switch {
		case section.Name == "want":
		case when == "good":
			c.good[where] = string(section.Data)
		case when != "bad":
			t.Fatalf("%s: the section %q is of no kind", file, section.Name)
		case isRemoved:
			c.removed = append(c.removed, bare)
		case isHuge:
			c.huge = append(c.huge, large)
		case isLink:
			c.links[link] = target
		default:
			c.bad[where] = string(section.Data)
		}
	}
	return c
}

// place says where in a repository a file of the case is.
func (c *badCase) place(file string) string {
	if file == "sync.yaml" {
		return path.Join("fleet", c.name+".yaml")
	}
	return path.Join("cases", c.name, file)
}

func (c *badCase) want() string {
	for _, section := range c.archive.Files {
		if section.Name == "want" {
			return string(section.Data)
		}
	}
	return ""
}

// update writes what the user is told into the archive.
func (c *badCase) update(t *testing.T, told string) {
	t.Helper()
	for i, section := range c.archive.Files {
		if section.Name == "want" {
			c.archive.Files = append(c.archive.Files[:i:i], c.archive.Files[i+1:]...)
			break
		}
	}
	c.archive.Files = append(c.archive.Files, txtar.File{Name: "want", Data: []byte(told)})
	if err := os.WriteFile(c.file, txtar.Format(c.archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// badMasks are what differs from run to run.
var badMasks = []struct {
	pattern *regexp.Regexp
	mask    string
}{
	{regexp.MustCompile(`\[127\.0\.0\.1\]:\d+ ssh-ed25519 [A-Za-z0-9+/=]+`), "[HOST]:PORT ssh-ed25519 KEY"},
	{regexp.MustCompile(`SHA256:[A-Za-z0-9+/]{43}`), "SHA256:FINGERPRINT"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "HOST:PORT"},
	{regexp.MustCompile(`\[127\.0\.0\.1\]:\d+`), "[HOST]:PORT"},
}

func maskBad(text string) string {
	for _, m := range badMasks {
		text = m.pattern.ReplaceAllString(text, m.mask)
	}
	return text
}
