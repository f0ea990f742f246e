// Command libraries tells what each heavy library adds to the binary and to its start: the sizes of its symbols, as the linker has laid
// them out, and the time and memory that the initialization of its packages takes, as the runtime traces it.
//
//	go run ./bench/libraries [-rounds 10]
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// groups are the libraries by the import paths that belong to them. Whatever fits none is the product's own or of smaller libraries.
var groups = []struct {
	name     string
	prefixes []string
}{
	{"AWS SDK (SOPS)", []string{"github.com/aws/"}},
	{"Azure SDK (SOPS)", []string{"github.com/Azure/", "github.com/AzureAD/"}},
	{"Google Cloud SDK, gRPC, protobuf (SOPS)", []string{"cloud.google.com/", "google.golang.org/", "github.com/googleapis/"}},
	{"Vault client (SOPS)", []string{"github.com/hashicorp/"}},
	{"Huawei Cloud SDK (SOPS)", []string{"github.com/huaweicloud/", "go.mongodb.org/"}},
	{"SOPS, age, OpenPGP", []string{"github.com/getsops/", "filippo.io/", "github.com/ProtonMail/"}},
	{"Helm", []string{"helm.sh/", "github.com/Masterminds/sprig"}},
	{"Kubernetes client and API", []string{"k8s.io/"}},
	{"Kustomize", []string{"sigs.k8s.io/kustomize/"}},
	{"CUE", []string{"cuelang.org/"}},
	{"Jsonnet", []string{"github.com/google/go-jsonnet"}},
	{"Sigstore", []string{
		"github.com/sigstore/", "github.com/theupdateframework/", "github.com/go-openapi/", "github.com/transparency-dev/",
	}},
	{"OCI (oras)", []string{"oras.land/", "github.com/opencontainers/"}},
	{"S3 (minio-go)", []string{"github.com/minio/"}},
	{"CEL", []string{"cel.dev/", "github.com/antlr4-go/"}},
	{"SQLite", []string{"modernc.org/"}},
	{"go-git", []string{"github.com/go-git/"}},
	{"Setpoint itself", []string{"github.com/setpoint-dev/", "main."}},
}

type cost struct {
	bytes  int64
	init   time.Duration
	allocs int64
}

func main() {
	rounds := flag.Int("rounds", 10, "how often the binary is started")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *rounds); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "bench/libraries:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, rounds int) error {
	dir, err := os.MkdirTemp("", "setpoint-bench-libraries-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	whole, stripped := filepath.Join(dir, "whole"), filepath.Join(dir, "stripped")
	if err := build(ctx, whole); err != nil {
		return err
	}
	if err := build(ctx, stripped, "-ldflags", "-s -w"); err != nil {
		return err
	}
	costs := map[string]*cost{}
	if err := sizes(ctx, whole, costs); err != nil {
		return err
	}
	if err := inits(ctx, stripped, costs); err != nil {
		return err
	}
	table(costs)
	return starts(ctx, stripped, rounds)
}

func build(ctx context.Context, to string, flags ...string) error {
	args := append([]string{"build", "-trimpath", "-o", to}, flags...)
	command := exec.CommandContext(ctx, "go", append(args, "./cmd/setpoint")...)
	command.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is released
	out, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build: %w: %s", err, out)
	}
	return nil
}

// sizes adds up the symbols of each library.
func sizes(ctx context.Context, binary string, costs map[string]*cost) error {
	out, err := exec.CommandContext(ctx, "go", "tool", "nm", "-size", binary).Output()
	if err != nil {
		return fmt.Errorf("go tool nm: %w", err)
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fields := strings.Fields(lines.Text()) // address size type name
		if len(fields) < 4 || strings.EqualFold(fields[2], "b") || fields[3] == zeroes || strings.HasPrefix(fields[3], "local.") {
			continue // what is zero at the start is not in the file; a local name is another of the same symbol
		}
		if size, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
			of(costs, packageOf(fields[3])).bytes += size
		}
	}
	return lines.Err()
}

// zeroes is a buffer of 32 MiB in Go's own random generator that is not told from data.
const zeroes = "crypto/internal/fips140/drbg.memory"

// packageOf gives the import path in a symbol's name, as far as groups need it.
func packageOf(symbol string) string {
	for _, prefix := range []string{"type:.eq.", "type:.hash.", "type:*", "type:", "go:itab.*", "go:itab.", "go:string."} {
		symbol = strings.TrimPrefix(symbol, prefix)
	}
	return symbol
}

// inits reads the runtime's trace of the initialization of packages.
func inits(ctx context.Context, binary string, costs map[string]*cost) error {
	command := exec.CommandContext(ctx, binary, "version") // once: how long it takes differs, what dominates does not
	command.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	var trace bytes.Buffer
	command.Stderr = &trace
	if err := command.Run(); err != nil {
		return fmt.Errorf("setpoint version: %w", err)
	}
	for line := range strings.Lines(trace.String()) {
		// init internal/bytealg @0.008 ms, 0 ms clock, 0 bytes, 0 allocs
		fields := strings.Fields(line)
		if len(fields) < 10 || fields[0] != "init" {
			continue
		}
		clock, _ := strconv.ParseFloat(fields[4], 64)
		bytes, _ := strconv.ParseInt(fields[7], 10, 64)
		one := of(costs, fields[1])
		one.init += time.Duration(clock * float64(time.Millisecond))
		one.allocs += bytes
	}
	return nil
}

const others = "all other libraries, and Go's own"

func of(costs map[string]*cost, path string) *cost {
	name := others
	for _, group := range groups {
		if slices.ContainsFunc(group.prefixes, func(prefix string) bool { return strings.HasPrefix(path, prefix) }) {
			name = group.name
			break
		}
	}
	if costs[name] == nil {
		costs[name] = &cost{}
	}
	return costs[name]
}

func table(costs map[string]*cost) {
	names := []string{}
	total := cost{}
	for name, one := range costs {
		names = append(names, name)
		total.bytes, total.init, total.allocs = total.bytes+one.bytes, total.init+one.init, total.allocs+one.allocs
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(costs[b].bytes, costs[a].bytes) })
	fmt.Printf("| %-40s | symbols | initialization | memory |\n|---|---|---|---|\n", "library")
	for _, name := range names {
		row(name, *costs[name])
	}
	row("together", total)
}

func row(name string, one cost) {
	fmt.Printf("| %-40s | %.1f MB | %.2f ms | %.0f KiB |\n", name, float64(one.bytes)/1e6,
		float64(one.init)/float64(time.Millisecond), float64(one.allocs)/1024)
}

// starts prints the size of the binary, and how long it takes to say its version.
func starts(ctx context.Context, binary string, rounds int) error {
	info, err := os.Stat(binary)
	if err != nil {
		return err
	}
	var all []time.Duration
	for range rounds {
		started := time.Now()
		if err := exec.CommandContext(ctx, binary, "version").Run(); err != nil {
			return fmt.Errorf("setpoint version: %w", err)
		}
		all = append(all, time.Since(started))
	}
	slices.Sort(all)
	fmt.Printf("\nstripped binary %.1f MB; `setpoint version` takes %s (median of %d, fastest %s)\n", float64(info.Size())/1e6,
		all[len(all)/2].Round(100*time.Microsecond), rounds, all[0].Round(100*time.Microsecond))
	return nil
}
