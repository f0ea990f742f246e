package host_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/test/host"
)

// TestDeviationOfKills: an app is killed 20 times, as somebody would do it, each time another of its processes. The series shows every
// excursion and the way back, and the day counts the repairs with their causes. With -v it shows what people see of that.
func TestDeviationOfKills(t *testing.T) {
	const kills, processes = 20, 5
	declared := strings.Replace(host.App(host.Sample(t), "one", host.FreePort(t)), "replicas: 2", fmt.Sprintf("replicas: %d", processes), 1)
	s := scene{host.Play(t, map[string]string{"app.yaml": declared, "build/readme": "nothing to build\n"})}
	begun := s.Agent.Deviation("root")
	for n := range kills {
		s.kill(fmt.Sprintf("web.%d", 1+n%processes), processes)
	}
	series := s.Agent.Deviation("root")
	t.Logf("\n%s\n%s", s.Agent.Setpoint("history", "root", "--deviation"), s.Agent.Setpoint("status", "root"))

	// A busy machine may add one of its own: a process that did not answer its check in time. What is measured then says so everywhere.
	made, _ := corrections(s.Agent, webID)
	if made < kills || made > kills+kills/4 {
		t.Errorf("the history tells of %d repairs after %d kills", made, kills)
	}
	if there := series.Excursions() - begun.Excursions(); there < kills {
		t.Errorf("the series has %d excursions of %d: %+v", there, kills, series.Points)
	}
	if day := series.Sum(); day.Repairs != made || day.Causes[""] != made || day.Settled != 1 {
		t.Errorf("of %d repairs the days tell: %+v", made, day)
	}
	if largest := series.Largest(); largest.Objects != 1 || !series.Now.None() || !series.Ordered() {
		t.Errorf("one object deviated, and the series says at most %+v, now %+v: %+v", largest, series.Now, series.Points)
	}
	if day, points := time.Duration(series.Sum().Deviating), series.Away(); (day - points).Abs() > points/10 {
		t.Errorf("%s in deviation, by the points %s", day, points)
	}
}

// kill ends one process of the app and waits until all are well again, and a moment more, as somebody would.
func (s scene) kill(replica string, processes int) {
	s.Helper()
	for pid, mark := range s.Processes() {
		if replicaOf(mark) != replica {
			continue
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			s.Fatal(err)
		}
		s.Agent.Wait("another "+replica, func() bool {
			status, running := s.Agent.Statuses()["root"], s.Processes()
			return running[pid] == "" && len(running) == processes && status.State == "InSync" && status.Deviation.None()
		})
	}
	time.Sleep(2 * time.Second) // the series is about disturbances that are spread
}
