package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/git"
)

const lookups = 20 // of which the mean counts

var ctx = context.Background()

// timed gives how long a function takes.
func timed(f func() error) (time.Duration, error) {
	begin := time.Now()
	err := f()
	return time.Since(begin), err
}

// repeated gives the mean of several look-ups.
func repeated(f func() error) (time.Duration, error) {
	took, err := timed(func() error {
		for range lookups {
			if err := f(); err != nil {
				return err
			}
		}
		return nil
	})
	return took / lookups, err
}

var gitCommand = map[string]func(job) (time.Duration, error){
	"first fetch, depth 1": func(j job) (time.Duration, error) {
		return timed(func() error {
			return run(nil, "git", "clone", "-q", "--bare", "--depth=1", "--branch=main", j.URL, j.Dir)
		})
	},
	"look-up, nothing new": func(j job) (time.Duration, error) {
		return repeated(func() error { return run(nil, "git", "ls-remote", "-q", j.URL, "refs/heads/main") })
	},
	"fetch of one new commit": func(j job) (time.Duration, error) {
		return timed(func() error {
			return run(nil, "git", "-C", j.Dir, "fetch", "-q", "--depth=1", j.URL, "+refs/heads/main:refs/heads/main")
		})
	},
	"read of 5,000 files": func(j job) (time.Duration, error) {
		var names bytes.Buffer
		for _, path := range j.Paths {
			fmt.Fprintln(&names, "main:"+path)
		}
		return timed(func() error { return run(names.Bytes(), "git", "-C", j.Dir, "cat-file", "--batch") })
	},
}

func run(input []byte, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), os.Stderr
	return cmd.Run()
}

var goGit = map[string]func(job) (time.Duration, error){
	"first fetch, depth 1": func(j job) (time.Duration, error) {
		return timed(func() error {
			_, err := gogit.PlainClone(j.Dir, true, &gogit.CloneOptions{
				URL: j.URL, Depth: 1, ReferenceName: "refs/heads/main", SingleBranch: true, Tags: gogit.NoTags,
			})
			return err
		})
	},
	"look-up, nothing new": func(j job) (time.Duration, error) {
		repo, err := gogit.PlainOpen(j.Dir)
		if err != nil {
			return 0, err
		}
		return repeated(func() error {
			remote, err := repo.Remote("origin")
			if err != nil {
				return err
			}
			_, err = remote.List(&gogit.ListOptions{})
			return err
		})
	},
	"fetch of one new commit": func(j job) (time.Duration, error) {
		repo, err := gogit.PlainOpen(j.Dir)
		if err != nil {
			return 0, err
		}
		return timed(func() error {
			return repo.Fetch(&gogit.FetchOptions{
				Depth: 1, Force: true, Tags: gogit.NoTags, RefSpecs: []config.RefSpec{"+refs/heads/main:refs/heads/main"},
			})
		})
	},
	"read of 5,000 files": func(j job) (time.Duration, error) {
		return timed(func() error {
			repo, err := gogit.PlainOpen(j.Dir)
			if err != nil {
				return err
			}
			ref, err := repo.Reference(plumbing.NewBranchReferenceName("main"), true)
			if err != nil {
				return err
			}
			commit, err := repo.CommitObject(ref.Hash())
			if err != nil {
				return err
			}
			tree, err := commit.Tree()
			if err != nil {
				return err
			}
			for _, path := range j.Paths {
				file, err := tree.File(path)
				if err != nil {
					return err
				}
				if _, err := file.Contents(); err != nil {
					return err
				}
			}
			return nil
		})
	},
}

func upstream(j job) (source.Upstream, error) {
	spec := v1alpha1.GitSource{URL: j.URL, Ref: v1alpha1.GitRef{Branch: "main"}}
	return git.New(spec, git.Options{Dir: j.Dir, Timeout: time.Hour})
}

var setpoint = map[string]func(job) (time.Duration, error){
	"first fetch, depth 1": func(j job) (time.Duration, error) {
		return timed(func() error {
			u, err := upstream(j)
			if err != nil {
				return err
			}
			_, _, err = u.Pull(ctx, nil)
			return err
		})
	},
	"look-up, nothing new": func(j job) (time.Duration, error) {
		u, err := upstream(j)
		if err != nil {
			return 0, err
		}
		known := u.Last()
		return repeated(func() error {
			again, _, err := u.Pull(ctx, known)
			if err == nil && again != known {
				return errors.New("something was new")
			}
			return err
		})
	},
	"fetch of one new commit": func(j job) (time.Duration, error) {
		u, err := upstream(j)
		if err != nil {
			return 0, err
		}
		known := u.Last()
		return timed(func() error {
			_, _, err := u.Pull(ctx, known)
			return err
		})
	},
	"read of 5,000 files": func(j job) (time.Duration, error) {
		return timed(func() error {
			u, err := upstream(j)
			if err != nil {
				return err
			}
			last := u.Last()
			for _, path := range j.Paths {
				if _, err := last.ReadFile(path); err != nil {
					return err
				}
			}
			return nil
		})
	},
}
