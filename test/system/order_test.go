package system_test

import (
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/test/cluster"
	"github.com/setpoint-dev/setpoint/test/system"
)

// thing is an object of a scene's namespace as the audit log names it: resource and the beginning of its name, "jobs/migrate-".
type thing string

// span is what the audit log tells of one thing: from the agent's first write to the last status that a controller wrote, which is that
// of a finished Job or of a workload that has become available. What has no status ends when it begins.
type span struct {
	begins, ends time.Time
	creations    int // how many objects of this name there have been
}

// applied says whether a request is an apply by the agent that the server has carried out.
func applied(e cluster.AuditEvent) bool {
	return e.Subresource == "" && e.Verb == "patch" && !e.DryRun && e.Code < 300 && strings.HasPrefix(e.UserAgent, "setpoint/")
}

// spanOf finds a thing among requests.
func spanOf(events []cluster.AuditEvent, of thing) span {
	var found span
	resource, name, _ := strings.Cut(string(of), "/")
	for _, e := range events {
		if e.Resource != resource || !strings.HasPrefix(e.Name, name) || e.Code >= 300 {
			continue
		}
		switch {
		case applied(e):
			if found.begins.IsZero() {
				found.begins = e.Time
			}
			if e.Code == 201 {
				found.creations++
			}
			found.ends = later(found.ends, e.Time)
		case e.Subresource == "status" && !found.begins.IsZero():
			found.ends = later(found.ends, e.Time)
		}
	}
	return found
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// requests gives what was asked since then about the scene's namespace, in the order of arrival.
func (s *scene) requests(since time.Time) []cluster.AuditEvent {
	s.Helper()
	events, err := s.plant.AuditEvents(since)
	if err != nil {
		s.Fatal(err)
	}
	var ours []cluster.AuditEvent
	for _, e := range events {
		if e.Namespace == s.ns && e.Write() {
			ours = append(ours, e)
		}
	}
	return ours
}

// runInOrder wants that since then each group of things was begun when those of the groups before had ended: Jobs complete, workloads
// available.
func (s *scene) runInOrder(since time.Time, groups ...[]thing) {
	s.Helper()
	events := s.requests(since)
	var before time.Time
	var by thing
	for _, group := range groups {
		ended, last := before, by
		for _, one := range group {
			found := spanOf(events, one)
			if found.begins.IsZero() {
				s.Errorf("%s was never applied", one)
				continue
			}
			s.Logf("%-40s %s to %s", one, found.begins.Format("05.000000"), found.ends.Format("05.000000"))
			if found.begins.Before(before) {
				s.Errorf("%s was begun at %s, before %s had ended at %s", one, found.begins, by, before)
			}
			if found.ends.After(ended) {
				ended, last = found.ends, one
			}
		}
		before, by = ended, last
	}
}

// ran wants that a hook was created so many times since then.
func (s *scene) ran(since time.Time, times int, hooks ...thing) {
	s.Helper()
	events := s.requests(since)
	for _, hook := range hooks {
		if got := spanOf(events, hook).creations; got != times {
			s.Errorf("%s was created %d times, want %d", hook, got, times)
		}
	}
}

// settled waits until a Sync is in sync with the newest revision, and has been looked at once more after that.
func (s *scene) settled(name string) {
	s.Helper()
	s.agent.WaitInSync("root", name)
	asked := time.Now()
	s.agent.Now(name)
	system.Wait(s, name+" to have been looked at", func() bool {
		status := s.agent.Statuses()[name]
		return status.Looked.After(asked) && status.State == "InSync"
	})
}
