package main

import (
	"encoding/json"
	"flag"
	"maps"
	"net/http/httptest"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/setpoint-dev/setpoint/internal/agent"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/internal/httpapi/httpapitest"
)

var update = flag.Bool("update", false, "write the outputs that scripts compare with anew")

func TestMain(m *testing.M) {
	if agent.Evaluate() {
		return
	}
	testscript.Main(m, map[string]func(){"setpoint": main})
}

// TestScripts runs testdata/script/*.txtar: each is a story about the command line. Beside the usual commands there is "agent
// FILE [TOKEN]", which starts an agent without loops that shows what FILE says, and points SETPOINT_URL to it; and what follow_test.go
// has for a real one, and registry_test.go for a real registry. With -update the outputs that scripts compare with are written anew.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("TZ", "UTC")
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("SETPOINT_URL", "http://127.0.0.1:1") // never an agent that runs on this machine
			env.Values[runningKey{}] = &running{test: env.T().(testing.TB)}
			return nil
		},
		Cmds:          scriptCommands(),
		UpdateScripts: *update,
	})
}

func scriptCommands() map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	commands := maps.Clone(followCommands)
	maps.Copy(commands, registryCommands)
	maps.Copy(commands, exampleCommands)
	commands["agent"], commands["exits"] = serveAgent, exits
	return commands
}

func serveAgent(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 || len(args) > 2 {
		ts.Fatalf("usage: agent FILE [TOKEN]")
	}
	var content httpapitest.Content
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &content))
	options := httpapi.Options{Version: "devel"}
	if len(args) == 2 {
		options.Token = args[1]
	}
	backend := httpapitest.New(content, nil)
	server := httptest.NewServer(httpapi.New(backend, options))
	ts.Defer(func() { backend.Disconnect(); server.CloseClientConnections(); server.Close() })
	ts.Setenv("SETPOINT_URL", server.URL)
}

// exits runs setpoint and wants an exit code: "exits 3 setpoint diff".
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		code = exitCode(err)
	}
	if code != args[0] {
		ts.Fatalf("exit code %s, want %s", code, args[0])
	}
}

func exitCode(err error) string {
	if e, ok := err.(interface{ ExitCode() int }); ok {
		data, _ := json.Marshal(e.ExitCode())
		return string(data)
	}
	return err.Error()
}
