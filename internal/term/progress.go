package term

import (
	"io"
	"sync"
)

// Progress shows how something goes on: one line that is redrawn on a terminal, and a plain line per distinct news elsewhere.
// Safe for concurrent use.
type Progress struct {
	mu      sync.Mutex
	printer *Printer
	last    string
}

// Progress begins to show. End it before anything else is printed to the same output.
func (p *Printer) Progress() *Progress { return &Progress{printer: p} }

// Now shows the present situation.
func (g *Progress) Now(text string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	text = Clean(text)
	if text == g.last {
		return
	}
	g.last = text
	if !g.printer.Live {
		g.printer.Line(text)
		return
	}
	if g.printer.Width > 0 {
		text = Cut(text, g.printer.Width-1)
	}
	_, _ = io.WriteString(g.printer.Out, "\r\x1b[K"+text)
}

// End leaves the last line as it is on a plain output, and takes it away on a terminal: the result follows.
func (g *Progress) End() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.printer.Live && g.last != "" {
		_, _ = io.WriteString(g.printer.Out, "\r\x1b[K")
	}
	g.last = ""
}
