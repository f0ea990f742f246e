package git

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	gitobject "github.com/go-git/go-git/v5/plumbing/object"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// Authorship is who commits, and when.
type Authorship struct {
	Name, Mail string
	When       time.Time
}

// Commit writes files (by their slash-separated names) into the work tree at dir, and commits them on its branch; a
// repository that is not there yet is made, with the branch main. It gives the commit's hash. Only Setpoint's own demonstration writes
// to repositories: agents never do.
func Commit(dir string, files map[string][]byte, message string, by Authorship) (string, error) {
	repository, err := git.PlainOpen(dir)
	if errors.Is(err, git.ErrRepositoryNotExists) {
		repository, err = initialize(dir, by)
	}
	if err != nil {
		return "", fault.Wrap(fault.Denied, "open", "the repository "+dir, err)
	}
	tree, err := repository.Worktree()
	if err != nil {
		return "", fault.Wrap(fault.Internal, "open", "the work tree of "+dir, err)
	}
	for name, content := range files {
		if err := write(filepath.Join(dir, filepath.FromSlash(name)), content); err != nil {
			return "", fault.Wrap(fault.Denied, "write", name, err)
		}
		if _, err := tree.Add(name); err != nil {
			return "", fault.Wrap(fault.Internal, "add", name, err)
		}
	}
	author := &gitobject.Signature{Name: by.Name, Email: by.Mail, When: by.When}
	hash, err := tree.Commit(message, &git.CommitOptions{Author: author})
	return hash.String(), fault.Wrap(fault.Internal, "commit to", dir, err)
}

func initialize(dir string, by Authorship) (*git.Repository, error) {
	repository, err := git.PlainInitWithOptions(dir, &git.PlainInitOptions{
		InitOptions: git.InitOptions{DefaultBranch: plumbing.NewBranchReferenceName("main")},
	})
	if err != nil {
		return nil, err
	}
	settings, err := repository.ConfigScoped(config.LocalScope)
	if err != nil {
		return nil, err
	}
	settings.User.Name, settings.User.Email = by.Name, by.Mail // so that people can commit as well
	return repository, repository.SetConfig(settings)
}

func write(name string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil { //nolint:gosec // a repository is for others to read
		return err
	}
	return os.WriteFile(name, content, 0o644)
}
