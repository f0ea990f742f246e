package apps

import (
	"strings"
	"unicode"

	"github.com/setpoint-dev/setpoint/internal/target/host/supervise"
)

// What is quoted of a process's output: so many lines, each so long. The rest is in its log.
const (
	shownLines = 4
	shownBytes = 200
)

// how says how a process ended.
func how(exit *supervise.Exit) string {
	switch {
	case exit.Error != "":
		return "could not be started: " + exit.Error
	case exit.Unknown:
		return "ended while nobody watched it"
	case exit.Signal != "":
		return "killed by " + exit.Signal
	}
	return "exited with code " + itoa(exit.Code)
}

// ending says how the process of a slot went wrong, with the last lines of its output.
func ending(s *slot) string { return withOutput(s.How, s.Output) }

func withOutput(text string, output []string) string {
	var lines []string
	for _, line := range output[max(0, len(output)-shownLines):] {
		if line = printable(line); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return text
	}
	return text + "; it last wrote: " + strings.Join(lines, " | ")
}

// printable gives a line of somebody else's output without what could confuse a terminal, cut to what can be read.
func printable(line string) string {
	line = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, line))
	if len(line) > shownBytes {
		line = strings.ToValidUTF8(line[:shownBytes], "") + "…"
	}
	return line
}

func colon(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}
