package gitserver

import (
	"os"
	"path/filepath"
	"strings"
)

// Add serves a folder under its base name and gives the URL: a repository as it is, so that commits made in it are seen at once;
// any other folder as a new repository with one commit.
func (s *Server) Add(folder string) (string, error) {
	name := strings.TrimSuffix(filepath.Base(folder), ".git")
	for _, candidate := range []string{filepath.Join(folder, ".git"), folder} {
		if _, err := os.Stat(filepath.Join(candidate, "objects")); err == nil {
			return s.URL(name), os.Symlink(candidate, filepath.Join(s.repositories(), name+".git"))
		}
	}
	s.Repo(name).CommitFS(os.DirFS(folder), "", "Import "+name)
	return s.URL(name), nil
}
