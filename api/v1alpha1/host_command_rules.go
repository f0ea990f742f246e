package v1alpha1

import (
	"fmt"
	"time"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// DefaultCommandTimeout stands in for the timeout of a Command that has none.
const DefaultCommandTimeout = Duration(10 * time.Minute)

var kindCommand = groupKind{GroupHost, KindCommand}

// DecodeCommand makes a Command of an object; see DecodeSync.
func DecodeCommand(object *state.Object) (*Command, error) {
	return decode[Command](object, kindCommand, nil)
}

// Default fills in what was left out.
func (c *Command) Default() {
	setDefault(&c.APIVersion, APIVersionHost)
	setDefault(&c.Kind, KindCommand)
	setDefault(&c.Spec.Timeout, DefaultCommandTimeout)
}

func (c *Command) violations() []violation {
	var found checks
	found.name(c.Metadata.Name)
	if len(c.Metadata.Name) > MaxAppName {
		found.add("/metadata/name", fmt.Sprintf("is longer than %d letters", MaxAppName), "its process is named after a Command")
	}
	spec := &c.Spec
	found.command("/spec/command", spec.Command)
	found.form("/spec/app", spec.App, formName, "the name of an App")
	found.env("/spec/env", spec.Env)
	found.user("/spec/user", spec.User, "the name or number of a user")
	if spec.App == "" {
		found.hostPath("/spec/directory", spec.Directory)
		return found
	}
	found.pathIn("/spec/directory", spec.Directory, "the app's release")
	if spec.User != "" {
		found.add("/spec/user", "is the app's already", "remove one of app and user")
	}
	return found
}
