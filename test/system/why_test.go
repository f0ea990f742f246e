package system_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/test/cluster"
	"github.com/setpoint-dev/setpoint/test/system"
)

// chain names Syncs, each of which depends on the one before.
var chain = []string{"bottom", "second", "third", "fourth", "top"}

// TestWhy: the cause of a Sync that waits is shown through a chain of five down to the object that is to blame; nobody on the way keeps
// trying meanwhile, and all go on by events when it is mended.
func TestWhy(t *testing.T) {
	s := prepare(t, chained(deploymentOf("web", "cluster.test/pod: stuck")))
	s.start()
	s.waitProblem("bottom", "Failed", "Unhealthy", "apps/Deployment/"+s.ns+"/web")
	for _, name := range chain[1:] {
		s.waitProblem(name, "Pending", "DependencyNotReady")
	}
	s.whyTop("Failed", "cannot pull its image")

	s.rest()
	began, before := time.Now(), s.rendered()
	time.Sleep(10 * time.Second) // the test is about this span
	system.Figure(t, "why.requests-while-waiting", float64(len(s.asked(began))), "requests")
	for _, event := range s.asked(began) {
		// The fault itself may be looked into; those above wait for its end.
		if event.Write() || event.Resource == "configmaps" {
			t.Errorf("while waiting: %s %s", event.Verb, event.RequestURI)
		}
	}
	if after := s.rendered(); after != before {
		t.Errorf("while waiting the Syncs were rendered again: %s, then %s", before, after)
	}

	mended := time.Now()
	s.commit("Mend the bottom", map[string]string{"bottom/web.yaml": deploymentOf("web", "")})
	s.agent.WaitInSync(append([]string{"root"}, chain...)...)
	system.Figure(t, "why.all-healthy-after-the-mending", time.Since(mended).Seconds(), "s")
	for _, name := range chain[1:] {
		if written := len(s.writes(mended, "of-"+name)); written != 1 {
			t.Errorf("the object of %s was written %d times, want once", name, written)
		}
	}
	system.Figure(t, "why.requests-when-mended", float64(len(s.asked(mended))), "requests")
	renders := s.agent.Metrics()
	for _, name := range chain[1:] {
		if count := renders[`setpoint_render_seconds_count{sync="`+name+`"}`]; count > 1 {
			t.Errorf("%s was rendered %v times, want once", name, count)
		}
	}
	s.breakLater()
}

// breakLater: a chain that is in force, and whose bottom falls ill, says so up to the top, and changes nothing.
func (s *scene) breakLater() {
	s.Helper()
	began := time.Now()
	s.commit("Break the bottom", map[string]string{"bottom/web.yaml": deploymentOf("web", "cluster.test/pod: crash")})
	s.waitProblem("top", "Settling", "DependencyUnhealthy")
	s.whyTop("Settling", "keeps crashing")
	for _, name := range chain[1:] {
		s.unwritten(began, "of-"+name)
	}
	s.commit("Mend it again", map[string]string{"bottom/web.yaml": deploymentOf("web", "")})
	s.agent.WaitInSync(append([]string{"root"}, chain...)...)
}

// chained declares the chain, with these objects at its bottom.
func chained(bottom string) map[string]string {
	files := map[string]string{"kustomization.yaml": "resources: [fleet.yaml]\n", "bottom/web.yaml": bottom}
	for i, name := range chain {
		spec := "path: " + name + ", timeout: 3s"
		if i > 0 {
			spec += ", dependsOn: [{kind: Sync, name: " + chain[i-1] + "}]"
			files[name+"/config.yaml"] = configMap("of-"+name, "one")
		}
		files["fleet.yaml"] += syncOf(name, spec)
	}
	return files
}

// whyTop asks why the top is not healthy, and checks that the answer leads to the bottom's Deployment, each link below the one before.
func (s *scene) whyTop(words ...string) {
	s.Helper()
	var out system.Output
	s.agent.Wait("the answer to say "+strings.Join(words, ", "), func() bool { // the reason of a Pod becomes known a moment later
		out = s.agent.Setpoint("tree", "--why", "top")
		return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(out.Stdout, word) })
	})
	s.Logf("setpoint tree --why top: %s", out)
	at := 0
	for _, link := range []string{"Sync/top", "Sync/fourth", "Sync/third", "Sync/second", "Sync/bottom", "Deployment/" + s.ns + "/web"} {
		found := strings.Index(out.Stdout[at:], link)
		if found < 0 {
			s.Errorf("the chain does not lead to %s, or not in its place", link)
			return
		}
		at += found
	}
}

// rendered says how often each Sync of the chain was rendered.
func (s *scene) rendered() string {
	s.Helper()
	metrics := s.agent.Metrics()
	var b strings.Builder
	for _, name := range chain {
		fmt.Fprintf(&b, "%s %v, ", name, metrics[`setpoint_render_seconds_count{sync="`+name+`"}`])
	}
	return b.String()
}

// asked gives all that the agent has asked about the scene's namespace since an instant, watches aside.
func (s *scene) asked(since time.Time) (events []cluster.AuditEvent) {
	s.Helper()
	s.audit(since, func(event cluster.AuditEvent) {
		if event.Namespace == s.ns && event.Verb != "watch" {
			events = append(events, event)
		}
	})
	return events
}
