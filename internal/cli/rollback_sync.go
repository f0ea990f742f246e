package cli

import (
	"context"
	"slices"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/store"
	"github.com/setpoint-dev/setpoint/internal/term"
)

// attemptsAsked are those that are looked through for revisions to complete.
const attemptsAsked = 200

// rollBackSync goes back to an earlier desired state.
func (s *session) rollBackSync(ctx context.Context, client *httpapi.Client, call rollbackCall) error {
	before, err := client.Sync(ctx, call.name)
	if err != nil {
		return meantApp(ctx, client, call.name, err)
	}
	info, err := client.Agent(ctx)
	if err != nil {
		return err
	}
	status, err := client.RollBackSync(ctx, call.name, v1alpha1.SyncRollbackRequest{To: call.to, By: s.person(), Comment: call.comment})
	if err != nil {
		return err
	}
	if !call.waits {
		return s.out.Show(s.format, status, func() { s.printRolledBack(before.Applied, status) })
	}
	if s.format == term.FormatTable {
		s.printRolledBack(before.Applied, status)
	}
	ctx, cancel := context.WithTimeout(ctx, call.timeout)
	defer cancel()
	// Until the loop has seen the request, what it left is not in quarantine because of a person.
	stale := func(now v1alpha1.SyncStatus) bool { return now.Quarantine == nil || now.Quarantine.By == "" }
	return s.await(ctx, &wait{client: client, name: call.name, asked: info.Time, stale: stale, goal: "RolledBack"})
}

// healthyRevisions are those that the newest attempts have brought to health, the newest first.
func healthyRevisions(ctx context.Context, client *httpapi.Client, sync string) (revisions []string, err error) {
	page, err := client.History(ctx, store.AttemptQuery{Sync: sync, Limit: attemptsAsked})
	for _, attempt := range page.Attempts {
		line := short(attempt.Revision) + "\t" + term.Clean(attempt.Revision.Message)
		if attempt.Outcome == "Succeeded" && attempt.Revision.ID != "" && !slices.Contains(revisions, line) {
			revisions = append(revisions, line)
		}
	}
	return revisions, err
}

// meantApp leads on to the app of that name, where there is no such Sync.
func meantApp(ctx context.Context, client *httpapi.Client, name string, err error) error {
	if fault.KindOf(err) != fault.NotFound {
		return err
	}
	list, asked := client.Apps(ctx)
	if asked != nil || !slices.ContainsFunc(list.Apps, func(app v1alpha1.AppStatus) bool { return app.Name == name }) {
		return err
	}
	return &fault.Error{Kind: fault.NotFound, Err: err, Hint: "did you mean `setpoint rollback " + appPrefix + name + "`?"}
}

// whenResumed says what a suspended Sync waits for before it does what was asked.
func whenResumed(status v1alpha1.SyncStatus) string {
	switch status.SuspendedBy {
	case "person":
		return " when it is resumed: it is suspended, and `setpoint resume " + term.Clean(status.Name) + "` lets it go on"
	case "declaration":
		return " when its declaration no longer suspends it"
	}
	return ""
}

// printRolledBack says what was done, and how it ends.
func (s *session) printRolledBack(from state.Revision, status v1alpha1.SyncStatus) {
	name := term.Clean(status.Name)
	s.out.Line(s.out.Paint(term.Bold, name), " goes back", whenResumed(status))
	if from.ID != "" {
		s.out.Line("  from  ", term.Clean(describe(from)))
	}
	s.out.Line("  to    ", term.Clean(describe(status.Applied)))
	s.out.Line("it ends with the next revision that changes ", name, ", or with `setpoint sync ", name, "`")
}
