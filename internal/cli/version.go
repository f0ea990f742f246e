package cli

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Version says which build this is.
type Version struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Date     string `json:"date,omitempty"` // of the commit, RFC 3339
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// BuildVersion reads what the Go tool recorded in the binary; released is the version that the linker was given, "" for none.
func BuildVersion(released string) Version {
	v := Version{Version: released, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, setting := range info.Settings {
			switch setting.Key {
			case "vcs.revision":
				v.Commit = setting.Value
			case "vcs.time":
				v.Date = setting.Value
			case "vcs.modified":
				v.Modified = setting.Value == "true"
			}
		}
		if v.Version == "" && info.Main.Version != "(devel)" {
			v.Version = info.Main.Version
		}
	}
	if v.Version == "" {
		v.Version = "devel"
	}
	return v
}

func (s *session) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Show which build this is",
		Long:    "Show which build this is." + codes(),
		Example: "  setpoint version\n  setpoint version -o json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := s.Version
			return s.out.Show(s.format, v, func() {
				line := "setpoint " + v.Version
				if v.Commit != "" {
					line += " (" + v.Commit[:min(12, len(v.Commit))]
					if v.Modified {
						line += ", modified"
					}
					line += ")"
				}
				s.out.Line(line, " ", v.Go, " ", v.Platform)
			})
		},
	}
}
