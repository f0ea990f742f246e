package host_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/test/host"
	"github.com/setpoint-dev/setpoint/test/load"
	"github.com/setpoint-dev/setpoint/test/system"
)

// requests is how many are sent at least while something happens to the app.
const requests = 10_000

// TestReleasesUnderLoad: no request fails while one release takes over from another, while the agent is killed in the middle of that,
// and while a release fails.
func TestReleasesUnderLoad(t *testing.T) {
	port := host.FreePort(t)
	url := fmt.Sprintf("http://127.0.0.1:%d/", port)
	app := func(version string) map[string]string {
		return map[string]string{"app.yaml": host.App(host.Sample(t), version, port)}
	}
	files := app("one")
	files["build/readme"] = "nothing to build\n"
	s := host.Play(t, files)
	s.Says(url, "one ")

	underLoad(t, "release", url, func() {
		for _, version := range []string{"two", "twice", "thrice"} {
			s.Repo.Commit(app(version), "Release "+version)
			s.Says(url, version+" ")
			s.Agent.WaitInSync()
		}
	})
	underLoad(t, "release-agent-killed", url, func() {
		slow := app("three")
		slow["app.yaml"] = strings.Replace(slow["app.yaml"], "VERSION: three", "VERSION: three, DELAY: 1s", 1)
		s.Repo.Commit(slow, "Three")
		s.Agent.Wait("release 5 to be on its way", func() bool { return s.Releases("web")[0].Number == 5 })
		s.Agent.Kill()
		s.Agent.Start()
		s.Says(url, "three ")
		s.Agent.WaitInSync()
	})
	underLoad(t, "release-that-fails", url, func() {
		sick := app("four")
		sick["app.yaml"] = strings.NewReplacer("VERSION: four", "VERSION: four, SICK: it has a cold", "timeout: 10s", "timeout: 2s").
			Replace(sick["app.yaml"])
		s.Repo.Commit(sick, "Four")
		s.Agent.WaitState("Failed", "root")
	})
	s.Says(url, "three ")
	failed := s.Releases("web")[0]
	if failed.State != v1alpha1.ReleaseFailed || !strings.Contains(failed.Message, "503") {
		t.Errorf("the release that is sick: %+v", failed)
	}
	status := s.Agent.Statuses()["root"]
	if !strings.Contains(status.Message, "503") || !strings.Contains(status.Message, "release") {
		t.Errorf("the Sync does not say why: %s", status.Message)
	}
}

// underLoad sends requests while something happens, and goes on until there were as many as are asked for; none may fail.
func underLoad(t *testing.T, name, url string, happen func()) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), system.Patience)
	defer stop()
	meanwhile, over := context.WithCancel(ctx)
	defer over()
	reports := make(chan load.Report, 1)
	go func() { // ends with meanwhile
		report, err := load.Run(meanwhile, load.Options{URL: url, Workers: 8})
		if err != nil {
			t.Error(err)
		}
		reports <- report
	}()
	time.Sleep(50 * time.Millisecond) // requests are on their way when it begins
	happen()
	over()
	during := <-reports
	check(t, name, during)
	system.Figure(t, "load."+name+".requests", float64(during.Requests), "requests")
	if during.Requests < requests {
		after, err := load.Run(ctx, load.Options{URL: url, Workers: 8, Requests: requests - during.Requests})
		if err != nil {
			t.Fatal(err)
		}
		check(t, name+", afterwards", after)
	}
}

func check(t *testing.T, name string, report load.Report) {
	t.Helper()
	if report.Failed > 0 || report.Requests == 0 {
		t.Errorf("%s: %s", name, report)
	}
	system.Figure(t, "load."+name+".p99", float64(report.Percentile(0.99).Microseconds())/1000, "ms")
}
