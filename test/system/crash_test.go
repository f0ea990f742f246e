package system_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/test/gitserver"
	"github.com/setpoint-dev/setpoint/test/system"
)

// partOf is the label by which an inventory is found in the cluster.
const partOf = "applyset.kubernetes.io/part-of"

// TestKilled: an agent that is killed at any instant, again and again while what it follows goes on changing, arrives at the last
// commit: nothing is left over, nothing is there twice, and no attempt that was seen to finish is forgotten.
func TestKilled(t *testing.T) {
	kills := 50
	if testing.Short() {
		kills = 10
	}
	w := newShiftingWorld(t)
	w.commit()
	w.agent = system.StartAgent(t, system.Agent{Repo: w.repo, Path: "fleet", Kubeconfig: w.plant.Kubeconfig()})
	w.agent.WaitInSync()
	amid := 0
	for n := 1; n <= kills; n++ {
		w.shift()
		w.commit()
		w.agent.Now("root")
		time.Sleep(time.Duration(w.random.IntN(400)) * time.Millisecond)
		seen := w.agent.History("")
		w.agent.Kill()
		w.agent.Start()
		if w.checkHistory(seen) {
			amid++
		}
		if n%10 == 0 {
			w.checkArrived()
		}
	}
	w.checkArrived()
	interrupted := 0
	ids := map[string]bool{}
	for _, attempt := range w.agent.History("") {
		if attempt.Outcome == "Running" || attempt.Finished.IsZero() {
			t.Errorf("attempt %s of %s still runs, and all is in sync", attempt.ID, attempt.Sync)
		}
		if attempt.Outcome == "Interrupted" {
			interrupted++
		}
		if ids[attempt.ID] {
			t.Errorf("attempt %s is there twice", attempt.ID)
		}
		ids[attempt.ID] = true
	}
	if interrupted == 0 {
		t.Error("not one of the kills has interrupted an attempt: they prove nothing")
	}
	system.Figure(t, "kills", float64(kills), "times")
	system.Figure(t, "kills-seen-amid-an-attempt", float64(amid), "times")
	system.Figure(t, "attempts-interrupted", float64(interrupted), "times")
}

// shiftingWorld is a repository whose content changes at random: objects of the root and of children that come and go.
type shiftingWorld struct {
	t      *testing.T
	plant  *system.Plant
	repo   *gitserver.Repo
	agent  *system.Process
	ns     string
	random *rand.Rand
	want   map[string]map[string]string // a Sync to its ConfigMaps with their values
	before map[string]bool              // the files of the last commit
}

func newShiftingWorld(t *testing.T) *shiftingWorld {
	plant := system.Shared(t)
	w := &shiftingWorld{
		t: t, plant: plant, ns: plant.MakeNamespace("killed"), repo: gitserver.Start(t, gitserver.Options{}).Repo("fleet"),
		random: rand.New(rand.NewPCG(2, 50)), want: map[string]map[string]string{"root": {}}, before: map[string]bool{},
	}
	for range 4 {
		w.shift()
	}
	return w
}

// shift changes what is wanted: a child comes or goes, an object comes, changes or goes in some of the Syncs.
func (w *shiftingWorld) shift() {
	child := fmt.Sprintf("child-%d", w.random.IntN(4))
	switch _, there := w.want[child]; {
	case !there:
		w.want[child] = map[string]string{}
	case w.random.IntN(3) == 0:
		delete(w.want, child)
	}
	for _, sync := range slices.Sorted(maps.Keys(w.want)) {
		for range 30 {
			name := fmt.Sprintf("%s-object-%d", sync, w.random.IntN(80))
			if _, there := w.want[sync][name]; there && w.random.IntN(3) == 0 {
				delete(w.want[sync], name)
			} else {
				w.want[sync][name] = fmt.Sprint(w.random.IntN(1000))
			}
		}
		w.want[sync][sync+"-always"] = "there" // a Sync with nothing at all is held, which is another test's matter
	}
}

// commit pushes what is wanted, all of it at once.
func (w *shiftingWorld) commit() {
	files := map[string]string{}
	for sync, objects := range w.want {
		dir := "fleet"
		if sync != "root" {
			dir = "children/" + sync
			files["fleet/"+sync+".yaml"] = syncOf(sync, "path: "+dir+", guards: {massDeletion: allow}")
		}
		for name, value := range objects {
			files[dir+"/"+name+".yaml"] = inNamespace(w.ns, name, value)
		}
	}
	var gone []string
	for file := range w.before {
		if _, stays := files[file]; !stays {
			gone = append(gone, file)
		}
	}
	slices.Sort(gone)
	aside := w.repo.On("aside")
	if len(gone) > 0 {
		aside.Delete("Remove some", gone...)
	}
	aside.Commit(files, "Change some")
	w.repo.ForcePush(aside.Head())
	w.before = map[string]bool{}
	for file := range files {
		w.before[file] = true
	}
}

// checkArrived waits until all is in sync, and compares the cluster with the last commit.
func (w *shiftingWorld) checkArrived() {
	w.t.Helper()
	want, syncs := map[string]string{}, slices.Sorted(maps.Keys(w.want))
	for _, objects := range w.want {
		maps.Copy(want, objects)
	}
	w.agent.Wait("the Syncs that are declared, and no others", func() bool {
		return slices.Equal(syncs, slices.Sorted(maps.Keys(w.agent.Statuses())))
	})
	w.agent.WaitInSync(syncs...)
	got := map[string]string{}
	for _, object := range w.plant.List(system.Path("v1", "configmaps", w.ns, "")) {
		if object.String("metadata", "labels", partOf) != "" {
			got[object.String("metadata", "name")] = object.String("data", "key")
		}
	}
	if !maps.Equal(want, got) {
		w.t.Errorf("declared and there differ:\n%v\n%v", want, got)
	}
	for _, object := range w.plant.List(system.Path("v1", "configmaps", w.ns, "")) {
		if name := object.String("metadata", "name"); name != "kube-root-ca.crt" && want[name] == "" {
			w.t.Errorf("the orphan %s is left, with the labels %v", name, object.Field("metadata", "labels"))
		}
	}
}

// checkHistory looks for attempts that were seen before a kill: those that had finished are there as they were, or counted by one
// that failed just so; those that ran have ended. It says whether any ran.
func (w *shiftingWorld) checkHistory(seen []v1alpha1.Attempt) (ran bool) {
	w.t.Helper()
	now := w.agent.History("")
	for _, before := range seen {
		at := slices.IndexFunc(now, func(a v1alpha1.Attempt) bool { return a.ID == before.ID })
		switch {
		case at < 0 && !slices.ContainsFunc(now, func(a v1alpha1.Attempt) bool { return standsFor(a, before) }):
			w.t.Errorf("attempt %s of %s (%s) is lost", before.ID, before.Sync, before.Outcome)
		case at >= 0 && before.Finished.IsZero():
			ran = true
			if now[at].Outcome == "Running" {
				w.t.Errorf("attempt %s of %s ran before the kill, and still does", before.ID, before.Sync)
			}
		case at >= 0 && (now[at].Outcome != before.Outcome || !now[at].Finished.Equal(before.Finished)):
			w.t.Errorf("attempt %s of %s was %s, and is %s", before.ID, before.Sync, before.Outcome, now[at].Outcome)
		}
	}
	return ran
}

// standsFor says whether an attempt counts an earlier one that failed in the same way.
func standsFor(a, earlier v1alpha1.Attempt) bool {
	return a.Repeats > 0 && a.Sync == earlier.Sync && a.Outcome == earlier.Outcome && a.Revision.ID == earlier.Revision.ID && a.ID > earlier.ID
}
