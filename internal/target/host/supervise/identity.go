package supervise

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// names are what apps and process types may be called: the names become parts of file names and of environment variables.
var names = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$`)

// String gives "app/release/type.index/launch", which also marks the process in its environment.
func (id ProcessID) String() string {
	return fmt.Sprintf("%s/%d/%s.%d/%d", id.App, id.Release, id.Type, id.Index, id.Launch)
}

// Replica gives "type.index", as people name a process of an app.
func (id ProcessID) Replica() string { return fmt.Sprintf("%s.%d", id.Type, id.Index) }

// Compare orders by app, type, index, release and launch.
func (id ProcessID) Compare(other ProcessID) int {
	return cmp.Or(cmp.Compare(id.App, other.App), cmp.Compare(id.Type, other.Type), cmp.Compare(id.Index, other.Index),
		cmp.Compare(id.Release, other.Release), cmp.Compare(id.Launch, other.Launch))
}

// fileName is the ID as the name of a file: no name contains an underscore, so that two IDs never share one.
func (id ProcessID) fileName() string { return strings.ReplaceAll(id.String(), "/", "_") }

func (id ProcessID) check() error {
	if !names.MatchString(id.App) || !names.MatchString(id.Type) || id.Release < 0 || id.Index < 0 || id.Launch < 0 {
		return fault.New(fault.Invalid, "name", "process "+id.String(), "the names of apps and process types are DNS labels")
	}
	return nil
}
