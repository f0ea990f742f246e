package supervise

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestKilledAtAnyInstant: the supervisor is killed again and again while processes are started and stopped. Every call succeeds in the
// end, no process is doubled or lost, and none is left over.
func TestKilledAtAnyInstant(t *testing.T) {
	b := newBed(t)
	id, _ := b.home.id()
	const rounds = 25
	running := map[ProcessID]bool{}
	for round := range rounds {
		state, err := b.State(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		var killing sync.WaitGroup
		killing.Go(func() {
			time.Sleep(time.Duration(rand.IntN(12_000)) * time.Microsecond) // the instant is what is tried
			_ = syscall.Kill(state.PID, syscall.SIGKILL)
		})
		spec := b.spec(round+1, "as:sleeper")
		b.start(spec)
		running[spec.ID] = true
		if round%3 == 2 {
			victim := ProcessID{App: "shop", Release: 1, Type: "web", Index: round, Launch: 1}
			if err := b.Stop(t.Context(), victim, 0); err != nil {
				t.Fatal(err)
			}
			delete(running, victim)
		}
		killing.Wait()
	}
	b.until("everything is as it was asked for", func(s State) bool {
		for _, p := range s.Processes {
			if (p.Phase == Running && p.PID > 0) != running[p.ID] || p.Phase != Running && p.Phase != Exited {
				return false
			}
		}
		return len(s.Processes) == rounds
	})
	found := marked(id)
	for process := range running {
		if got := len(found[process.String()]); got != 1 {
			t.Errorf("%s runs %d times", process, got)
		}
	}
	if len(found) != len(running) {
		t.Errorf("%d run, want %d", len(found), len(running))
	}
}

// BenchmarkDeath measures from the end of a process by SIGKILL to the moment when its client knows that all of it is gone.
func BenchmarkDeath(b *testing.B) {
	client, spec := benchBed(b)
	for i := range b.N {
		spec.ID.Launch = i
		if err := client.Start(b.Context(), spec); err != nil {
			b.Fatal(err)
		}
		state, err := client.State(b.Context(), 0)
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		_ = syscall.Kill(state.Processes[0].PID, syscall.SIGKILL)
		for state.Processes[0].Phase != Exited {
			if state, err = client.State(b.Context(), state.Version); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		if err := client.Forget(b.Context(), spec.ID); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStart measures a start until it is done.
func BenchmarkStart(b *testing.B) {
	client, spec := benchBed(b)
	for i := range b.N {
		spec.ID.Launch = i
		b.StartTimer()
		if err := client.Start(b.Context(), spec); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := client.Stop(b.Context(), spec.ID, 0); err != nil {
			b.Fatal(err)
		}
	}
}

func benchBed(b *testing.B) (*Client, Process) {
	b.Helper()
	b.StopTimer()
	client, err := Connect(b.Context(), optionsFor(b, filepath.Join(b.TempDir(), "supervisor"), "v1"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = client.Shutdown(context.Background())
		_ = client.Close()
	})
	spec := Process{
		ID:     ProcessID{App: "shop", Release: 1, Type: "web", Index: 1},
		Launch: Launch{Dir: b.TempDir(), Command: []string{"sleep", "3600"}, Env: []string{"PATH=/usr/bin:/bin"}},
		Grace:  time.Second, LogDir: filepath.Join(b.TempDir(), "logs"), LogSize: 1 << 20, LogFiles: 1,
	}
	return client, spec
}
