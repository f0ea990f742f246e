package system_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/test/gitserver"
	"github.com/setpoint-dev/setpoint/test/system"
)

// manySyncs is how many Syncs there are, of which five fail for good.
const manySyncs = 200

// failing are five Syncs that can never work, each for another reason: a file that cannot be read, a kind that nobody knows, a folder
// that is not there, a repository that does not answer, a namespace that nobody makes.
func failing() map[string]string {
	return map[string]string{
		"fleet/sync-000.yaml": syncOf("sync-000", "path: apps/000"), "apps/000/broken.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: \"web\n",
		"fleet/sync-050.yaml": syncOf("sync-050", "path: apps/050"), "apps/050/widget.yaml": "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: web}\n",
		"fleet/sync-100.yaml": syncOf("sync-100", "path: apps/nowhere"),
		"fleet/sync-150.yaml": syncOf("sync-150", "path: ., source: {interval: 1s, git: {url: \"http://127.0.0.1:1/nobody.git\"}}"),
		"fleet/sync-199.yaml": syncOf("sync-199", "path: apps/199"), "apps/199/config.yaml": inNamespace("nowhere", "web", "one"),
	}
}

// TestManySyncs: of 200 Syncs five fail, and the 195 others are in sync as fast as without them. Then a commit that touches one
// folder is rendered once, and costs the API server nothing for all the others.
func TestManySyncs(t *testing.T) {
	alone := time.Duration(0)
	for range 2 { // the first finds everything cold
		without := startMany(t, nil)
		alone = without.took
		without.agent.Stop()
	}
	w := startMany(t, failing())
	system.Figure(t, "195-in-sync-alone", alone.Seconds(), "s")
	system.Figure(t, "195-in-sync-beside-5-that-fail", w.took.Seconds(), "s")
	system.Figure(t, "ratio-beside-failing", w.took.Seconds()/alone.Seconds(), "x")

	statuses := w.agent.Statuses()
	for _, name := range w.bad {
		if status := statuses[name]; status.State != "Failed" || status.Hint == "" {
			t.Errorf("while the others are in sync, %s is %s: %s (%s)", name, status.State, status.Message, status.Hint)
		}
	}
	if len(statuses) != manySyncs+1 {
		t.Errorf("there are %d Syncs, want %d", len(statuses), manySyncs+1)
	}
	w.checkNobodyWaited(statuses)
	w.touchOne()
}

// many is a fleet of Syncs that has come to rest.
type many struct {
	t     *testing.T
	plant *system.Plant
	repo  *gitserver.Repo
	agent *system.Process
	ns    string
	good  []string
	bad   []string
	took  time.Duration
}

// startMany makes the 195 Syncs that work, with others beside them, and waits until the 195 are in sync.
func startMany(t *testing.T, others map[string]string) *many {
	t.Helper()
	plant := system.Shared(t)
	w := &many{t: t, plant: plant, ns: plant.MakeNamespace("many"), repo: gitserver.Start(t, gitserver.Options{}).Repo("many")}
	for n := range manySyncs {
		if name := fmt.Sprintf("sync-%03d", n); failing()["fleet/"+name+".yaml"] == "" {
			w.good = append(w.good, name)
		} else {
			w.bad = append(w.bad, name)
		}
	}
	files := maps.Clone(others)
	if files == nil {
		files = map[string]string{}
	}
	for _, name := range w.good {
		dir := "apps/" + strings.TrimPrefix(name, "sync-")
		files["fleet/"+name+".yaml"] = syncOf(name, "path: "+dir)
		for _, object := range []string{"a", "b", "c"} {
			files[dir+"/"+object+".yaml"] = inNamespace(w.ns, name+"-"+object, "one")
		}
	}
	w.repo.Commit(files, "Declare the fleet")
	w.agent = system.StartAgent(t, system.Agent{Repo: w.repo, Path: "fleet", Kubeconfig: plant.Kubeconfig()})
	began := time.Now()
	w.agent.WaitInSync(w.good...)
	w.took = time.Since(began)
	return w
}

// checkNobodyWaited says that the failing Syncs had failed, and went on failing, while the others became in sync: no attempt of a
// working Sync stands behind the end of a failing one.
func (w *many) checkNobodyWaited(statuses map[string]v1alpha1.SyncStatus) {
	w.t.Helper()
	var last time.Time
	for _, name := range w.good {
		attempts := w.agent.History(name)
		if len(attempts) != 1 || attempts[0].Outcome != "Succeeded" {
			w.t.Errorf("%s needed %d attempts, the last of which %s", name, len(attempts), attempts[0].Outcome)
			continue
		}
		if attempts[0].Finished.After(last) {
			last = attempts[0].Finished
		}
	}
	early := 0
	for _, name := range w.bad {
		if since := statuses[name].Since; since.Before(last) {
			early++
		}
	}
	w.t.Logf("%d of the %d had failed before the last of the others was in sync", early, len(w.bad))
}

// touchOne commits a change to one folder: it is rendered once and applied; the other Syncs get the revision and nothing else.
func (w *many) touchOne() {
	w.t.Helper()
	const touched = "sync-007"
	w.agent.Wait("the failing ones to have been tried again", func() bool { return w.agent.Sync("root").State != "Syncing" })
	attempts, renders := len(w.agent.History("")), w.renders()
	began := time.Now()
	w.repo.Commit(map[string]string{"apps/007/a.yaml": inNamespace(w.ns, touched+"-a", "two")}, "Touch one folder")
	w.agent.Now("root")
	w.agent.WaitInSync(w.good...)
	system.Figure(w.t, "one-of-200-followed", time.Since(began).Seconds(), "s")
	if got := w.plant.Get(system.Path("v1", "configmaps", w.ns, touched+"-a")).String("data", "key"); got != "two" {
		w.t.Errorf("the touched object has %q, want two", got)
	}
	for name, count := range w.renders() {
		if more := count - renders[name]; slices.Contains(w.good, name) && (more > 0) != (name == touched) {
			w.t.Errorf("%s was rendered %g times for a commit that touches %s", name, more, touched)
		}
	}
	for _, attempt := range w.agent.History("")[:max(0, len(w.agent.History(""))-attempts)] {
		if slices.Contains(w.good, attempt.Sync) && attempt.Sync != touched {
			w.t.Errorf("%s made an attempt (%s) for a commit that touches %s", attempt.Sync, attempt.Trigger, touched)
		}
	}
	w.checkRequests(began, touched)
}

// renders counts the renders that were recorded, by Sync.
func (w *many) renders() map[string]float64 {
	counts := map[string]float64{}
	for sample, value := range w.agent.Metrics() {
		if rest, ok := strings.CutPrefix(sample, `setpoint_render_seconds_count{sync="`); ok {
			counts[strings.TrimSuffix(rest, `"}`)] = value
		}
	}
	return counts
}

// checkRequests says that the API server was asked about the touched Sync and the failing ones only.
func (w *many) checkRequests(since time.Time, touched string) {
	w.t.Helper()
	time.Sleep(time.Second) // what has been answered is in the log then; nothing can say so
	events, err := w.plant.AuditEvents(since)
	if err != nil {
		w.t.Fatal(err)
	}
	asked := 0
	for _, event := range events {
		if !strings.HasPrefix(event.UserAgent, "setpoint/") || event.Namespace != w.ns {
			continue
		}
		asked++
		if event.Verb != "watch" && !strings.HasPrefix(event.Name, touched) {
			w.t.Errorf("for a commit that touches %s the API server was asked to %s %s", touched, event.Verb, event.RequestURI)
		}
	}
	system.Figure(w.t, "requests-for-one-of-200", float64(asked), "requests")
}
