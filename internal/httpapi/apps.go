package httpapi

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// AppBackend is what the API shows and asks of the apps of a host. Safe for concurrent use. An App that is not there is a fault of
// kind NotFound.
type AppBackend interface {
	// Apps gives how every App is doing, in the order of their names.
	Apps() []v1alpha1.AppStatus
	// Releases gives those of an App, the newest first.
	Releases(app string) (v1alpha1.Releases, error)
	// Rollback goes back to a release, 0 for the one that was active before the present one, and gives the releases as they are then;
	// the release takes over afterwards. It holds until the App's declaration changes. A release that has failed or whose files are
	// gone is a fault of kind Invalid, one that was never there NotFound.
	Rollback(ctx context.Context, app string, to int) (v1alpha1.Releases, error)
	// Logs hands over lines of an App's output in the order of their times. Lines of one process, release and stream come in the order
	// in which they were written. Without Follow it returns when it has handed over what is there; with it, when ctx ends. It ends with
	// the first error of emit, and gives it back. It calls emit from the caller's goroutine.
	Logs(ctx context.Context, app string, query v1alpha1.LogQuery, emit func(v1alpha1.LogLine) error) error
}

func (a *api) apps(*http.Request) (any, error) {
	apps := a.backend.Apps()
	if apps == nil {
		apps = []v1alpha1.AppStatus{}
	}
	return v1alpha1.AppList{Apps: apps}, nil
}

func (a *api) releases(r *http.Request) (any, error) {
	name, err := a.appOf(r)
	if err != nil {
		return nil, err
	}
	return listed(a.backend.Releases(name))
}

func (a *api) rollback(r *http.Request) (any, error) {
	name, err := a.appOf(r)
	if err != nil {
		return nil, err
	}
	var body v1alpha1.RollbackRequest
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	if body.To < 0 {
		return nil, fault.New(fault.Invalid, "read", "to", "want the number of a release")
	}
	return listed(a.backend.Rollback(r.Context(), name, body.To))
}

// listed is an answer in which no releases are an empty list.
func listed(releases v1alpha1.Releases, err error) (any, error) {
	if releases.Releases == nil {
		releases.Releases = []v1alpha1.Release{}
	}
	return releases, err
}

// appOf gives the App that a path names; one that is not there is an error that leads on to one that is.
func (a *api) appOf(r *http.Request) (string, error) {
	name := r.PathValue("name")
	apps := a.backend.Apps()
	if slices.ContainsFunc(apps, func(app v1alpha1.AppStatus) bool { return app.Name == name }) {
		return name, nil
	}
	return "", fault.New(fault.NotFound, "find", "app/"+name, "there is no such app").WithHint(otherApps(name, apps))
}

// appsNamed bounds how many apps a hint lists.
const appsNamed = 10

// otherApps says which App was probably meant, or which there are.
func otherApps(name string, apps []v1alpha1.AppStatus) string {
	if len(apps) == 0 {
		return "this agent has no apps yet: declare one with the kind App of " + v1alpha1.GroupHost
	}
	names := make([]string, len(apps))
	for i, app := range apps {
		names[i] = "app/" + app.Name
	}
	near := slices.MinFunc(names, func(x, y string) int {
		return fault.Misspelling(x, "app/"+name) - fault.Misspelling(y, "app/"+name)
	})
	if fault.Misspelling(near, "app/"+name) <= 2 {
		return "did you mean " + near + "?"
	}
	if len(names) > appsNamed {
		names = append(names[:appsNamed], "…")
	}
	return "this agent has " + strings.Join(names, ", ")
}
