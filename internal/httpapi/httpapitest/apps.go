package httpapitest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// App is an app of a Backend. Its status says which release runs, and which one a person has gone back to.
type App struct {
	v1alpha1.AppStatus `json:",inline"`
	Since              time.Time          `json:"since,omitzero"` // of RolledBack
	Releases           []v1alpha1.Release `json:"releases"`       // the newest first
	Logs               []v1alpha1.LogLine `json:"logs"`           // in the order of their times
}

// Apps implements httpapi.Backend.
func (b *Backend) Apps() []v1alpha1.AppStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []v1alpha1.AppStatus
	for _, app := range b.content.Apps {
		all = append(all, app.AppStatus)
	}
	slices.SortFunc(all, func(x, y v1alpha1.AppStatus) int { return strings.Compare(x.Name, y.Name) })
	return all
}

// SetApp replaces an App, or adds it.
func (b *Backend) SetApp(app App) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if known, err := b.app(app.Name); err == nil {
		*known = app
	} else {
		b.content.Apps = append(b.content.Apps, app)
	}
}

// app is called with the lock held, and its result used with it.
func (b *Backend) app(name string) (*App, error) {
	at := slices.IndexFunc(b.content.Apps, func(app App) bool { return app.Name == name })
	if at < 0 {
		return nil, fault.New(fault.NotFound, "find", "app/"+name, "there is no such app")
	}
	return &b.content.Apps[at], nil
}

// Releases implements httpapi.Backend.
func (b *Backend) Releases(name string) (v1alpha1.Releases, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	app, err := b.app(name)
	if err != nil {
		return v1alpha1.Releases{}, err
	}
	return app.shown(), nil
}

func (a *App) shown() v1alpha1.Releases {
	return v1alpha1.Releases{App: a.Name, RolledBack: a.RolledBack, Since: a.Since, Releases: slices.Clone(a.Releases)}
}

// Rollback implements httpapi.Backend. The release takes over at once, unless OnRollback changes that.
func (b *Backend) Rollback(_ context.Context, name string, to int) (v1alpha1.Releases, error) {
	if err := b.goBack(name, to); err != nil {
		return v1alpha1.Releases{}, err
	}
	if b.OnRollback != nil {
		b.OnRollback(name)
	}
	return b.Releases(name)
}

func (b *Backend) goBack(name string, to int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	app, err := b.app(name)
	if err != nil {
		return err
	}
	release, err := app.earlier(to)
	if err != nil {
		return err
	}
	for i := range app.Releases {
		if app.Releases[i].State == v1alpha1.ReleaseActive {
			app.Releases[i].State = v1alpha1.ReleaseSuperseded
		}
	}
	release.State = v1alpha1.ReleaseActive
	app.Release, app.RolledBack, app.Since = release.Number, release.Number, b.now().UTC()
	if release.Number == app.Releases[0].Number { // what the declaration asks for
		app.RolledBack, app.Since = 0, time.Time{}
	}
	return nil
}

// earlier gives the release to go back to, by the rules of the real agent.
func (a *App) earlier(to int) (*v1alpha1.Release, error) {
	at := slices.IndexFunc(a.Releases, func(r v1alpha1.Release) bool {
		if to > 0 {
			return r.Number == to
		}
		return r.Number < a.Release && r.State == v1alpha1.ReleaseSuperseded && r.Available
	})
	item, hint := "app/"+a.Name, "`setpoint history app/"+a.Name+"` shows its releases"
	switch {
	case at < 0 && to == 0:
		return nil, fault.New(fault.Invalid, "roll back", item, "there is no earlier release").WithHint(hint)
	case at < 0:
		return nil, fault.New(fault.NotFound, "roll back", item, fmt.Sprintf("there is no release %d", to)).WithHint(hint)
	case a.Releases[at].State == v1alpha1.ReleaseFailed:
		return nil, fault.New(fault.Invalid, "roll back", item, fmt.Sprintf("release %d has failed", to)).WithHint(hint)
	case !a.Releases[at].Available:
		return nil, fault.New(fault.Invalid, "roll back", item, fmt.Sprintf("the files of release %d are gone", to)).WithHint(hint)
	}
	return &a.Releases[at], nil
}
