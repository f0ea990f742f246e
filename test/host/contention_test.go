package host_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/loop"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/test/gitserver"
	"github.com/setpoint-dev/setpoint/test/host"
	"github.com/setpoint-dev/setpoint/test/system"
)

// mostRounds is how often something that is changed back again and again may be corrected within half a minute.
const mostRounds = 10

func fileID(name string) state.ID {
	return state.ID{Group: v1alpha1.GroupHost, Kind: v1alpha1.KindFile, Name: name}
}

var webID = state.ID{Group: v1alpha1.GroupHost, Kind: v1alpha1.KindApp, Name: "web"}

// TestContendedFile: somebody rewrites a file every 100 ms for 20 seconds, with another content each time. It is corrected a few times and
// left alone then, with the writer's name; everything else is kept meanwhile, and the file is corrected when the writer has stopped.
func TestContendedFile(t *testing.T) {
	const period, rewrites = 100 * time.Millisecond, 200
	s := scene{host.Play(t, map[string]string{
		"fought.yaml": host.File("fought", "/etc/fought", "as declared\n"), "kept.yaml": host.File("kept", "/etc/kept", "as declared\n"),
	})}
	var writer sync.WaitGroup
	writer.Go(func() {
		ticker := time.NewTicker(period)
		defer ticker.Stop()
		for i := range rewrites {
			if err := os.WriteFile(s.At("/etc/fought"), fmt.Appendf(nil, "of somebody else, %d\n", i), 0o600); err != nil {
				t.Error(err)
			}
			<-ticker.C
		}
	})
	fought := waitContended(t, s.Agent, fileID("fought"))
	t.Logf("contended: %+v", fought)
	quiet := s.Agent.Log()
	s.disturbKept()
	writer.Wait()

	made, noticed := corrections(s.Agent, fileID("fought"))
	if made > mostRounds {
		t.Errorf("the file was corrected %d times in 20 s", made)
	}
	if seen := witnessed(s.Agent, fileID("kept")); seen != "" && fought.By == "" {
		t.Errorf("who disturbs the other file is known (%s), and the one who fights is not named: %+v", seen, fought)
	}
	if fought.Path != "/spec/content" || fought.Rounds == 0 || fought.Theirs == "" || fought.Ours == "" || fought.RetryAt.IsZero() {
		t.Errorf("the contention does not tell everything: %+v", fought)
	}
	if lines := strings.Count(s.Agent.Log()[len(quiet):], "\n"); lines > 30 {
		t.Errorf("%d lines were logged while the file was left alone", lines)
	}
	if noticed > made+mostRounds {
		t.Errorf("%d attempts tell of %d corrections", noticed, made)
	}
	t.Log(s.Agent.Setpoint("status", "root"))
	system.Wait(t, "the file to be as declared", func() bool { return s.Read("/etc/fought") == "as declared\n" })
	s.Agent.WaitInSync()
	system.Figure(t, "host-contended.corrections", float64(made), "times")
}

// disturbKept has the other file put right, several times.
func (s scene) disturbKept() {
	s.Helper()
	for i := range 3 {
		if err := os.WriteFile(s.At("/etc/kept"), fmt.Appendf(nil, "disturbed %d\n", i), 0o600); err != nil {
			s.Fatal(err)
		}
		system.Wait(s, "the other file to be as declared", func() bool { return s.Read("/etc/kept") == "as declared\n" })
	}
}

// TestTwoAgents: two agents declare one file on one host, differently. Neither can know of the other, each is damped and names what it sees.
func TestTwoAgents(t *testing.T) {
	s := host.Play(t, map[string]string{"fought.yaml": host.File("fought", "/etc/fought", "of the first\n")})
	other := gitserver.Start(t, gitserver.Options{}).Repo("other")
	other.Commit(map[string]string{"fought.yaml": host.File("ours", "/etc/fought", "of the second\n")}, "Begin")
	second := system.StartAgent(t, system.Agent{
		Repo: other, Data: filepath.Join(host.OpenDir(t), "data"), Args: []string{"--host-root", s.Root, "--kubernetes", "off"},
	})
	first := waitContended(t, s.Agent, fileID("fought"))
	t.Logf("the first: %+v", first)
	if made, _ := corrections(s.Agent, fileID("fought")); made > mostRounds {
		t.Errorf("the first agent has corrected it %d times", made)
	}
	if made, _ := corrections(second, fileID("ours")); made > mostRounds {
		t.Errorf("the second agent has corrected it %d times", made)
	}
	second.Stop()
	system.Wait(t, "the file to be of the first", func() bool { return s.Read("/etc/fought") == "of the first\n" })
	s.Agent.WaitInSync()
}

// TestCrashLoop: a release that worked has lost something that it cannot do without. It is started again a few times and then at growing
// intervals, the Sync says so with the exit code, and it is well again when what it needs is there.
func TestCrashLoop(t *testing.T) {
	app := strings.Replace(host.App(host.Sample(t), "one", host.FreePort(t)), "replicas: 2", "replicas: 1", 1)
	s := host.Prepare(t, map[string]string{"build/readme": "nothing to build\n", "later.yaml": "# nothing\n"})
	needed := s.At("/srv/needed")
	if err := os.WriteFile(needed, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s.Repo.Commit(map[string]string{"app.yaml": strings.Replace(app, "env: {", "env: {NEEDS: "+needed+", ", 1)}, "Declare the app")
	s.Agent.WaitInSync()
	if err := os.Remove(needed); err != nil {
		t.Fatal(err)
	}
	for pid := range s.Processes() {
		if process, err := os.FindProcess(pid); err != nil || process.Kill() != nil {
			t.Fatalf("process %d cannot be killed", pid)
		}
	}
	looped := waitContended(t, s.Agent, webID)
	t.Logf("contended: %+v", looped)
	if looped.Path != "/processes/web.1" || !strings.Contains(looped.Theirs, "code 7") {
		t.Errorf("the contention does not tell of the process and its end: %+v", looped)
	}
	var status v1alpha1.SyncDetail
	system.Wait(t, "the Sync to say how the process ends", func() bool {
		status = s.Agent.Sync("root")
		return strings.Contains(status.Message, "code 7")
	})
	t.Logf("%s/%s: %s\n  hint: %s", status.State, status.Reason, status.Message, status.Hint)
	t.Log(s.Agent.Setpoint("status", "root"))
	if made, _ := corrections(s.Agent, webID); made > mostRounds {
		t.Errorf("it was started again %d times at once", made)
	}
	if err := os.WriteFile(needed, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s.Agent.WaitInSync()
}

// scene is a host with what these tests do to it.
type scene struct{ *host.Scene }

// waitContended waits until the root Sync says that something of an object is contended, and gives the first of that.
func waitContended(t *testing.T, agent *system.Process, id state.ID) v1alpha1.Contention {
	t.Helper()
	var found v1alpha1.Contention
	agent.Wait(id.String()+" to be contended", func() bool {
		status := agent.Statuses()["root"]
		at := slices.IndexFunc(status.Contended, func(c v1alpha1.Contention) bool { return c.ID == id })
		if at < 0 {
			return false
		}
		found = status.Contended[at]
		return true
	})
	if status := agent.Statuses()["root"]; status.Reason != loop.ReasonContended && status.State != "Failed" && status.State != "Settling" &&
		status.State != "Syncing" {
		t.Errorf("with a contended object the Sync is %s, %s: %s", status.State, status.Reason, status.Message)
	}
	return found
}

// corrections counts how often an object was put right, and the attempts there were.
func corrections(agent *system.Process, id state.ID) (made, attempts int) {
	history := agent.History("root")
	for _, attempt := range history {
		for _, change := range attempt.Changes {
			if change.ID == id && change.Cause == "drift" && change.Error == nil {
				made++
			}
		}
	}
	return made, len(history)
}

// witnessed gives who is said to have disturbed an object; "" where that cannot be seen.
func witnessed(agent *system.Process, id state.ID) string {
	for _, attempt := range agent.History("root") {
		for _, change := range attempt.Changes {
			for _, field := range change.Fields {
				if change.ID == id && change.Cause == "drift" && field.By != "" {
					return field.By
				}
			}
		}
	}
	return ""
}
