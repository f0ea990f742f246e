package system_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/test/system"
)

// TestDeviationOfDrifts: a cluster drifts 100 times, one object after the other. The day counts every repair with who made it necessary,
// and the series comes back to none after each excursion. With -v it shows what people see of that.
func TestDeviationOfDrifts(t *testing.T) {
	const objects = 15 // of each kind
	managers := []string{"kubectl-edit", "somebody", "some-controller", "helm"}
	files := map[string]string{}
	for n := range objects {
		files[fmt.Sprintf("web-%d.yaml", n)] = configMap(fmt.Sprintf("web-%d", n), "one")
	}
	for n := range objects {
		files[fmt.Sprintf("deployment-%d.yaml", n)] = deploymentOf(fmt.Sprintf("run-%d", n), "")
	}
	s := play(t, files)
	begun := s.agent.Deviation("root")
	for n := range drifts {
		s.driftOnce(n/2%objects, managers[n%len(managers)], n%2 == 0)
	}
	s.agent.WaitInSync()
	series := s.agent.Deviation("root")
	t.Logf("\n%s\n%s", s.agent.Setpoint("history", "root", "--deviation"), s.agent.Setpoint("status", "root"))

	day := series.Sum()
	if day.Repairs != drifts || len(day.Causes) != len(managers) {
		t.Errorf("of %d drifts by %d managers the days tell: %+v", drifts, len(managers), day)
	}
	for _, manager := range managers {
		if day.Causes[manager] != drifts/len(managers) {
			t.Errorf("%s has made %d repairs necessary, and %d are told", manager, drifts/len(managers), day.Causes[manager])
		}
	}
	// Of the older ones several may have become one.
	if there := series.Excursions() - begun.Excursions(); there > drifts || there < drifts/5 {
		t.Errorf("the series has %d excursions of %d: %+v", there, drifts, series.Points)
	}
	if largest := series.Largest(); largest.Objects > 2*objects || !series.Now.None() || !series.Ordered() {
		t.Errorf("the series says at most %+v, now %+v: %+v", largest, series.Now, series.Points)
	}
	if spent := time.Duration(day.Deviating); spent <= 0 {
		t.Errorf("%s in deviation", spent)
	}
}

// driftOnce has one object changed by a manager, and waits until it is put right and seen to be.
func (s *scene) driftOnce(n int, manager string, config bool) {
	s.Helper()
	repairs := s.agent.Deviation("root").Sum().Repairs
	path := s.deployment(fmt.Sprintf("run-%d", n))
	if config {
		path = s.config(fmt.Sprintf("web-%d", n))
	}
	s.plant.Edit(manager, path, func(object system.Object) {
		if config {
			object["data"].(map[string]any)["key"] = "of " + manager
		} else {
			object["spec"].(map[string]any)["replicas"] = 3
		}
	})
	s.agent.Wait("the drift to be repaired", func() bool {
		series := s.agent.Deviation("root")
		return series.Sum().Repairs > repairs && series.Now.None()
	})
}
