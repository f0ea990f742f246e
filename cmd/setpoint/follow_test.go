package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// What scripts need of a real agent: it follows a Git repository of its own, and drives files below a directory that stands for the host.
//
//	commit MESSAGE         commits what is in the directory fleet, which is the repository
//	follow [FLAGS...]      starts an agent that follows it, and points SETPOINT_URL to it
//	until PATTERN COMMAND  runs a command of setpoint again and again, until its output matches
//	show COMMAND           runs one, and writes to the file "shown" what it says, without what differs from run to run
//	capture NAME PATTERN   sets a variable to what the parentheses of a pattern match in the output of the last command
var followCommands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"commit": commit, "follow": follow, "until": until, "show": show, "capture": capture,
}

// patience bounds every wait: no working machine needs it, and whoever mends a script does not want to wait that long.
func patience() time.Duration {
	if given, err := time.ParseDuration(os.Getenv("SETPOINT_TEST_PATIENCE")); err == nil {
		return given
	}
	return 2 * time.Minute
}

func commit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: commit MESSAGE")
	}
	repository := ts.MkAbs("fleet")
	git := func(args ...string) {
		ts.Check(ts.Exec("git", append([]string{"-C", repository, "-c", "user.name=Ann", "-c", "user.email=ann@example.com"}, args...)...))
	}
	if _, err := os.Stat(filepath.Join(repository, ".git")); errors.Is(err, os.ErrNotExist) {
		git("init", "--quiet", "--initial-branch=main")
	}
	git("add", "--all")
	git("commit", "--quiet", "--allow-empty", "--message", args[0])
}

func follow(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: follow [FLAGS...]")
	}
	ts.Check(os.MkdirAll(ts.MkAbs("host/etc"), 0o755))
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, program(ts), append([]string{
		"run", "--source", "file://" + ts.MkAbs("fleet"), "--ref", "main", "--interval", "1s", "--name", "scripts",
		"--data", ts.MkAbs("data"), "--listen", "127.0.0.1:0", "--log-format", "json", "--host-root", ts.MkAbs("host"), "--kubernetes", "off",
	}, args...)...)
	command.Env = []string{"PATH=" + ts.Getenv("PATH"), "HOME=" + ts.Getenv("HOME"), "TZ=UTC"}
	output, err := command.StdoutPipe()
	ts.Check(err)
	command.Stderr = command.Stdout
	ts.Check(command.Start())
	log := &strings.Builder{}
	lines := bufio.NewReader(output)
	ended := make(chan struct{})
	ts.Defer(func() {
		cancel()
		<-ended
		ts.Logf("[agent]\n%s", log)
	})
	runningIn(ts).leave = func() {
		ts.Check(command.Process.Signal(os.Interrupt))
		select {
		case <-ended:
		case <-time.After(patience()):
			ts.Fatalf("the agent does not stop")
		}
	}
	url := address(lines, log)
	go func() {
		_, _ = io.Copy(log, lines)
		_ = command.Wait() // it is killed, or told to stop
		close(ended)
	}()
	if url == "" {
		ts.Fatalf("the agent does not say where it listens")
	}
	ts.Setenv("SETPOINT_URL", url)
}

// program finds the binary that stands for setpoint: the script's own PATH leads to it.
func program(ts *testscript.TestScript) string {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		found := filepath.Join(dir, "setpoint")
		if _, err := os.Stat(found); err == nil {
			return found
		}
	}
	ts.Fatalf("there is no setpoint in the PATH of scripts")
	return ""
}

// address reads an agent's log until it says where it listens.
func address(lines *bufio.Reader, log *strings.Builder) string {
	for {
		line, err := lines.ReadString('\n')
		log.WriteString(line)
		var entry struct{ Msg, Listen string }
		switch {
		case json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "agent started":
			return "http://" + entry.Listen
		case err != nil:
			return ""
		}
	}
}

func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until PATTERN COMMAND...")
	}
	wanted, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	for deadline := time.Now().Add(patience()); ; time.Sleep(100 * time.Millisecond) {
		_ = ts.Exec(args[1], args[2:]...) // an exit code is what it has to say, too
		if wanted.MatchString(ts.ReadFile("stdout") + ts.ReadFile("stderr")) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("waited %s in vain for %s", patience(), args[0])
		}
	}
}

func show(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: show COMMAND...")
	}
	err := ts.Exec(args[0], args[1:]...)
	text := ts.ReadFile("stdout") + ts.ReadFile("stderr")
	if err != nil {
		text += "exit code " + exitCode(err) + "\n"
	}
	text = strings.ReplaceAll(text, ts.Getenv("WORK"), "WORK")
	if registry := ts.Getenv("REGISTRY"); registry != "" {
		text = strings.ReplaceAll(text, registry, "oci://REGISTRY")
	}
	ts.Check(os.WriteFile(ts.MkAbs("shown"), []byte(unvaried(text)), 0o600))
}

// unvaried gives a text without what differs from run to run.
func unvaried(text string) string {
	for _, one := range varying {
		text = one.pattern.ReplaceAllString(text, one.by)
	}
	return text
}

func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: capture NAME PATTERN")
	}
	found := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(found) != 2 {
		ts.Fatalf("the output has no %s", args[1])
	}
	ts.Setenv(args[0], found[1])
}

// age is a span as people read it.
const age = `\d+(\.\d+)?(ms|[smhd])(\d+[smh])?`

// varying is what differs from run to run. A zero byte in place of its @ hides from the rules after it what they are not about.
var varying = []struct {
	pattern *regexp.Regexp
	by      string
}{
	{regexp.MustCompile(`\bmain@[0-9a-f]{7}\b`), "main\x00COMMIT"},
	{regexp.MustCompile(`\b(\d+\.\d+\.\d+)@([0-9a-f]{7})\b`), "$1\x00$2"}, // an artifact's digest is always the same
	{regexp.MustCompile(`→ [0-9a-f]{7}\b`), "→ COMMIT"},
	{regexp.MustCompile(`(fleet|ann|other\.git)@(main|example)\b`), "$1\x00$2"},
	{regexp.MustCompile(`[\w.-]+@[\w.-]+\b`), "PERSON"},
	{regexp.MustCompile(`\x00`), "@"},
	{regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b`), "ID"},
	{regexp.MustCompile(`\b[0-9a-f]{64}\b|\b[0-9a-f]{12}\b`), "DIGEST"},
	{regexp.MustCompile(`\b20\d\d-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?( UTC|Z)?`), "TIME"},
	{regexp.MustCompile(`(?m)\b(in|since) ` + age + `\b`), "$1 AGE"},
	{regexp.MustCompile(`(?m)\bfor ` + age + `$`), "for AGE"},
	{regexp.MustCompile(`\b` + age + ` ago\b`), "AGE ago"},
	{regexp.MustCompile(`(?m)^` + age + `( +\S+ +(revision|drift|request|retry) )`), "AGE$4"}, // the history's first column
	{regexp.MustCompile(`( Succeeded +)` + age + `\b`), "${1}AGE"},
	{regexp.MustCompile(`[·▁▂▃▄▅▆▇█]{20}`), "TREND"},
	{regexp.MustCompile(`(\S)  +`), "$1  "}, // columns
	{regexp.MustCompile(`(?m) +$`), ""},
}
