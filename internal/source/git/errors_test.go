package git

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/test/gitserver"
)

var update = flag.Bool("update", false, "write the golden files anew")

var foreign = []struct {
	pattern *regexp.Regexp
	name    string
}{
	{regexp.MustCompile(`(\[127\.0\.0\.1\]|127\.0\.0\.1):\d+`), "git.example.com"},
	{regexp.MustCompile(`SHA256:[A-Za-z0-9+/]+`), "SHA256:FINGERPRINT"},
	{regexp.MustCompile(`AAAA[A-Za-z0-9+/=]+`), "AAAA…"},
	{regexp.MustCompile(`(file://)?/[^ ]*/TestErrorTexts[^ ]*/`), "$1/srv/"},
}

// golden compares an error, as a person sees it, with testdata/errors/NAME.txt.
func golden(t *testing.T, name string, err error) {
	t.Helper()
	if err == nil {
		t.Fatal("there is no error")
	}
	got := string(fault.KindOf(err)) + "\n" + err.Error() + "\nhint: " + fault.HintOf(err) + "\n"
	for _, f := range foreign {
		got = f.pattern.ReplaceAllString(got, f.name)
	}
	file := filepath.Join("testdata", "errors", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, readErr := os.ReadFile(file)
	if readErr != nil || string(want) != got {
		t.Errorf("%s:\n%swant:\n%s%v", file, got, want, readErr)
	}
}

func env(values ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(values); i += 2 {
			if values[i] == name {
				return values[i+1]
			}
		}
		return ""
	}
}

const secret = "t0p-s3cret"

// errorTexts are the errors that people meet; each has its words in testdata/errors.
var errorTexts = map[string]struct {
	server  gitserver.Options
	scheme  string
	spec    func(*site)
	environ []string
	path    string // opened after the pull
}{
	"wrong-token":     {server: gitserver.Options{Password: "right"}, environ: []string{"SETPOINT_GIT_TOKEN", secret}},
	"no-token":        {server: gitserver.Options{Password: "right"}},
	"password-in-url": {server: gitserver.Options{Password: "right"}, spec: func(s *site) { s.spec.URL = strings.Replace(s.spec.URL, "://", "://ann:"+secret+"@", 1) }},
	"unset-variable": {spec: func(s *site) {
		s.spec.Credentials = &v1alpha1.Credentials{Token: &v1alpha1.ValueFrom{Env: "SHOP_TOKEN"}}
	}},
	"missing-file": {spec: func(s *site) {
		s.spec.Credentials = &v1alpha1.Credentials{Token: &v1alpha1.ValueFrom{File: "none.txt"}}
	}},
	"unknown-authority": {server: gitserver.Options{TLS: true}},
	"unknown-host-key": {scheme: "ssh", spec: func(s *site) {
		s.spec.Credentials.KnownHosts.File = filepath.Join(s.dir, "known_hosts")
		s.must(os.WriteFile(s.spec.Credentials.KnownHosts.File, nil, 0o600))
	}},
	"wrong-ssh-key": {scheme: "ssh", spec: func(s *site) {
		s.spec.Credentials.SSHKey.File = gitserver.Start(s.t, gitserver.Options{SSH: true}).ClientKeyFile()
	}},
	"locked-ssh-key":    {scheme: "ssh", spec: func(s *site) { s.spec.Credentials.SSHKey.File += ".locked" }},
	"no-ssh-key":        {scheme: "ssh", spec: func(s *site) { s.spec.Credentials.SSHKey = nil }},
	"missing-branch":    {spec: func(s *site) { s.spec.Ref.Branch = "none" }},
	"missing-tag":       {spec: func(s *site) { s.spec.Ref = v1alpha1.GitRef{Tag: "v9"} }},
	"missing-version":   {spec: func(s *site) { s.spec.Ref = v1alpha1.GitRef{Semver: ">=9"} }},
	"missing-commit":    {spec: func(s *site) { s.spec.Ref = v1alpha1.GitRef{Commit: strings.Repeat("ab", 20)} }},
	"missing-pr":        {spec: func(s *site) { s.spec.Ref = v1alpha1.GitRef{PR: 7} }},
	"missing-repo":      {spec: func(s *site) { s.spec.URL = strings.Replace(s.spec.URL, "shop", "none", 1) }},
	"missing-repo-ssh":  {scheme: "ssh", spec: func(s *site) { s.spec.URL = strings.Replace(s.spec.URL, "shop", "none", 1) }},
	"missing-repo-file": {scheme: "file", spec: func(s *site) { s.spec.URL = strings.Replace(s.spec.URL, "shop", "none", 1) }},
	"missing-path":      {path: "apps/none/kustomization.yaml"},
	"link-outside":      {path: "passwords"},
	"link-above":        {path: "apps/above/x.yaml"},
	"stopped":           {spec: func(s *site) { s.server.Stop() }},
}

func TestErrorTexts(t *testing.T) {
	for name, c := range errorTexts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, c.scheme, c.server)
			s.Write(map[string]string{"apps/shop/a.yaml": "a: 1\n"})
			s.Link("passwords", "/etc/passwd")
			s.Link("apps/above", "../../..")
			if c.spec != nil {
				c.spec(s)
			}
			u := s.open(s.spec, Options{Environ: env(c.environ...)})
			a, _, err := u.Pull(context.Background(), nil)
			if c.path != "" {
				s.must(err)
				_, err = a.ReadFile(c.path)
			}
			golden(t, name, err)
			for _, text := range []string{err.Error(), fault.HintOf(err), u.String(), u.Key()} {
				if strings.Contains(text, secret) {
					t.Errorf("the secret is shown: %s", text)
				}
			}
		})
	}
}

func TestChangedHostKeyIsDenied(t *testing.T) {
	s := newSite(t, "ssh", gitserver.Options{})
	s.Write(map[string]string{"a": "1"})
	lines, err := os.ReadFile(gitserver.Start(t, gitserver.Options{SSH: true}).KnownHostsFile())
	s.must(err)
	own, err := os.ReadFile(s.server.KnownHostsFile())
	s.must(err)
	host, _, _ := strings.Cut(string(own), " ")
	_, key, _ := strings.Cut(string(lines), " ")
	file := filepath.Join(s.dir, "known_hosts")
	s.must(os.WriteFile(file, []byte(host+" "+key), 0o600))
	s.spec.Credentials.KnownHosts.File = file
	_, _, err = s.Upstream(source.DefaultLimits).Pull(context.Background(), nil)
	golden(t, "changed-host-key", err)
}

// TestDeletedBranchSaysThatNothingIsDeleted also covers what a restarted agent knows.
func TestDeletedBranchSaysThatNothingIsDeleted(t *testing.T) {
	s := newSite(t, "http", gitserver.Options{})
	s.Write(map[string]string{"a": "1"})
	u := s.Upstream(source.DefaultLimits)
	known, _, err := u.Pull(context.Background(), nil)
	s.must(err)
	s.Remove()
	_, _, err = u.Pull(context.Background(), known)
	golden(t, "deleted-branch", err)
}

func TestInvalidSources(t *testing.T) {
	for name, spec := range map[string]v1alpha1.GitSource{
		"scheme":      {URL: "ftp://git.example.com/shop.git"},
		"no-host":     {URL: "https:///shop.git"},
		"no-url":      {URL: "shop"},
		"two-refs":    {URL: "https://git.example.com/shop.git", Ref: v1alpha1.GitRef{Branch: "main", Tag: "v1"}},
		"short-hash":  {URL: "https://git.example.com/shop.git", Ref: v1alpha1.GitRef{Commit: "abc123"}},
		"range":       {URL: "https://git.example.com/shop.git", Ref: v1alpha1.GitRef{Semver: "newest"}},
		"branch-name": {URL: "https://git.example.com/shop.git", Ref: v1alpha1.GitRef{Branch: "a..b"}},
	} {
		_, err := New(spec, Options{Dir: t.TempDir()})
		golden(t, "invalid-"+name, err)
	}
}

// TestLargeFile pulls a file of 200 MB: it is refused by name and size, and never held in memory.
func TestLargeFile(t *testing.T) {
	s := newSite(t, "http", gitserver.Options{}, "core.compression", "1")
	s.Write(map[string]string{"a": "1"})
	u := s.Upstream(source.DefaultLimits)
	known, _, err := u.Pull(context.Background(), nil)
	s.must(err)
	s.Write(map[string]string{"images/disk.img": strings.Repeat("0123456789abcdef", 200<<20/16)})
	_, _, err = u.Pull(context.Background(), known)
	golden(t, "large-file", err)
}
