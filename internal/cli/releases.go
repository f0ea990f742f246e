package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/internal/term"
)

// digestShown is how many digits of a digest people see: enough to tell builds apart.
const digestShown = 12

// releaseQuery selects releases of an app.
type releaseQuery struct {
	app   string
	limit int
	since time.Time
}

// showReleases is the history of an app.
func (s *session) showReleases(ctx context.Context, client *httpapi.Client, query releaseQuery) error {
	releases, err := client.Releases(ctx, query.app)
	if err != nil {
		return err
	}
	shown := releases
	older := func(release v1alpha1.Release) bool { return release.Created.Before(query.since) }
	shown.Releases = slices.DeleteFunc(slices.Clone(releases.Releases), older)
	shown.Releases = shown.Releases[:min(len(shown.Releases), query.limit)]
	return s.out.Show(s.format, shown, func() {
		s.printInForce(releases)
		s.printReleases(shown.Releases)
	})
}

// printInForce says which release runs, and why it is that one.
func (s *session) printInForce(releases v1alpha1.Releases) {
	active, pending := inState(releases.Releases, v1alpha1.ReleaseActive), inState(releases.Releases, v1alpha1.ReleasePending)
	line := s.out.Paint(term.Bold, term.Clean(appPrefix+releases.App))
	switch {
	case active > 0 && pending > 0:
		line += fmt.Sprintf(" runs release %d; release %d is taking over", active, pending)
	case active > 0:
		line += fmt.Sprintf(" runs release %d", active)
	case pending > 0:
		line += fmt.Sprintf(" runs no release yet; release %d is taking over", pending)
	default:
		line += " runs no release"
	}
	s.out.Line(line)
	if back := releases.RolledBack; back > 0 {
		when := ""
		if ago := s.out.Since(releases.Since); ago != "" {
			when = " " + ago + " ago"
		}
		s.out.Line(s.out.Paint(term.Warn, fmt.Sprintf("↩ a person went back to release %d%s: ", back, when)+rollbackHolds))
		if newest(releases.Releases) > back {
			s.out.Hint("go forward again with `" + forward(releases) + "`")
		}
	}
}

func (s *session) printReleases(releases []v1alpha1.Release) {
	if len(releases) == 0 {
		return
	}
	rows := make([]term.Row, len(releases))
	for i, release := range releases {
		rows[i] = s.releaseRow(release)
	}
	s.out.Line()
	s.out.Table([]string{"", "RELEASE", "STATE", "AGO", "REVISION", "BUILD", "CONFIG", "MESSAGE"}, rows)
}

func (s *session) releaseRow(release v1alpha1.Release) term.Row {
	look, known := releaseLooks[release.State]
	if !known {
		look = lookOf(release.State)
	}
	revision := "-"
	if release.Revision.ID != "" {
		revision = release.Revision.Short()
	}
	row := term.Row{Cells: []term.Cell{
		{Text: look.sign, Style: look.style},
		{Text: fmt.Sprint(release.Number), Style: term.Bold},
		{Text: release.State, Style: look.style},
		{Text: s.out.Since(release.Created)},
		{Text: revision},
		{Text: digest(release.Build)},
		{Text: digest(release.Config)},
		{Text: release.Revision.Message},
	}}
	if why := reasonOf(release); why != "" {
		row.Detail = append(row.Detail, term.Cell{Text: "  ✗ " + why, Style: term.Bad})
	}
	if !release.Available {
		row.Detail = append(row.Detail, term.Cell{Text: "  its files are gone", Style: term.Dim})
	}
	return row
}

// reasonOf says why a release has failed; "" for others.
func reasonOf(release v1alpha1.Release) string {
	if release.State != v1alpha1.ReleaseFailed {
		return ""
	}
	return healthMessage(v1alpha1.Health{Reason: release.Reason, Message: release.Message})
}

// digest shortens a digest, "sha256:" and 64 digits, for people.
func digest(text string) string {
	_, digits, found := strings.Cut(text, ":")
	if !found {
		digits = text
	}
	return digits[:min(len(digits), digestShown)]
}
