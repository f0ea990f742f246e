package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/internal/term"
)

// chainsAsked bounds how many Syncs that are not well are asked why, at a time.
const chainsAsked = 200

// showWhy explains one Sync, or every one that is not well.
func (s *session) showWhy(ctx context.Context, client *httpapi.Client, name string) error {
	if name != "" {
		why, err := client.Why(ctx, name)
		if err != nil {
			return err
		}
		return s.out.Show(s.format, why, func() { s.printChain(why.Chain) })
	}
	whys, left, err := allWhys(ctx, client)
	if err != nil {
		return err
	}
	answer := struct {
		Why     []v1alpha1.Why `json:"why"`
		Omitted int            `json:"omitted,omitempty"`
	}{whys, left}
	return s.out.Show(s.format, answer, func() {
		for _, root := range causes(whys) {
			s.out.Tree([]term.Node{root.node(s.out)})
			s.out.Hint(root.link.Hint)
		}
		switch {
		case left > 0:
			s.out.Line(s.out.Paint(term.Dim, fmt.Sprintf("and %s: `setpoint tree --why NAME`", plural(left, "more Sync"))))
		case len(whys) == 0:
			s.out.Line("every Sync is well")
		}
	})
}

// allWhys asks for every Sync that is not well; left are those too many.
func allWhys(ctx context.Context, client *httpapi.Client) (whys []v1alpha1.Why, left int, err error) {
	list, err := client.Syncs(ctx)
	if err != nil {
		return nil, 0, err
	}
	whys = []v1alpha1.Why{}
	for _, status := range list.Syncs {
		if settled(status) {
			continue
		}
		if len(whys) == chainsAsked {
			left++
			continue
		}
		why, err := client.Why(ctx, status.Name)
		switch {
		case fault.KindOf(err) == fault.NotFound: // it went meanwhile
		case err != nil:
			return nil, 0, err
		case len(why.Chain) > 0:
			whys = append(whys, why)
		}
	}
	return whys, left, nil
}

// printChain shows the way from a Sync to its root cause, one link in each line.
func (s *session) printChain(chain []v1alpha1.WhyLink) {
	for i, link := range chain {
		arrow := ""
		if i > 0 {
			arrow = strings.Repeat("   ", i-1) + "└▶ "
			if link.Relation != "" {
				arrow += link.Relation + " "
			}
		}
		var words []string
		for _, cell := range linkCells(s.out, link, "") {
			if cell.Text != "" {
				words = append(words, s.out.Paint(cell.Style, term.Clean(cell.Text)))
			}
		}
		s.out.Line(s.out.Paint(term.Dim, term.Clean(arrow)), strings.Join(words, "  "))
	}
	if len(chain) > 0 {
		s.out.Hint(chain[len(chain)-1].Hint)
	}
}

// linkCells are what is said of one link: its sign and name, how it is to the one above it, its state, and why and since when.
func linkCells(p *term.Printer, link v1alpha1.WhyLink, relation string) []term.Cell {
	look := lookOf(link.State)
	if link.Reason == contended {
		look = contendedLook
	}
	since := ""
	if ago := p.Since(link.Since); ago != "" {
		since = "for " + ago
	}
	return []term.Cell{
		{Text: look.sign + " " + nameOf(link.ID), Style: look.style},
		{Text: relation, Style: term.Dim},
		{Text: link.State, Style: look.style},
		{Text: healthMessage(v1alpha1.Health{Reason: link.Reason, Message: link.Message})},
		{Text: since, Style: term.Dim},
	}
}

// nameOf is an object's name for people, who know Syncs without their group.
func nameOf(id v1alpha1.ObjectID) string {
	if id.Group == v1alpha1.Group && id.Kind == v1alpha1.KindSync {
		return "Sync/" + id.Name
	}
	return id.String()
}

// causes turns chains around: each root cause, and below it what it keeps from being well. Links that chains share come once.
func causes(whys []v1alpha1.Why) []*cause {
	top := &cause{at: map[v1alpha1.ObjectID]*cause{}}
	for _, why := range whys {
		here, relation := top, ""
		for _, link := range slices.Backward(why.Chain) {
			here = here.below(link, relation)
			relation = backwards(link.Relation)
		}
	}
	return top.order
}

// backwards says of a link that comes below what the one above it says of it: shop depends on db, so below db it "depends on it".
func backwards(relation string) string {
	if relation == "" {
		return ""
	}
	return relation + " it"
}

// cause is a link with those that go back to it, in the order in which they were met.
type cause struct {
	link     v1alpha1.WhyLink
	relation string
	order    []*cause
	at       map[v1alpha1.ObjectID]*cause
}

func (c *cause) below(link v1alpha1.WhyLink, relation string) *cause {
	if known := c.at[link.ID]; known != nil {
		return known
	}
	next := &cause{link: link, relation: relation, at: map[v1alpha1.ObjectID]*cause{}}
	c.order = append(c.order, next)
	c.at[link.ID] = next
	return next
}

func (c *cause) node(p *term.Printer) term.Node {
	node := term.Node{Cells: linkCells(p, c.link, c.relation)}
	for _, one := range c.order {
		node.Children = append(node.Children, one.node(p))
	}
	return node
}
