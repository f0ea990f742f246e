package host

import (
	"cmp"
	"slices"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/plan"
)

// place is where a step is in the order of its stage.
type place struct {
	deletion bool // after everything else, and the other way round
	part     int
	rank     int
}

func (p place) compare(other place) int {
	switch {
	case p.deletion != other.deletion && p.deletion:
		return 1
	case p.deletion != other.deletion:
		return -1
	case p.deletion:
		p, other = other, p
	}
	return cmp.Or(cmp.Compare(p.part, other.part), cmp.Compare(p.rank, other.rank))
}

// inOrder puts the steps of one stage into ranks: each may be carried out at once, when the one before is done. A stage is a wave, in which
// people need not say that a directory comes before what lies in it.
func (h *Host) inOrder(steps []plan.Step) [][]plan.Step {
	type placed struct {
		place place
		step  plan.Step
	}
	sorted := make([]placed, len(steps))
	for i, step := range steps {
		sorted[i] = placed{h.placeOf(step), step}
	}
	slices.SortStableFunc(sorted, func(a, b placed) int { return a.place.compare(b.place) })
	var ranks [][]plan.Step
	for i, item := range sorted {
		if i == 0 || item.place != sorted[i-1].place {
			ranks = append(ranks, nil)
		}
		last := len(ranks) - 1
		ranks[last] = append(ranks[last], item.step)
	}
	return ranks
}

func (h *Host) placeOf(step plan.Step) place {
	at := place{deletion: step.Op == diff.Delete}
	at.part = slices.IndexFunc(h.parts, func(p part) bool { return slices.Contains(p.kinds, step.ID.Kind) })
	if at.part >= 0 && h.parts[at.part].rank != nil {
		record, _ := h.journal.Get(step.ID)
		at.rank = h.parts[at.part].rank(subject{id: step.ID, want: step.Want, record: record})
	}
	return at
}
