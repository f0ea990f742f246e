package cli

import (
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/internal/term"
)

// tailDefault is how many lines are shown when nothing says how many.
const tailDefault = 100

func (s *session) logsCommand() *cobra.Command {
	var query v1alpha1.LogQuery
	var since string
	command := s.asksAgent(&cobra.Command{
		Use:   "logs app/NAME",
		Short: "Show what the processes of an app write",
		Long: `Show what the processes of an app write: time, process and text, in the order of their times; what
was written to the standard error is marked with "!". Without more it is the last 100 lines.

With -f, go on with what is written from then on, until Ctrl-C. When the agent is restarted, it goes
on by itself, without a lost or doubled line. -o json gives one object per line.` + codes(),
		Example: `  setpoint logs app/web
  setpoint logs app/web -f --process web.2
  setpoint logs app/web --since 10m -o json | jq -r .text`,
		Args:              oneApp,
		ValidArgsFunction: s.appNames,
	})
	command.Flags().BoolVarP(&query.Follow, "follow", "f", false, "go on with what is written from then on")
	command.Flags().StringVar(&query.Process, "process", "", "only of this process (web.2), or of this process type (web)")
	command.Flags().StringVar(&since, "since", "", "written after that: a span (10m) or a time (2026-01-31T15:04:05Z)")
	command.Flags().IntVarP(&query.Tail, "tail", "n", tailDefault,
		"at most so many of the newest lines, 0 for all; with --since all, unless it is given")
	command.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if query.Tail < 0 {
			return misused("--tail is negative", "give a number of lines, 0 for all")
		}
		if query.Since, err = s.since(since); err != nil {
			return err
		}
		if since != "" && !cmd.Flags().Changed("tail") {
			query.Tail = 0
		}
		name, _ := appName(args[0])
		client, err := s.client()
		if err != nil {
			return err
		}
		lines := linePrinter{session: s, styles: map[string]term.Style{}, width: processWidth}
		return client.Logs(cmd.Context(), name, query, httpapi.LogHandler{Lost: s.lost, Line: func(line v1alpha1.LogLine) error {
			return s.out.ShowOne(s.format, line, func() { lines.print(line) })
		}})
	}
	return command
}

// processWidth is room for the names of most processes, so that the text of few lines is out of line.
const processWidth = 8

// processStyles are the colours of processes, in the order of their first lines. Red is left out: it means that something is wrong.
var processStyles = []term.Style{"36", "33", "35", "32", "34", "96", "93", "95", "92", "94"}

// linePrinter prints lines for people.
type linePrinter struct {
	session *session
	styles  map[string]term.Style // by process
	width   int                   // of the widest process so far, or more
}

func (p *linePrinter) print(line v1alpha1.LogLine) {
	process, out := term.Clean(line.Process), p.session.out
	style, known := p.styles[process]
	if !known {
		style = processStyles[len(p.styles)%len(processStyles)]
		p.styles[process] = style
	}
	p.width = max(p.width, term.Width(process))
	mark := " "
	if line.Stream == "stderr" {
		mark = out.Paint(term.Bad, "!")
	}
	out.Line(out.Paint(term.Dim, p.stamp(line.Time)), "  ", out.Paint(style, term.Pad(process, p.width)), " ", mark, " ", plain(line.Text))
}

// stamp gives a time of today without its date.
func (p *linePrinter) stamp(at time.Time) string {
	at, today := at.Local(), p.session.Now().Local()
	if at.YearDay() == today.YearDay() && at.Year() == today.Year() {
		return at.Format("15:04:05.000")
	}
	return at.Format("2006-01-02 15:04:05.000")
}

// escapes are what programs write to colour a terminal, or to steer it.
var escapes = regexp.MustCompile(`\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?)`)

// plain gives a line as text: a program's own colours could be anything else that steers a terminal.
func plain(text string) string { return term.Clean(escapes.ReplaceAllString(text, "")) }
