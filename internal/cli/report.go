package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/spf13/cobra"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/term"
)

// errorsShown bounds how many of several errors are printed.
const errorsShown = 20

// exit ends a command with a code and without a message: its output said everything.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// usage is an error in how a command was called.
type usage struct{ error }

func (u usage) Unwrap() error { return u.error }

// misused makes a usage error with a hint.
func misused(cause, hint string) error {
	return usage{fault.New(fault.Invalid, "", "", cause).WithHint(hint)}
}

// givenEmpty says whether a flag was given without a value, as a script does whose variable is not set: not the same as leaving it out.
func givenEmpty(cmd *cobra.Command, flag string) bool {
	given := cmd.Flags().Lookup(flag)
	return given.Changed && given.Value.String() == ""
}

// report prints a command's error, and gives the exit code.
func (s *session) report(ctx context.Context, command *cobra.Command, err error) int {
	var code exit
	var wrong usage
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &wrong):
		s.complain(err)
		return exitUsage
	case !s.started:
		s.complain(misunderstood(command, err))
		return exitUsage
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		s.complain(errors.New("interrupted"))
		return exitError
	}
	s.complain(err)
	return exitError
}

// complain prints "setpoint: what: cause" and what to do next, for each part of an error.
func (s *session) complain(err error) {
	parts := fault.Flatten(err)
	for i, part := range parts {
		if i == errorsShown {
			s.err.Line(fmt.Sprintf("setpoint: and %d more errors", len(parts)-i))
			return
		}
		for n, line := range strings.Split(strings.TrimSpace(part.Error()), "\n") {
			prefix := s.err.Paint(term.Bad, "setpoint:") + " "
			if n > 0 {
				prefix = "  "
			}
			s.err.Line(prefix, term.Clean(line))
		}
		s.err.Hint(fault.HintOf(part))
	}
}

// misunderstood gives an error of cobra a hint: the nearest command, or where to read.
func misunderstood(where *cobra.Command, err error) error {
	hint := fmt.Sprintf("`%s --help` shows what there is", where.CommandPath())
	message, _, _ := strings.Cut(err.Error(), "\n")
	if rest, ok := strings.CutPrefix(message, `unknown command "`); ok {
		word, _, _ := strings.Cut(rest, `"`)
		message = fmt.Sprintf("there is no command %q", word)
		if near := nearest(where, word); len(near) > 0 {
			hint = "did you mean `setpoint " + strings.Join(near, "` or `setpoint ") + "`?"
		}
	}
	if rest, ok := strings.CutPrefix(message, "if any flags in the group ["); ok {
		group, _, _ := strings.Cut(rest, "]")
		message = "--" + strings.ReplaceAll(group, " ", " and --") + " do not go together"
	}
	return &fault.Error{Kind: fault.Invalid, Err: errors.New(message), Hint: hint}
}

// nearest gives the command that a word is most like; several that are equally like it.
func nearest(where *cobra.Command, word string) []string {
	where.SuggestionsMinimumDistance = 2
	var best []string
	least := math.MaxInt
	for _, name := range where.SuggestionsFor(word) {
		distance := fault.Misspelling(word, name)
		if distance < least {
			best, least = nil, distance
		}
		if distance == least {
			best = append(best, name)
		}
	}
	return best
}
