package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/internal/term"
)

// The sparkline of a day: 48 spans of half an hour.
const (
	daySpans = 48
	daySpan  = 30 * time.Minute
)

// showDeviation is the history of how far a Sync's target was from what is declared.
func (s *session) showDeviation(ctx context.Context, client *httpapi.Client, name string) error {
	series, err := client.Deviation(ctx, name)
	if err != nil {
		return err
	}
	return s.out.Show(s.format, series, func() { s.printDeviation(series) })
}

func (s *session) printDeviation(series v1alpha1.DeviationSeries) {
	line := s.out.Paint(term.Bold, term.Clean(series.Sync)) + ": " + deviationWords(series.Now)
	if since := s.out.Since(series.Now.Since); since != "" {
		line += s.out.Paint(term.Dim, ", since "+since)
	}
	s.out.Line(line)
	day := lastDay(series.Points, s.out.Now())
	s.out.Line("last 24h  ", term.Spark(day), "  ", s.out.Paint(term.Dim, "at most "+plural(slices.Max(day), "object")))
	if len(series.Days) == 0 {
		return
	}
	rows := make([]term.Row, 0, len(series.Days))
	for _, day := range slices.Backward(series.Days) {
		rows = append(rows, dayRow(day))
	}
	s.out.Line()
	s.out.Table([]string{"DAY", "IN DEVIATION", "REPAIRS", "CAUSES", "SETTLED", "MEAN", "MAX"}, rows)
}

func dayRow(day v1alpha1.DeviationDay) term.Row {
	mean, longest := "-", "-"
	if day.Settled > 0 {
		mean, longest = term.Span(time.Duration(day.SettlingMean)), term.Span(time.Duration(day.SettlingMax))
	}
	deviating := "-"
	if day.Deviating > 0 {
		deviating = term.Span(time.Duration(day.Deviating))
	}
	return term.Row{Cells: []term.Cell{
		{Text: day.Day}, {Text: deviating}, {Text: fmt.Sprint(day.Repairs)}, {Text: causesOf(day.Causes)},
		{Text: fmt.Sprint(day.Settled)}, {Text: mean}, {Text: longest},
	}}
}

// causesOf lists who made repairs necessary, the most frequent first: "kubectl-edit 3, not known 1".
func causesOf(causes map[string]int) string {
	who := slices.SortedFunc(maps.Keys(causes), func(a, b string) int {
		return cmp.Or(cmp.Compare(causes[b], causes[a]), strings.Compare(a, b))
	})
	parts := make([]string, len(who))
	for i, name := range who {
		parts[i] = fmt.Sprintf("%s %d", cmp.Or(name, "not known"), causes[name])
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, ", ")
}

// lastDay gives the largest number of deviating objects in each span of the last 24 hours, the oldest first. A point holds until the
// next one; one that stands for a span is its largest value.
func lastDay(points []v1alpha1.DeviationPoint, now time.Time) []int {
	if n := len(points); n > 0 && points[n-1].Time.After(now) {
		now = points[n-1].Time // the clocks of two machines differ
	}
	day, from := make([]int, daySpans), now.Add(-daySpans*daySpan)
	for i, point := range points {
		end := now
		if i+1 < len(points) {
			end = points[i+1].Time
		}
		if end.Before(from) {
			continue
		}
		first := min(daySpans-1, max(0, int(point.Time.Sub(from)/daySpan)))
		last := min(daySpans-1, max(first, int((end.Sub(from)-1)/daySpan)))
		for span := first; span <= last; span++ {
			day[span] = max(day[span], point.Objects)
		}
	}
	return day
}

// deviationWords says how large a deviation is: "2 objects, 5 fields, 1 not healthy".
func deviationWords(d v1alpha1.Deviation) string {
	if d.None() {
		return "no deviation"
	}
	parts := []string{plural(d.Objects, "object")}
	if d.Fields > 0 {
		parts = append(parts, plural(d.Fields, "field"))
	}
	if d.Unhealthy > 0 {
		parts = append(parts, fmt.Sprintf("%d not healthy", d.Unhealthy))
	}
	return strings.Join(parts, ", ")
}

// deviationShort is deviationWords for a column: objects and fields, "2/5", with how it went in the last hour.
func deviationShort(status v1alpha1.SyncStatus) string {
	text := "-"
	if d := status.Deviation; !d.None() {
		text = fmt.Sprintf("%d/%d", d.Objects, d.Fields)
	}
	if spark := trend(status.Trend); spark != "" {
		text = term.Pad(text, 5) + " " + spark
	}
	return text
}

// trend draws how a deviation went; "" where there was none all the time.
func trend(values []int) string {
	if len(values) == 0 || slices.Max(values) == 0 {
		return ""
	}
	return term.Spark(values)
}
