package host_test

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/test/host"
	"github.com/setpoint-dev/setpoint/test/system"
)

// TestKilled: an agent that is killed at any instant, again and again while files and releases change, never leaves a half-written file,
// a process that nobody wants or one twice, and arrives at the last commit.
func TestKilled(t *testing.T) {
	kills := 50
	if testing.Short() {
		kills = 10
	}
	w := newWorld(t)
	w.scene = host.Prepare(t, w.files())
	w.scene.Agent.WaitInSync()
	watching, stop := context.WithCancel(t.Context())
	var watch sync.WaitGroup
	watch.Go(func() { w.watchFiles(watching) })
	for n := 1; n <= kills; n++ {
		w.shift()
		w.scene.Repo.Commit(w.files(), fmt.Sprintf("Change %d", n))
		w.scene.Agent.Now("root")
		time.Sleep(time.Duration(w.random.IntN(1200)) * time.Millisecond)
		w.scene.Agent.Kill()
		w.scene.Agent.Start()
		if n%10 == 0 {
			w.arrived()
		}
	}
	w.arrived()
	stop()
	watch.Wait()
	system.Figure(t, "host-kills", float64(kills), "times")
	system.Figure(t, "host-kills.releases", float64(w.scene.Releases("web")[0].Number), "releases")
	system.Figure(t, "host-kills.reads-of-whole-files", float64(w.reads), "reads")
}

// world is a repository whose files and app change at random.
type world struct {
	*testing.T
	scene    *host.Scene
	random   *rand.Rand
	sample   string
	port     int
	version  int
	replicas int
	content  map[string]string
	reads    int
}

const many = 40

func newWorld(t *testing.T) *world {
	w := &world{T: t, random: rand.New(rand.NewPCG(5, 6)), sample: host.Sample(t), port: host.FreePort(t), replicas: 1, content: map[string]string{}}
	for i := range many {
		w.content[fmt.Sprintf("f%d", i)] = wholeText(i)
	}
	return w
}

// wholeText is a content of which every part tells that it is whole: 64 KiB of the same line, with a last one.
func wholeText(n int) string {
	line := fmt.Sprintf("line of version %d\n", n)
	return strings.Repeat(line, 64<<10/len(line)) + "end\n"
}

func isWhole(text string) bool {
	first, _, _ := strings.Cut(text, "\n")
	var n int
	_, err := fmt.Sscanf(first, "line of version %d", &n)
	return err == nil && text == wholeText(n)
}

// shift changes some files, lets one come or go, and every other time makes a new release or another number of processes.
func (w *world) shift() {
	for range 10 {
		w.content[fmt.Sprintf("f%d", w.random.IntN(many))] = wholeText(w.random.IntN(1_000_000))
	}
	if name := fmt.Sprintf("f%d", w.random.IntN(many)); w.random.IntN(2) == 0 && len(w.content) > many/2 {
		delete(w.content, name)
	}
	switch w.random.IntN(4) {
	case 0, 1:
		w.version++
	case 2:
		w.replicas = 1 + w.random.IntN(3)
	}
}

func (w *world) files() map[string]string {
	app := host.App(w.sample, fmt.Sprintf("v%d", w.version), w.port)
	app = strings.Replace(app, "replicas: 2", fmt.Sprintf("replicas: %d", w.replicas), 1)
	var all strings.Builder
	for _, name := range slices.Sorted(maps.Keys(w.content)) {
		all.WriteString(host.File(name, "/etc/"+name, w.content[name]))
	}
	return map[string]string{"app.yaml": app, "build/readme": "nothing to build\n", "files.yaml": all.String()}
}

// watchFiles reads every file again and again: what is there is whole.
func (w *world) watchFiles(ctx context.Context) {
	for ctx.Err() == nil {
		for i := range many {
			data, err := os.ReadFile(w.scene.At(fmt.Sprintf("/etc/f%d", i)))
			if err == nil && !isWhole(string(data)) {
				w.Errorf("f%d is half written: %d bytes", i, len(data))
			}
			w.reads++
		}
	}
}

// arrived waits until all is in sync, and compares the host with the last commit.
func (w *world) arrived() {
	w.Helper()
	w.scene.Agent.WaitInSync()
	w.scene.Says(fmt.Sprintf("http://127.0.0.1:%d/", w.port), fmt.Sprintf("v%d ", w.version))
	for name, content := range w.content {
		if got := w.scene.Read("/etc/" + name); got != content {
			w.Errorf("%s has %d bytes that are not the declared ones", name, len(got))
		}
	}
	entries, err := os.ReadDir(w.scene.At("/etc"))
	if err != nil {
		w.Fatal(err)
	}
	for _, entry := range entries {
		if w.content[entry.Name()] == "" {
			w.Errorf("%s is left in /etc", entry.Name())
		}
	}
	var processes map[int]string
	w.scene.Agent.Wait(fmt.Sprintf("%d processes", w.replicas), func() bool {
		processes = w.scene.Processes()
		return len(processes) == w.replicas
	})
	release := w.scene.Releases("web")[0].Number
	seen := map[string]bool{}
	for _, mark := range processes {
		if !strings.HasPrefix(mark, fmt.Sprintf("web/%d/web.", release)) || seen[replicaOf(mark)] {
			w.Errorf("a process that is not wanted, or there twice: %s of %v", mark, processes)
		}
		seen[replicaOf(mark)] = true
	}
	w.noLeftOvers()
}

// noLeftOvers looks for temporary files of what was interrupted.
func (w *world) noLeftOvers() {
	w.Helper()
	for _, dir := range []string{w.scene.Root, filepath.Join(w.scene.Agent.Data(), "host", "apps")} {
		err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
			if err == nil && (strings.HasPrefix(entry.Name(), ".setpoint-") || strings.HasSuffix(entry.Name(), ".tmp")) {
				w.Errorf("%s is left over", name)
			}
			return nil
		})
		if err != nil {
			w.Fatal(err)
		}
	}
}
