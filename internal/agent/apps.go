package agent

import (
	"context"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target/host/apps"
	"github.com/setpoint-dev/setpoint/internal/target/host/logs"
)

// Apps implements httpapi.Backend.
func (a *Agent) Apps() []v1alpha1.AppStatus {
	driver, err := a.apps(a.ctx)
	if err != nil {
		return nil
	}
	names := driver.Apps()
	statuses := make([]v1alpha1.AppStatus, 0, len(names))
	for _, name := range names {
		status := v1alpha1.AppStatus{Name: name, Health: state.Health{Status: state.Unknown}}
		status.Sync, status.Health = a.ownerOf(appID(name), status.Health)
		if releases, err := driver.Releases(name); err == nil {
			status.RolledBack = releases.RolledBack
			for _, release := range releases.Releases {
				if release.State == v1alpha1.ReleaseActive {
					status.Release = release.Number
				}
			}
		}
		statuses = append(statuses, status)
	}
	return statuses
}

func appID(name string) state.ID {
	return state.ID{Group: v1alpha1.GroupHost, Kind: v1alpha1.KindApp, Name: name}
}

// ownerOf gives the Sync that owns an object with the health that it knows of it.
func (a *Agent) ownerOf(id state.ID, otherwise state.Health) (string, state.Health) {
	for _, m := range a.everyMember() {
		if health, ok := m.loop.Health(id); ok {
			return m.name, health
		}
	}
	return "", otherwise
}

func (a *Agent) apps(ctx context.Context) (*apps.Driver, error) {
	opened, err := a.hosts.get(ctx)
	if err != nil {
		return nil, err
	}
	return opened.Apps(), nil
}

// Releases implements httpapi.Backend.
func (a *Agent) Releases(app string) (v1alpha1.Releases, error) {
	driver, err := a.apps(a.ctx)
	if err != nil {
		return v1alpha1.Releases{}, err
	}
	return driver.Releases(app)
}

// Rollback implements httpapi.Backend.
func (a *Agent) Rollback(ctx context.Context, app string, to int) (v1alpha1.Releases, error) {
	driver, err := a.apps(ctx)
	if err != nil {
		return v1alpha1.Releases{}, err
	}
	if name, _ := a.ownerOf(appID(app), state.Health{}); name != "" && a.overrideOf(name).Suspended {
		return v1alpha1.Releases{}, fault.New(fault.Conflict, "roll back", "app/"+app, "its Sync "+name+" is suspended").
			WithHint("`setpoint resume " + name + "` lets it go on")
	}
	return driver.Rollback(ctx, app, to)
}

// Logs implements httpapi.Backend.
func (a *Agent) Logs(ctx context.Context, app string, query v1alpha1.LogQuery, emit func(v1alpha1.LogLine) error) error {
	driver, err := a.apps(ctx)
	if err != nil {
		return err
	}
	dir, err := driver.LogDir(app)
	if err != nil {
		return err
	}
	return logs.Read(ctx, dir, query, emit)
}
