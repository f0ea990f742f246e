package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
)

// The programs of a control plane; also the names of their files.
const (
	etcdProgram              = "etcd"
	apiserverProgram         = "kube-apiserver"
	controllerManagerProgram = "kube-controller-manager"
	schedulerProgram         = "kube-scheduler"
	kwokProgram              = "kwok"
)

// packages says what to build each program from, inside the module test/controlplane.
var packages = map[string]string{
	etcdProgram:              "go.etcd.io/etcd/server/v3",
	apiserverProgram:         "k8s.io/kubernetes/cmd/kube-apiserver",
	controllerManagerProgram: "k8s.io/kubernetes/cmd/kube-controller-manager",
	schedulerProgram:         "k8s.io/kubernetes/cmd/kube-scheduler",
	kwokProgram:              "sigs.k8s.io/kwok/cmd/kwok",
}

// Binaries finds or builds every program of a control plane, writing progress to log, and returns their paths by name.
// It looks in the folder KUBEBUILDER_ASSETS, then in the cache, and builds what is in neither. A build from nothing takes
// some minutes: more than a test's default deadline, so do it before the tests
// (go run ./test/cluster/cmd/controlplane --build).
func Binaries(ctx context.Context, log io.Writer) (map[string]string, error) {
	return locate(ctx, []string{
		etcdProgram, apiserverProgram, controllerManagerProgram, schedulerProgram, kwokProgram,
	}, log)
}

// locate finds or builds the named programs.
func locate(ctx context.Context, names []string, log io.Writer) (map[string]string, error) {
	found := map[string]string{}
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	if abs, err := filepath.Abs(assets); err == nil && assets != "" {
		assets = abs // the programs run in another folder
	}
	missing := findIn(assets, names, found)
	if len(missing) == 0 {
		return found, nil
	}
	b, err := newBuilder(log)
	if err != nil {
		return nil, err
	}
	if missing = findIn(b.cache, missing, found); len(missing) == 0 {
		return found, nil
	}
	if err := b.build(ctx, missing); err != nil {
		return nil, err
	}
	if missing = findIn(b.cache, missing, found); len(missing) > 0 {
		return nil, fmt.Errorf("find %q in %s, just built: someone else empties the cache; try again", missing, b.cache)
	}
	return found, nil
}

// findIn adds the programs that are in dir to found, and returns the names of the others.
func findIn(dir string, names []string, found map[string]string) (missing []string) {
	for _, name := range names {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if dir == "" || err != nil || !info.Mode().IsRegular() {
			missing = append(missing, name)
			continue
		}
		found[name] = path
	}
	return missing
}

var kubernetesVersion = regexp.MustCompile(`(?m)^(?:\s|require )*k8s\.io/kubernetes (v(\d+)\.(\d+)\.\d+)`)

// A release is the Kubernetes version that go.mod pins; the programs do not know it themselves when built from modules.
type release struct{ version, major, minor string }

// readModule returns the pinned release, and a name that changes whenever a build from the module would.
func readModule(dir string) (release, string, error) {
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	sum, errSum := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err := errors.Join(err, errSum); err != nil {
		return release{}, "", fmt.Errorf("read the module of the test cluster's programs: %w", err)
	}
	match := kubernetesVersion.FindSubmatch(mod)
	if match == nil {
		return release{}, "", fmt.Errorf("read %s: it does not require k8s.io/kubernetes", filepath.Join(dir, "go.mod"))
	}
	hash := sha256.New()
	for _, part := range [][]byte{mod, sum, []byte(runtime.GOOS), []byte(runtime.GOARCH)} {
		_, _ = fmt.Fprintf(hash, "%d:%s", len(part), part)
	}
	r := release{version: string(match[1]), major: string(match[2]), minor: string(match[3])}
	return r, r.version + "-" + hex.EncodeToString(hash.Sum(nil))[:12], nil
}
