package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/setpoint-dev/setpoint/test/gitserver"
)

const (
	hostFiles = 10_000
	hostDirs  = 10
)

// plain is one Sync of 10,000 files on this host.
type plain struct {
	*world
	repo *gitserver.Repo
	root string
	f    follow
}

// host measures 10,000 files on this host: beside the same writes by a bare loop, at rest, after drift, after a restart.
func (w *world) host(ctx context.Context) error {
	p := &plain{world: w, repo: w.server.Repo("host"), root: filepath.Join(w.dir, "host")}
	p.repo.Commit(p.declared(), "Begin")
	bare, err := p.bare(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(p.root, 0o750); err != nil {
		return err
	}
	p.f = follow{
		repo: p.repo, data: "host-data", interval: time.Minute, args: []string{"--host-root", p.root, "--kubernetes", "off"},
	}
	if err := w.startAgent(ctx, p.f); err != nil {
		return err
	}
	at, err := w.inSync(ctx, p.repo, 1, hostFiles+hostDirs)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, w.agent.tail())
	}
	first := at.Sub(w.agent.began)
	w.table.note(fmt.Sprintf("%d files: first apply, from the start of the process", hostFiles), round(first).String())
	w.table.note("the same: a bare loop that writes them as safely", round(bare).String())
	w.table.number("the same: ratio", "", 2.2, first.Seconds()/bare.Seconds())
	for _, measure := range []func(context.Context) error{p.rest, p.drift, p.again} {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	w.stopAgent()
	return nil
}

func contentOf(i int) string {
	return fmt.Sprintf("# file %d\n%s", i, strings.Repeat(fmt.Sprintf("key-%d = value\n", i), 20))
}

func placeOf(i int) string { return fmt.Sprintf("d%d/f%d.conf", i%hostDirs, i) }

const hostObject = "---\napiVersion: host.setpoint.dev/v1alpha1\n"

// declared is the repository: 100 files of manifests.
func (p *plain) declared() map[string]string {
	files := map[string]string{}
	for i := range hostDirs {
		files["dirs.yaml"] += fmt.Sprintf(hostObject+"kind: Directory\nmetadata: {name: d%d}\nspec: {path: /d%d}\n", i, i)
	}
	for i := range hostFiles {
		files[fmt.Sprintf("files-%02d.yaml", i%100)] += fmt.Sprintf(
			hostObject+"kind: File\nmetadata: {name: f%d}\nspec: {path: /%s, content: %q}\n", i, placeOf(i), contentOf(i))
	}
	return files
}

// bare writes the same files with the least that is safe: a temporary file, fsync, rename, and each directory synced at the end.
func (p *plain) bare(ctx context.Context) (time.Duration, error) {
	root := filepath.Join(p.dir, "bare")
	began := time.Now()
	for i := range hostDirs {
		if err := os.MkdirAll(filepath.Join(root, fmt.Sprintf("d%d", i)), 0o750); err != nil {
			return 0, err
		}
	}
	const writers = 8
	errs := make(chan error, writers)
	var group sync.WaitGroup
	for n := range writers {
		group.Go(func() {
			for i := n; i < hostFiles && ctx.Err() == nil; i += writers {
				if err := writeSafely(filepath.Join(root, placeOf(i)), contentOf(i)); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	group.Wait()
	close(errs)
	for err := range errs {
		return 0, err
	}
	for i := range hostDirs {
		if err := syncDir(filepath.Join(root, fmt.Sprintf("d%d", i))); err != nil {
			return 0, err
		}
	}
	return time.Since(began), os.RemoveAll(root)
}

func writeSafely(name, content string) error {
	file, err := os.OpenFile(name+".new", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(content)
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(name+".new", name)
	}
	return err
}

func syncDir(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	return dir.Sync()
}

// rest measures a minute in which nothing happens.
func (p *plain) rest(ctx context.Context) error {
	if err := pause(ctx, 10*time.Second); err != nil {
		return err
	}
	const span = time.Minute
	began, cpu, written := time.Now(), p.agent.cpu(), p.agent.counter("io", "write_bytes:")
	if err := pause(ctx, span); err != nil {
		return err
	}
	share := 100 * (p.agent.cpu() - cpu).Seconds() / time.Since(began).Seconds()
	now, peak := p.agent.resident()
	p.table.number(fmt.Sprintf("idle with %d files, 60 s: CPU of one core", hostFiles), " %", 0.5, share)
	p.table.none("the same: bytes written to disk", int(p.agent.counter("io", "write_bytes:")-written))
	p.table.number("the same: resident memory", " MiB", 80, now)
	fmt.Printf("   resident memory at its peak %.0f MiB\n", peak)
	p.profile(ctx, "host-heap", "heap?gc=1")
	return nil
}

// drift edits one file at a time, and measures until it has the declared content again.
func (p *plain) drift(ctx context.Context) error {
	random := rand.New(rand.NewPCG(1, 2)) // always the same files
	var times []time.Duration
	cpu := p.agent.cpu()
	if p.opts.profiles != "" {
		go p.profile(ctx, "host-drift-cpu", "profile?seconds=10") // ends by itself
	}
	for range samples {
		i := random.IntN(hostFiles)
		name, want := filepath.Join(p.root, placeOf(i)), contentOf(i)
		if err := os.WriteFile(name, []byte("disturbed\n"), 0o600); err != nil {
			return err
		}
		disturbed := time.Now()
		for deadline := disturbed.Add(time.Minute); ; {
			if data, err := os.ReadFile(name); err == nil && string(data) == want {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("%s is not put right", name)
			}
			time.Sleep(200 * time.Microsecond)
		}
		times = append(times, time.Since(disturbed))
		if err := pause(ctx, time.Duration(20+random.IntN(60))*time.Millisecond); err != nil {
			return err
		}
	}
	fmt.Printf("   %d drifts: %s of CPU each\n", samples, round((p.agent.cpu()-cpu)/samples))
	what := fmt.Sprintf("drift of one file among %d, %d times: ", hostFiles, samples)
	p.table.spent(what+"p50", 100*time.Millisecond, quantile(times, 0.5))
	p.table.spent(what+"p99", 100*time.Millisecond, quantile(times, 0.99))
	return nil
}

// again ends the agent and starts it again.
func (p *plain) again(ctx context.Context) error {
	p.stopAgent()
	if err := p.startAgent(ctx, p.f); err != nil {
		return err
	}
	known, err := p.inSync(ctx, p.repo, 1, hostFiles+hostDirs)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, p.agent.tail())
	}
	p.table.spent(fmt.Sprintf("restart with %d files: all known to be in sync", hostFiles), 3*time.Second, known.Sub(p.agent.began))
	now, peak := p.agent.resident()
	p.table.number("the same: resident memory", " MiB", 80, now)
	fmt.Printf("   resident memory at its peak %.0f MiB\n", peak)
	return nil
}
