package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

// coverage counts what was met: which decisions, in which circumstances.
type coverage struct {
	reasons map[string]int      // by state and reason
	prints  map[string]struct{} // decisions with their circumstances
}

func newCoverage() coverage {
	return coverage{reasons: map[string]int{}, prints: map[string]struct{}{}}
}

// status counts a decision as it was published. Reasons of objects' health are the plant's words and few.
func (c coverage) status(s v1alpha1.SyncStatus, resting bool) {
	reason := s.State + "/" + s.Reason
	c.reasons[reason]++
	flags := []struct {
		set  bool
		name string
	}{
		{resting, "resting"},
		{s.Deleting, "deleting"},
		{s.SuspendedBy != "", "by " + s.SuspendedBy},
		{!s.Deviation.None(), "deviating"},
		{s.Plan != nil, "held plan"},
		{s.Plan != nil && s.Plan.Void != nil, "void approval"},
		{s.Quarantine != nil, "quarantine"},
		{len(s.Contended) > 0, "contended"},
		{s.Override != nil, "override"},
		{s.Cause != nil, "cause"},
		{len(s.Problems) > 0, "problems"},
		{!s.NextTry.IsZero(), "next try"},
		{s.Revision.ID == "", "no revision"},
		{s.Revision.ID != s.Applied.ID, "behind"},
		{s.Objects.Total == 0, "no objects"},
		{s.Objects.Different > 0, "different"},
		{s.Objects.Failed > 0, "failed objects"},
		{s.Objects.Healthy < s.Objects.Total, "unhealthy"},
	}
	var b strings.Builder
	b.WriteString(reason)
	for _, flag := range flags {
		if flag.set {
			b.WriteString(", " + flag.name)
		}
	}
	c.prints[b.String()] = struct{}{}
}

func (c coverage) add(other coverage) {
	for reason, count := range other.reasons {
		c.reasons[reason] += count
	}
	maps.Copy(c.prints, other.prints)
}

// table writes every reason with its count, the most frequent first.
func (c coverage) table(out io.Writer) {
	reasons := slices.SortedFunc(maps.Keys(c.reasons), func(a, b string) int {
		return cmp.Or(cmp.Compare(c.reasons[b], c.reasons[a]), cmp.Compare(a, b))
	})
	for _, reason := range reasons {
		fmt.Fprintf(out, "  %-32s %12d\n", reason, c.reasons[reason])
	}
}
