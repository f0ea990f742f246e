package agent

import (
	"fmt"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/probe"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/self"
)

// explained is an explanation in which Syncs have the causes that a test says.
func (f *fleet) explained(causes map[string]*v1alpha1.Cause) *explanation {
	e := f.explain(true)
	e.status = func(m *member) v1alpha1.SyncStatus {
		status := v1alpha1.SyncStatus{Name: m.name, State: "InSync", Reason: "Equal"}
		if status.Cause = causes[m.name]; status.Cause != nil {
			status.State, status.Reason, status.Message = "Pending", "DependencyNotReady", "waiting for "+status.Cause.ID.String()
		}
		return status
	}
	return e
}

func cause(id state.ID, message string) *v1alpha1.Cause {
	return &v1alpha1.Cause{ID: id, Message: message}
}

// told writes a chain as "Sync/a Pending; depends on Sync/b Pending".
func told(chain []v1alpha1.WhyLink) string {
	var words []string
	for _, link := range chain {
		word := link.ID.Kind + "/" + link.ID.Name + " " + link.State
		if link.Relation != "" {
			word = link.Relation + " " + word
		}
		words = append(words, word)
	}
	return strings.Join(words, "; ")
}

func TestWhyOnAChainOfFive(t *testing.T) {
	f := newFleet(t)
	f.sicken(t, "CrashLoopBackOff")
	causes := map[string]*v1alpha1.Cause{
		"a": cause(self.SyncID("b"), ""), "b": cause(self.SyncID("c"), ""), "c": cause(self.SyncID("d"), ""),
		"d": cause(database, "not healthy"), "e": cause(database, "crashes"),
	}
	chain := f.explained(causes).chain("a")
	want := "Sync/a Pending; depends on Sync/b Pending; depends on Sync/c Pending; depends on Sync/d Pending; " +
		"depends on Deployment/postgres Degraded"
	if got := told(chain); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if last := chain[len(chain)-1]; last.Reason != "CrashLoopBackOff" || last.Message != "not healthy" {
		t.Errorf("the root cause is %+v", last)
	}
	if got := f.explained(causes).rootCause("a"); got != "apps/Deployment/db/postgres: not healthy" {
		t.Errorf("in a line: %q", got)
	}
	if got, want := told(f.explained(causes).chain("e")), "Sync/e Pending; owns Deployment/postgres Degraded"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestWhy(t *testing.T) {
	f := newFleet(t)
	asked := v1alpha1.HealthCheck{HTTP: &v1alpha1.HTTPCheck{URL: "https://user:secret@shop.example.com/ready"}}
	stranger := v1alpha1.Reference{Kind: "Secret", Namespace: "db", Name: "password"}
	f.members["a"].health = []v1alpha1.HealthCheck{asked, {Object: &stranger}}
	check, _ := probe.Of(asked)
	for _, test := range []struct {
		name   string
		causes map[string]*v1alpha1.Cause
		want   string
		line   string
	}{
		{"nothing is wrong", nil, "Sync/a InSync", ""},
		{"a circle", map[string]*v1alpha1.Cause{"a": cause(self.SyncID("b"), ""), "b": cause(self.SyncID("a"), "")},
			"Sync/a Pending; depends on Sync/b Pending", "setpoint.dev/Sync/b: waiting for setpoint.dev/Sync/a"},
		{"itself", map[string]*v1alpha1.Cause{"a": cause(self.SyncID("a"), "")}, "Sync/a Pending", ""},
		{"a Sync that is not declared", map[string]*v1alpha1.Cause{"a": cause(self.SyncID("nowhere"), "")},
			"Sync/a Pending; owns Sync/nowhere Missing", "setpoint.dev/Sync/nowhere: there is no such Sync"},
		{"a probe", map[string]*v1alpha1.Cause{"a": cause(check.ID(), "it answered 503")},
			"Sync/a Pending; checks Probe/https://shop.example.com/ready Progressing",
			"Probe/https://shop.example.com/ready: has not been looked at yet"},
		{"an object of nobody", map[string]*v1alpha1.Cause{"a": cause(idOf(stranger), "is not there")},
			"Sync/a Pending; checks Secret/password Unknown", "Secret/db/password: is not there"},
		{"an object of another Sync", map[string]*v1alpha1.Cause{"a": cause(database, "refused")},
			"Sync/a Pending; owns Deployment/postgres Healthy", "apps/Deployment/db/postgres: refused"},
		{"a Source", map[string]*v1alpha1.Cause{"a": cause(self.SourceID("shared"), "its branch is gone")},
			"Sync/a Pending; owns Source/shared Healthy", "setpoint.dev/Source/shared: its branch is gone"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := told(f.explained(test.causes).chain("a")); got != test.want {
				t.Errorf("%s\nwant %s", got, test.want)
			}
			if got := f.explained(test.causes).rootCause("a"); got != test.line {
				t.Errorf("in a line: %q, want %q", got, test.line)
			}
		})
	}
	if _, err := f.Why("nowhere"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("%v, want NotFound", err)
	}
	if why, err := f.Why("e"); err != nil || len(why.Chain) == 0 || why.Chain[0].ID != self.SyncID("e") {
		t.Errorf("%+v, %v", why, err)
	}
}

// An object that is not there yet goes back to what keeps its own Sync from making it.
func TestWhyGoesOnWhereAnObjectIsMissing(t *testing.T) {
	f := newFleet(t)
	e := f.explained(map[string]*v1alpha1.Cause{"d": cause(database, "not there"), "e": cause(self.SyncID("a"), "")})
	e.owners[database] = owned{"e", state.Health{Status: state.Missing}}
	want := "Sync/d Pending; depends on Deployment/postgres Missing; belongs to Sync/e Pending; owns Sync/a InSync"
	if got := told(e.chain("d")); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// What keeps a declared Sync from being there, the Sync knows that declares it; others that wait for it are told the same.
func TestWhyASyncCannotBeDeclared(t *testing.T) {
	f := newFleet(t)
	bad := self.SyncID("bad")
	e := f.explained(map[string]*v1alpha1.Cause{"e": cause(bad, "decode bad.yaml:7: no field pth"), "a": cause(bad, "there is no such Sync")})
	e.owners[bad] = owned{"e", state.Health{Status: state.Missing}}
	for _, name := range []string{"e", "a"} {
		chain := e.chain(name)
		if len(chain) != 2 || chain[1].Message != "decode bad.yaml:7: no field pth" || chain[1].State != "Missing" {
			t.Errorf("of %s: %+v", name, chain)
		}
		if got := e.rootCause(name); got != "setpoint.dev/Sync/bad: decode bad.yaml:7: no field pth" {
			t.Errorf("of %s in a line: %q", name, got)
		}
	}
}

func TestWhyIsBounded(t *testing.T) {
	f := newFleet(t)
	causes := map[string]*v1alpha1.Cause{}
	for i := range 2 * maxWhy {
		name := fmt.Sprintf("sync-%d", i)
		f.members[name] = f.counting(name)
		causes[name] = cause(self.SyncID(fmt.Sprintf("sync-%d", i+1)), "")
	}
	if got := len(f.explained(causes).chain("sync-0")); got != maxWhy {
		t.Errorf("a chain of %d, want %d", got, maxWhy)
	}
}

func TestWhyShowsWhatWasRefused(t *testing.T) {
	link := v1alpha1.WhyLink{State: "Healthy"}
	refused := v1alpha1.Problem{Kind: "Denied", Message: "quota exceeded", Hint: "raise the quota"}
	showError(&link, v1alpha1.SyncDetail{Items: []v1alpha1.ObjectStatus{
		{ID: widget, Change: &v1alpha1.Change{Error: &v1alpha1.Problem{Message: "another"}}},
		{ID: database, Change: &v1alpha1.Change{Error: &refused}},
	}}, database)
	if link.Reason != "Denied" || link.Message != "quota exceeded" || link.Hint != "raise the quota" {
		t.Errorf("%+v", link)
	}
}
