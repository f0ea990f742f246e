package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/term"
)

// rollbackHolds says for how long.
const rollbackHolds = "it holds until the app's declaration changes in Git"

func (s *session) rollbackCommand() *cobra.Command {
	var to int
	var waits bool
	var timeout time.Duration
	command := s.asksAgent(&cobra.Command{
		Use:   "rollback app/NAME",
		Short: "Go back to an earlier release of an app",
		Long: `Go back to an earlier release of an app: the one that ran before, or the one that --to names
("setpoint history app/NAME" lists them). It takes over as any release does: its processes start
beside those that run, and get the traffic when they are healthy.

It holds until the app's declaration changes in Git, so a fix that is pushed is released as always.
To go forward again before that, name the newest release.

With --wait, show how it goes on, and exit when the release runs and the app is healthy (0), or when
it cannot become so (4). When --timeout is over before, exit with 1.` + codes(exitNotHealthy),
		Example: `  setpoint rollback app/web
  setpoint rollback app/web --to 12 --wait
  setpoint history app/web`,
		Args:              oneApp,
		ValidArgsFunction: s.appNames,
	})
	command.Flags().IntVar(&to, "to", 0, "number of the release (default: the one that ran before the present one)")
	command.Flags().BoolVar(&waits, "wait", false, "wait until the release runs and the app is healthy, or cannot become so")
	command.Flags().DurationVar(&timeout, "timeout", 10*time.Minute, "of --wait")
	_ = command.RegisterFlagCompletionFunc("to", s.releaseNumbers) // fails only for a flag that is not there
	command.RunE = func(cmd *cobra.Command, args []string) error {
		if to < 1 && cmd.Flags().Changed("to") {
			return misused("--to is not the number of a release", "`setpoint history "+args[0]+"` lists them")
		}
		name, _ := appName(args[0])
		client, err := s.client()
		if err != nil {
			return err
		}
		releases, err := client.Rollback(cmd.Context(), name, to)
		if err != nil {
			return err
		}
		if to == 0 {
			to = heldAt(releases)
		}
		if !waits {
			return s.out.Show(s.format, releases, func() { s.printRollback(releases, to) })
		}
		if s.format == term.FormatTable {
			s.printRollback(releases, to)
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
		defer cancel()
		return s.awaitRelease(ctx, &appWait{client: client, app: name, to: to})
	}
	return command
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

// releaseNumbers completes the number of a release that one can go back to.
func (s *session) releaseNumbers(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	name, ok := appName(optional(args))
	client, err := s.client()
	if !ok || err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), time.Second)
	defer cancel()
	answer, err := client.Releases(ctx, name)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var numbers []string
	for _, release := range answer.Releases {
		if release.Available && release.State == v1alpha1.ReleaseSuperseded {
			numbers = append(numbers, strconv.Itoa(release.Number)+"\t"+term.Clean(release.Revision.Message))
		}
	}
	return numbers, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}
