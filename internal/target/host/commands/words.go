package commands

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/setpoint-dev/setpoint/internal/target/host/supervise"
)

// The reasons of a command's health.
const (
	reasonStarting    = "Starting"
	reasonRunning     = "Running"
	reasonStopping    = "Stopping"
	reasonWaiting     = "Waiting"
	reasonSucceeded   = "Succeeded"
	reasonFailed      = "CommandFailed"
	reasonTimedOut    = "TimedOut"
	reasonNotStarted  = "CannotStart"
	reasonLost        = "OutcomeUnknown"
	maxMessage        = 1 << 10 // bytes of a message, with the end of the output in it
	betweenLines      = " | "
	beforeOutput      = "; it last wrote: "
	shortestOfOutput  = 16 // bytes: less says nothing
	ellipsis          = "…"
	maxStartingErrors = 512 // bytes of why something could not be started
)

// outcomeOf says how a process ended, with the end of what it wrote.
func outcomeOf(exit *supervise.Exit, late bool, timeout time.Duration) *outcome {
	o := &outcome{Reason: reasonFailed}
	switch {
	case exit.Error != "":
		o.Reason, o.Message = reasonNotStarted, "it could not be started: "+lastOf(printable(exit.Error), maxStartingErrors)
		return o
	case late:
		o.Reason, o.Message = reasonTimedOut, fmt.Sprintf("it was ended: it was not done after %s", timeout)
	case exit.Unknown:
		o.Reason, o.Message = reasonLost, "it ended while nobody watched it, so that its exit code is not known"
	case exit.Signal != "":
		o.Message = "it was killed by " + exit.Signal
	case exit.Code != 0:
		o.Message = fmt.Sprintf("it exited with code %d", exit.Code)
	default:
		return &outcome{Succeeded: true, Reason: reasonSucceeded}
	}
	o.Message = withOutput(o.Message, exit.Output)
	return o
}

// withOutput adds the last lines of the output, as many as there is room for, in one line.
func withOutput(text string, output []string) string {
	room := maxMessage - len(text) - len(beforeOutput)
	var kept []string
	for _, line := range slices.Backward(output) {
		if line = printable(line); line == "" {
			continue
		}
		if len(kept) > 0 {
			room -= len(betweenLines)
		}
		if room < shortestOfOutput {
			break
		}
		line = lastOf(line, room)
		kept = append(kept, line)
		room -= len(line)
	}
	if len(kept) == 0 {
		return text
	}
	slices.Reverse(kept)
	return text + beforeOutput + strings.Join(kept, betweenLines)
}

// lastOf gives the end of a line that is longer than so many bytes.
func lastOf(line string, most int) string {
	if len(line) <= most {
		return line
	}
	start := len(line) - most + len(ellipsis)
	for start < len(line) && !utf8.RuneStart(line[start]) {
		start++
	}
	return ellipsis + line[start:]
}

// printable gives a line of somebody else's output without what could confuse a terminal.
func printable(line string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsPrint(r):
			return r
		case unicode.IsSpace(r):
			return ' '
		}
		return -1
	}, strings.ToValidUTF8(line, "")))
}
