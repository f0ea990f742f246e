package system

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/internal/store"
)

// client speaks to the agent's API.
func (p *Process) client() *httpapi.Client {
	p.t.Helper()
	client, err := httpapi.NewClient(p.URL(), "")
	if err != nil {
		p.t.Fatal(err)
	}
	return client
}

// ask calls the API with a deadline; an answer that is an error fails the test.
func ask[T any](p *Process, what string, call func(ctx context.Context, client *httpapi.Client) (T, error)) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), Patience)
	defer cancel()
	answer, err := call(ctx, p.client())
	if err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
	return answer
}

// Statuses gives the status of every Sync, by name.
func (p *Process) Statuses() map[string]v1alpha1.SyncStatus {
	p.t.Helper()
	list := ask(p, "list the Syncs", func(ctx context.Context, client *httpapi.Client) (v1alpha1.SyncList, error) {
		return client.Syncs(ctx)
	})
	statuses := map[string]v1alpha1.SyncStatus{}
	for _, status := range list.Syncs {
		statuses[status.Name] = status
	}
	return statuses
}

// Sync gives one Sync with its objects.
func (p *Process) Sync(name string) v1alpha1.SyncDetail {
	p.t.Helper()
	return ask(p, "look at Sync "+name, func(ctx context.Context, client *httpapi.Client) (v1alpha1.SyncDetail, error) {
		return client.Sync(ctx, name)
	})
}

// Exists says whether the agent has a Sync of this name.
func (p *Process) Exists(name string) bool {
	p.t.Helper()
	_, found := p.Statuses()[name]
	return found
}

// History gives all kept attempts of a Sync ("" for all Syncs), the newest first.
func (p *Process) History(name string) []v1alpha1.Attempt {
	p.t.Helper()
	var attempts []v1alpha1.Attempt
	for before := ""; ; {
		page := ask(p, "read the history of "+name, func(ctx context.Context, client *httpapi.Client) (v1alpha1.History, error) {
			return client.History(ctx, store.AttemptQuery{Sync: name, Before: before, Limit: 1000})
		})
		attempts = append(attempts, page.Attempts...)
		if before = page.Next; before == "" {
			return attempts
		}
	}
}

// Releases gives the releases of an app.
func (p *Process) Releases(app string) v1alpha1.Releases {
	p.t.Helper()
	return ask(p, "list the releases of "+app, func(ctx context.Context, client *httpapi.Client) (v1alpha1.Releases, error) {
		return client.Releases(ctx, app)
	})
}

// Now asks the agent to look at a Sync's source and target now.
func (p *Process) Now(name string) {
	p.t.Helper()
	ask(p, "ask for Sync "+name, func(ctx context.Context, client *httpapi.Client) (v1alpha1.Accepted, error) {
		return client.Request(ctx, name)
	})
}

// WaitInSync waits until every named Sync is in sync at the newest revision of what it follows, if that is the agent's Repo. No
// name means all that there are then, and at least the root.
func (p *Process) WaitInSync(names ...string) {
	p.t.Helper()
	p.WaitState("InSync", names...)
}

// WaitState waits until every named Sync (all, when none is named) is in a state, at the newest revision.
func (p *Process) WaitState(want string, names ...string) {
	p.t.Helper()
	p.Wait("Syncs "+strings.Join(names, ", ")+" to be "+want, func() bool {
		statuses := p.Statuses()
		wanted := slices.Clone(names)
		if len(wanted) == 0 {
			wanted = append(wanted, "root")
			for name := range statuses {
				wanted = append(wanted, name)
			}
		}
		for _, name := range wanted {
			status, found := statuses[name]
			if !found || status.State != want || (want != "Suspended" && !p.isNewest(status)) { // a suspended Sync does not look
				return false
			}
		}
		return true
	})
}

// isNewest says that a Sync has seen the tip of the branch that the agent follows; it is true of Syncs that follow something else.
func (p *Process) isNewest(status v1alpha1.SyncStatus) bool {
	if p.spec.Repo == nil || p.spec.Ref != "main" || !strings.Contains(status.Source, strings.TrimSuffix(p.spec.Repo.URL(), ".git")) {
		return true
	}
	commit, _, _ := strings.Cut(status.Revision.ID, "+") // what is imported comes after it
	return commit == p.spec.Repo.Head()
}

// WaitGone waits until the agent has no such Syncs any more.
func (p *Process) WaitGone(names ...string) {
	p.t.Helper()
	p.Wait("Syncs "+strings.Join(names, ", ")+" to be gone", func() bool {
		statuses := p.Statuses()
		return !slices.ContainsFunc(names, func(name string) bool { _, found := statuses[name]; return found })
	})
}

// Wait polls until a condition holds, and fails the test when it never does.
func (p *Process) Wait(what string, condition func() bool) {
	p.t.Helper()
	Wait(p.t, what, condition)
}

// Metrics gives every sample of /metrics by its name with labels, as in `setpoint_sync_objects{kind="total",sync="root"}`.
func (p *Process) Metrics() map[string]float64 {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), Patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL()+"/metrics", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatalf("read the metrics: %v", err)
	}
	defer func() { _ = response.Body.Close() }()
	samples := map[string]float64{}
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		at := strings.LastIndexByte(lines.Text(), ' ')
		if at < 0 || strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		if value, err := strconv.ParseFloat(lines.Text()[at+1:], 64); err == nil {
			samples[lines.Text()[:at]] = value
		}
	}
	return samples
}

// describe shows what the agent thinks, for a failed test.
func (p *Process) describe() {
	if p.running != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		client, err := httpapi.NewClient(p.running.url, "")
		if err == nil {
			var list v1alpha1.SyncList
			if list, err = client.Syncs(ctx); err == nil {
				data, _ := json.MarshalIndent(list, "", "  ")
				p.t.Logf("the agent's Syncs:\n%s", data)
			}
		}
		if err != nil {
			p.t.Logf("the agent does not answer: %v (%s)", err, fault.KindOf(err))
		}
	}
	lines := strings.Split(p.Log(), "\n")
	p.t.Logf("the end of the agent's log:\n%s", strings.Join(lines[max(0, len(lines)-60):], "\n"))
}
