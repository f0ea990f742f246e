package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/internal/term"
)

// rollbackHolds says for how long.
const rollbackHolds = "it holds until the app's declaration changes in Git"

// rollbackCall is one call of the command.
type rollbackCall struct {
	name, to, comment string
	waits             bool
	timeout           time.Duration
}

func (s *session) rollbackCommand() *cobra.Command {
	call := rollbackCall{}
	command := s.asksAgent(&cobra.Command{
		Use:   "rollback NAME",
		Short: "Go back to an earlier revision of a Sync, or an earlier release of an app",
		Long: `Go back to an earlier revision of a Sync: the last healthy one before that in force, or the healthy one
that --to names ("setpoint history NAME" lists them). What it declared is applied again, also while the
source cannot be reached. The revision that is left is not tried again by itself. It ends with the next
revision that changes this Sync, or with "setpoint sync NAME": Git stays the truth.

Of an app (app/NAME), go back to an earlier release: the one that ran before, or the one that --to names
("setpoint history app/NAME" lists them). It takes over as any release does: its processes start
beside those that run, and get the traffic when they are healthy. It holds until the app's declaration
changes in Git, so a fix that is pushed is released as always. To go forward again before that, name
the newest release.

With --wait, show how it goes on, and exit when the revision or release is in force and healthy (0), or
when it cannot become so (4). When --timeout is over before, exit with 1.

` + claims + codes(exitNotHealthy),
		Example: `  setpoint rollback shop
  setpoint rollback shop --to 1a2b3c4 --comment "prices are wrong"
  setpoint rollback app/web --to 12 --wait
  setpoint history app/web`,
		Args:              oneToRollBack,
		ValidArgsFunction: s.allNames,
	})
	flags := command.Flags()
	flags.StringVar(&call.to, "to", "", "a healthy revision, or the number of a release (default: the one before the present one)")
	flags.StringVar(&call.comment, "comment", "", "why a Sync goes back; kept in the history")
	flags.BoolVar(&call.waits, "wait", false, "wait until what was gone back to is in force and healthy, or cannot become so")
	flags.DurationVar(&call.timeout, "timeout", 10*time.Minute, "of --wait")
	_ = command.RegisterFlagCompletionFunc("to", s.rollbackTargets) // fails only for a flag that is not there
	command.RunE = func(cmd *cobra.Command, args []string) error {
		call.name = args[0]
		if givenEmpty(cmd, "to") {
			return misused("--to is empty", "`setpoint history "+call.name+"` lists what to go back to; without --to it is the one before")
		}
		client, err := s.client()
		if err != nil {
			return err
		}
		if strings.HasPrefix(call.name, appPrefix) {
			return s.rollBackApp(cmd.Context(), client, call)
		}
		return s.rollBackSync(cmd.Context(), client, call)
	}
	return command
}

// oneToRollBack wants the name of one Sync or app.
func oneToRollBack(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return misused("what is to go back? Its name is missing",
			"write it like `"+cmd.CommandPath()+" shop`, or `"+cmd.CommandPath()+" app/web`")
	case len(args) > 1:
		return misused("one at a time", "give a single name")
	case strings.HasPrefix(args[0], appPrefix):
		return wantApp(cmd, args[0])
	}
	return nil
}

// rollBackApp goes back to a release.
func (s *session) rollBackApp(ctx context.Context, client *httpapi.Client, call rollbackCall) error {
	to, err := strconv.Atoi(call.to)
	if call.to != "" && (err != nil || to < 1) {
		return misused("--to is not the number of a release", "`setpoint history "+call.name+"` lists them")
	}
	if call.comment != "" {
		return misused("--comment is for Syncs: nothing keeps it for an app", "leave it out")
	}
	name, _ := appName(call.name)
	releases, err := client.Rollback(ctx, name, to)
	if err != nil {
		return err
	}
	if to == 0 {
		to = heldAt(releases)
	}
	if !call.waits {
		return s.out.Show(s.format, releases, func() { s.printRollback(releases, to) })
	}
	if s.format == term.FormatTable {
		s.printRollback(releases, to)
	}
	ctx, cancel := context.WithTimeout(ctx, call.timeout)
	defer cancel()
	return s.awaitRelease(ctx, &appWait{client: client, app: name, to: to})
}

// printRollback says what was done, what runs until it is done, how long it holds, and how to undo it.
func (s *session) printRollback(releases v1alpha1.Releases, to int) {
	app, active := term.Clean(appPrefix+releases.App), inState(releases.Releases, v1alpha1.ReleaseActive)
	isNewest := to >= newest(releases.Releases)
	verb := "goes back to"
	if isNewest {
		verb = "goes forward to"
	}
	s.out.Line(s.out.Paint(term.Bold, app), fmt.Sprintf(" %s release %d%s", verb, to, s.madeOf(releases.Releases, to)))
	if active > 0 && active != to {
		s.out.Line(fmt.Sprintf("release %d keeps running until release %d is healthy", active, to))
	}
	if releases.RolledBack == 0 {
		s.out.Line("what its declaration in Git asks for is in force again")
		return
	}
	s.out.Line(rollbackHolds)
	if !isNewest {
		s.out.Hint("go forward again with `" + forward(releases) + "`")
	}
}

// heldAt gives the release that an app is to run after a rollback: to have gone back to what is declared is to have gone back no more.
func heldAt(releases v1alpha1.Releases) int {
	if releases.RolledBack > 0 {
		return releases.RolledBack
	}
	return newest(releases.Releases)
}

// madeOf says what a release was made of: " (main@1a2b3c4, 2h ago: Scale web)".
func (s *session) madeOf(releases []v1alpha1.Release, number int) string {
	at := slices.IndexFunc(releases, func(r v1alpha1.Release) bool { return r.Number == number })
	if at < 0 {
		return ""
	}
	release := releases[at]
	text := "build " + digest(release.Build)
	if release.Revision.ID != "" {
		text = release.Revision.Short()
	}
	if ago := s.out.Since(release.Created); ago != "" {
		text += ", " + ago + " ago"
	}
	if release.Revision.Message != "" {
		text += ": " + release.Revision.Message
	}
	return " (" + term.Clean(text) + ")"
}

// rollbackTo is the command line that goes to a release.
func rollbackTo(app string, number int) string {
	return fmt.Sprintf("setpoint rollback %s%s --to %d", appPrefix, app, number)
}

// rollbackTargets completes what one can go back to: revisions of a Sync, releases of an app.
func (s *session) rollbackTargets(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	name := optional(args)
	client, err := s.client()
	if name == "" || err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), time.Second)
	defer cancel()
	var targets []string
	if app, ok := appName(name); ok {
		targets, err = releaseNumbers(ctx, client, app)
	} else {
		targets, err = healthyRevisions(ctx, client, name)
	}
	if err != nil {
		targets = nil
	}
	return targets, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

func releaseNumbers(ctx context.Context, client *httpapi.Client, app string) (numbers []string, err error) {
	answer, err := client.Releases(ctx, app)
	for _, release := range answer.Releases {
		if release.Available && release.State == v1alpha1.ReleaseSuperseded {
			numbers = append(numbers, strconv.Itoa(release.Number)+"\t"+term.Clean(release.Revision.Message))
		}
	}
	return numbers, err
}
