// Package service makes the systemd unit of an agent, and the file with its settings. It writes nothing.
package service

import (
	"embed"
	"strings"
	"text/template"
	"unicode"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// Where systemd looks for the files, below the root of the host.
const (
	UnitPath = "etc/systemd/system/setpoint.service"
	EnvPath  = "etc/setpoint/setpoint.env"
	// WantedPath is the link by which an enabled unit is started with the machine.
	WantedPath = "etc/systemd/system/multi-user.target.wants/setpoint.service"
	// DataPath is the data directory that the unit asks systemd for.
	DataPath = "/var/lib/setpoint"
)

// Mark begins every file that is made here.
const Mark = "# Written by `setpoint install`"

//go:embed host.service kubernetes.service setpoint.env
var texts embed.FS

var templates = template.Must(template.ParseFS(texts, "*"))

// Options say what the agent is for.
type Options struct {
	// Program is the absolute path of the binary.
	Program string
	// User that the agent runs as; "" for root.
	User string
	// KubernetesOnly closes the host to the agent.
	KubernetesOnly bool
	// Data is the data directory, where it is not DataPath; else "".
	Data string
	// Settings of the agent, none of them secret.
	Settings []Setting
}

// Setting is an environment variable of the agent.
type Setting struct{ Variable, Value string }

// Unit gives the text of the unit. What cannot be written in one is an error of kind Invalid.
func (o Options) Unit() ([]byte, error) {
	for _, one := range []Setting{{"the path of this program", o.Program}, {"--data", o.Data}, {"--user", o.User}} {
		if strings.ContainsFunc(one.Value, unicode.IsControl) {
			return nil, notText(one.Variable)
		}
	}
	name := "host.service"
	if o.KubernetesOnly {
		name = "kubernetes.service"
	}
	return execute(name, map[string]string{
		"Program": word(o.Program), "User": o.User, "Data": word(o.Data), "EnvFile": "/" + EnvPath,
	})
}

// Env gives the text of the file with the settings. A value that cannot be written in one is an error of kind Invalid.
func (o Options) Env() ([]byte, error) {
	quoted := make([]Setting, len(o.Settings))
	for i, one := range o.Settings {
		if strings.ContainsFunc(one.Value, unicode.IsControl) {
			return nil, notText(one.Variable)
		}
		quoted[i] = Setting{one.Variable, `"` + inEnv.Replace(one.Value) + `"`}
	}
	return execute("setpoint.env", map[string]any{"Settings": quoted})
}

func notText(what string) error {
	return fault.New(fault.Invalid, "read", what, "it holds a control character").WithHint("systemd reads its files line by line")
}

func execute(name string, data any) ([]byte, error) {
	var out strings.Builder
	if err := templates.ExecuteTemplate(&out, name, data); err != nil {
		return nil, fault.Wrap(fault.Internal, "write", name, err)
	}
	return []byte(out.String()), nil
}

var (
	// inUnit escapes what systemd reads inside of quotes in a unit: specifiers as well (systemd.syntax(7), systemd.unit(5)).
	inUnit = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`)
	// inEnv escapes what it reads inside of double quotes in an EnvironmentFile (systemd.exec(5)): what a shell would.
	inEnv = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", `$`, `\$`)
)

// word writes one word of a unit: quoted only where it has to be.
func word(text string) string {
	escaped := inUnit.Replace(text)
	if strings.ContainsAny(text, " \t'\"\\;") {
		return `"` + escaped + `"`
	}
	return escaped
}
