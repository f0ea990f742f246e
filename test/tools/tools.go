// Package tools builds the programs that tests speak to or compare with, from the module test/servers: a real registry, helm, kustomize.
package tools

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/test/checkout"
)

// packages says what each program is built from, inside the module test/servers.
var packages = map[string]string{
	"registry":  "github.com/distribution/distribution/v3/cmd/registry",
	"helm":      "helm.sh/helm/v4/cmd/helm",
	"kustomize": "sigs.k8s.io/kustomize/kustomize/v5",
}

// Path gives the path of a program ("registry", "helm", "kustomize"), which is built the first time that any test asks for it: for a
// minute or two, and never again until test/servers changes. A program that cannot be built fails the test.
func Path(t testing.TB, name string) string {
	t.Helper()
	path, err := Build(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Build is Path without a test.
func Build(ctx context.Context, name string) (string, error) {
	from, known := packages[name]
	if !known {
		return "", fmt.Errorf("build %s: test/servers does not pin such a program", name)
	}
	module, err := checkout.Module("servers")
	if err != nil {
		return "", err
	}
	cache, err := cacheDir(module)
	if err != nil {
		return "", err
	}
	path := filepath.Join(cache, name)
	if isProgram(path) {
		return path, nil
	}
	unlock, err := lock(ctx, filepath.Join(cache, ".lock-"+name))
	if err != nil {
		return "", err
	}
	defer unlock()
	if isProgram(path) { // built while this process waited
		return path, nil
	}
	return path, build(ctx, target{module: module, from: from, path: path})
}

// A target is one program to build.
type target struct{ module, from, path string }

// build builds beside the destination and renames, so that a program in the cache is always a whole one.
func build(ctx context.Context, what target) error {
	output := what.path + ".building" // only the holder of the lock writes it
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", output, what.from)
	command.Dir = what.module
	// The caller's own settings of the go command must not change, or break, what is built.
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=readonly", "GOTOOLCHAIN=local",
		"GOOS=", "GOARCH=", "GOEXPERIMENT=")
	// Interrupted, go removes its temporary files; killed, it would leave them behind.
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 10 * time.Second
	if text, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s in %s: %w; a test's deadline may have been too short for a first build: "+
			"run go test ./test/tools first\n%s", what.from, what.module, err, text)
	}
	if err := os.Rename(output, what.path); err != nil {
		return fmt.Errorf("put a program into the cache: %w", err)
	}
	return nil
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// lock takes a lock, which the kernel lets go of when its holder dies.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make the cache of built programs: %w; set SETPOINT_TEST_CACHE to a folder that can be written", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the cache of built programs: %w", err)
	}
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("wait for another build of %s: %w", path, context.Cause(ctx)), file.Close())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// cacheDir is a folder outside of the tree, that is another one whenever a build would give something else.
func cacheDir(module string) (dir string, err error) {
	root, err := checkout.CacheRoot()
	if err != nil {
		return "", err
	}
	mod, err := os.ReadFile(filepath.Join(module, "go.mod"))
	sum, errSum := os.ReadFile(filepath.Join(module, "go.sum"))
	if err := errors.Join(err, errSum); err != nil {
		return "", fmt.Errorf("read the module of the programs: %w", err)
	}
	hash := sha256.New()
	for _, part := range [][]byte{mod, sum, []byte(runtime.GOOS), []byte(runtime.GOARCH), []byte(runtime.Version())} {
		_, _ = fmt.Fprintf(hash, "%d:%s", len(part), part)
	}
	return filepath.Join(root, "setpoint", "servers", hex.EncodeToString(hash.Sum(nil))[:12]), nil
}
