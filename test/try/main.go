// Command try shows the product at work on a machine that has only Go and Git: it starts a Kubernetes control plane with
// simulated nodes, makes a Git repository of examples/fleet and serves it, and runs an agent on it. `make try` calls it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/setpoint-dev/setpoint/test/cluster"
	"github.com/setpoint-dev/setpoint/test/gitserver"
)

func main() {
	auto := flag.Bool("auto", false, "go through the tour by itself, check each step, and end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *auto); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "try:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, auto bool) error {
	dir, err := os.MkdirTemp("", "setpoint-try-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s := &stage{dir: dir, repo: filepath.Join(dir, "fleet"), binary: filepath.Join(dir, "setpoint")}
	defer s.close()
	if err := s.build(ctx); err != nil {
		return err
	}
	if err := s.start(ctx); err != nil {
		return err
	}
	if auto {
		return s.tour(ctx)
	}
	s.guide()
	<-ctx.Done()
	return nil
}

// stage is everything that the tour needs, in one temporary directory.
type stage struct {
	dir, repo, binary string
	cluster           *cluster.Cluster
	server            *gitserver.Server
	agent             *exec.Cmd
	address           string
}

func (s *stage) build(ctx context.Context) error {
	say("building setpoint")
	build := exec.CommandContext(ctx, "go", "build", "-o", s.binary, "./cmd/setpoint")
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	return build.Run()
}

func (s *stage) start(ctx context.Context) error {
	var err error
	say("starting a Kubernetes control plane with two simulated nodes (the first time it is built, for some minutes)")
	if s.cluster, err = cluster.Start(ctx, cluster.Options{ControllerManager: true, Nodes: 2, Log: os.Stdout}); err != nil {
		return err
	}
	say("making a Git repository of examples/fleet, and serving it")
	if err := os.CopyFS(s.repo, os.DirFS("examples/fleet")); err != nil {
		return err
	}
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "-A"}, {"commit", "-q", "-m", "The fleet"}} {
		if _, err := s.git(ctx, args...); err != nil {
			return err
		}
	}
	if s.server, err = gitserver.New(filepath.Join(s.dir, "server"), gitserver.Options{}); err != nil {
		return err
	}
	url, err := s.server.Add(s.repo)
	if err != nil {
		return err
	}
	return s.startAgent(ctx, url)
}

func (s *stage) startAgent(ctx context.Context, url string) error {
	say("setpoint run --source " + url + " --ref main --path clusters/dev")
	logs, err := os.Create(filepath.Join(s.dir, "agent.log"))
	if err != nil {
		return err
	}
	defer func() { _ = logs.Close() }()
	s.address = "127.0.0.1:7468"
	s.agent = exec.Command(s.binary, "run", "--source", url, "--ref", "main", "--path", "clusters/dev",
		"--interval", "1s", "--data", filepath.Join(s.dir, "data"), "--listen", s.address)
	s.agent.Env = append(os.Environ(), "KUBECONFIG="+s.cluster.Kubeconfig())
	s.agent.Stdout, s.agent.Stderr = logs, logs
	s.agent.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := s.agent.Start(); err != nil {
		return err
	}
	return s.until(ctx, "everything is in sync", func() bool {
		out, err := s.setpoint(ctx, "status", "-o", "json")
		return err == nil && inSync(out, 4)
	})
}

// git runs git in the repository with an author of its own, whatever the machine is set to.
func (s *stage) git(ctx context.Context, args ...string) (string, error) {
	author := []string{"-C", s.repo, "-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false"}
	return output(exec.CommandContext(ctx, "git", append(author, args...)...))
}

func (s *stage) setpoint(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, s.binary, args...)
	command.Env = append(os.Environ(), "SETPOINT_URL=http://"+s.address, "KUBECONFIG="+s.cluster.Kubeconfig())
	return output(command)
}

func output(command *exec.Cmd) (string, error) {
	out, err := command.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s: %w\n%s", filepath.Base(command.Path), err, out)
	}
	return string(out), nil
}

// until waits for something, for two minutes at most.
func (s *stage) until(ctx context.Context, what string, done func() bool) error {
	deadline := time.Now().Add(2 * time.Minute)
	for !done() {
		if time.Now().After(deadline) {
			status, _ := s.setpoint(ctx, "status")
			return fmt.Errorf("not so within two minutes: %s\n%s", what, status)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

func (s *stage) close() {
	if s.agent != nil && s.agent.Process != nil {
		_ = s.agent.Process.Signal(syscall.SIGTERM)
		_ = s.agent.Wait()
	}
	if s.server != nil {
		s.server.Stop()
	}
	if s.cluster != nil {
		_ = s.cluster.Stop()
	}
}

func say(text string) { fmt.Printf("── %s\n", text) }
