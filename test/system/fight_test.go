package system_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/test/cluster"
	"github.com/setpoint-dev/setpoint/test/system"
)

const (
	// evil is the field manager of the writer that the agent has to do with.
	evil = "evil-controller"
	// mostCorrections is how often a field may be corrected within the minute that the other writer needs it.
	mostCorrections = 10
)

// fighting is how long the other writer goes on.
func fighting() time.Duration {
	if testing.Short() {
		return 15 * time.Second
	}
	return time.Minute
}

// insists does something every so often, until the returned function ends it and waits for it to have ended.
func (s *scene) insists(every time.Duration, do func(ctx context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(s.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		ticks := time.NewTicker(every)
		defer ticks.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticks.C:
			}
			if err := do(ctx); err != nil && ctx.Err() == nil {
				s.Errorf("the other writer: %v", err)
				return
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}

// rewrites has the evil controller read an object, change it and write all of it back, every 100 ms, as controllers do.
func (s *scene) rewrites(path string, change func(system.Object)) (stop func()) {
	return s.insists(100*time.Millisecond, func(ctx context.Context) error {
		data, err := s.plant.Do(ctx, http.MethodGet, path, nil)
		if err != nil {
			return err
		}
		var object system.Object
		if err := json.Unmarshal(data, &object); err != nil {
			return err
		}
		change(object)
		if data, err = json.Marshal(object); err != nil {
			return err
		}
		_, err = s.plant.Do(ctx, http.MethodPut, path+"?fieldManager="+evil, data)
		if cluster.IsStatus(err, http.StatusConflict) {
			return nil // the next round reads again
		}
		return err
	})
}

// TestFight: a field that another controller sets again and again is left to it after a few rounds, and everything else is kept; when
// that controller stops, the field is put right by the next try.
func TestFight(t *testing.T) {
	files := onlySync("web", "path: web")
	files["web/web.yaml"] = strings.Replace(configMap("wanted", "one"), "{key: one}", "{key: one, other: one}", 1) + "---\n" +
		configMap("neighbour", "one") + deploymentOf("web", "")
	s := play(t, files)
	s.agent.WaitInSync("root", "web")
	began, seen := time.Now(), s.sightings(map[string]schema.GroupVersionResource{"c": kinds["ConfigMap"], "d": kinds["Deployment"]})
	stops := []func(){
		s.rewrites(s.config("wanted"), func(o system.Object) { o["data"].(map[string]any)["key"] = "evil" }),
		s.rewrites(s.deployment("web"), func(o system.Object) { o["spec"].(map[string]any)["replicas"] = 2 }),
	}
	s.waitContended("web", "ConfigMap/"+s.ns+"/wanted", "/data/key")
	s.waitContended("web", "apps/Deployment/"+s.ns+"/web", "/spec/replicas")
	s.told("Contended", evil, "/data/key", "/spec/replicas")
	drifts := 0
	for time.Since(began) < fighting() {
		s.driftBeside()
		drifts++
	}
	next := time.Now()
	for _, c := range s.agent.Statuses()["web"].Contended {
		t.Logf("%s %s: %d rounds, next try in %s", c.ID, c.Path, c.Rounds, time.Until(c.RetryAt).Round(time.Second))
		if c.By != evil {
			t.Errorf("%s %s is contended by %s: only the other controller's fields should be", c.ID, c.Path, c.By)
		}
		if c.RetryAt.After(time.Now().Add(2 * time.Minute)) {
			t.Errorf("%s %s is left alone until %s, which is too long after a minute", c.ID, c.Path, c.RetryAt)
		} else if c.RetryAt.After(next) {
			next = c.RetryAt
		}
	}
	for _, stop := range stops {
		stop()
	}
	stopped := time.Now()
	system.WaitFor(t, "the fields to be put right", time.Until(next)+system.Patience, func() bool {
		return s.value("wanted", "key") == "one" && s.plant.Get(s.deployment("web")).Field("spec", "replicas") == float64(1)
	})
	system.Figure(t, "fight.put-right-after-the-end", time.Since(stopped).Seconds(), "s")
	system.Figure(t, "fight.put-right-after-the-promised-try", time.Since(next).Seconds(), "s")
	s.agent.WaitInSync("root", "web")
	s.countRounds(seen, drifts)
	t.Logf("%d writes to the ConfigMap and %d to the Deployment, %d drifts of other fields repaired meanwhile",
		len(s.writes(began, "wanted")), len(s.writes(began, "web")), drifts)
	if status := s.agent.Statuses()["web"]; len(status.Contended) != 0 {
		t.Errorf("the fight is over, and the status says %+v", status.Contended)
	}
}

// waitContended waits until a Sync says that a field of an object is contended by the evil controller.
func (s *scene) waitContended(name, id, path string) {
	s.Helper()
	s.agent.Wait(id+" "+path+" to be contended", func() bool {
		for _, c := range s.agent.Statuses()[name].Contended {
			if c.ID.String() == id && c.Path == path && c.By == evil && !c.RetryAt.IsZero() && c.Theirs != "" && c.Ours != "" {
				return true
			}
		}
		return false
	})
}

// told fails the test unless both the status and the tree say these words.
func (s *scene) told(words ...string) {
	s.Helper()
	for _, command := range [][]string{{"status", "web"}, {"tree", "web"}} {
		out := s.agent.Setpoint(command...)
		for _, word := range words {
			if !strings.Contains(out.Stdout, word) {
				s.Errorf("setpoint %s does not say %s: %s", strings.Join(command, " "), word, out)
			}
		}
		s.Logf("setpoint %s: %s", strings.Join(command, " "), out)
	}
}

// driftBeside disturbs another field of the contended object, and another object, and waits until both are repaired.
func (s *scene) driftBeside() {
	s.Helper()
	time.Sleep(14 * time.Second) // slower than what would be a fight by itself
	s.plant.Edit("somebody", s.config("wanted"), func(o system.Object) { o["data"].(map[string]any)["other"] = "drifted" })
	s.plant.Edit("somebody", s.config("neighbour"), func(o system.Object) { o["data"].(map[string]any)["key"] = "drifted" })
	system.Wait(s, "another field of the contended object to be repaired", func() bool { return s.value("wanted", "other") == "one" })
	system.Wait(s, "the neighbour to be repaired", func() bool { return s.value("neighbour", "key") == "one" })
}

// countRounds counts from what a watch has seen how often each contended field was put right; the watch misses nothing.
func (s *scene) countRounds(seen <-chan sighting, drifts int) {
	s.Helper()
	time.Sleep(time.Second) // what has happened has been seen then; nothing can say so
	right := map[string]func(looks string) bool{
		s.config("wanted"):  func(looks string) bool { return strings.Contains(looks, `"key":"one"`) },
		s.deployment("web"): func(looks string) bool { return strings.Contains(looks, `"replicas":1`) },
	}
	was, rounds := map[string]bool{}, map[string]int{}
	for len(seen) > 0 {
		one := <-seen
		if is := right[one.path]; is != nil {
			if before, known := was[one.path]; known && !before && is(one.looks) {
				rounds[one.path]++
			}
			was[one.path] = is(one.looks)
		}
	}
	for path := range right {
		system.Figure(s, "fight.corrections."+path[strings.LastIndexByte(path, '/')+1:], float64(rounds[path]), "times")
		if rounds[path] == 0 || rounds[path] > mostCorrections {
			s.Errorf("%s was put right %d times (with %d drifts beside), want 1 to %d", path, rounds[path], drifts, mostCorrections)
		}
	}
}

// TestDeletedAgainAndAgain: an object that somebody deletes again and again is made anew a bounded number of times, and marked.
func TestDeletedAgainAndAgain(t *testing.T) {
	span := 20 * time.Second
	files := onlySync("web", "path: web")
	files["web/web.yaml"] = configMap("doomed", "one") + "---\n" + configMap("neighbour", "one")
	s := play(t, files)
	s.agent.WaitInSync("root", "web")
	began := time.Now()
	stop := s.insists(200*time.Millisecond, func(ctx context.Context) error {
		_, err := s.plant.Do(ctx, http.MethodDelete, s.config("doomed"), nil)
		if cluster.IsStatus(err, http.StatusNotFound) {
			return nil
		}
		return err
	})
	var contention v1alpha1.Contention
	s.agent.Wait("the object to be contended", func() bool {
		list := s.agent.Statuses()["web"].Contended
		if len(list) > 0 {
			contention = list[0]
		}
		return len(list) > 0
	})
	if contention.ID.Name != "doomed" || contention.Path != "" || contention.RetryAt.IsZero() {
		t.Errorf("the contention is %+v, want one of the whole object", contention)
	}
	s.told("Contended", "doomed")
	s.repairs("neighbour")
	for time.Since(began) < span {
		time.Sleep(100 * time.Millisecond)
	}
	stop()
	written := len(s.writes(began, "doomed"))
	system.Figure(t, "deleted-again.writes", float64(written), "times")
	if written > mostCorrections {
		t.Errorf("the object was written %d times in %s, want %d at most", written, span, mostCorrections)
	}
	s.agent.WaitInSync("root", "web")
	if s.value("doomed", "key") != "one" {
		t.Error("in the end the object is not there")
	}
}

// TestTwoClaims: of two Syncs that claim one object the second is refused, says with whom it is in conflict, and there is no fight.
func TestTwoClaims(t *testing.T) {
	s := play(t, map[string]string{
		"fleet.yaml": syncOf("one", "path: one, timeout: 2s") +
			syncOf("two", "path: two, timeout: 2s, retry: {initial: 1s, max: 1s}"),
		"kustomization.yaml": "resources: [fleet.yaml]\n",
		"one/kept.yaml":      configMap("kept", "one"), "two/kept.yaml": configMap("of-two", "one"),
	})
	s.agent.WaitInSync("root", "one", "two")
	began, before := time.Now(), s.plant.Get(s.config("kept"))
	s.commit("Claim it twice", map[string]string{"two/claimed.yaml": configMap("kept", "two")})
	s.waitProblem("two", "Failed", "Conflict", "/one", "/two", "ConfigMap/"+s.ns+"/kept")
	time.Sleep(10 * time.Second) // the test is about this span: many retries
	s.waitProblem("two", "Failed", "Conflict", "/one", "/two", "ConfigMap/"+s.ns+"/kept")
	s.agent.WaitInSync("one")
	s.unwritten(began, "kept")
	if after := s.plant.Get(s.config("kept")); after.Version() != before.Version() {
		t.Errorf("the object was touched: %s", system.JSON(t, after))
	}
	s.plant.Edit("somebody", s.config("kept"), func(o system.Object) { o["data"] = map[string]any{"key": "drifted"} })
	system.Wait(t, "its owner to repair it", func() bool { return s.value("kept", "key") == "one" })
	if status := s.agent.Statuses()["two"]; fmt.Sprint(status.Contended) != "[]" {
		t.Errorf("the second claims that there is a fight: %+v", status.Contended)
	}
}
