package term

import "strings"

// Cell is one field of a table.
type Cell struct {
	Text  string
	Style Style
}

// Row is one line of a table, with lines that belong to it below, indented.
type Row struct {
	Cells  []Cell
	Detail []Cell
}

// Table prints rows under a header, each column as wide as its widest cell. On a terminal the last column is cut at the edge;
// elsewhere nothing is.
func (p *Printer) Table(header []string, rows []Row) {
	widths := make([]int, len(header))
	for i, name := range header {
		widths[i] = Width(name)
	}
	for r := range rows {
		for i := range rows[r].Cells {
			rows[r].Cells[i].Text = Clean(rows[r].Cells[i].Text)
			widths[i] = max(widths[i], Width(rows[r].Cells[i].Text))
		}
	}
	if len(header) > 0 {
		p.row(cells(header, Dim), widths)
	}
	for _, row := range rows {
		p.row(row.Cells, widths)
		for _, line := range row.Detail {
			p.Line("  ", p.Paint(line.Style, Clean(line.Text)))
		}
	}
}

func cells(texts []string, style Style) []Cell {
	out := make([]Cell, len(texts))
	for i, text := range texts {
		out[i] = Cell{text, style}
	}
	return out
}

func (p *Printer) row(cells []Cell, widths []int) {
	last := len(cells) - 1
	for last > 0 && cells[last].Text == "" {
		last--
	}
	var b strings.Builder
	used := 0
	for i, cell := range cells[:last+1] {
		text := cell.Text
		if i == last {
			if p.Width > 0 && len(cells) == len(widths) {
				text = Cut(text, max(8, p.Width-used))
			}
			b.WriteString(p.Paint(cell.Style, text))
			break
		}
		// The padding stays outside of the colour, so that it is never underlined or inverted.
		b.WriteString(p.Paint(cell.Style, text))
		b.WriteString(strings.Repeat(" ", widths[i]-Width(text)+2))
		used += widths[i] + 2
	}
	p.Line(b.String())
}
