package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/internal/term"
)

// digestWanted is how many digits of a plan's digest name it well enough to approve it.
const digestWanted = 8

// objectsShown bounds how many objects of a plan are listed before it is approved; `diff` lists all, field by field.
const objectsShown = 10

// approval is one call of the command.
type approval struct {
	sync, plan, comment string
	yes, waits          bool
	timeout             time.Duration
}

func (s *session) approveCommand() *cobra.Command {
	a := approval{}
	command := s.asksAgent(&cobra.Command{
		Use:   "approve NAME",
		Short: "Consent to a change that guards hold back",
		Long: `Consent to the change that guards hold back, after showing it: what would be done, and which guard
objects to what. Exactly that plan is approved, by its digest, which "setpoint diff NAME" and "setpoint
status NAME" show too; if it changes before it is carried out, the approval no longer counts.

On a terminal you are asked before. In a script, name the plan that you have looked at with --plan:
when another one is held by then, nothing is approved. With --yes instead, whatever is held is approved.
Guards that no approval lifts go on holding, and a plan that one of them denies cannot be approved.

With --wait, show how it goes on, and exit when the Sync is in sync (0), or cannot become so without
help or others (4). When --timeout is over before, exit with 1.

` + claims + codes(exitNotHealthy),
		Example: `  setpoint approve shop
  setpoint approve shop --plan 3f2a1b4c5d6e --comment "the old namespace goes" --yes
  setpoint approve shop --yes --wait`,
		Args:              oneSync,
		ValidArgsFunction: s.syncNames,
	})
	flags := command.Flags()
	flags.StringVar(&a.plan, "plan", "",
		fmt.Sprintf("digest of the plan, or its first %d characters or more (default: the one held now, after asking)", digestWanted))
	flags.StringVar(&a.comment, "comment", "", "why; kept in the history")
	flags.BoolVarP(&a.yes, "yes", "y", false, "do not ask")
	flags.BoolVar(&a.waits, "wait", false, "wait until the Sync is in sync, or cannot become so by itself")
	flags.DurationVar(&a.timeout, "timeout", 10*time.Minute, "of --wait")
	command.RunE = func(cmd *cobra.Command, args []string) error {
		a.sync = args[0]
		if err := s.namesPlan(cmd, a); err != nil {
			return err
		}
		client, err := s.client()
		if err != nil {
			return err
		}
		return s.approve(cmd.Context(), client, a)
	}
	return command
}

// namesPlan fails unless it is clear what is to be approved: a plan by its digest, or the one held now with a person to ask, or --yes.
func (s *session) namesPlan(cmd *cobra.Command, a approval) error {
	look := "`setpoint diff " + a.sync + "` shows its digest"
	switch {
	case givenEmpty(cmd, "plan"):
		return misused("--plan is empty", look)
	case a.plan != "" && len(a.plan) < digestWanted:
		return misused(fmt.Sprintf("--plan is too short: it takes %d characters to be sure of a plan", digestWanted), look)
	case a.plan == "" && !a.yes && !isTerminal(s.In):
		return misused("which plan? Without a terminal nobody can be asked: "+
			"name it with --plan, or approve whatever is held with --yes", look)
	}
	return nil
}

// approve shows what is held back, asks, and consents to exactly that.
func (s *session) approve(ctx context.Context, client *httpapi.Client, a approval) error {
	found, err := client.Diff(ctx, a.sync, "")
	if err != nil {
		return err
	}
	if err := named(a, found.Plan); err != nil {
		return err
	}
	s.showHeld(a.sync, found)
	if verdict, stands := unliftable(found.Plan); stands {
		return fault.New(fault.Denied, "approve", "Sync "+a.sync, "no approval lifts what holds this plan back: "+verdict.Message).
			WithHint(verdict.Remedy)
	}
	if !a.yes {
		if err := s.consent(ctx, "Approve plan "+shortDigest(found.Plan.Digest)+"?"); err != nil {
			return err
		}
	}
	info, err := client.Agent(ctx)
	if err != nil {
		return err
	}
	status, err := client.Approve(ctx, a.sync, v1alpha1.ApproveRequest{Digest: found.Plan.Digest, By: s.person(), Comment: a.comment})
	if err != nil {
		return err
	}
	if !a.waits {
		return s.out.Show(s.format, status, func() { s.printApproved(status, found.Plan) })
	}
	if s.format == term.FormatTable {
		s.printApproved(status, found.Plan)
	}
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	// Until the loop has seen the approval it still says that this plan waits for it.
	stale := func(now v1alpha1.SyncStatus) bool {
		return approvable(now.Plan) && now.Plan.Digest == found.Plan.Digest
	}
	return s.await(ctx, &wait{client: client, name: a.sync, asked: info.Time, stale: stale})
}

// named fails unless there is a plan, and it is the one that the person means.
func named(a approval, plan *v1alpha1.HeldPlan) error {
	switch {
	case plan == nil:
		return fault.New(fault.NotFound, "approve", "Sync "+a.sync, "nothing is held back").
			WithHint("there is no plan to approve: `setpoint diff " + a.sync + "` shows what would change, and `setpoint status " +
				a.sync + "` how it is doing")
	case !strings.HasPrefix(plan.Digest, strings.ToLower(a.plan)):
		return fault.New(fault.Conflict, "approve", "Sync "+a.sync, "another plan is held back now: "+shortDigest(plan.Digest)).
			WithHint("look at it with `setpoint diff " + a.sync + "`")
	}
	return nil
}

// showHeld says what is about to be approved: to people with the result, to programs that want the result alone beside it.
func (s *session) showHeld(sync string, found v1alpha1.Diff) {
	p := s.out
	if s.format != term.FormatTable {
		p = s.err
	}
	p.Line(p.Paint(term.Bold, term.Clean(sync)), ": ", planSum(found.Plan))
	if found.Plan.Revision.ID != "" {
		p.Line("  ", term.Clean(describe(found.Plan.Revision)))
	}
	changes := different(found.Changes)
	for i, change := range changes {
		if i == objectsShown {
			p.Line(p.Paint(term.Dim, fmt.Sprintf("  and %s: `setpoint diff %s` shows all of them",
				plural(len(changes)-i, "more change"), term.Clean(sync))))
			break
		}
		p.Line("  ", p.Change(change))
	}
	p.Line("  ", p.Paint(term.Dim, "plan "), shortDigest(found.Plan.Digest))
	for _, verdict := range found.Plan.Verdicts {
		printVerdict(p, verdict)
	}
}

// printApproved says what consent leads to.
func (s *session) printApproved(status v1alpha1.SyncStatus, plan *v1alpha1.HeldPlan) {
	s.out.Line(s.out.Paint(term.Good, "✓ "), "plan ", shortDigest(plan.Digest), " is approved")
	for _, verdict := range plan.Verdicts {
		if verdict.Approvable {
			continue
		}
		line := "it is still held by " + term.Clean(verdict.Check)
		if until := letsGo(s.out, verdict); until != "" {
			line += ", which " + until
		}
		s.out.Line("  ", s.out.Paint(term.Warn, line))
	}
	if status.State == "Suspended" {
		s.out.Hint("it is suspended: `setpoint resume " + term.Clean(status.Name) + "` lets it go on")
	}
}
