package v1alpha1_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

const commandHead = "apiVersion: host.setpoint.dev/v1alpha1\nkind: Command\nmetadata: {name: migrate}\nspec:\n  command: [./migrate, up]\n"

// commandSamples are good and bad Commands; each want is what the error says.
var commandSamples = []sample{
	{name: "the least", text: commandHead},
	{name: "in an app", text: commandHead + "  app: shop\n  directory: bin\n  env: {DEBUG: \"1\"}\n  timeout: 30m\n"},
	{name: "on the host", text: commandHead + "  directory: /var/lib/shop\n  user: postgres\n"},
	{name: "no command", text: strings.Replace(commandHead, "  command: [./migrate, up]\n", "  app: shop\n", 1), want: "spec.command: is missing"},
	{name: "empty command", text: strings.Replace(commandHead, "[./migrate, up]", "[]", 1), want: "spec.command: names no program"},
	{name: "a line for a shell", text: strings.Replace(commandHead, "[./migrate, up]", "./migrate up", 1), want: "spec.command: want a list"},
	{name: "unknown field", text: commandHead + "  shell: sh\n", want: "spec.shell: unknown field"},
	{name: "relative directory", text: commandHead + "  directory: var\n", want: `spec.directory: "var" is not absolute`, decodeOnly: true},
	{name: "absolute in an app", text: commandHead + "  app: shop\n  directory: /var\n", want: "spec.directory", decodeOnly: true},
	{name: "out of the app", text: commandHead + "  app: shop\n  directory: ../x\n", want: "spec.directory", decodeOnly: true},
	{name: "app and user", text: commandHead + "  app: shop\n  user: root\n", want: "spec.user: is the app's already", decodeOnly: true},
	{name: "bad app", text: commandHead + "  app: The Shop\n", want: "spec.app"},
	{name: "taken variable", text: commandHead + "  env: {PORT: \"80\"}\n", want: "spec.env.PORT"},
	{name: "no time at all", text: commandHead + "  timeout: 0s\n", want: "spec.timeout", decodeOnly: true},
	{name: "unquoted user", text: commandHead + "  user: 1000\n", want: "spec.user"},
	{name: "long name", text: strings.Replace(commandHead, "migrate}", strings.Repeat("a", 41)+"}", 1), want: "metadata.name: is longer", decodeOnly: true},
}

func TestCommands(t *testing.T) {
	for _, test := range commandSamples {
		command, err := v1alpha1.DecodeCommand(test.object(t))
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", test.name, err)
		case test.want == "":
			if time.Duration(command.Spec.Timeout) < 10*time.Minute || command.Kind != "Command" {
				t.Errorf("%s: %+v", test.name, command)
			}
		case err == nil || fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), test.want):
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
		if checked := v1alpha1.Check(test.object(t), nil); (checked == nil) != (err == nil) {
			t.Errorf("%s: decoding says %v, checking %v", test.name, err, errors.Join(checked))
		}
	}
}
