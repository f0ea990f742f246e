package system

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// run is one life of an agent.
type run struct {
	command *exec.Cmd
	url     string
	ended   chan struct{} // closed when the process has ended
}

// Start starts the agent, and returns when its API answers.
func (p *Process) Start() {
	p.t.Helper()
	if p.running != nil {
		p.t.Fatal("the agent runs already")
	}
	log, err := os.OpenFile(p.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	p.runs++
	from, err := log.Seek(0, 2)
	if err != nil {
		p.t.Fatal(err)
	}
	command := exec.Command(Binary(p.t), p.spec.arguments()...)
	command.Env, command.Stdout, command.Stderr, command.Dir = p.spec.environment(p.dir), log, log, p.dir
	if err := spawn(command); err != nil {
		p.t.Fatalf("start the agent: %v", err)
	}
	life := &run{command: command, ended: make(chan struct{})}
	p.running = life
	go func() {
		_ = command.Wait() // its state says how it ended
		close(life.ended)
	}()
	life.url = p.address(life, from)
}

// address waits until the log of this life says where the agent listens.
func (p *Process) address(life *run, from int64) string {
	p.t.Helper()
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); {
		if url := addressIn([]byte(p.Log()), from); url != "" {
			return url
		}
		select {
		case <-life.ended:
			p.running = nil
			p.t.Fatalf("the agent ended with %s:\n%s", life.command.ProcessState, p.Log())
		case <-time.After(10 * time.Millisecond):
		}
	}
	p.t.Fatalf("the agent does not say where it listens:\n%s", p.Log())
	return ""
}

func addressIn(log []byte, from int64) string {
	lines := bufio.NewScanner(bytes.NewReader(log[min(from, int64(len(log))):]))
	for lines.Scan() {
		var line struct{ Msg, Listen string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "agent started" {
			return "http://" + line.Listen
		}
	}
	return ""
}

// Kill ends the agent as a crash would.
func (p *Process) Kill() {
	p.t.Helper()
	life := p.life()
	if err := life.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatalf("kill the agent: %v", err)
	}
	<-life.ended
	p.running = nil
}

// Stop ends the agent by SIGTERM and fails the test unless it exits 0.
func (p *Process) Stop() {
	p.t.Helper()
	life := p.life()
	if err := life.command.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatalf("stop the agent: %v", err)
	}
	select {
	case <-life.ended:
	case <-time.After(Patience):
		p.t.Fatal("the agent does not stop")
	}
	p.running = nil
	if code := life.command.ProcessState.ExitCode(); code != 0 {
		p.t.Fatalf("the agent was told to stop and ended with %s", life.command.ProcessState)
	}
}

// Restart starts the agent again with the same data, after Stop unless it has ended already.
func (p *Process) Restart() {
	p.t.Helper()
	if p.running != nil {
		p.Stop()
	}
	p.Start()
}

func (p *Process) life() *run {
	p.t.Helper()
	if p.running == nil {
		p.t.Fatal("the agent does not run")
	}
	return p.running
}

// URL is where the agent's API answers; another one after each start.
func (p *Process) URL() string {
	p.t.Helper()
	return p.life().url
}

// Data is the agent's data directory.
func (p *Process) Data() string { return p.spec.Data }

// PID is the number of the agent's process.
func (p *Process) PID() int {
	p.t.Helper()
	return p.life().command.Process.Pid
}

func (p *Process) logFile() string { return filepath.Join(p.dir, "agent.log") }

// Log is all that the agent has written to its outputs, across restarts.
func (p *Process) Log() string {
	data, err := os.ReadFile(p.logFile())
	if err != nil {
		p.t.Error(err)
	}
	return string(data)
}

// Output is what one call of the command line gave.
type Output struct {
	Stdout, Stderr string
	Code           int
}

// Setpoint runs the command line against this agent. The working directory is dir unless that is empty.
func (p *Process) Setpoint(args ...string) Output {
	p.t.Helper()
	url := "http://127.0.0.1:1"
	if p.running != nil {
		url = p.running.url
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), Patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(ctx, Binary(p.t), args...)
	command.Env = append(p.spec.environment(p.dir), "SETPOINT_URL="+url)
	command.Stdout, command.Stderr, command.Dir = &stdout, &stderr, p.dir
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatalf("setpoint %s: %v", strings.Join(args, " "), err)
	}
	return Output{Stdout: stdout.String(), Stderr: stderr.String(), Code: command.ProcessState.ExitCode()}
}

// String shows the output as a terminal would, with the exit code.
func (o Output) String() string { return fmt.Sprintf("%s%s(exit code %d)", o.Stdout, o.Stderr, o.Code) }
