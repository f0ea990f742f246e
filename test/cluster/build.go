package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/setpoint-dev/setpoint/test/checkout"
)

// buildPrefix begins the names of folders that are built in; they are beside the programs, so that a rename is enough.
const buildPrefix = ".building-"

// A builder builds programs from the module test/controlplane into the cache.
type builder struct {
	module  string // folder of the module
	cache   string // folder of this module's programs
	release release
	log     io.Writer
}

func newBuilder(log io.Writer) (*builder, error) {
	module, err := checkout.Module("controlplane")
	if err != nil {
		return nil, fmt.Errorf("%w; run inside a checkout, or set KUBEBUILDER_ASSETS to a folder with the programs", err)
	}
	r, key, err := readModule(module)
	if err != nil {
		return nil, err
	}
	root, err := checkout.CacheRoot()
	if err != nil {
		return nil, err
	}
	return &builder{module: module, cache: filepath.Join(root, "setpoint", "controlplane", key), release: r, log: log}, nil
}

// build builds the programs one after the other. Only one process builds at a time; those that waited find the result.
func (b *builder) build(ctx context.Context, names []string) error {
	if err := os.MkdirAll(b.cache, 0o755); err != nil {
		return fmt.Errorf("make the cache of built programs: %w; set SETPOINT_TEST_CACHE to a folder that can be written", err)
	}
	unlock, err := b.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	b.removeLeftovers()
	missing := findIn(b.cache, names, map[string]string{})
	for i, name := range missing {
		began := time.Now()
		b.say("building %s (%d/%d) …", name, i+1, len(missing))
		if err := b.buildOne(ctx, name); err != nil {
			return err
		}
		b.say("built %s in %s", name, time.Since(began).Round(time.Second))
	}
	return nil
}

func (b *builder) say(format string, args ...any) { _, _ = fmt.Fprintf(b.log, format+"\n", args...) }

// lock takes the cache's lock. The kernel lets go of it when its holder dies, so it is never stale.
func (b *builder) lock(ctx context.Context) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(b.cache, ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the cache of built programs: %w", err)
	}
	for told := false; ; told = true {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", file.Name(), err), file.Close())
		}
		if !told {
			b.say("waiting for another process that builds the test cluster's programs …")
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("wait for another build of the test cluster's programs: %w", context.Cause(ctx)),
				file.Close())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// removeLeftovers removes what killed builds left behind. The caller holds the lock, so nobody builds there now.
func (b *builder) removeLeftovers() {
	leftovers, _ := filepath.Glob(filepath.Join(b.cache, buildPrefix+"*")) // fails only for a malformed pattern
	for _, dir := range leftovers {
		_ = os.RemoveAll(dir) // costs nothing but space
	}
}

// buildOne builds beside its destination and renames, so that a program in the cache is always a whole one.
func (b *builder) buildOne(ctx context.Context, name string) error {
	dir, err := os.MkdirTemp(b.cache, buildPrefix)
	if err != nil {
		return fmt.Errorf("make a folder to build in: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	output := filepath.Join(dir, name)
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", b.ldflags(),
		"-o", output, packages[name])
	command.Dir = b.module
	// The caller's own settings of the go command must not change, or break, what is built.
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=readonly", "GOTOOLCHAIN=local",
		"GOOS=", "GOARCH=", "GOEXPERIMENT=")
	// The parent's death ends a build too. On Linux that means the parent's thread: hold it until the build is over.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	command.SysProcAttr = ownGroup()
	// Interrupted, go removes its temporary files; killed, it would leave them and its compilers behind.
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 10 * time.Second
	if text, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s in %s: %w; a test's deadline may have been too short for a first build: "+
			"run go run ./test/cluster/cmd/controlplane --build\n%s", name, b.module, err, text)
	}
	if err := os.Rename(output, filepath.Join(b.cache, name)); err != nil {
		return fmt.Errorf("put %s into the cache: %w", name, err)
	}
	return nil
}

// ldflags tells the programs their version. They serve it, and choose the features of that release by it.
func (b *builder) ldflags() string {
	flags := []string{"-s", "-w"}
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		for _, setting := range []string{
			"gitVersion=" + b.release.version, "gitMajor=" + b.release.major, "gitMinor=" + b.release.minor,
			"gitTreeState=clean", "gitCommit=unknown",
		} {
			flags = append(flags, "-X", pkg+"."+setting)
		}
	}
	return strings.Join(flags, " ")
}
