package cli

import (
	"github.com/spf13/cobra"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/term"
)

func (s *session) treeCommand() *cobra.Command {
	var why bool
	command := s.asksAgent(&cobra.Command{
		Use:   "tree [NAME]",
		Short: "Show Syncs, the Syncs below them, and their objects with health",
		Long: `Show which Sync declares which others, and every object with its health. With a name, only that Sync
and what is below.

With --why, show the way from a Sync to its root cause: what it depends on, owns or checks that is not
well, link by link. Without a name, show every root cause, and below it each Sync that it keeps from
being well.

Signs: ✓ healthy or in sync, ◌ on the way, ~ different from what is declared, ⇄ changed back by somebody
else again and again, ! held or its source cannot be reached, ✗ failed or missing, ↩ rolled back,
‖ suspended, ? not known.` + codes(),
		Example:           "  setpoint tree\n  setpoint tree shop\n  setpoint tree --why shop\n  setpoint tree -o json",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: s.syncNames,
	})
	command.Flags().BoolVar(&why, "why", false, "show what keeps Syncs from being well, down to the root cause")
	command.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := s.client()
		if err != nil {
			return err
		}
		if why {
			return s.showWhy(cmd.Context(), client, optional(args))
		}
		tree, err := client.Tree(cmd.Context(), optional(args))
		if err != nil {
			return err
		}
		return s.out.Show(s.format, tree, func() {
			var nodes []term.Node
			for _, root := range tree.Roots {
				nodes = append(nodes, syncNode(s.out, root))
			}
			s.out.Tree(nodes)
		})
	}
	return command
}

// syncNode draws a Sync: its objects in their order, and where an object is itself a Sync of the tree, that one.
func syncNode(p *term.Printer, tree v1alpha1.TreeNode) term.Node {
	look := lookOfSync(tree.SyncStatus)
	node := term.Node{Cells: []term.Cell{
		{Text: look.sign + " " + tree.Name, Style: look.style},
		{Text: tree.State, Style: look.style},
		{Text: revisionOf(tree.SyncStatus), Style: term.Dim},
		{Text: messageOf(tree.SyncStatus)},
	}}
	children := map[string]v1alpha1.TreeNode{}
	for _, child := range tree.Children {
		children[child.Name] = child
	}
	for _, item := range tree.Items {
		child, ok := children[item.ID.Name]
		if ok && item.ID.Group == v1alpha1.Group && item.ID.Kind == v1alpha1.KindSync {
			delete(children, item.ID.Name)
			node.Children = append(node.Children, syncNode(p, child))
			continue
		}
		node.Children = append(node.Children, objectNode(p, item))
	}
	for _, child := range tree.Children { // those whose object is not listed: declared before, or being deleted
		if _, left := children[child.Name]; left {
			node.Children = append(node.Children, syncNode(p, child))
		}
	}
	return node
}

func objectNode(p *term.Printer, item v1alpha1.ObjectStatus) term.Node {
	look := lookOfHealth(item.Health)
	if item.Health.Status == "" {
		look = lookOf(string(state.Unknown))
	}
	note, style := item.Health.Reason, term.Dim // healthy: a hook that has done its work
	switch {
	case item.Health.Status != state.Healthy:
		note, style = string(item.Health.Status), look.style
		if message := healthMessage(item.Health); message != "" {
			note += "  " + message
		}
	case item.Health.Message != "":
		note, style = healthMessage(item.Health), term.Warn // healthy, and yet there is something to say
	}
	if item.Change != nil && item.Change.Op != "none" && item.Health.Reason != contended {
		look = lookOf("Drifted")
		note, style = difference(p, *item.Change), look.style
	}
	return term.Node{Cells: []term.Cell{
		{Text: look.sign + " " + item.ID.String(), Style: look.style}, {Text: note, Style: style},
	}}
}
