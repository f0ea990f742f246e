package cli

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/user"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/term"
)

// claims says in help texts what the name of a person is worth.
const claims = `The agent keeps who decided, as user@host ($SUDO_USER behind sudo). That is a claim: the agent knows who
may ask it, and no names.`

// person names whoever is at the command line.
func (s *session) person() string {
	name := s.Getenv("SUDO_USER")
	if name == "" {
		name = "somebody"
		if current, err := user.Current(); err == nil && current.Username != "" {
			name = current.Username
		}
	}
	if host, err := os.Hostname(); err == nil && host != "" {
		name += "@" + host
	}
	return term.Clean(name)
}

// answerLimit bounds what is read of an answer, in bytes.
const answerLimit = 100

var errNoConsent = errors.New("nobody said yes")

// consent asks the person at the terminal, and fails unless the answer is yes. Where nobody can be asked, it was given by naming what is
// meant.
func (s *session) consent(ctx context.Context, question string) error {
	if !isTerminal(s.In) {
		return nil
	}
	_, _ = io.WriteString(s.err.Out, question+" [y/N] ") // where it cannot be seen, nobody says yes
	answers := make(chan string, 1)
	// A read from a terminal cannot be taken back: when ctx ends first, so does the program, and this goroutine with it.
	go func() {
		line, _ := bufio.NewReader(io.LimitReader(s.In, answerLimit)).ReadString('\n') // an answer that breaks off is no yes
		answers <- line
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case answer := <-answers:
		if word := strings.ToLower(strings.TrimSpace(answer)); word == "y" || word == "yes" {
			return nil
		}
		return &fault.Error{Kind: fault.Denied, Err: errNoConsent}
	}
}
