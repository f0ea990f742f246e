package agent

import (
	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/loop"
)

// measure takes a loop's news into the deviation over time.
func (a *Agent) measure(name string, update loop.Update) {
	a.deviations.Sample(name, update.Status.Deviation)
	for _, event := range update.Events {
		if event.Type == "drift" && event.Change != nil && event.Change.Error == nil {
			a.deviations.Repaired(name, culprits(event.Change))
		}
	}
	if update.Settled > 0 {
		a.deviations.Settled(name, update.Settled)
		a.metrics.Settled(name, update.Settled)
	}
	if a.deviations.Dirty() {
		select {
		case a.measured <- struct{}{}:
		default: // it is known already
		}
	}
}

// culprits names who made a repair necessary: the writer of most of the fields; "" for one who is not known.
func culprits(change *v1alpha1.Change) []string {
	counts, most := map[string]int{}, ""
	for _, field := range change.Fields {
		counts[field.By]++
		if counts[field.By] > counts[most] {
			most = field.By
		}
	}
	return []string{most}
}

// complete adds to a status what is measured over time.
func (a *Agent) complete(status *v1alpha1.SyncStatus) {
	status.Deviation.Since = a.deviations.Now(status.Name).Since
	status.Trend = a.deviations.Trend(status.Name)
}
