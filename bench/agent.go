package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/httpapi"
	"github.com/setpoint-dev/setpoint/test/gitserver"
)

// agent is the product as a process.
type agent struct {
	command *exec.Cmd
	log     string
	url     string
	pprof   string
	began   time.Time // when the process was started
	client  *httpapi.Client
}

// follow is what an agent is started on.
type follow struct {
	repo     *gitserver.Repo
	data     string // a name: agents of the same share what they remember
	interval time.Duration
	args     []string
}

// startAgent starts the process and returns when it answers.
func (w *world) startAgent(ctx context.Context, f follow) error {
	a := &agent{log: filepath.Join(w.dir, f.data+".log"), pprof: "127.0.0.1:16060"}
	log, err := os.Create(a.log)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	args := []string{
		"run", "--source", f.repo.URL(), "--ref", "main", "--interval", f.interval.String(),
		"--data", filepath.Join(w.dir, f.data), "--listen", "127.0.0.1:0", "--log-format", "json",
	}
	args = append(args, f.args...)
	a.command = exec.Command(w.binary, args...)
	a.command.Env = []string{
		"HOME=" + w.dir, "PATH=" + os.Getenv("PATH"), "KUBECONFIG=" + w.plant.Kubeconfig(), "BENCH_PROFILES=" + a.pprof,
	}
	for _, variable := range os.Environ() {
		if strings.HasPrefix(variable, "GODEBUG=") || strings.HasPrefix(variable, "GOGC=") || strings.HasPrefix(variable, "GOMEMLIMIT=") {
			a.command.Env = append(a.command.Env, variable)
		}
	}
	a.command.Stdout, a.command.Stderr, a.command.Dir = log, log, w.dir
	a.began = time.Now()
	if err := a.command.Start(); err != nil {
		return err
	}
	w.agent = a
	if _, err := until(ctx, "the agent answers", func() (bool, error) { return a.address() != "", nil }); err != nil {
		return fmt.Errorf("%w\n%s", err, a.tail())
	}
	a.client, err = httpapi.NewClient(a.url, "")
	return err
}

// address finds in the log where the agent listens.
func (a *agent) address() string {
	data, _ := os.ReadFile(a.log)
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		var line struct{ Msg, Listen string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "agent started" {
			a.url = "http://" + line.Listen
		}
	}
	return a.url
}

func (a *agent) tail() string {
	data, _ := os.ReadFile(a.log)
	return string(data[max(0, len(data)-4000):])
}

// stopAgent ends the process as its user would.
func (w *world) stopAgent() {
	if w.agent == nil {
		return
	}
	_ = w.agent.command.Process.Signal(syscall.SIGTERM)
	_ = w.agent.command.Wait()
	w.agent = nil
}

// inSync waits until there are so many Syncs and all of them have, at the repository's newest commit, nothing left to apply.
// Objects need not be healthy: without controllers a Deployment never is.
func (w *world) inSync(ctx context.Context, repo *gitserver.Repo, syncs, objects int) (time.Time, error) {
	return until(ctx, "everything is applied", func() (bool, error) {
		list, err := w.agent.client.Syncs(ctx)
		if err != nil {
			return false, err
		}
		count, done := 0, 0
		for _, status := range list.Syncs {
			count += status.Objects.Total
			if applied(status, repo.Head()) {
				done++
			}
		}
		return done == syncs && done == len(list.Syncs) && count == objects, nil
	})
}

func applied(status v1alpha1.SyncStatus, revision string) bool {
	resting := status.State == "InSync" || status.State == "Settling"
	return resting && status.Revision.ID == revision && status.Objects.Different == 0 && status.Objects.Failed == 0
}

// hook tells the agent, as a forge does, that there may be a new commit.
func (a *agent) hook(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url+"/hook", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// cpu is the processor time that the process has used, to the nanosecond.
func (a *agent) cpu() time.Duration {
	const scheduled = 2 // CPUCLOCK_SCHED
	var spent unix.Timespec
	if err := unix.ClockGettime(int32(^a.command.Process.Pid<<3|scheduled), &spent); err != nil {
		panic(err)
	}
	return time.Duration(spent.Nano())
}

// counter reads a number from the process's /proc files.
func (a *agent) counter(file, name string) float64 {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", a.command.Process.Pid, file))
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			value, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return value
		}
	}
	return -1
}

// resident is the resident memory, and its peak, in MiB.
func (a *agent) resident() (now, peak float64) {
	return a.counter("status", "VmRSS:") / 1024, a.counter("status", "VmHWM:") / 1024
}

// profile saves one of Go's profiles, when they are asked for.
func (w *world) profile(ctx context.Context, name, kind string) {
	if w.opts.profiles == "" {
		return
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.agent.pprof+"/debug/pprof/"+kind, nil)
	if err != nil {
		return
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		fmt.Println("   no profile:", err)
		return
	}
	defer func() { _ = response.Body.Close() }()
	data, _ := io.ReadAll(response.Body)
	_ = os.WriteFile(filepath.Join(w.opts.profiles, name+".pprof"), data, 0o600)
}
