package host_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/test/host"
	"github.com/setpoint-dev/setpoint/test/system"
)

// hookScene is a host whose hooks leave a file behind for each run: /srv/NAME.xxxxxx.
type hookScene struct{ *host.Scene }

// hook declares a Command that runs as a hook and leaves such a file.
func hook(name, annotations string) string {
	return command(name, annotations, "mktemp", "ROOT/srv/"+name+".XXXXXX")
}

func command(name, annotations string, args ...string) string {
	return "---\napiVersion: host.setpoint.dev/v1alpha1\nkind: Command\nmetadata:\n  name: " + name +
		"\n  annotations: {" + annotations + "}\nspec: {command: [" + strings.Join(args, ", ") + "]}\n"
}

// files gives a repository with one Sync, whose hooks surround a file with some content; more is declared beside it.
func (s hookScene) files(content, more string) map[string]string {
	app := strings.Replace(host.File("app", "/etc/app", content), "{name: app}", `{name: app, annotations: {setpoint.dev/wave: "1"}}`, 1)
	text := hook("pre", "setpoint.dev/hook: pre") + app +
		hook("between", `setpoint.dev/hook: main, setpoint.dev/wave: "2", setpoint.dev/hook-delete: "before,succeeded"`) +
		strings.Replace(host.File("last", "/etc/last", content), "{name: last}", `{name: last, annotations: {setpoint.dev/wave: "3"}}`, 1) +
		hook("post", "setpoint.dev/hook: post") + hook("always", "setpoint.dev/hook: pre, setpoint.dev/hook-runs: always") +
		hook("fail", "setpoint.dev/hook: fail") + more
	return map[string]string{
		"fleet/app.yaml": "apiVersion: setpoint.dev/v1alpha1\nkind: Sync\nmetadata: {name: app}\n" +
			"spec: {path: app, rollback: lastHealthy, timeout: 20s}\n",
		"kustomization.yaml": "resources: [fleet/app.yaml]\n",
		"app/app.yaml":       strings.ReplaceAll(text, "ROOT", s.Root),
	}
}

// runs gives how often a hook has run, and when it did last.
func (s hookScene) runs(name string) (times int, last time.Time) {
	s.Helper()
	found, err := filepath.Glob(s.At("srv/" + name + ".*"))
	if err != nil {
		s.Fatal(err)
	}
	for _, file := range found {
		if at := s.modified(file); at.After(last) {
			last = at
		}
	}
	return len(found), last
}

func (s hookScene) modified(file string) time.Time {
	s.Helper()
	info, err := os.Lstat(file)
	if err != nil {
		s.Fatal(err)
	}
	return info.ModTime()
}

// ran wants that hooks have run so often: "pre 1, post 2".
func (s hookScene) ran(want map[string]int) {
	s.Helper()
	for name, times := range want {
		if got, _ := s.runs(name); got != times {
			s.Errorf("the hook %s has run %d times, want %d", name, got, times)
		}
	}
}

// inOrder wants the hooks and files of the last revision to have come in their order.
func (s hookScene) inOrder() {
	s.Helper()
	_, pre := s.runs("pre")
	_, between := s.runs("between")
	_, post := s.runs("post")
	order := []time.Time{pre, s.modified(s.At("etc/app")), between, s.modified(s.At("etc/last")), post}
	for i := range order[1:] {
		if order[i+1].Before(order[i]) {
			s.Errorf("the order of pre, app, between, last, post is %v", order)
		}
	}
}

// TestHooks: commands run before, between and after what a revision changes, once for each; drift runs those alone that say so. One that
// fails stops what follows it, says why with the end of its output, has the fail hooks run, and the Sync goes back.
func TestHooks(t *testing.T) {
	s := hookScene{host.Play(t, map[string]string{
		"kustomization.yaml": "resources: [fleet/app.yaml]\n", "fleet/app.yaml": host.File("first", "/etc/first", ""),
	})}
	s.Repo.Commit(s.files("one", ""), "One")
	s.Agent.WaitInSync("root", "app")
	s.inOrder()
	s.ran(map[string]int{"pre": 1, "between": 1, "post": 1, "always": 1, "fail": 0})

	s.Repo.Commit(s.files("two", ""), "Two")
	s.Agent.WaitInSync("root", "app")
	s.inOrder()
	s.ran(map[string]int{"pre": 2, "between": 2, "post": 2, "always": 2, "fail": 0})

	if err := os.Remove(s.At("etc/app")); err != nil {
		t.Fatal(err)
	}
	system.Wait(t, "the file to be there again", func() bool { _, err := os.Lstat(s.At("etc/app")); return err == nil })
	s.Agent.WaitInSync("root", "app")
	s.ran(map[string]int{"pre": 2, "between": 2, "post": 2, "always": 3, "fail": 0})
	_, always := s.runs("always")
	if repaired := s.modified(s.At("etc/app")); repaired.Before(always) {
		t.Errorf("the file was put back at %s, before the hook had run at %s", repaired, always)
	}

	broken := command("migrate", `setpoint.dev/hook: pre, setpoint.dev/wave: "1"`, "ls", "/nothing-is-here")
	s.Repo.Commit(s.files("three", broken), "Three")
	status := s.rolledBack("HookFailed", "Command/migrate", "nothing-is-here")
	if s.Read("etc/app") != "two" || s.Read("etc/last") != "two" {
		t.Errorf("what follows a hook that failed has changed: %q, %q", s.Read("etc/app"), s.Read("etc/last"))
	}
	if status.Applied.Message != "Two" || status.Quarantine == nil || status.Quarantine.Revision.Message != "Three" {
		t.Errorf("in force is %q, quarantined %+v", status.Applied.Message, status.Quarantine)
	}
	s.ran(map[string]int{"pre": 3, "between": 2, "post": 2, "fail": 1})

	endless := command("migrate", "setpoint.dev/hook: post, setpoint.dev/hook-timeout: 2s", "sleep", `"600"`)
	s.Repo.Commit(s.files("four", endless), "Four")
	s.rolledBack("HookFailed", "did not end within 2s")
	system.Wait(t, "the content of two", func() bool { return s.Read("etc/app") == "two" && s.Read("etc/last") == "two" })
	s.ran(map[string]int{"pre": 4, "between": 3, "post": 3, "fail": 2})

	s.Repo.Commit(s.files("five", command("migrate", "setpoint.dev/hook: post", `"true"`)), "Five")
	s.Agent.WaitInSync("root", "app")
	s.inOrder()
	s.ran(map[string]int{"pre": 5, "between": 4, "post": 4, "fail": 2})
}

// rolledBack waits until the newest revision was left, for a reason that says all of these words.
func (s hookScene) rolledBack(words ...string) v1alpha1.SyncStatus {
	s.Helper()
	var status v1alpha1.SyncStatus
	system.Wait(s, "app to be rolled back", func() bool {
		status = s.Agent.Statuses()["app"]
		return status.State == "RolledBack" && status.Revision.ID == s.Repo.Head() && status.Quarantine != nil &&
			status.Quarantine.Revision.ID == s.Repo.Head()
	})
	text := status.Quarantine.Reason + " " + status.Quarantine.Message
	s.Logf("%s (%s): %s; %s", status.State, status.Reason, status.Message, text)
	for _, word := range words {
		if !strings.Contains(text, word) {
			s.Errorf("the reason does not say %q: %s", word, text)
		}
	}
	return status
}
