package system_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/test/cluster"
	"github.com/setpoint-dev/setpoint/test/gitserver"
	"github.com/setpoint-dev/setpoint/test/system"
)

// TestConverges: everything that is declared is there and healthy, whichever way it is written, and the command line shows it.
func TestConverges(t *testing.T) {
	s := &scene{T: t, plant: system.Shared(t), repo: gitserver.Start(t, gitserver.Options{}).Repo("fleet")}
	s.ns = s.plant.MakeNamespace("fleet")
	s.plant.CleanUp(system.Path("apiextensions.k8s.io/v1", "customresourcedefinitions", "", "crontabs.stable."+s.ns+".example.com"))
	s.commit("Begin the fleet", archive(t, "fleet"))
	began := time.Now()
	s.agent = system.StartAgent(t, system.Agent{Repo: s.repo, Path: "clusters/one", Kubeconfig: s.plant.Kubeconfig()})
	s.agent.WaitInSync("root", "crontabs", "shop", "staging", "waves")

	for path, want := range map[string]any{
		s.deployment("web"):                        float64(2),
		s.deployment("staging-api"):                float64(3),
		s.deployment("first"):                      float64(1),
		s.config("shop"):                           nil,
		s.config("second"):                         nil,
		s.config("third"):                          nil,
		system.Path("v1", "services", s.ns, "web"): nil,
		system.Path("stable."+s.ns+".example.com/v1", "crontabs", s.ns, "nightly"): nil,
	} {
		object := s.plant.Find(path)
		if object == nil {
			t.Errorf("%s is missing", path)
		} else if got := object.Field("status", "readyReplicas"); want != nil && got != want {
			t.Errorf("%s has %v ready replicas, want %v", path, got, want)
		}
	}
	for name := range s.agent.Statuses() {
		for _, item := range s.agent.Sync(name).Items {
			if item.Health.Status != state.Healthy || item.Change != nil {
				t.Errorf("Sync %s: %s is %+v, change %+v", name, item.ID, item.Health, item.Change)
			}
		}
	}
	s.inOrder(began, "first", "second", "third")

	show := func(name string, args ...string) {
		out := s.agent.Setpoint(args...)
		if out.Code != 0 {
			t.Errorf("setpoint %s: %s", strings.Join(args, " "), out)
		}
		system.Golden(t, name, s.mask(out.Stdout))
	}
	show("status", "status")
	show("status-one", "status", "shop")
	show("tree", "tree")
	show("tree-one", "tree", "staging")
	show("history-one", "history", "waves")
}

// inOrder fails the test unless the agent has written objects in this order.
func (s *scene) inOrder(since time.Time, names ...string) {
	s.Helper()
	var written []string
	s.audit(since, func(event cluster.AuditEvent) {
		if event.Write() && !event.DryRun && event.Namespace == s.ns && slices.Contains(names, event.Name) {
			written = append(written, event.Name)
		}
	})
	if !slices.Equal(written, names) {
		s.Errorf("%v were written, want %v", written, names)
	}
}

// masks replace what differs from run to run by words of the same meaning. Columns are squeezed, since their width depends on it.
var masks = []struct {
	pattern *regexp.Regexp
	by      string
}{
	{regexp.MustCompile(`http://127\.0\.0\.1:\d+`), "http://git"},
	{regexp.MustCompile(`\b[0-9a-f]{40}\b|\b(main@)[0-9a-f]{7}\b`), "${1}COMMIT"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z| UTC)?`), "TIME"},
	{regexp.MustCompile(`\b(\d+(\.\d+)?(ms|s|m|h))+( ago)?\b|\bnow\b`), "AGO"},
	{regexp.MustCompile(`\b[0-9A-Z]{26}\b|\b\d{8}T\d{6}\S*`), "ATTEMPT"},
	{regexp.MustCompile(`settings-[a-z0-9]{10}`), "settings-HASH"},
	{regexp.MustCompile(`(\S) {3,}`), "$1  "},
	{regexp.MustCompile(`(?m) +$`), ""},
}

func (s *scene) mask(text string) string {
	text = strings.ReplaceAll(text, s.ns, "NS")
	for _, mask := range masks {
		text = mask.pattern.ReplaceAllString(text, mask.by)
	}
	return text
}
