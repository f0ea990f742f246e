package term

import (
	"fmt"
	"time"
)

// Span gives a duration in its largest unit that says enough: "850ms", "12s", "3m", "2h", "5d".
func Span(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 10*time.Second && d%time.Second >= 100*time.Millisecond:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// Since gives how long ago a time was, in whole seconds or more, or "" for no time. Clocks of two machines may differ, so the
// future counts as now.
func (p *Printer) Since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	ago := max(0, p.Now().Sub(t)).Truncate(time.Second)
	if ago == 0 {
		return "0s"
	}
	return Span(ago)
}

// Until gives how long it is to a time: "in 12s", or "" for no time or one that is past.
func (p *Printer) Until(t time.Time) string {
	left := t.Sub(p.Now()).Truncate(time.Second)
	if t.IsZero() || left <= 0 {
		return ""
	}
	return "in " + Span(left)
}
