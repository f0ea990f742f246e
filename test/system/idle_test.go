package system_test

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/test/cluster"
	"github.com/setpoint-dev/setpoint/test/system"
)

// TestUnrelatedCommit: a commit that changes nothing that a Sync has read costs it neither a render nor a request.
func TestUnrelatedCommit(t *testing.T) {
	s := play(t, map[string]string{
		"fleet/fleet.yaml": syncOf("web", "path: web"), "kustomization.yaml": "resources: [fleet/fleet.yaml]\n",
		"web/kustomization.yaml": "resources: [web.yaml]\n", "web/web.yaml": configMap("web", "one"), "docs/readme.md": "Hello\n",
	})
	s.agent.WaitInSync("root", "web")
	s.rest()
	began, attempts := time.Now(), len(s.agent.History(""))
	cpu := s.agent.CPU()
	s.commit("Write something else", map[string]string{"docs/readme.md": "Hello again\n", "web/notes.md": "Not read either\n"})
	s.agent.WaitInSync("root", "web")
	s.audit(began, func(event cluster.AuditEvent) {
		t.Errorf("the commit has caused a request: %s %s", event.Verb, event.RequestURI)
	})
	system.Figure(t, "unrelated-commit.cpu", float64((s.agent.CPU() - cpu).Milliseconds()), "ms")
	if now := len(s.agent.History("")); now != attempts {
		t.Errorf("the commit has caused %d attempts", now-attempts)
	}
	if revision := s.agent.Statuses()["web"].Revision; revision.Message != "Write something else" {
		t.Errorf("the Sync does not say that it has seen the commit: %+v", revision)
	}
}

// TestIdle: with a thousand objects and nothing to do, nothing is done: no write or dry-run in the cluster, none on the disk.
func TestIdle(t *testing.T) {
	idle := time.Minute
	if testing.Short() {
		idle = 10 * time.Second
	}
	files := map[string]string{"kustomization.yaml": "resources: [fleet/fleet.yaml]\n", "fleet/fleet.yaml": ""}
	for i := range 10 {
		name := fmt.Sprintf("part-%d", i)
		files["fleet/fleet.yaml"] += syncOf(name, "path: "+name)
		var b strings.Builder
		for j := range 40 {
			b.WriteString("---\n" + configMap(fmt.Sprintf("%s-%d", name, j), "one"))
			b.WriteString(serviceOf(fmt.Sprintf("%s-%d", name, j)))
		}
		for j := range 20 {
			fmt.Fprintf(&b, "---\napiVersion: v1\nkind: Secret\nmetadata: {name: %s-%d, namespace: NS}\nstringData: {word: one}\n", name, j)
		}
		files[name+"/objects.yaml"] = b.String()
	}
	s := play(t, files)
	s.agent.WaitInSync("root", "part-0", "part-9")
	s.agent.WaitInSync()
	s.rest()

	began, cpu, written, before := time.Now(), s.agent.CPU(), s.agent.Written(), s.modified()
	log := s.agent.Log()
	time.Sleep(idle) // the test is about this span
	used, wrote := s.agent.CPU()-cpu, s.agent.Written()-written
	requests := 0
	s.audit(began, func(event cluster.AuditEvent) {
		requests++
		if event.Write() || event.DryRun {
			t.Errorf("a write request while idle: %s %s", event.Verb, event.RequestURI)
		}
	})
	if wrote != 0 {
		t.Errorf("%d bytes were written to the disk while idle", wrote)
	}
	for name, at := range s.modified() {
		if !before[name].Equal(at) {
			t.Errorf("%s was changed while idle", name)
		}
	}
	if now := s.agent.Log(); now != log {
		t.Errorf("while idle, this was logged: %s", now[len(log):])
	}
	system.Figure(t, "idle.cpu", used.Seconds()/idle.Seconds()*100, "% of a core")
	system.Figure(t, "idle.rss", float64(s.agent.RSS())/(1<<20), "MiB")
	system.Figure(t, "idle.requests", float64(requests), "reads")
}

// rest waits until the agent has written down all that it wants to remember, which it does some seconds after it came to rest.
func (s *scene) rest() {
	s.Helper()
	var before map[string]time.Time
	quiet := 0
	system.Wait(s, "the data directory to be quiet", func() bool {
		time.Sleep(500 * time.Millisecond)
		now := s.modified()
		quiet++
		for name, at := range now {
			if !before[name].Equal(at) {
				quiet = 0
			}
		}
		before = now
		return quiet >= 16 // longer than the agent gathers what it has measured
	})
}

// modified gives the time of the last change of every file in the agent's data directory.
func (s *scene) modified() map[string]time.Time {
	s.Helper()
	times := map[string]time.Time{}
	err := filepath.WalkDir(s.agent.Data(), func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			times[name] = info.ModTime()
		}
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
	return times
}
