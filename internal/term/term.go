// Package term prints for people: tables, trees, differences and progress on a terminal, the same facts as JSON or YAML for
// programs.
package term

import (
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// Printer writes to one output. It is not safe for concurrent use, except Progress.
type Printer struct {
	Out   io.Writer
	Color bool // escape sequences for colours
	Live  bool // lines may be redrawn
	Width int  // columns; 0 is unlimited
	Now   func() time.Time
}

// New makes a printer that suits its output: colours and redrawing only on a terminal, and no colours where NO_COLOR is set or
// TERM is "dumb".
func New(out io.Writer, getenv func(string) string) *Printer {
	p := &Printer{Out: out, Now: time.Now}
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return p
	}
	p.Live = getenv("TERM") != "dumb"
	p.Color = p.Live && getenv("NO_COLOR") == ""
	if width, _, err := term.GetSize(int(file.Fd())); err == nil {
		p.Width = width
	}
	return p
}

// Style is how a piece of text looks.
type Style string

// The styles, by what they mean.
const (
	Plain Style = ""
	Good  Style = "32"
	Bad   Style = "31"
	Warn  Style = "33"
	Dim   Style = "2"
	Bold  Style = "1"
)

// Paint gives text in a style, or as it is where there are no colours.
func (p *Printer) Paint(style Style, text string) string {
	if !p.Color || style == Plain || text == "" {
		return text
	}
	return "\x1b[" + string(style) + "m" + text + "\x1b[0m"
}

// Line writes one line.
func (p *Printer) Line(parts ...string) {
	// An output that is gone (a closed pipe) needs no more lines; commands that must know check Out themselves.
	_, _ = io.WriteString(p.Out, strings.Join(parts, "")+"\n")
}

// Hint writes what to do next, on a line of its own.
func (p *Printer) Hint(text string) {
	if text != "" {
		p.Line(p.Paint(Dim, "  hint: "), Clean(text))
	}
}

// Redraw replaces what the terminal shows by text, without flicker: the cursor goes home, each line is cleared to its end, and
// so is the rest. Where redrawing is not possible the text is written below, after an empty line.
func (p *Printer) Redraw(text string) {
	if !p.Live {
		p.Line(text)
		return
	}
	_, _ = io.WriteString(p.Out, "\x1b[H"+strings.ReplaceAll(text, "\n", "\x1b[K\n")+"\x1b[J")
}
