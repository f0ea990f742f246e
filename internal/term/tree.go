package term

import "strings"

// Node is one line of a tree with what hangs below it. The cells are printed one after the other, with two spaces between.
type Node struct {
	Cells    []Cell
	Children []Node
}

// Tree draws nodes with lines that show what belongs to what.
func (p *Printer) Tree(roots []Node) {
	for _, root := range roots {
		p.branch(root, "", "")
	}
}

// branch draws a node behind first, and everything below it behind rest.
func (p *Printer) branch(node Node, first, rest string) {
	var line strings.Builder
	line.WriteString(p.Paint(Dim, first))
	for i, cell := range node.Cells {
		if cell.Text == "" {
			continue
		}
		if i > 0 {
			line.WriteString("  ")
		}
		line.WriteString(p.Paint(cell.Style, Clean(cell.Text)))
	}
	p.Line(line.String())
	for i, child := range node.Children {
		if i == len(node.Children)-1 {
			p.branch(child, rest+"└─ ", rest+"   ")
		} else {
			p.branch(child, rest+"├─ ", rest+"│  ")
		}
	}
}
