// Package demo shows the whole product in a minute, in a directory of its own: a Git repository with an app of two process types, files,
// and overlays for two environments; an agent that keeps this host so; and a tour of what to try. Files: demo.go begins and ends it,
// repository.go is what is followed, steps.go the tour, look.go what the tour sees, sample.go the app.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/agent"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/internal/term"
)

// Options of a demonstration.
type Options struct {
	// Auto goes through the tour without a person; an error says which step was not as it should be.
	Auto    bool
	Out     *term.Printer
	Version string
	// Run is the agent, and End stops what the agent has started beside itself in a data directory.
	Run func(ctx context.Context, config agent.Config) error
	End func(ctx context.Context, data string) error
}

// Run shows the demonstration until ctx ends, or, with Auto, until the tour is over. It leaves nothing behind.
func Run(ctx context.Context, options Options) (err error) {
	s, err := newStage(options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.end()) }()
	began := time.Now()
	if err := s.start(ctx); err != nil {
		return err
	}
	if err := s.await(ctx, "both environments are healthy", s.healthy); err != nil {
		return err
	}
	s.introduce(time.Since(began))
	if options.Auto {
		return s.tour(ctx)
	}
	err = s.guide(ctx)
	if ctx.Err() != nil {
		return nil // told to stop
	}
	return err
}

// stage is everything that the demonstration uses.
type stage struct {
	Options
	dir     string // of everything
	ports   map[string]int
	address string // of the agent
	client  *httpapi.Client
	stop    context.CancelFunc
	stopped chan error
}

// environments are the overlays, in the order in which a change goes through them.
var environments = []string{"staging", "production"}

func (s *stage) repo() string   { return filepath.Join(s.dir, "fleet") }
func (s *stage) root() string   { return filepath.Join(s.dir, "host") }
func (s *stage) data() string   { return filepath.Join(s.dir, "data") }
func (s *stage) binary() string { return filepath.Join(s.dir, "bin", "setpoint") }

func newStage(options Options) (*stage, error) {
	dir, err := os.MkdirTemp("", "setpoint-demo-")
	if err != nil {
		return nil, fault.Wrap(fault.Denied, "make", "a directory for the demonstration", err)
	}
	s := &stage{Options: options, dir: dir, ports: map[string]int{}, stopped: make(chan error, 1)}
	if err := s.furnish(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// furnish makes what is there before the agent starts.
func (s *stage) furnish() error {
	// Apps of an agent that runs as root are users of their own, and have to come through.
	if err := os.Chmod(s.dir, 0o711); err != nil { //nolint:gosec // nothing can be listed by others
		return fault.Wrap(fault.Denied, "open", s.dir, err)
	}
	for _, dir := range []string{filepath.Join(s.root(), "etc"), filepath.Dir(s.binary())} {
		if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // as on any host
			return fault.Wrap(fault.Denied, "make", dir, err)
		}
	}
	for i, environment := range environments {
		port, err := freePort(18080 + i)
		if err != nil {
			return err
		}
		s.ports[environment] = port
	}
	if err := copyProgram(s.binary()); err != nil {
		return err
	}
	return s.commit(s.repository(), "The shop, in two environments")
}

// copyProgram puts this program where every user may run it.
func copyProgram(to string) error {
	self, err := os.Executable()
	if err != nil {
		return fault.Wrap(fault.Internal, "find", "this program", err)
	}
	from, err := os.Open(self)
	if err != nil {
		return fault.Wrap(fault.Denied, "read", self, err)
	}
	defer from.Close()
	file, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755) //nolint:gosec // a program is for everybody
	if err != nil {
		return fault.Wrap(fault.Denied, "write", to, err)
	}
	_, err = io.Copy(file, from)
	return fault.Wrap(fault.Denied, "write", to, errors.Join(err, file.Close()))
}

// freePort gives the wanted port, or any other that is free.
func freePort(wanted int) (int, error) {
	for _, port := range []int{wanted, 0} {
		listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		address, _ := listener.Addr().(*net.TCPAddr)
		return address.Port, listener.Close()
	}
	return 0, fault.New(fault.Denied, "find", "a free port", "none can be listened on")
}

// start runs the agent.
func (s *stage) start(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(s.dir, "agent.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fault.Wrap(fault.Denied, "write", "the agent's log", err)
	}
	running, stop := context.WithCancel(ctx)
	s.stop = stop
	started := make(chan string, 1)
	config := agent.Config{
		Source: v1alpha1.SourceSpec{
			Git:      &v1alpha1.GitSource{URL: "file://" + s.repo(), Ref: v1alpha1.GitRef{Branch: "main"}},
			Interval: v1alpha1.MinInterval,
		},
		Path: "hosts/demo", Data: s.data(), Listen: "127.0.0.1:0", Name: "demo", Version: s.Version,
		HostRoot: s.root(), Program: s.binary(), NoCluster: true,
		Log: slog.New(slog.NewTextHandler(log, nil)), Started: func(address string) { started <- address },
	}
	go func() { // ends with the agent
		s.stopped <- s.Run(running, config)
		_ = log.Close() // nothing is written any more
	}()
	select {
	case s.address = <-started:
	case err := <-s.stopped:
		s.stop = nil
		return orElse(err, fault.New(fault.Internal, "start", "the agent", "it ended at once"))
	}
	s.client, err = httpapi.NewClient("http://"+s.address, "")
	return err
}

func orElse(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// endTime bounds what cleaning up may take.
const endTime = 30 * time.Second

// end stops the agent and the app, and removes everything.
func (s *stage) end() error {
	ctx, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	var errs []error
	if s.stop != nil {
		s.stop()
		select {
		case err := <-s.stopped:
			errs = append(errs, err)
		case <-ctx.Done():
			errs = append(errs, fault.Wrap(fault.Internal, "stop", "the agent", ctx.Err()))
		}
	}
	errs = append(errs, s.End(ctx, s.data()), removeAll(s.dir))
	return errors.Join(errs...)
}

// removeAll removes a tree in which releases are read-only.
func removeAll(dir string) error {
	err := filepath.WalkDir(dir, func(name string, entry os.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			err = os.Chmod(name, 0o700) //nolint:gosec // a directory has to be entered
		}
		return err
	})
	return errors.Join(err, os.RemoveAll(dir))
}

// introduce says what runs and where.
func (s *stage) introduce(took time.Duration) {
	p := s.Out
	p.Line(p.Paint(term.Good, "✓"), fmt.Sprintf(" healthy after %.1f s: ", took.Seconds()),
		"two environments of a shop, each with two web processes and a worker")
	p.Line()
	for _, environment := range environments {
		p.Line(fmt.Sprintf("  %-11s", environment), p.Paint(term.Bold, "curl "+s.url(environment)))
	}
	p.Line("  repository ", p.Paint(term.Bold, s.repo()))
	p.Line("  host       ", p.Paint(term.Bold, s.root()), "  (the files that are managed)")
	p.Line("  agent      ", p.Paint(term.Bold, "export SETPOINT_URL=http://"+s.address+" PATH="+filepath.Dir(s.binary())+":$PATH"))
	p.Line(strings.Repeat(" ", 13), "setpoint status; setpoint tree; setpoint history app/staging-shop; setpoint logs app/staging-shop -f")
	p.Line()
}

func (s *stage) url(environment string) string {
	return fmt.Sprintf("http://127.0.0.1:%d/", s.ports[environment])
}
