package files_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// many declares files in ten directories.
func many(h *host, count int) []*state.Object {
	all := make([]*state.Object, count)
	for i := range all {
		dir := fmt.Sprintf("/etc/d%d", i%10)
		h.must(os.MkdirAll(h.path(dir), 0o755))
		all[i] = file(fmt.Sprint("file-", i), fmt.Sprintf("%s/file-%d.conf", dir, i), fmt.Sprintf("number = %d\nname = some-name-%d\n", i, i))
	}
	return all
}

// applyAll applies as the host does: some at once.
func applyAll(h *host, all []*state.Object, workers int) {
	work := make(chan *state.Object)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for want := range work {
				if result := h.driver.Apply(context.Background(), owner, step(diff.Create, want)); result.Err != nil {
					h.t.Error(result.Err)
				}
			}
		})
	}
	for _, want := range all {
		work <- want
	}
	close(work)
	group.Wait()
}

const manyFiles = 10_000

func BenchmarkFirstApply10000(b *testing.B) {
	for _, workers := range []int{8, 32, 64, 128} {
		b.Run(fmt.Sprint(workers, "-workers"), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				h := newHost(b)
				all := many(h, manyFiles)
				b.StartTimer()
				applyAll(h, all, workers)
			}
		})
	}
}

func BenchmarkCompareUnchanged10000(b *testing.B) {
	h := newHost(b)
	all := many(h, manyFiles)
	applyAll(h, all, 32)
	for _, want := range all {
		h.compare(want)
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, want := range all {
			if entry := h.compare(want); entry.Op != diff.None {
				b.Fatalf("%+v", entry)
			}
		}
	}
}

func BenchmarkOneDrift(b *testing.B) {
	h := newHost(b)
	all := many(h, manyFiles)
	applyAll(h, all, 32)
	name := h.path("etc/d7/file-4717.conf")
	for b.Loop() {
		if err := os.WriteFile(name, []byte("tampered"), 0o600); err != nil {
			b.Fatal(err)
		}
		entry := h.compare(all[4717])
		if entry.Op != diff.Update {
			b.Fatalf("%+v", entry)
		}
		if result := h.apply(entry.Op, all[4717]); result.Err != nil {
			b.Fatal(result.Err)
		}
	}
}
