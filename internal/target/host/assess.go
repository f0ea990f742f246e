package host

import (
	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
)

// assess asks those who know better what healthy means, about an object that is there. One that is missing, that could not be looked at
// or is on its way out is what its driver says.
func (h *Host) assess(query target.Query, entry diff.Entry) state.Health {
	there := entry.Health.Status != state.Missing && entry.Health.Status != state.Unknown
	if query.Assess == nil || entry.Want == nil || entry.Terminating || !there {
		return entry.Health
	}
	health, says := query.Assess(entry.ID, func() map[string]any { return h.content(entry) })
	if !says || health.Ready() && entry.Health.Ready() {
		return entry.Health // which may have more to tell: that a person has gone back to an earlier release
	}
	return health
}

// content is what rules see of an object: what is declared, and below status what its driver knows of it now. Secret values are in neither.
func (h *Host) content(entry diff.Entry) map[string]any {
	content := entry.Want.Content()
	status := map[string]any{"health": map[string]any{
		"status": string(entry.Health.Status), "reason": entry.Health.Reason, "message": entry.Health.Message,
	}}
	content["status"] = status
	if entry.ID.Kind != v1alpha1.KindApp || h.apps == nil {
		return content
	}
	releases, err := h.apps.Releases(entry.ID.Name)
	if err != nil {
		return content // it was taken away meanwhile
	}
	status["rolledBack"] = int64(releases.RolledBack)
	for _, release := range releases.Releases {
		if release.State == v1alpha1.ReleaseActive {
			status["release"] = int64(release.Number)
		}
	}
	if len(releases.Releases) > 0 {
		status["newest"] = int64(releases.Releases[0].Number)
	}
	return content
}
