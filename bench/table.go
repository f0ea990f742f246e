package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// table is what was measured, in the order of measuring.
type table struct{ rows []row }

// row is one figure beside its limit.
type row struct {
	what            string
	limit, measured string
	ratio           float64 // measured divided by limit: 1 or less is within it
}

// add takes in a figure and prints it at once.
func (t *table) add(r row) {
	t.rows = append(t.rows, r)
	fmt.Printf("   %s: %s (limit %s)\n", r.what, r.measured, r.limit)
}

// spent takes in a time and its limit.
func (t *table) spent(what string, limit, measured time.Duration) {
	t.add(row{what, limit.String(), round(measured).String(), measured.Seconds() / limit.Seconds()})
}

// number takes in a figure with a unit and its limit.
func (t *table) number(what, unit string, limit, measured float64) {
	t.add(row{what, fmt.Sprintf("%.4g%s", limit, unit), fmt.Sprintf("%.3g%s", measured, unit), measured / limit})
}

// none takes in a count of what must not happen.
func (t *table) none(what string, measured int) {
	t.add(row{what, "0", fmt.Sprint(measured), float64(measured)})
}

// note takes in a figure that has no limit.
func (t *table) note(what, measured string) {
	t.add(row{what: what, limit: "–", measured: measured, ratio: -1})
}

func (t *table) print(to io.Writer) {
	fmt.Fprintf(to, "\nload at the end: %s\n\n", load())
	tabs := tabwriter.NewWriter(to, 0, 0, 1, ' ', 0)
	fmt.Fprintln(tabs, "| what\t| limit\t| measured\t| ratio\t|")
	fmt.Fprintln(tabs, "|---\t|---\t|---\t|---\t|")
	for _, r := range t.rows {
		ratio := "–"
		if r.ratio >= 0 {
			ratio = fmt.Sprintf("%.2f", r.ratio)
		}
		fmt.Fprintf(tabs, "| %s\t| %s\t| %s\t| %s\t|\n", r.what, r.limit, r.measured, ratio)
	}
	_ = tabs.Flush()
}

// load gives the machine's load averages: what else was going on while measuring.
func load() string {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(data))[:3], " ")
}

func round(d time.Duration) time.Duration {
	switch {
	case d > time.Second:
		return d.Round(10 * time.Millisecond)
	case d > 10*time.Millisecond:
		return d.Round(time.Millisecond)
	}
	return d.Round(10 * time.Microsecond)
}

// quantile gives the value below which a part of the values lies.
func quantile(values []time.Duration, part float64) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(part*float64(len(sorted))))]
}

func median(values []time.Duration) time.Duration { return quantile(values, 0.5) }
