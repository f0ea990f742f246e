package main

import (
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/setpoint-dev/setpoint/test/registry"
)

// What scripts need of a real registry.
//
//	registry                    starts an empty one, and sets REGISTRY to what names in it begin with: oci://127.0.0.1:5000
//	registry stop|start         ends it without warning, and starts it again with what it held
//	place FILE...               writes the registry's address in files, in place of REGISTRY and of the one that examples name
//	leave                       tells the agent that "follow" has started to stop
var registryCommands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"registry": startRegistry, "place": place, "leave": leave,
}

// running is what a script has started: the agent, and the registry.
type running struct {
	test     testing.TB
	leave    func()
	registry *registry.Registry
}

type runningKey struct{}

func runningIn(ts *testscript.TestScript) *running { return ts.Value(runningKey{}).(*running) }

func startRegistry(ts *testscript.TestScript, neg bool, args []string) {
	started := runningIn(ts)
	switch {
	case neg || len(args) > 1 || (len(args) == 1) != (started.registry != nil):
		ts.Fatalf("usage: registry, then: registry stop|start")
	case started.registry == nil:
		started.registry = registry.Start(started.test)
		ts.Setenv("REGISTRY", "oci://"+started.registry.Addr)
	case args[0] == "stop":
		started.registry.Stop()
	case args[0] == "start":
		started.registry.Start()
	default:
		ts.Fatalf("usage: registry stop|start")
	}
}

func place(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: place FILE...")
	}
	for _, name := range args {
		text := exampleURL.ReplaceAllString(ts.ReadFile(name), "${1}insecure: true\n${1}url: REGISTRY")
		text = strings.ReplaceAll(text, "REGISTRY", ts.Getenv("REGISTRY"))
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
}

func leave(ts *testscript.TestScript, neg bool, args []string) {
	agent := runningIn(ts)
	if neg || len(args) != 0 || agent.leave == nil {
		ts.Fatalf("usage: leave, after follow")
	}
	agent.leave()
	agent.leave = nil
}
