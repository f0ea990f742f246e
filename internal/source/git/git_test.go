package git

import (
	"context"
	"testing"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/test/gitserver"
)

func TestSmoke(t *testing.T) {
	s := gitserver.Start(t, gitserver.Options{SSH: true})
	r := s.Repo("shop")
	r.Commit(map[string]string{"a.yaml": "a: 1\n", "d/b.yaml": "b: 2\n"}, "First")
	for _, url := range []string{r.URL(), r.FileURL(), r.SSHURL()} {
		u, err := New(v1alpha1.GitSource{URL: url, Credentials: &v1alpha1.Credentials{SSHKey: &v1alpha1.ValueFrom{File: s.ClientKeyFile()}, KnownHosts: &v1alpha1.ValueFrom{File: s.KnownHostsFile()}}}, Options{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		a, _, err := u.Pull(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := a.ReadFile("d/b.yaml")
		t.Log(string(b), err, a.Revision(), u.Key())
	}
}
