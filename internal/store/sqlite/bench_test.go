package sqlite

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/store"
)

// typical is an attempt with ten changes of two fields each.
func typical(id string) v1alpha1.Attempt {
	attempt := finished(id)
	for n := range 10 {
		attempt.Changes = append(attempt.Changes, v1alpha1.Change{
			ID: state.ID{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: fmt.Sprint("web-", n)}, Op: "update", Cause: "drift",
			Fields: []v1alpha1.Field{{Path: "/spec/replicas", Old: "1", New: "3", By: "kubectl-edit"}, {Path: "/spec/paused", Old: "true"}},
		})
	}
	return attempt
}

func BenchmarkPutAttempt(b *testing.B) {
	opened := mustOpen(b, filepath.Join(b.TempDir(), "setpoint.db"))
	for n := 0; b.Loop(); n++ {
		if err := opened.PutAttempt(b.Context(), typical(fmt.Sprintf("%09d", n))); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPutEqualRecord(b *testing.B) {
	opened := mustOpen(b, filepath.Join(b.TempDir(), "setpoint.db"))
	for b.Loop() {
		if err := opened.Put(b.Context(), store.Status, "shop", []byte("the same")); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen opens a database of 40,000 attempts (200 Syncs with 200 each), which includes the integrity check.
func BenchmarkOpen(b *testing.B) {
	file := filepath.Join(b.TempDir(), "setpoint.db")
	opened := mustOpen(b, file)
	for n := range 40_000 {
		attempt := typical(fmt.Sprintf("%09d", n))
		attempt.Sync = fmt.Sprint("sync-", n%200)
		if err := opened.PutAttempt(b.Context(), attempt); err != nil {
			b.Fatal(err)
		}
	}
	if err := opened.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := mustOpen(b, file).Close(); err != nil {
			b.Fatal(err)
		}
	}
}
