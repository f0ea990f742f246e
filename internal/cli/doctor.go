package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/term"
)

// checkTime bounds one check of the doctor.
const checkTime = 20 * time.Second

// finding is what one check found.
type finding struct {
	Check   string `json:"check"`
	Result  string `json:"result"` // ok, warning, failed, skipped
	Message string `json:"message,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

func found(err error, message string) finding {
	if err != nil {
		return finding{Result: "failed", Message: err.Error(), Hint: fault.HintOf(err)}
	}
	return finding{Result: "ok", Message: message}
}

func skipped(message, hint string) finding {
	return finding{Result: "skipped", Message: message, Hint: hint}
}

func warning(message, hint string) finding {
	return finding{Result: "warning", Message: message, Hint: hint}
}

func (s *session) doctorCommand() *cobra.Command {
	command := s.asksAgent(&cobra.Command{
		Use:   "doctor",
		Short: "Check what an agent needs: Git, cluster, data directory, limits",
		Long: `Check what an agent needs, with the same flags and variables as "setpoint run": whether an agent
answers, whether the data directory can be written, Git be read with the credentials given, and the
cluster be reached with enough permissions, and whether clock and limits of this machine will do.
Each line that is not ✓ says what to do.` + codes(),
		Example: `  setpoint doctor
  setpoint doctor --source https://git.example.com/fleet.git --context eu-1
  kubectl exec deploy/setpoint -- setpoint doctor`,
		Args: cobra.NoArgs,
	})
	settings := s.configured(command, "source", "ref", "data", "kubernetes", "kubeconfig", "context")
	command.RunE = func(cmd *cobra.Command, _ []string) error {
		findings := s.examine(cmd.Context(), settings)
		if err := s.out.Show(s.format, map[string]any{"checks": findings}, func() { s.printFindings(findings) }); err != nil {
			return err
		}
		for _, f := range findings {
			if f.Result == "failed" {
				return exit(exitError)
			}
		}
		return nil
	}
	return command
}

// examine carries out every check, in the order in which they are shown.
func (s *session) examine(ctx context.Context, c *configuration) []finding {
	checks := []struct {
		name string
		run  func(context.Context) finding
	}{
		{"setpoint", func(context.Context) finding {
			return finding{Result: "ok", Message: s.Version.Version + " " + s.Version.Platform}
		}},
		{"agent", s.checkAgent},
		{"data directory", func(context.Context) finding { return checkData(c) }},
		{"git", func(ctx context.Context) finding { return s.checkGit(ctx, c) }},
		{"cluster", func(ctx context.Context) finding { return s.checkCluster(ctx, c) }},
		{"clock", func(context.Context) finding { return s.checkClock() }},
		{"inotify", func(context.Context) finding { return checkInotify("/proc/sys/fs/inotify") }},
	}
	findings := make([]finding, 0, len(checks))
	for _, check := range checks {
		limited, cancel := context.WithTimeout(ctx, checkTime)
		f := check.run(limited)
		cancel()
		f.Check = check.name
		findings = append(findings, f)
	}
	return findings
}

func (s *session) printFindings(findings []finding) {
	signs := map[string]look{
		"ok": {"✓", term.Good}, "warning": {"!", term.Warn}, "failed": {"✗", term.Bad}, "skipped": {"-", term.Dim},
	}
	wrong := 0
	for _, f := range findings {
		sign := signs[f.Result]
		s.out.Line(s.out.Paint(sign.style, sign.sign), " ", term.Pad(f.Check, 15), " ", term.Clean(f.Message))
		if f.Hint != "" {
			s.out.Line("                  ", s.out.Paint(term.Dim, "hint: "), term.Clean(f.Hint))
		}
		if f.Result == "failed" {
			wrong++
		}
	}
	s.out.Line()
	if wrong == 0 {
		s.out.Line(s.out.Paint(term.Good, "nothing is wrong"))
		return
	}
	s.out.Line(s.out.Paint(term.Bad, fmt.Sprintf("%s failed", plural(wrong, "check"))))
}
