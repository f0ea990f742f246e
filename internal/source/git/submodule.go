package git

import (
	"context"
	"errors"
	"path"

	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

const (
	maxSubmodules     = 256
	maxSubmoduleDepth = 8
)

// mountSubmodules fetches the submodules of an artifact, and theirs, when the source asks for it.
func (u *upstream) mountSubmodules(ctx context.Context, a *artifact) error {
	if !u.spec.Submodules {
		return nil
	}
	return u.mountBelow(ctx, a, nested{artifact: a})
}

// nested is an artifact somewhere below the root: at a path, and so many submodules deep.
type nested struct {
	*artifact
	at    string
	depth int
}

// mountBelow mounts the submodules of sub in the root.
func (u *upstream) mountBelow(ctx context.Context, root *artifact, sub nested) error {
	modules, err := sub.modules()
	if err != nil {
		return u.badModules(err.Error())
	}
	if sub.depth > maxSubmoduleDepth || len(root.mounts)+len(modules) > maxSubmodules {
		return u.badModules("there are too many submodules, or they lie too deep in each other")
	}
	for where, url := range modules {
		n, _, err := sub.resolve("open", where, false)
		if err != nil || n.mode != filemode.Submodule {
			continue // declared and not there: nothing to mount
		}
		full := path.Join(sub.at, where)
		child, err := u.submodule(url, n.hash, full)
		if err != nil {
			return err
		}
		got, _, err := child.Pull(ctx, child.Last())
		if err != nil {
			return err
		}
		inner, ok := got.(*artifact)
		if !ok {
			return errors.New("a submodule is not a Git artifact")
		}
		root.mounts[full] = mount{child.store, inner.commit, inner.root, child.at.String()}
		if err := u.mountBelow(ctx, root, nested{artifact: inner, at: full, depth: sub.depth + 1}); err != nil {
			return err
		}
	}
	return nil
}

func (u *upstream) badModules(cause string) error {
	return fault.New(fault.Invalid, "pull", u.String(), "read .gitmodules: "+cause)
}

// submodule makes the upstream of a submodule's commit. It gets this source's credentials only on the same host: the
// repository's authors choose the URL, but not who is shown the credentials.
func (u *upstream) submodule(url string, commit plumbing.Hash, at string) (*upstream, error) {
	where, err := u.at.relative(url)
	if err != nil {
		return nil, u.badModules("the URL of " + at + " cannot be used")
	}
	if where.scheme == "file" && u.at.scheme != "file" {
		return nil, u.badModules("the URL of " + at + " leads to this machine's files")
	}
	spec := v1alpha1.GitSource{
		URL: where.String(), Ref: v1alpha1.GitRef{Commit: commit.String()}, CAFile: u.spec.CAFile, Proxy: u.spec.Proxy,
	}
	opts := u.opts
	opts.Verify = nil // whoever has signed the commit has signed the names of its submodules' commits
	if where.host == u.at.host {
		spec.Credentials = u.spec.Credentials
	} else if opts.EnvironHost == "" {
		opts.EnvironHost = u.at.host
	}
	child, err := newUpstream(spec, opts)
	if err != nil {
		return nil, err
	}
	if where.host == u.at.host {
		child.at.user = u.at.user
	}
	child.key = u.key + "//" + at // what is remembered of it belongs to this upstream
	return child, nil
}

// modules reads .gitmodules: path → URL.
func (a *artifact) modules() (map[string]string, error) {
	content, err := a.ReadFile(".gitmodules")
	if fault.KindOf(err) == fault.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	declared := config.NewModules()
	if err := declared.Unmarshal(content); err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, m := range declared.Submodules {
		if m.Path != "" && m.URL != "" {
			found[path.Clean(m.Path)] = m.URL
		}
	}
	return found, nil
}

func (a *artifact) mountURLs() map[string]string {
	if len(a.mounts) == 0 {
		return nil
	}
	urls := map[string]string{}
	for at, m := range a.mounts {
		urls[at] = m.url
	}
	return urls
}

// remount opens the submodules of a remembered artifact from disk.
func (u *upstream) remount(a *artifact, urls map[string]string) error {
	for range maxSubmoduleDepth { // outer ones first: the commit of an inner one is written in them
		for at, url := range urls {
			if _, done := a.mounts[at]; done {
				continue
			}
			n, _, err := a.resolve("open", at, false)
			if err != nil || n.mode != filemode.Submodule {
				continue
			}
			child, err := u.submodule(url, n.hash, at)
			if err != nil {
				return err
			}
			inner, ok := child.Last().(*artifact)
			if !ok || inner.commit != n.hash {
				return errMissing
			}
			a.mounts[at] = mount{child.store, inner.commit, inner.root, url}
		}
		if len(a.mounts) == len(urls) {
			return nil
		}
	}
	return errMissing
}
