package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/test/checkout"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(runChild())
	}
	os.Exit(Main(m, Options{ControllerManager: true, Nodes: 2, Audit: true}))
}

const (
	configMap  = `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}, "data": {"key": "value"}}`
	deployment = `{
  "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": %q},
  "spec": {
    "replicas": 3, "selector": {"matchLabels": {"app": %[1]q}},
    "template": {
      "metadata": {"labels": {"app": %[1]q}, "annotations": {"cluster.test/pod": %[2]q}},
      "spec": {"containers": [{"name": "main", "image": "example.com/none:1"}]}
    }
  }
}`
	job = `{
  "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"},
  "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example.com/none:1"}]}}}
}`
)

func do(t *testing.T, c *Cluster, method, path, body string) []byte {
	t.Helper()
	answer, err := c.Do(t.Context(), method, path, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// namespace makes a namespace for one test and removes it afterwards.
func namespace(t *testing.T, c *Cluster, name string) string {
	t.Helper()
	do(t, c, http.MethodPost, "/api/v1/namespaces", fmt.Sprintf(`{"metadata": {"name": %q}}`, name))
	t.Cleanup(func() {
		if _, err := c.Do(context.Background(), http.MethodDelete, "/api/v1/namespaces/"+name, nil); err != nil {
			t.Error(err)
		}
	})
	return "/namespaces/" + name
}

// eventually polls until check is satisfied.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	began := time.Now()
	for {
		err := check()
		if err == nil {
			t.Logf("%s after %.1fs", what, time.Since(began).Seconds())
			return
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("not %s within a minute: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

type status struct {
	ReadyReplicas int
	Succeeded     int
	Phase         string
	Conditions    []struct{ Type, Status string }
	Containers    []struct {
		State struct{ Waiting, Terminated struct{ Reason string } }
	} `json:"containerStatuses"`
}

func readStatus(t *testing.T, body []byte) status {
	t.Helper()
	var object struct{ Status status }
	if err := json.Unmarshal(body, &object); err != nil {
		t.Fatal(err)
	}
	return object.Status
}

func waitForDeployment(t *testing.T, c *Cluster, path string) {
	t.Helper()
	eventually(t, "3 of 3 Pods ready", func() error {
		if ready := readStatus(t, do(t, c, http.MethodGet, path, "")).ReadyReplicas; ready != 3 {
			return fmt.Errorf("%d of 3 Pods are ready", ready)
		}
		return nil
	})
}

func TestDeploymentBecomesReady(t *testing.T) {
	c := Shared(t)
	ns := namespace(t, c, "ready")
	do(t, c, http.MethodPost, "/apis/apps/v1"+ns+"/deployments", fmt.Sprintf(deployment, "web", ""))
	waitForDeployment(t, c, "/apis/apps/v1"+ns+"/deployments/web")
}

func TestJobCompletes(t *testing.T) {
	c := Shared(t)
	ns := namespace(t, c, "job")
	do(t, c, http.MethodPost, "/apis/batch/v1"+ns+"/jobs", job)
	eventually(t, "the Job complete", func() error {
		if s := readStatus(t, do(t, c, http.MethodGet, "/apis/batch/v1"+ns+"/jobs/once", "")); s.Succeeded != 1 {
			return fmt.Errorf("the Job's status is %+v", s)
		}
		return nil
	})
}

func TestPodsMisbehave(t *testing.T) {
	c := Shared(t)
	ns := namespace(t, c, "misbehave")
	for behaviour, want := range map[string]struct{ phase, reason string }{
		"stuck": {"Pending", "ImagePullBackOff"},
		"crash": {"Running", "CrashLoopBackOff"},
		"fail":  {"Failed", "Error"},
	} {
		t.Run(behaviour, func(t *testing.T) {
			do(t, c, http.MethodPost, "/api/v1"+ns+"/pods", fmt.Sprintf(`{
  "metadata": {"name": %q, "annotations": {"cluster.test/pod": %[1]q}},
  "spec": {"containers": [{"name": "main", "image": "example.com/none:1"}]}
}`, behaviour))
			eventually(t, want.phase+" with "+want.reason, func() error {
				s := readStatus(t, do(t, c, http.MethodGet, "/api/v1"+ns+"/pods/"+behaviour, ""))
				if len(s.Containers) != 1 || s.Phase != want.phase {
					return fmt.Errorf("the Pod's status is %+v", s)
				}
				if got := s.Containers[0].State.Waiting.Reason + s.Containers[0].State.Terminated.Reason; got != want.reason {
					return fmt.Errorf("the container's reason is %q", got)
				}
				return nil
			})
		})
	}
}

func TestVersionIsTheRelease(t *testing.T) {
	c := Shared(t)
	dir, err := checkout.Module("controlplane")
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := readModule(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(do(t, c, http.MethodGet, "/version", "")); !strings.Contains(got, `"`+want.version+`"`) {
		t.Errorf("the API server says %s, want version %s", got, want.version)
	}
}

func TestIdentities(t *testing.T) {
	c := Shared(t)
	stranger, err := c.ca.httpClient("stranger", "strangers")
	if err != nil {
		t.Fatal(err)
	}
	nobody, err := c.ca.httpClient("nobody", "")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Transport.(*http.Transport).TLSClientConfig.Certificates = nil
	for _, row := range []struct {
		who    string
		client *http.Client
		path   string
		want   int
	}{
		{"admin", c.client, "/api/v1/secrets", http.StatusOK},
		{"stranger", stranger, "/version", http.StatusOK},
		{"stranger", stranger, "/api/v1/secrets", http.StatusForbidden},
		{"nobody", nobody, "/readyz", http.StatusOK},
		{"nobody", nobody, "/version", http.StatusUnauthorized},
	} {
		response, err := row.client.Get(c.URL() + row.path)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != row.want {
			t.Errorf("%s gets %d for %s, want %d", row.who, response.StatusCode, row.path, row.want)
		}
	}
}

func TestKubeconfigIsPrivate(t *testing.T) {
	c := Shared(t)
	other, err := c.WriteKubeconfig("system:serviceaccount:shop/deployer", "team-a", "team-b")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{c.Kubeconfig(), other} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600: it holds a private key", path, info.Mode().Perm())
		}
	}
}

func TestAuditEvents(t *testing.T) {
	c := Shared(t)
	ns := namespace(t, c, "audit")
	since := time.Now()
	path := "/api/v1" + ns + "/configmaps"
	do(t, c, http.MethodPost, path+"?dryRun=All", configMap)
	do(t, c, http.MethodPost, path, configMap)
	do(t, c, http.MethodPatch, path+"/kept?fieldManager=test",
		`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}, "data": {"other": "value"}}`)
	do(t, c, http.MethodGet, path+"/kept", "")
	want := []string{"create write dry-run", "create write", "patch write", "get"}
	eventually(t, "4 requests recorded", func() error {
		events, err := c.AuditEvents(since)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range events {
			if e.UserAgent != "setpoint-test-cluster" || e.Resource != "configmaps" || e.User != "admin" {
				continue
			}
			text := e.Verb
			if e.Write() {
				text += " write"
			}
			if e.DryRun {
				text += " dry-run"
			}
			got = append(got, text)
		}
		if strings.Join(got, ", ") != strings.Join(want, ", ") {
			return fmt.Errorf("recorded %q, want %q", got, want)
		}
		return nil
	})
}

func TestAuditNeedsTheOption(t *testing.T) {
	if _, err := (&Cluster{}).AuditEvents(time.Time{}); err == nil || !strings.Contains(err.Error(), "Options.Audit") {
		t.Errorf("got %v, want an error that names Options.Audit", err)
	}
}

func TestOutages(t *testing.T) {
	c := ForTest(t, Options{ControllerManager: true, Nodes: 1, Log: t.Output()})
	do(t, c, http.MethodPost, "/api/v1/namespaces/default/configmaps", configMap)

	c.KillAPIServer()
	if _, err := c.Do(t.Context(), http.MethodGet, "/readyz", nil); err == nil || IsStatus(err, http.StatusInternalServerError) {
		t.Fatalf("a killed API server answered: %v", err)
	}
	if err := c.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	do(t, c, http.MethodGet, "/api/v1/namespaces/default/configmaps/kept", "")

	c.KillEtcd()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if _, err := c.Do(ctx, http.MethodPost, "/api/v1/namespaces/default/configmaps", []byte(configMap)); err == nil ||
		IsStatus(err, http.StatusConflict) {
		t.Fatalf("a write without etcd was answered: %v", err)
	}
	if err := c.StartEtcd(t.Context()); err != nil {
		t.Fatal(err)
	}
	do(t, c, http.MethodGet, "/api/v1/namespaces/default/configmaps/kept", "")

	// The controllers and the nodes have survived both outages.
	do(t, c, http.MethodPost, "/apis/apps/v1/namespaces/default/deployments", fmt.Sprintf(deployment, "after", ""))
	waitForDeployment(t, c, "/apis/apps/v1/namespaces/default/deployments/after")
	if !strings.Contains(c.APIServerLog(), "Serving securely") {
		t.Error("the API server's log does not say that it serves")
	}
}

func TestStartFailsWithTheLog(t *testing.T) {
	_, err := Start(t.Context(), Options{ExtraAPIServerArgs: []string{"--no-such-flag"}})
	if err == nil || !strings.Contains(err.Error(), "unknown flag: --no-such-flag") {
		t.Errorf("got %v, want an error that holds the API server's complaint", err)
	}
}

func TestStartedAgainInItsFolder(t *testing.T) {
	dir := t.TempDir()
	first, err := Start(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	do(t, first, http.MethodPost, "/api/v1/namespaces/default/configmaps", configMap)
	if err := errors.Join(first.Stop(), first.Stop()); err != nil {
		t.Fatal(err)
	}
	second := ForTest(t, Options{Dir: dir})
	do(t, second, http.MethodGet, "/api/v1/namespaces/default/configmaps/kept", "")
}
