// Command git measures Setpoint's Git source against the git command and the go-git library, on a large repository behind a
// real server on loopback, and prints a table. Run it by hand: go run ./bench/git
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/setpoint-dev/setpoint/test/gitserver"
)

// steps in the order in which each client takes them, on one folder.
var steps = []string{"first fetch, depth 1", "look-up, nothing new", "fetch of one new commit", "read of 5,000 files"}

// clients that are compared; each is a table of what it does in a step.
var clients = []struct {
	name string
	run  map[string]func(job) (time.Duration, error)
}{{"git", gitCommand}, {"go-git", goGit}, {"setpoint", setpoint}}

// job is one step of one client, carried out in a process of its own, so that its memory can be told.
type job struct {
	Client, Step, URL, Dir string
	Paths                  []string
}

// figure is what a step took.
type figure struct {
	time time.Duration
	rss  int64 // KiB, of the largest process
}

func main() {
	if text := os.Getenv("BENCH_JOB"); text != "" {
		exitOn(carryOut(text))
		return
	}
	files := flag.Int("files", 20_000, "files in the repository")
	commits := flag.Int("commits", 2_000, "commits in its history")
	refs := flag.Int("refs", 5_000, "pull requests beside the one branch")
	rounds := flag.Int("rounds", 5, "how often each step is taken; the best time counts, and the most memory")
	flag.Parse()
	exitOn(measure(*files, *commits, *refs, *rounds))
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func measure(files, commits, refs, rounds int) error {
	dir, err := os.MkdirTemp("", "bench-git-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	server, err := gitserver.New(filepath.Join(dir, "server"), gitserver.Options{})
	if err != nil {
		return err
	}
	defer server.Stop()
	repo := server.Repo("large")
	paths := fill(repo, files, commits, refs)
	fmt.Printf("%d files, %d commits, %d references, best of %d\n\n", files, commits, refs+1, rounds)
	figures := map[string]figure{}
	for round := range rounds {
		for _, step := range steps {
			if step == "fetch of one new commit" {
				repo.Commit(map[string]string{paths[7]: fmt.Sprintf("changed: %d\n", round)}, "One more")
			}
			for _, c := range clients {
				folder := filepath.Join(dir, fmt.Sprint(c.name, round))
				f, err := inProcess(job{c.name, step, repo.URL(), folder, paths[:min(5000, len(paths))]})
				if err != nil {
					return fmt.Errorf("%s, %s: %w", c.name, step, err)
				}
				figures[c.name+step] = figures[c.name+step].best(f)
			}
		}
	}
	printTable(figures)
	return nil
}

// best keeps the shorter time, which others on the machine have disturbed less, and the larger memory.
func (f figure) best(other figure) figure {
	if f.time == 0 || other.time < f.time {
		f.time = other.time
	}
	f.rss = max(f.rss, other.rss)
	return f
}

// fill writes the repository: all files at once, then commits that change ten files each, and packs it as a server does.
func fill(repo *gitserver.Repo, files, commits, refs int) []string {
	paths := make([]string, files)
	all := map[string]string{}
	for i := range paths {
		paths[i] = fmt.Sprintf("teams/team-%02d/apps/app-%03d/manifest-%02d.yaml", i%40, i/40%100, i/4000)
		all[paths[i]] = manifest(i, 0)
	}
	repo.Commit(all, "All files")
	for c := range commits - 1 {
		some := map[string]string{}
		for i := range 10 {
			n := (c*7919 + i*104729) % files
			some[paths[n]] = manifest(n, c+1)
		}
		repo.Commit(some, fmt.Sprint("Change ", c))
		if c%500 == 499 {
			repo.Git("repack", "-adq") // each commit is a pack until here
		}
	}
	repo.Git("repack", "-adq", "--depth=50", "--window=10")
	head := repo.Head()
	var packed strings.Builder
	packed.WriteString("# pack-refs with: peeled fully-peeled sorted \n")
	names := []string{}
	for n := range refs {
		names = append(names, fmt.Sprintf("refs/pull/%d/head", n+1))
	}
	slices.Sort(names)
	for _, name := range append([]string{"refs/heads/main"}, names...) {
		fmt.Fprintf(&packed, "%s %s\n", head, name)
	}
	folder := strings.TrimPrefix(repo.FileURL(), "file://")
	exitOn(os.WriteFile(filepath.Join(folder, "packed-refs"), []byte(packed.String()), 0o600))
	return paths
}

func manifest(n, version int) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: app-%d, namespace: team-%d, labels: {app: app-%d, version: "%d"}}
spec:
  replicas: %d
  selector: {matchLabels: {app: app-%d}}
  template:
    metadata: {labels: {app: app-%d}}
    spec:
      containers:
      - name: main
        image: registry.example.com/team-%d/app-%d:1.%d.%d
        ports: [{containerPort: 8080}]
        resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 256Mi}}
`, n, n%40, n, version, n%5+1, n, n, n%40, n, n%97, version)
}

// inProcess carries a job out in a child and reads its peak memory; git's own processes count as the largest of them.
func inProcess(j job) (figure, error) {
	text, err := json.Marshal(j)
	if err != nil {
		return figure{}, err
	}
	self, err := os.Executable()
	if err != nil {
		return figure{}, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "BENCH_JOB="+string(text))
	if len(text) > 100_000 { // too long for the environment
		cmd.Env = append(os.Environ(), "BENCH_JOB=-")
		cmd.Stdin = bytes.NewReader(text)
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return figure{}, err
	}
	var result struct {
		Time time.Duration
		RSS  int64
	}
	err = json.Unmarshal(out, &result)
	return figure{result.Time, result.RSS}, err
}

// carryOut does one job and prints its figures.
func carryOut(text string) error {
	var j job
	if text == "-" {
		if err := json.NewDecoder(os.Stdin).Decode(&j); err != nil {
			return err
		}
	} else if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	for _, c := range clients {
		if c.name != j.Client {
			continue
		}
		took, err := c.run[j.Step](j)
		if err != nil {
			return err
		}
		rss, err := peak(c.name == "git")
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(map[string]any{"Time": took, "RSS": rss})
	}
	return fmt.Errorf("there is no client %q", j.Client)
}

// peak gives the most memory that this process, or the largest of its children, has had, in KiB. This process's own comes from
// /proc, since getrusage counts what the parent had when it forked.
func peak(children bool) (int64, error) {
	var usage syscall.Rusage
	if children {
		err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &usage)
		return usage.Maxrss, err
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	var kib int64
	_, err = fmt.Sscan(after, &kib)
	return kib, err
}

func printTable(figures map[string]figure) {
	fmt.Println("| step | git | go-git | setpoint | setpoint : git | setpoint : go-git |")
	fmt.Println("|---|---|---|---|---|---|")
	for _, step := range steps {
		git, lib, own := figures["git"+step], figures["go-git"+step], figures["setpoint"+step]
		ratio := func(other figure) string {
			return fmt.Sprintf("%.2f × time, %.2f × memory", float64(own.time)/float64(other.time), float64(own.rss)/float64(other.rss))
		}
		fmt.Printf("| %s | %s | %s | %s | %s | %s |\n", step, git, lib, own, ratio(git), ratio(lib))
	}
}

func (f figure) String() string {
	return fmt.Sprintf("%s, %d MiB", f.time.Round(100*time.Microsecond), f.rss/1024)
}
