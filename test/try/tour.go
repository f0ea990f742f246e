package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// guide says what there is, and what to try.
func (s *stage) guide() {
	fmt.Printf(`
Everything runs. In another terminal:

  export KUBECONFIG=%s PATH=%s:$PATH
  setpoint status
  setpoint tree
  setpoint events                   # leave it open, and then:

  # change something in Git: it is followed within a second
  cd %s
  sed -i 's/replicas: 1/replicas: 2/' apps/database/database.yaml
  setpoint diff --path clusters/dev # what a commit would change (exit code 3)
  git commit -am "Run postgres twice"

  # change something behind its back: it is put back at once, and explained
  kubectl -n database scale deployment/postgres --replicas=5
  setpoint history database

Logs of the agent: %s
Ctrl-C ends everything and leaves nothing behind.
`, s.cluster.Kubeconfig(), s.dir, s.repo, filepath.Join(s.dir, "agent.log"))
}

// tour goes through the guide by itself; the first step that is not as it says is an error.
func (s *stage) tour(ctx context.Context) error {
	for _, step := range []struct {
		say string
		do  func(context.Context) error
	}{
		{"setpoint status", s.show("status")},
		{"setpoint tree shop", s.show("tree", "shop")},
		{"a commit: postgres runs twice", s.commit},
		{"drift: somebody scales it to five", s.drift},
		{"setpoint history database", s.show("history", "database")},
		{"a broken commit: nothing changes, and it is explained", s.breakIt},
		{"mended: the next commit goes through", s.mend},
	} {
		say(step.say)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.say, err)
		}
	}
	say("every step did what it said")
	return nil
}

func (s *stage) show(args ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		out, err := s.setpoint(ctx, args...)
		fmt.Println(strings.TrimRight(out, "\n"))
		return err
	}
}

const database = "apps/database/database.yaml"

// edit changes a file of the repository and commits it.
func (s *stage) edit(ctx context.Context, from, to, message string) error {
	name := filepath.Join(s.repo, database)
	content, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if !bytes.Contains(content, []byte(from)) {
		return fmt.Errorf("%s does not say %q", database, from)
	}
	if err := os.WriteFile(name, bytes.Replace(content, []byte(from), []byte(to), 1), 0o600); err != nil {
		return err
	}
	_, err = s.git(ctx, "commit", "-q", "-a", "-m", message)
	return err
}

func (s *stage) commit(ctx context.Context) error {
	if err := s.edit(ctx, "replicas: 1", "replicas: 2", "Run postgres twice"); err != nil {
		return err
	}
	return s.until(ctx, "two replicas", func() bool { return s.replicas(ctx) == 2 })
}

const deployment = "/apis/apps/v1/namespaces/database/deployments/postgres"

func (s *stage) replicas(ctx context.Context) int {
	body, err := s.cluster.Do(ctx, http.MethodGet, deployment, nil)
	var object struct {
		Spec struct{ Replicas int }
	}
	if err != nil || json.Unmarshal(body, &object) != nil {
		return -1
	}
	return object.Spec.Replicas
}

func (s *stage) drift(ctx context.Context) error {
	scale := []byte(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"postgres"},"spec":{"replicas":5}}`)
	if _, err := s.cluster.Do(ctx, http.MethodPatch, deployment+"?fieldManager=mallory&force=true", scale); err != nil {
		return err
	}
	if err := s.until(ctx, "two replicas again", func() bool { return s.replicas(ctx) == 2 }); err != nil {
		return err
	}
	return s.until(ctx, "the culprit's name in the history", func() bool {
		out, err := s.setpoint(ctx, "history", "database")
		return err == nil && strings.Contains(out, "mallory")
	})
}

func (s *stage) breakIt(ctx context.Context) error {
	if err := s.edit(ctx, "replicas: 2", "replicaz: 2", "A typing error"); err != nil {
		return err
	}
	if err := s.until(ctx, "the Sync says that it failed", func() bool { return s.state(ctx, "database") == "Failed" }); err != nil {
		return err
	}
	out, _ := s.setpoint(ctx, "status", "database") // exit code 4: it is not healthy
	fmt.Println(strings.TrimRight(out, "\n"))
	if s.replicas(ctx) != 2 || !strings.Contains(out, "replicaz") {
		return fmt.Errorf("the cluster runs %d replicas, or the error does not name the field", s.replicas(ctx))
	}
	return nil
}

func (s *stage) mend(ctx context.Context) error {
	if err := s.edit(ctx, "replicaz: 2", "replicas: 3", "Mend it, and run three"); err != nil {
		return err
	}
	return s.until(ctx, "three replicas, in sync", func() bool {
		return s.replicas(ctx) == 3 && s.state(ctx, "database") == "InSync"
	})
}

type statuses struct {
	Syncs []struct {
		Name, State string
	}
}

func (s *stage) state(ctx context.Context, name string) string {
	out, err := s.setpoint(ctx, "status", "-o", "json")
	var list statuses
	if err != nil && out == "" || json.Unmarshal([]byte(out), &list) != nil {
		return ""
	}
	for _, sync := range list.Syncs {
		if sync.Name == name {
			return sync.State
		}
	}
	return ""
}

// inSync says whether that many Syncs are all in sync.
func inSync(status string, count int) bool {
	var list statuses
	if json.Unmarshal([]byte(status), &list) != nil || len(list.Syncs) != count {
		return false
	}
	for _, sync := range list.Syncs {
		if sync.State != "InSync" {
			return false
		}
	}
	return true
}
