package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// What scripts need that run examples.
//
//	example NAME      copies the example of that name to the script's directory
//	edit FILE OLD NEW replaces a text in a file
//	told COMMAND...   runs a command of setpoint, and wants README.md to tell it with just this output
var exampleCommands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"example": example, "edit": edit, "told": told,
}

// exampleRegistry is what examples call the registry that a script has started.
const exampleRegistry = "oci://registry.example.com"

var exampleURL = regexp.MustCompile(`(?m)^( *)url: ` + exampleRegistry)

// examples is where they are: tests begin in their package's directory, and scripts in one of their own.
var examples, errExamples = filepath.Abs("../../examples")

func example(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: example NAME")
	}
	ts.Check(errExamples)
	ts.Check(os.CopyFS(ts.MkAbs("."), os.DirFS(filepath.Join(examples, args[0]))))
}

func edit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: edit FILE OLD NEW")
	}
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.ReplaceAll(text, args[1], args[2])), 0o600))
}

func told(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: told COMMAND...")
	}
	err := ts.Exec(args[0], args[1:]...)
	text := "$ " + strings.Join(args, " ") + "\n" + ts.ReadFile("stdout") + ts.ReadFile("stderr")
	text = strings.ReplaceAll(text, " --plain-http", "") // the registry of tests has no certificate
	text = strings.ReplaceAll(text, ts.Getenv("REGISTRY"), exampleRegistry)
	text = strings.ReplaceAll(text, "file://"+ts.Getenv("WORK")+"/fleet", "https://git.example.com/fleet.git")
	if readme := unvaried(ts.ReadFile("README.md")); !strings.Contains(readme, unvaried(text)) {
		ts.Logf("the command ended with %v", err)
		ts.Fatalf("README.md does not tell this:\n%s", text)
	}
}
