package system

import (
	"context"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
)

// Deviation is a Sync's deviation over time, with what tests ask of it.
type Deviation struct{ v1alpha1.DeviationSeries }

// Deviation gives that of a Sync.
func (p *Process) Deviation(name string) Deviation {
	p.t.Helper()
	what := "read the deviation of " + name
	return Deviation{ask(p, what, func(ctx context.Context, client *httpapi.Client) (v1alpha1.DeviationSeries, error) {
		return client.Deviation(ctx, name)
	})}
}

// Excursions counts how often the deviation went from none to some, and came back.
func (d Deviation) Excursions() int {
	count, away := 0, false
	for _, point := range d.Points {
		if back := point.Objects == 0; away && back {
			count++
		}
		away = point.Objects > 0
	}
	return count
}

// Largest gives the largest values of the series, each by itself.
func (d Deviation) Largest() v1alpha1.Deviation {
	var largest v1alpha1.Deviation
	for _, point := range d.Points {
		largest.Objects = max(largest.Objects, point.Objects)
		largest.Fields = max(largest.Fields, point.Fields)
		largest.Unhealthy = max(largest.Unhealthy, point.Unhealthy)
	}
	return largest
}

// Away gives the time in deviation as far as the points tell it.
func (d Deviation) Away() time.Duration {
	var away time.Duration
	for i, point := range d.Points[:max(0, len(d.Points)-1)] {
		if point.Objects > 0 {
			away += d.Points[i+1].Time.Sub(point.Time)
		}
	}
	return away
}

// Ordered says whether the points are in the order of time.
func (d Deviation) Ordered() bool {
	for i := range len(d.Points) - 1 {
		if d.Points[i+1].Time.Before(d.Points[i].Time) {
			return false
		}
	}
	return true
}

// Sum adds up the days.
func (d Deviation) Sum() v1alpha1.DeviationDay {
	sum := v1alpha1.DeviationDay{Causes: map[string]int{}}
	for _, day := range d.Days {
		sum.Deviating += day.Deviating
		sum.Repairs += day.Repairs
		sum.Settled += day.Settled
		for who, repairs := range day.Causes {
			sum.Causes[who] += repairs
		}
	}
	return sum
}
