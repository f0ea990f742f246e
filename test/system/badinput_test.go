package system_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/test/system"
)

// TestBadInput: whatever is wrong in a repository, the user is told what, where, and what to do; nothing is deleted because of it;
// and when it is put right everything goes on.
func TestBadInput(t *testing.T) {
	cases := readBadCases(t)
	world := newBadWorld(t, cases)
	world.good(cases, "Add the applications")
	agent := system.StartAgent(t, system.Agent{
		Repo: world.fleet, Path: "fleet", Kubeconfig: world.plant.Kubeconfig(), Args: []string{"--name", "bad-input"},
	})
	agent.WaitInSync()
	before, syncs := world.snapshot(), agent.Statuses()

	world.bad(cases, "Make every mistake")
	waitTold(t, world, agent, cases)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { checkTold(t, world, agent, c) })
	}
	checkNothingGone(t, world, before)
	now := agent.Statuses()
	for name := range syncs {
		if status, there := now[name]; !there || status.Deleting {
			t.Errorf("the Sync %s goes because of a mistake", name)
		}
	}

	world.good(cases, "Put everything right")
	agent.WaitInSync()
	agent.Wait("what came with the mistakes to be gone", func() bool { return maps.Equal(before, world.snapshot()) })
	if secret := "hunter2"; strings.Contains(agent.Log()+agent.Setpoint("history", "-o", "json", "-n", "1000").Stdout, secret) {
		t.Error("a secret value was shown")
	}
}

// waitTold waits until every case is told as it should be.
func waitTold(t *testing.T, world *badWorld, agent *system.Process, cases []*badCase) {
	t.Helper()
	for deadline := time.Now().Add(system.Patience); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		waiting := false
		for _, c := range cases {
			for _, name := range c.show {
				status := agent.Sync(name)
				waiting = waiting || (status.State != "Failed" && status.State != "Held")
			}
			waiting = waiting || (!system.Updating() && toldBad(world, agent, c) != c.want())
		}
		if !waiting {
			return // what is wrong otherwise is said case by case
		}
	}
}

// checkTold compares what the user is told with what is written down, and asks everywhere for the same.
func checkTold(t *testing.T, world *badWorld, agent *system.Process, c *badCase) {
	got := toldBad(world, agent, c)
	if system.Updating() {
		c.update(t, got)
	} else if diff := cmp.Diff(c.want(), got); diff != "" {
		t.Errorf("what the user is told (-want +got):\n%s", diff)
	}
	for _, name := range c.show {
		status := agent.Sync(name)
		if status.Hint == "" {
			t.Errorf("%s does not say what to do", name)
		}
		out := agent.Setpoint("status", name, "--exit-code")
		if out.Code != 4 {
			t.Errorf("setpoint status %s --exit-code: %s", name, out)
		}
		for _, problem := range status.Problems {
			if !strings.Contains(withoutBreaks(out.Stdout), withoutBreaks(problem.Message)) {
				t.Errorf("setpoint status %s does not show %q:\n%s", name, problem.Message, out.Stdout)
			}
		}
		checkRemembered(t, agent, status.SyncStatus)
	}
}

// checkRemembered says that the last attempt in the history tells the same problems.
func checkRemembered(t *testing.T, agent *system.Process, status v1alpha1.SyncStatus) {
	t.Helper()
	attempts := agent.History(status.Name)
	if len(attempts) == 0 || attempts[0].Outcome != "Failed" && attempts[0].Outcome != "Held" {
		t.Errorf("the history of %s does not end with a failure", status.Name)
		return
	}
	for _, problem := range status.Problems {
		found := false
		for _, remembered := range attempts[0].Problems {
			found = found || remembered == problem
		}
		if !found {
			t.Errorf("the history of %s does not have %q", status.Name, problem.Message)
		}
	}
}

// told is what the user is told, without what differs from run to run.
func toldBad(world *badWorld, agent *system.Process, c *badCase) string {
	var b strings.Builder
	for _, name := range c.show {
		sync := agent.Sync(name)
		fmt.Fprintf(&b, "%s: %s, %s\n", name, sync.State, sync.Reason)
		tellBad(&b, "  ", sync.Message, sync.Hint)
		for _, problem := range sync.Problems {
			fmt.Fprintf(&b, "- %s\n", problem.Kind)
			tellBad(&b, "  ", problem.Message, problem.Hint)
		}
		for _, item := range sync.Items {
			if item.Change != nil && item.Change.Error != nil {
				fmt.Fprintf(&b, "* %s %s", item.Change.Op, item.ID)
				if item.Origin != "" {
					fmt.Fprintf(&b, " from %s", item.Origin)
				}
				fmt.Fprintf(&b, "\n")
			}
		}
	}
	return world.plain(b.String())
}

func tellBad(b *strings.Builder, indent, message, hint string) {
	fmt.Fprintf(b, "%s%s\n", indent, strings.ReplaceAll(message, "\n", "\n"+indent))
	if hint != "" {
		fmt.Fprintf(b, "%shint: %s\n", indent, hint)
	}
}

// checkNothingGone says that everything is still there, and not made anew.
func checkNothingGone(t *testing.T, world *badWorld, before map[string]string) {
	t.Helper()
	now := world.snapshot()
	for object, uid := range before {
		if now[object] != uid {
			t.Errorf("%s was there with UID %s, and is now %q", object, uid, now[object])
		}
	}
}

// withoutBreaks takes out what a terminal may break lines by.
func withoutBreaks(text string) string { return strings.Join(strings.Fields(text), " ") }
