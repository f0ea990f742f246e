package httpapi

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

// arrival is a line with the time at which it can be read: writers are not equally fast.
type arrival struct {
	line v1alpha1.LogLine
	at   time.Time
}

// output draws what some processes write, in the order in which it arrives. Many lines have the same time.
func output(t *rapid.T) []v1alpha1.LogLine {
	begin := time.Date(2026, 1, 31, 15, 0, 0, 0, time.UTC)
	var all []arrival
	for p := range rapid.IntRange(1, 4).Draw(t, "writers") {
		delay := time.Duration(rapid.IntRange(0, 4).Draw(t, "delay")) * time.Second
		at := begin
		for n := range rapid.IntRange(0, 30).Draw(t, "lines") {
			at = at.Add(time.Duration(rapid.IntRange(0, 4).Draw(t, "pause")) * 500 * time.Millisecond)
			all = append(all, arrival{v1alpha1.LogLine{Time: at, Process: fmt.Sprint("web.", p), Text: fmt.Sprint(n)}, at.Add(delay)})
		}
	}
	slices.SortStableFunc(all, func(x, y arrival) int { return x.at.Compare(y.at) })
	lines := make([]v1alpha1.LogLine, len(all))
	for i, one := range all {
		lines[i] = one.line
	}
	return lines
}

// TestNoLossLosesOrDoublesALine lets connections break at any line, and wants every line of every process once, in order.
func TestNoLossLosesOrDoublesALine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		written := output(t)
		reader := reader{query: v1alpha1.LogQuery{Follow: true}, seen: map[writer]position{}}
		var seen []v1alpha1.LogLine
		read := func(line v1alpha1.LogLine) {
			if reader.fresh(line) {
				seen = append(seen, line)
			}
		}
		for there := 0; ; {
			query := reader.next()
			there = rapid.IntRange(there, len(written)).Draw(t, "written before it connects")
			old := slices.DeleteFunc(slices.Clone(written[:there]), func(line v1alpha1.LogLine) bool { return line.Time.Before(query.Since) })
			slices.SortStableFunc(old, func(x, y v1alpha1.LogLine) int { return x.Time.Compare(y.Time) })
			breaks := rapid.IntRange(0, len(old)).Draw(t, "old lines read")
			for _, line := range old[:breaks] {
				read(line)
			}
			if breaks < len(old) {
				continue // the connection broke in the middle of what is there already
			}
			live := rapid.IntRange(there, len(written)).Draw(t, "live lines read")
			for _, line := range written[there:live] {
				read(line)
			}
			if there = live; there == len(written) {
				break
			}
		}
		byProcess := func(x, y v1alpha1.LogLine) int { return cmp.Compare(x.Process, y.Process) }
		slices.SortStableFunc(seen, byProcess)
		slices.SortStableFunc(written, byProcess)
		if !slices.Equal(seen, written) {
			t.Fatalf("written:\n%v\nseen:\n%v", written, seen)
		}
	})
}
