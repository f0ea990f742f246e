package demo

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source/git"
)

//go:embed repository
var files embed.FS

// repository gives the files of the repository that the agent follows.
func (s *stage) repository() map[string][]byte {
	found := map[string][]byte{}
	_ = fs.WalkDir(files, "repository", func(name string, entry fs.DirEntry, err error) error { // what is embedded can be read
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := files.ReadFile(name)
		for environment, port := range s.ports {
			if strings.Contains(name, "overlays/"+environment+"/") {
				content = bytes.ReplaceAll(content, []byte("port: 8080"), fmt.Appendf(nil, "port: %d", port))
			}
		}
		found[strings.TrimPrefix(name, "repository/")] = content
		return err
	})
	return found
}

func (s *stage) commit(changed map[string][]byte, message string) error {
	by := git.Authorship{Name: "Demo", Mail: "demo@example.com", When: time.Now()}
	_, err := git.Commit(s.repo(), changed, message, by)
	return err
}

// overlay is the file of an environment that the tour changes.
func overlay(environment string) string { return "apps/shop/overlays/" + environment + "/app.yaml" }

// edit replaces a text in a file of the repository, and commits it.
func (s *stage) edit(name, from, to, message string) error {
	content, err := os.ReadFile(filepath.Join(s.repo(), filepath.FromSlash(name)))
	if err != nil {
		return fault.Wrap(fault.NotFound, "read", name, err)
	}
	if !bytes.Contains(content, []byte(from)) {
		return fault.New(fault.Invalid, "edit", name, fmt.Sprintf("it does not say %q any more", from))
	}
	return s.commit(map[string][]byte{name: bytes.Replace(content, []byte(from), []byte(to), 1)}, message)
}
