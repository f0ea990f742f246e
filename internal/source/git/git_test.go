package git

import (
	"os"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/sourcetest"
	"github.com/setpoint-dev/setpoint/test/gitserver"
)

// site is a repository on a real server, as the conformance suite wants it.
type site struct {
	t      *testing.T
	server *gitserver.Server
	repo   *gitserver.Repo
	spec   v1alpha1.GitSource
	dir    string
	file   bool
}

func newSite(t *testing.T, scheme string, opts gitserver.Options, settings ...string) *site {
	t.Helper()
	opts.SSH = scheme == "ssh"
	server := gitserver.Start(t, opts)
	repo := server.Repo("shop")
	for i := 0; i < len(settings); i += 2 {
		repo.Config(settings[i], settings[i+1])
	}
	s := &site{t: t, server: server, repo: repo, dir: t.TempDir(), file: scheme == "file"}
	s.spec = v1alpha1.GitSource{URL: repo.URL(), Ref: v1alpha1.GitRef{Branch: "main"}}
	switch scheme {
	case "ssh":
		s.spec.URL = repo.SSHURL()
		s.spec.Credentials = &v1alpha1.Credentials{
			SSHKey: &v1alpha1.ValueFrom{File: server.ClientKeyFile()}, KnownHosts: &v1alpha1.ValueFrom{File: server.KnownHostsFile()},
		}
	case "file":
		s.spec.URL = repo.FileURL()
	}
	return s
}

func (s *site) Write(files map[string]string) string   { return s.repo.Commit(files, "Write") }
func (s *site) Delete(paths ...string) string          { return s.repo.Delete("Delete", paths...) }
func (s *site) Link(path, target string) string        { return s.repo.Symlink(path, target, "Link") }
func (s *site) Rewrite(files map[string]string) string { return s.repo.Amend(files, "Rewrite") }
func (s *site) Remove()                                { s.repo.DeleteBranch("main") }

func (s *site) folder() string { return strings.TrimPrefix(s.repo.FileURL(), "file://") }

func (s *site) Stop() {
	if s.file {
		s.must(os.Rename(s.folder(), s.folder()+".away"))
		return
	}
	s.server.Stop()
}

func (s *site) Start() {
	if s.file {
		s.must(os.Rename(s.folder()+".away", s.folder()))
		return
	}
	s.must(s.server.Start())
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) Upstream(limits source.Limits) source.Upstream {
	s.t.Helper()
	return s.open(s.spec, Options{Limits: limits})
}

func (s *site) open(spec v1alpha1.GitSource, opts Options) *upstream {
	s.t.Helper()
	opts.Dir = s.dir
	if opts.Environ == nil {
		opts.Environ = func(string) string { return "" }
	}
	u, err := newUpstream(spec, opts)
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

func TestConformance(t *testing.T) {
	for name, open := range map[string]func(*testing.T) sourcetest.Site{
		"http with filter": func(t *testing.T) sourcetest.Site {
			return newSite(t, "http", gitserver.Options{}, "uploadpack.allowFilter", "true")
		},
		"https version 0": func(t *testing.T) sourcetest.Site {
			s := newSite(t, "http", gitserver.Options{TLS: true, OldProtocol: true})
			s.spec.CAFile = s.server.CAFile()
			return s
		},
		"ssh": func(t *testing.T) sourcetest.Site { return newSite(t, "ssh", gitserver.Options{}) },
		"ssh version 0": func(t *testing.T) sourcetest.Site {
			return newSite(t, "ssh", gitserver.Options{OldProtocol: true})
		},
		"file": func(t *testing.T) sourcetest.Site { return newSite(t, "file", gitserver.Options{}) },
	} {
		t.Run(name, func(t *testing.T) { sourcetest.Run(t, open) })
	}
}
