package policy

import (
	"slices"
	"time"
)

// maxTurns is how many openings and closings are followed to find when changes are let through. Windows that never agree have no end.
const maxTurns = 50

// outsideWindow holds what is new while a window denies it, or while no window of a place that has some allows it.
func outsideWindow(input Input) []Verdict {
	isNew := func(change Change) bool { return !change.repairs() }
	if input.Now.Before(input.WindowsUntil) || !slices.ContainsFunc(input.Changes, isNew) {
		return nil
	}
	return windows(input.Terms.Windows).verdict(input.Now, "", input.name())
}

// Repairs says whether drift may be repaired at an instant: Allow, or a Hold with its end, from windows that hold repairs too. The
// second is until when a person has overridden the windows; zero for not. The remedy names the Sync.
func (t *Terms) Repairs(now, overriddenUntil time.Time, sync string) Verdict {
	if t != nil && !now.Before(overriddenUntil) {
		for _, verdict := range windows(t.Windows).holdingRepairs().verdict(now, "drift is not repaired: ", sync) {
			return verdict
		}
	}
	return Verdict{Outcome: Allow}
}

// windows of all levels.
type windows []Window

// holdingRepairs are those that deny repairs, and of each level with one that allows them only while it is open, all that allow.
func (w windows) holdingRepairs() windows {
	levels := map[int]bool{}
	for _, one := range w {
		levels[one.level] = levels[one.level] || !one.Deny && one.HoldRepairs
	}
	return slices.DeleteFunc(slices.Clone(w), func(one Window) bool {
		return one.Deny && !one.HoldRepairs || !one.Deny && !levels[one.level]
	})
}

func (w windows) verdict(now time.Time, prefix, name string) []Verdict {
	first := w.shut(now)
	if first.by == nil {
		return nil
	}
	return []Verdict{{Outcome: Hold, Check: OutsideWindow, Message: prefix + first.String(), Until: w.until(now, first),
		Remedy: "wait, or let it through with `setpoint override " + name + " --for 1h`"}}
}

// until gives when changes are let through, as far as time alone decides it. When that is not in sight, it gives when to look again:
// when what keeps them back first does not do so any more, or the next day; zero when it always will.
func (w windows) until(now time.Time, first shut) time.Time {
	at := first
	for range maxTurns {
		if at.until.IsZero() {
			break
		}
		next := w.shut(at.until)
		if next.by == nil {
			return at.until
		}
		at = next
	}
	if first.until.IsZero() && first.by.Deny {
		return now.Truncate(24 * time.Hour).Add(24 * time.Hour)
	}
	return first.until
}

// shut says which window keeps changes back at an instant, and when it stops doing so; zero when that is not known.
type shut struct {
	by    *Window // nil: none does
	until time.Time
}

// shut finds the window that denies longest, or else the first place whose windows all are closed.
func (w windows) shut(at time.Time) shut {
	if denied := w.denied(at); denied.by != nil {
		return denied
	}
	open, waiting := map[int]bool{}, map[int]shut{}
	for i := range w {
		one := &w[i]
		if one.Deny || open[one.level] {
			continue
		}
		if open[one.level] = one.Contains(at); open[one.level] {
			continue
		}
		next, known := one.Next(at), waiting[one.level]
		if known.by == nil || !next.IsZero() && (known.until.IsZero() || next.Before(known.until)) {
			waiting[one.level] = shut{by: one, until: next}
		}
	}
	for i := range w {
		if level := w[i].level; !w[i].Deny && !open[level] {
			return waiting[level]
		}
	}
	return shut{}
}

func (w windows) denied(at time.Time) shut {
	var longest shut
	for i := range w {
		if !w[i].Deny {
			continue
		}
		closes, open := w[i].Open(at)
		if !open || longest.by != nil && longest.until.IsZero() {
			continue
		}
		if longest.by == nil || closes.IsZero() || closes.After(longest.until) {
			longest = shut{by: &w[i], until: closes}
		}
	}
	return longest
}

// String says it to people. The times in it are those of a beginning or an end, and never the current one.
func (s shut) String() string {
	const layout = "2006-01-02 15:04 MST"
	place := quoted(s.by.Text)
	if s.by.Where != "" {
		place += " of " + s.by.Where
	}
	var text string
	switch {
	case s.by.Deny && s.until.IsZero():
		text = "the window " + place + " keeps changes back, and no end is in sight"
	case s.by.Deny:
		text = "the window " + place + " keeps changes back until " + s.until.Format(layout)
	case s.until.IsZero():
		text = "changes wait for the window " + place + ", which does not open again"
	default:
		text = "changes wait for the window " + place + ", which opens " + s.until.Format(layout)
	}
	if s.by.Message != "" {
		text += ": " + s.by.Message
	}
	return text
}
