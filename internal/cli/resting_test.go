package cli_test

import (
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/httpapi/httpapitest"
)

const (
	unreachable = "as declared by the last revision that is known; no newer one can be had: pull https://git.example.com/fleet.git@main: connection refused"
	serverHint  = "check that the server runs"
)

// outage is a fleet that is in sync with what is known, while its Git server is down.
func outage() []v1alpha1.SyncDetail {
	var syncs []v1alpha1.SyncDetail
	for _, name := range []string{"root", "shop"} {
		syncs = append(syncs, v1alpha1.SyncDetail{SyncStatus: v1alpha1.SyncStatus{
			Name: name, State: "InSync", Reason: "SourceFailed", Message: unreachable, Hint: serverHint,
			Since: now.Add(-time.Minute), Looked: now.Add(time.Second),
			Problems: []v1alpha1.Problem{{Kind: "Transient", Message: "pull: connection refused", Hint: serverHint}},
		}})
	}
	return syncs
}

func TestAnOutageOfTheSourceIsSeen(t *testing.T) {
	c := newConsoleWith(t, httpapitest.Content{Syncs: outage()})
	for _, test := range []struct {
		args string
		exit int
		want []string
	}{
		{"status --exit-code", 0, []string{"2 Syncs in sync; the source of 2 cannot be reached", "!  root", "!  shop", unreachable, serverHint}},
		{"status shop --exit-code", 0, []string{"! shop", unreachable, serverHint}},
		{"tree", 0, []string{"! root", unreachable}},
		{"sync shop --wait", 4, []string{"! shop", unreachable, serverHint}},
	} {
		if code := c.run(t.Context(), strings.Fields(test.args)...); code != test.exit {
			t.Errorf("%s: exit code %d, want %d: %s", test.args, code, test.exit, c.err.String())
		}
		for _, want := range test.want {
			if !strings.Contains(c.out.String(), want) {
				t.Errorf("%s: %q is missing in:\n%s", test.args, want, c.out.String())
			}
		}
		if n := strings.Count(c.out.String(), serverHint); n > 1 {
			t.Errorf("%s: the hint is there %d times:\n%s", test.args, n, c.out.String())
		}
	}
}

func TestWaitEndsWhenNothingCanBecomeBetterByItself(t *testing.T) {
	sync := func(name, state, reason string) v1alpha1.SyncDetail {
		return v1alpha1.SyncDetail{SyncStatus: v1alpha1.SyncStatus{Name: name, Parent: "root", State: state, Reason: reason, Looked: now.Add(time.Second)}}
	}
	root := sync("root", "Settling", "Degraded")
	root.Parent, root.Objects = "", v1alpha1.Counts{Total: 3, Healthy: 1}
	moving := root
	moving.Objects.Healthy = 0 // something of its own, too
	waits := sync("app", "Pending", "DependencyNotReady")
	for name, test := range map[string]struct {
		app    v1alpha1.SyncDetail
		others []v1alpha1.SyncDetail
		exit   int
	}{
		"in sync":                        {sync("app", "InSync", ""), nil, 0},
		"suspended":                      {sync("app", "Suspended", "Suspended"), nil, 4},
		"held":                           {sync("app", "Held", "EmptyRender"), nil, 4},
		"its dependency has failed":      {waits, []v1alpha1.SyncDetail{root, sync("db", "Failed", "Invalid")}, 4},
		"its dependency is on the way":   {waits, []v1alpha1.SyncDetail{root, sync("db", "Settling", "RolloutInProgress")}, 1},
		"its parent is on the way":       {waits, []v1alpha1.SyncDetail{moving, sync("db", "Failed", "Invalid")}, 1},
		"on the way":                     {sync("app", "Settling", "RolloutInProgress"), nil, 1},
		"waiting for its first revision": {sync("app", "Pending", "Fetching"), nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := newConsoleWith(t, httpapitest.Content{Syncs: append(test.others, test.app)})
			timeout := "1m"
			switch {
			case test.exit == 1 && test.others == nil:
				timeout = "30ms"
			case test.exit == 1:
				timeout = "3s" // longer than the patience with others
			}
			if code := c.run(t.Context(), "sync", "app", "--wait", "--timeout", timeout); code != test.exit {
				t.Errorf("exit code %d, want %d: %s", code, test.exit, c.err.String())
			}
			if shown := strings.Contains(c.out.String(), "app  "+test.app.State); shown != (test.exit != 1) {
				t.Errorf("the status is shown: %v:\n%s", shown, c.out.String())
			}
		})
	}
}

func TestAHistoryIsThatOfASync(t *testing.T) {
	c := newConsoleWith(t, httpapitest.Content{
		Syncs:    []v1alpha1.SyncDetail{{SyncStatus: v1alpha1.SyncStatus{Name: "new", State: "Pending"}}},
		Attempts: []v1alpha1.Attempt{{ID: "01", Sync: "gone", Started: now.Add(-time.Hour)}},
	})
	for args, exit := range map[string]int{
		"history": 0, "history new": 0, "history gone": 0, "history gone --since 1m": 0, "history nope": 1, "history nope -o json": 1,
	} {
		if code := c.run(t.Context(), strings.Fields(args)...); code != exit {
			t.Errorf("%s: exit code %d, want %d: %s%s", args, code, exit, c.out.String(), c.err.String())
		}
		if exit != 0 && (c.out.Len() > 0 || !strings.Contains(c.err.String(), "there is no such Sync")) {
			t.Errorf("%s: %s%s", args, c.out.String(), c.err.String())
		}
	}
}
