package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Docs gives the reference of every command in Markdown: the help texts, in the order of the help. It is docs/cli.md.
func Docs(parts Parts) string {
	_, root := build(parts)
	root.InitDefaultCompletionCmd()
	var b strings.Builder
	b.WriteString("# The command line\n\nThis page is made from the program's own help: `go test ./internal/cli -update` writes it.\n\n")
	b.WriteString(root.Long + "\n\n```console\n" + strings.ReplaceAll(root.Example, "  setpoint", "setpoint") + "\n```\n\n")
	b.WriteString("| command | what it does |\n|---|---|\n")
	for _, command := range root.Commands() {
		if command.IsAvailableCommand() {
			fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", command.Use, anchor(command), command.Short)
		}
	}
	b.WriteString(`
Every command takes ` + "`-o table|json|yaml`" + `: a table for people, the same facts for programs. Colours appear only on a terminal, and
not where ` + "`NO_COLOR`" + ` is set. Results go to the standard output, errors and progress to the standard error.

| exit code | meaning |
|---|---|
`)
	for code := exitDone; code <= exitNotHealthy; code++ {
		fmt.Fprintf(&b, "| %d | %s |\n", code, meanings[code])
	}
	for _, command := range root.Commands() {
		if command.IsAvailableCommand() {
			describeCommand(&b, command)
		}
	}
	return b.String()
}

func anchor(command *cobra.Command) string {
	return strings.ReplaceAll(command.CommandPath(), " ", "-")
}

func describeCommand(b *strings.Builder, command *cobra.Command) {
	fmt.Fprintf(b, "\n## %s\n\n", command.CommandPath())
	text, exits, _ := strings.Cut(command.Long, "\n\nExit codes:")
	if command.Name() == "completion" {
		text = command.Short + ". `setpoint completion SHELL --help` says how to load it."
	}
	b.WriteString(strings.TrimSpace(text) + "\n")
	if command.Example != "" {
		b.WriteString("\n```console\n" + strings.TrimPrefix(strings.ReplaceAll(command.Example, "\n  ", "\n"), "  ") + "\n```\n")
	}
	if command.HasAvailableLocalFlags() {
		b.WriteString("\n| flag | variable | meaning |\n|---|---|---|\n")
		command.LocalFlags().VisitAll(func(flag *pflag.Flag) { describeFlag(b, command, flag) })
	}
	if exits != "" {
		var list []string
		for line := range strings.SplitSeq(strings.TrimSpace(exits), "\n") {
			code, meaning, _ := strings.Cut(strings.TrimSpace(line), "  ")
			list = append(list, "`"+code+"` "+meaning)
		}
		b.WriteString("\nExit codes: " + strings.Join(list, " · ") + "\n")
	}
	for _, below := range command.Commands() {
		fmt.Fprintf(b, "\n- `%s`: %s", below.CommandPath(), below.Short)
	}
	if command.HasSubCommands() {
		b.WriteString("\n")
	}
}

func describeFlag(b *strings.Builder, command *cobra.Command, flag *pflag.Flag) {
	if flag.Hidden || flag.Name == "help" || command.InheritedFlags().Lookup(flag.Name) != nil {
		return
	}
	about, variable := flag.Usage, ""
	if text, rest, ok := strings.Cut(flag.Usage, " ["); ok {
		name, more, _ := strings.Cut(rest, "]")
		about, variable = text+more, "`"+strings.ReplaceAll(name, ", or SETPOINT_TOKEN itself", "` or `SETPOINT_TOKEN")+"`"
	}
	if flag.DefValue != "" && flag.DefValue != "false" && flag.DefValue != "0" && flag.DefValue != "0s" {
		about += " (default: " + flag.DefValue + ")"
	}
	name := "`--" + flag.Name + "`"
	if flag.Shorthand != "" {
		name = "`-" + flag.Shorthand + "`, " + name
	}
	fmt.Fprintf(b, "| %s | %s | %s |\n", name, variable, strings.ReplaceAll(about, "|", "\\|"))
}
