package system_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/test/system"
)

const drifts = 100

// kinds are the resources that drift in TestDrifts.
var kinds = map[string]schema.GroupVersionResource{
	"ConfigMap":  {Version: "v1", Resource: "configmaps"},
	"Service":    {Version: "v1", Resource: "services"},
	"Deployment": {Group: "apps", Version: "v1", Resource: "deployments"},
}

// disturbance is one drift.
type disturbance struct {
	id      state.ID
	path    string
	how     string
	manager string // who does it; as many as there are disturbances, so that the history can be asked for each
	took    time.Duration
}

// TestDrifts: a hundred disturbances, one after the other, are all put right, and the history names each, with the culprit where
// Kubernetes tells.
func TestDrifts(t *testing.T) {
	s := play(t, map[string]string{"objects.yaml": driftingObjects(24)})
	random := rand.New(rand.NewPCG(1, 2)) // the same drifts in each run
	seen := s.sightings(kinds)
	var done []disturbance
	for i := range drifts {
		kind := []string{"ConfigMap", "Service", "Deployment"}[random.IntN(3)]
		d := disturbance{
			id:      state.ID{Group: kinds[kind].Group, Kind: kind, Namespace: s.ns, Name: fmt.Sprintf("web-%d", random.IntN(24))},
			how:     []string{"edit", "delete", "label", "ownership"}[random.IntN(4)],
			manager: fmt.Sprintf("culprit-%03d", i),
		}
		d.path = system.Path(kinds[kind].GroupVersion().String(), kinds[kind].Resource, s.ns, d.id.Name)
		before := looks(s.plant.Get(d.path))
		s.disturb(d)
		returned := time.Now()
		d.took = max(0, await(t, seen, d.path, before).Sub(returned))
		done = append(done, d)
	}
	s.agent.WaitInSync()
	s.figures(done)
	s.history(done)
}

// figures logs how long it took from the disturbing request's answer to the sight of the repaired object.
func (s *scene) figures(done []disturbance) {
	took := map[string][]time.Duration{}
	for _, d := range done {
		if d.took > 250*time.Millisecond {
			s.Logf("slow: %s by %s of %s took %s", d.how, d.manager, d.id, d.took)
		}
		took["all"] = append(took["all"], d.took)
		took[d.how] = append(took[d.how], d.took)
	}
	for how, list := range took {
		slices.Sort(list)
		for name, at := range map[string]int{"p50": len(list) / 2, "p99": len(list) - 1 - len(list)/100} {
			system.Figure(s, "drift."+how+"."+name, float64(list[at].Microseconds())/1000, "ms")
		}
	}
}

func (s *scene) disturb(d disturbance) {
	s.Helper()
	if d.how == "delete" {
		s.plant.Delete(d.path)
		return
	}
	s.plant.Edit(d.manager, d.path, func(object system.Object) {
		labels := object.Field("metadata", "labels").(map[string]any)
		switch {
		case d.how == "label":
			delete(labels, "app")
		case d.how == "ownership":
			delete(labels, ownershipLabel)
		case d.id.Kind == "ConfigMap":
			object["data"].(map[string]any)["key"] = d.manager
		case d.id.Kind == "Service":
			object.Field("spec", "selector").(map[string]any)["app"] = d.manager
		default:
			object.Field("spec", "template", "metadata", "labels").(map[string]any)["tier"] = d.manager
		}
	})
}

// history fails the test unless the history tells of each disturbance once, truthfully.
func (s *scene) history(done []disturbance) {
	s.Helper()
	told := map[state.ID][]v1alpha1.Change{} // the oldest first
	attempts := s.agent.History("root")
	slices.Reverse(attempts)
	for _, attempt := range attempts {
		for _, change := range attempt.Changes {
			if change.Cause == "drift" {
				told[change.ID] = append(told[change.ID], change)
			}
		}
	}
	named := map[string]int{}
	for _, d := range done {
		if len(told[d.id]) == 0 {
			s.Errorf("the history does not tell of %s by %s of %s", d.how, d.manager, d.id)
			continue
		}
		change := told[d.id][0]
		told[d.id] = told[d.id][1:]
		if s.truthful(d, change) {
			named[d.how]++
		}
	}
	for id, rest := range told {
		if len(rest) > 0 {
			s.Errorf("the history tells of %d drifts of %s that did not happen, the last: %+v", len(rest), id, rest[len(rest)-1])
		}
	}
	for how, count := range named {
		s.Logf("%s: the culprit is named in %d cases", how, count)
	}
}

// truthful checks what the history says of one disturbance, and says whether it names the culprit. Kubernetes keeps the name of
// who set a field, not of who removed one or a whole object: then nobody may be blamed who did not do it.
func (s *scene) truthful(d disturbance, change v1alpha1.Change) (named bool) {
	s.Helper()
	want := map[string]string{"edit": "update", "delete": "create", "label": "update", "ownership": "update"}[d.how]
	if change.Op != want && !(d.how == "ownership" && change.Op == "adopt") {
		s.Errorf("%s of %s is told as %s: %+v", d.how, d.id, change.Op, change)
	}
	for _, field := range change.Fields {
		by := strings.TrimPrefix(field.By, "probably ")
		named = named || by == d.manager
		if by != "" && by != d.manager {
			s.Errorf("%s by %s of %s is blamed on %s: %+v", d.how, d.manager, d.id, field.By, change)
		}
		if d.how == "label" && !strings.HasSuffix(field.Path, "/labels/app") {
			s.Errorf("removing a label of %s is told as a change of %s", d.id, field.Path)
		}
	}
	if d.how == "edit" && !named {
		s.Errorf("edit by %s of %s names nobody: %+v", d.manager, d.id, change)
	}
	if d.how != "delete" && len(change.Fields) == 0 {
		s.Errorf("%s by %s of %s names no field: %+v", d.how, d.manager, d.id, change)
	}
	return named
}

// driftingObjects declares count objects of each kind.
func driftingObjects(count int) string {
	var b strings.Builder
	for i := range count {
		name := fmt.Sprintf("web-%d", i)
		labelled := "labels: {app: web}, namespace: NS}"
		b.WriteString(strings.Replace(deploymentOf(name, ""), "namespace: NS}", labelled, 1))
		b.WriteString("---\n" + strings.Replace(configMap(name, "one"), "namespace: NS}", labelled, 1))
		b.WriteString("---\napiVersion: v1\nkind: Service\nmetadata: {name: " + name + ", " + labelled +
			"\nspec: {selector: {app: " + name + "}, ports: [{port: 80}]}\n")
	}
	// What is declared nowhere may be added by anybody: the edited label of the Pods has to be declared.
	return strings.ReplaceAll(b.String(), "metadata: {labels: {app: web-", "metadata: {labels: {tier: front, app: web-")
}
