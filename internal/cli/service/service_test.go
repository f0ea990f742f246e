package service_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/setpoint-dev/setpoint/internal/cli/service"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// variants are all units that there are.
var variants = map[string]service.Options{
	"host":              {Program: "/usr/local/bin/setpoint"},
	"host, as a user":   {Program: "/usr/local/bin/setpoint", User: "deploy"},
	"kubernetes":        {Program: "/usr/local/bin/setpoint", KubernetesOnly: true},
	"kubernetes, moved": {Program: "/opt/a b/100%/set\"point", KubernetesOnly: true, User: "deploy", Data: "/srv/set point"},
}

// line is what a unit may be made of: a comment, a section, or a directive.
var line = regexp.MustCompile(`^(#.*|\[(Unit|Service|Install)\]|[A-Z][A-Za-z]*=.*|)$`)

func unit(t *testing.T, options service.Options) string {
	t.Helper()
	text, err := options.Unit()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestUnitsAreLinesThatSystemdReads(t *testing.T) {
	for name, options := range variants {
		text := unit(t, options)
		if !strings.HasPrefix(text, service.Mark) {
			t.Errorf("%s: the mark is missing", name)
		}
		var sections []string
		for one := range strings.Lines(text) {
			one = strings.TrimSuffix(one, "\n")
			if !line.MatchString(one) {
				t.Errorf("%s: %q", name, one)
			}
			if strings.HasPrefix(one, "[") {
				sections = append(sections, one)
			}
		}
		if !slices.Equal(sections, []string{"[Unit]", "[Service]", "[Install]"}) {
			t.Errorf("%s: %s", name, sections)
		}
	}
}

// TestSystemdAcceptsTheUnits asks systemd itself where it is installed. Elsewhere the words are held against those that are known to be
// directives, which is what the units were written from.
func TestSystemdAcceptsTheUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	for name, options := range variants {
		text := unit(t, options)
		if err != nil {
			for found := range strings.Lines(text) {
				if word, _, ok := strings.Cut(found, "="); ok && !strings.HasPrefix(found, "#") && !slices.Contains(directives, word) {
					t.Errorf("%s: %s is no directive that we know", name, word)
				}
			}
			continue
		}
		for _, complaint := range verify(t, analyze, options) {
			t.Errorf("%s: %s", name, complaint)
		}
	}
}

// verify gives what systemd-analyze says against a unit: without the directive that only newer ones know.
func verify(t *testing.T, analyze string, options service.Options) []string {
	t.Helper()
	program, err := os.Executable() // there has to be one
	if err != nil {
		t.Fatal(err)
	}
	options.Program, options.User = program, "" // and the user too
	file := filepath.Join(t.TempDir(), "setpoint.service")
	if err := os.WriteFile(file, []byte(unit(t, options)), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", file).CombinedOutput()
	var complaints []string
	for said := range strings.Lines(string(out)) {
		if strings.Contains(said, "setpoint.service") && !strings.Contains(said, "'DelegateSubgroup'") {
			complaints = append(complaints, strings.TrimSpace(said))
		}
	}
	if err != nil && len(complaints) == 0 {
		complaints = append(complaints, fmt.Sprintf("%v: %s", err, out))
	}
	return complaints
}

var directives = []string{
	"Description", "Documentation", "Wants", "After", "StartLimitIntervalSec", "Type", "ExecStart", "Environment", "EnvironmentFile", "User",
	"StateDirectory", "StateDirectoryMode", "Restart", "RestartSec", "TimeoutStopSec", "KillMode", "Delegate", "DelegateSubgroup", "OOMPolicy",
	"TasksMax", "RestrictRealtime", "LockPersonality", "WantedBy", "UMask", "ProtectSystem", "ReadWritePaths", "ProtectHome", "PrivateTmp",
	"PrivateDevices", "ProtectKernelTunables", "ProtectKernelModules", "ProtectKernelLogs", "ProtectControlGroups", "ProtectClock",
	"ProtectHostname", "ProtectProc", "NoNewPrivileges", "CapabilityBoundingSet", "AmbientCapabilities", "RestrictAddressFamilies",
	"RestrictNamespaces", "RestrictSUIDSGID", "MemoryDenyWriteExecute", "SystemCallArchitectures", "SystemCallFilter",
}

func TestWhatTheUnitsPromise(t *testing.T) {
	host, cluster := unit(t, variants["host"]), unit(t, variants["kubernetes"])
	for _, want := range []string{
		"ExecStart=/usr/local/bin/setpoint run\n", "\nKillMode=process\n", "\nDelegate=yes\n", "\nOOMPolicy=continue\n", "\nRestart=always\n",
		"\nEnvironmentFile=/etc/setpoint/setpoint.env\n", "\nStateDirectory=setpoint\n",
	} {
		if !strings.Contains(host, want) {
			t.Errorf("host: %q is missing", want)
		}
	}
	// An agent of a host in another file system than the host's would keep that one equal to Git.
	for _, never := range []string{"\nProtectSystem=", "\nProtectHome=", "\nPrivateTmp=", "\nNoNewPrivileges=", "\nUser="} {
		if strings.Contains(host, never) {
			t.Errorf("host: %q", never)
		}
	}
	for _, want := range []string{"\nProtectSystem=strict\n", "\nCapabilityBoundingSet=\n", "\nNoNewPrivileges=yes\n"} {
		if !strings.Contains(cluster, want) {
			t.Errorf("kubernetes: %q is missing", want)
		}
	}
	moved := unit(t, variants["kubernetes, moved"])
	for _, want := range []string{
		`ExecStart="/opt/a b/100%%/set\"point" run` + "\n", "\nUser=deploy\n", `ReadWritePaths="/srv/set point"` + "\n",
	} {
		if !strings.Contains(moved, want) {
			t.Errorf("moved: %q is missing in\n%s", want, moved)
		}
	}
}

func TestLinesInValuesAreRefused(t *testing.T) {
	if _, err := (service.Options{Program: "/a\nExecStart=/b"}).Unit(); fault.KindOf(err) != fault.Invalid {
		t.Errorf("unit: %v", err)
	}
	options := service.Options{Settings: []service.Setting{{Variable: "SETPOINT_SOURCE", Value: "a\nSETPOINT_TOKEN=b"}}}
	if _, err := options.Env(); fault.KindOf(err) != fault.Invalid {
		t.Errorf("settings: %v", err)
	}
}

// TestSettingsAreReadBack: whatever the values are, systemd reads them as they were given.
func TestSettingsAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		given := rapid.MapOf(
			rapid.StringMatching(`SETPOINT_[A-Z_]{1,9}`), rapid.StringMatching("[ -~äß]{0,20}"),
		).Draw(t, "settings")
		var options service.Options
		for _, name := range slices.Sorted(maps.Keys(given)) {
			options.Settings = append(options.Settings, service.Setting{Variable: name, Value: given[name]})
		}
		text, err := options.Env()
		if err != nil {
			t.Fatal(err)
		}
		if got := readEnv(string(text)); !maps.Equal(got, given) {
			t.Fatalf("%q, want %q", got, given)
		}
	})
}

// readEnv reads an EnvironmentFile of values in double quotes by the rules of systemd.exec(5).
func readEnv(text string) map[string]string {
	found := map[string]string{}
	for one := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSuffix(one, "\n"), "=")
		if !ok || strings.HasPrefix(one, "#") {
			continue
		}
		value = strings.TrimSuffix(strings.TrimPrefix(value, `"`), `"`)
		var out strings.Builder
		for i := 0; i < len(value); i++ {
			if value[i] == '\\' && i+1 < len(value) && strings.IndexByte("\"\\`$", value[i+1]) >= 0 {
				i++
			}
			out.WriteByte(value[i])
		}
		found[name] = out.String()
	}
	return found
}
