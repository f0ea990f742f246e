package cli

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/agent"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/internal/term"
)

func (s *session) diffCommand() *cobra.Command {
	var revision, path, sync string
	var local standInFlags
	command := s.asksAgent(&cobra.Command{
		Use:   "diff [NAME]",
		Short: "Show what would change, or did drift; also of a local folder before a commit",
		Long: `Show what a Sync, or every Sync, would change: field by field, with who set the present value. The
cluster itself is asked (server-side dry-run), so what admission and defaults do is part of it.
Nothing is changed. Secrets show as hashes. When guards hold the change back, their verdicts and the
digest to approve it by come at its end.

With --path, a local folder is taken instead of a commit: as the given Sync's path, and the Syncs
that it declares from the same checkout. It works without an agent; with one that answers, Syncs
that would be changed or removed are shown too, with what they own.` + codes(exitDifferent),
		Example: `  setpoint diff
  setpoint diff shop --revision feature/new-prices
  setpoint diff --path apps/shop --sync shop
  setpoint diff --path clusters/eu-1 --context eu-1`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: s.syncNames,
	})
	flags := command.Flags()
	flags.StringVar(&revision, "revision", "", "what to compare with: a commit, branch or tag that the source knows (default: the newest)")
	flags.StringVar(&path, "path", "", "compare a local folder, before a commit")
	flags.StringVar(&sync, "sync", "", "the Sync that the local folder stands for (default: the root)")
	local.on(command)
	settings := s.configured(command, targetSettings...)
	command.RunE = func(cmd *cobra.Command, args []string) error {
		var found []compared
		var err error
		switch {
		case path != "" && (revision != "" || len(args) > 0):
			return misused("--path stands for a commit that is not made yet: it goes with neither NAME nor --revision",
				"name the Sync by --sync")
		case path == "" && sync != "":
			return misused("--sync goes with --path", "setpoint diff "+sync)
		case path != "":
			found, err = s.preview(cmd.Context(), previewing{settings, local, path, sync})
		default:
			found, err = s.differences(cmd.Context(), optional(args), revision)
		}
		if err != nil {
			return err
		}
		if err := s.out.Show(s.format, map[string]any{"syncs": found}, func() { s.printDifferences(found) }); err != nil {
			return err
		}
		return verdict(found)
	}
	return command
}

// compared is what would change in one Sync, with the plan when guards hold just that back.
type compared struct {
	agent.Previewed `json:",inline"`
	Plan            *v1alpha1.HeldPlan `json:"plan,omitempty"`
}

// previewing is what is asked about a local folder.
type previewing struct {
	*configuration
	local      standInFlags
	path, sync string
}

// preview compares a local folder with the cluster.
func (s *session) preview(ctx context.Context, c previewing) ([]compared, error) {
	root, inside, err := checkout(c.path)
	if err != nil {
		return nil, err
	}
	dirs, err := c.local.standIns()
	if err != nil {
		return nil, err
	}
	data, err := c.data()
	if err != nil {
		return nil, err
	}
	cluster, err := c.word("kubernetes", "auto", "off")
	if err != nil {
		return nil, err
	}
	known := s.known(ctx, c.get("name"))
	hostRoot := c.get("host-root")
	if known != nil { // what is not said is as the agent has it
		if known.Data != "" && !c.given("data") {
			data = known.Data
		}
		if known.HostRoot != "" && !c.given("host-root") {
			hostRoot = known.HostRoot
		}
	}
	found, err := s.Preview(ctx, agent.PreviewConfig{
		Data: data, HostRoot: hostRoot, NoCluster: cluster == "off", Dir: root, Path: inside, Sync: c.sync, Known: known,
		StandIns: dirs, Environment: c.local.lookup(s), SOPS: s.Getenv,
		Name: c.get("name"), Kubeconfig: c.get("kubeconfig"), Context: c.get("context"), Namespace: c.get("namespace"),
	})
	all := make([]compared, len(found))
	for i, one := range found {
		all[i] = compared{Previewed: one}
	}
	return all, err
}

// differences asks the agent what a revision would change in one Sync, or in each. A Sync that cannot be compared does not keep
// the others from being shown.
func (s *session) differences(ctx context.Context, name, revision string) ([]compared, error) {
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	if name != "" {
		diff, err := client.Diff(ctx, name, revision)
		return []compared{{Previewed: agent.Previewed{Sync: name, Changes: different(diff.Changes)}, Plan: diff.Plan}}, err
	}
	list, err := client.Syncs(ctx)
	if err != nil {
		return nil, err
	}
	found := []compared{}
	for _, status := range list.Syncs {
		one := compared{Previewed: agent.Previewed{Sync: status.Name, Path: status.Path}}
		diff, err := client.Diff(ctx, status.Name, revision)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			one.Problems = append(one.Problems, httpapi.Problem(err))
		}
		one.Changes, one.Plan = different(diff.Changes), diff.Plan
		found = append(found, one)
	}
	return found, nil
}

// different leaves out what is equal.
func different(changes []v1alpha1.Change) []v1alpha1.Change {
	kept := []v1alpha1.Change{}
	for _, change := range changes {
		if change.Op != "none" || change.Error != nil {
			kept = append(kept, change)
		}
	}
	return kept
}

func (s *session) printDifferences(found []compared) {
	var all []v1alpha1.Change
	for _, one := range found {
		one.Changes = different(one.Changes)
		if len(one.Changes) == 0 && len(one.Problems) == 0 && one.Plan == nil {
			continue
		}
		title := s.out.Paint(term.Bold, "Sync "+term.Clean(one.Sync))
		if one.Path != "" {
			title += s.out.Paint(term.Dim, "  "+term.Clean(one.Path))
		}
		s.out.Line(title)
		for _, problem := range one.Problems {
			s.out.Problem("  ", problem)
		}
		s.out.Changes(one.Changes)
		if one.Plan != nil {
			printPlan(s.out, one.Sync, one.Plan)
		}
		s.out.Line()
		all = append(all, one.Changes...)
	}
	switch sum := term.Sum(all); {
	case sum != "":
		s.out.Line(sum)
	case !slices.ContainsFunc(found, func(one compared) bool { return len(one.Problems) > 0 }):
		s.out.Line("no differences")
	}
}

// verdict gives the exit code: an error where something could not be compared or would be refused, else whether there are
// differences.
func verdict(found []compared) error {
	code := error(nil)
	for _, one := range found {
		if len(one.Problems) > 0 {
			return exit(exitError)
		}
		for _, change := range one.Changes {
			if change.Error != nil {
				return exit(exitError)
			}
			if change.Op != "none" {
				code = exit(exitDifferent)
			}
		}
	}
	return code
}

var errNoFolder = errors.New("there is no such folder")

func noFolder(path string) error {
	return usage{&fault.Error{Op: "open", Item: path, Kind: fault.NotFound, Err: errNoFolder,
		Hint: "give the path of a folder with manifests"}}
}
