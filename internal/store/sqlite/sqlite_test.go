package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/store"
	"github.com/setpoint-dev/setpoint/internal/store/storetest"
)

func TestConformance(t *testing.T) {
	files := map[string]string{}
	storetest.Run(t, func(t *testing.T) store.Store {
		if files[t.Name()] == "" {
			files[t.Name()] = filepath.Join(t.TempDir(), "setpoint.db")
		}
		return mustOpen(t, files[t.Name()])
	})
}

func mustOpen(t testing.TB, location string) *database {
	t.Helper()
	opened, err := Open(t.Context(), location, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = opened.Close() })
	return opened.(*database)
}

func finished(id string) v1alpha1.Attempt {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return v1alpha1.Attempt{ID: id, Sync: "shop", Outcome: "Succeeded", Started: now, Finished: now.Add(time.Second)}
}

func TestInMemory(t *testing.T) {
	for _, location := range []string{":memory:", "sqlite::memory:", "sqlite://:memory:"} {
		opened, other := mustOpen(t, location), mustOpen(t, location)
		if err := opened.PutAttempt(t.Context(), finished("1")); err != nil {
			t.Fatal(err)
		}
		mine, err := opened.Attempts(t.Context(), store.AttemptQuery{})
		if err != nil || len(mine) != 1 {
			t.Errorf("%s: %d attempts, %v", location, len(mine), err)
		}
		if theirs, err := other.Attempts(t.Context(), store.AttemptQuery{}); err != nil || len(theirs) != 0 {
			t.Errorf("%s: another database sees %d attempts, %v", location, len(theirs), err)
		}
	}
}

func TestLocations(t *testing.T) {
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for location, want := range map[string]string{
		"/var/lib/setpoint/a.db":    "/var/lib/setpoint/a.db",
		"a b.db":                    filepath.Join(here, "a b.db"),
		"sqlite:///var/lib/a.db":    "/var/lib/a.db",
		"sqlite:///var/a%20b%3F.db": "/var/a b?.db",
		"sqlite:a.db":               filepath.Join(here, "a.db"),
		"sqlite3:///a.db":           "/a.db",
		":memory:":                  inMemory,
		"sqlite::memory:":           inMemory,
	} {
		if got, err := parseLocation(location); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", location, got, err, want)
		}
	}
	for _, location := range []string{"", "sqlite:", "sqlite://", "postgres://me:s3cret@db/setpoint", "mysql:x", "https://a/b.db", "a\x00b"} {
		_, err := Open(t.Context(), location, slog.New(slog.DiscardHandler))
		if fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: %v; want Invalid", location, err)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func TestStrangeFileNames(t *testing.T) {
	for _, name := range []string{"a b.db", "what?.db", "50%.db", "#1.db", "ü&_pragma=query_only(1).db"} {
		file := filepath.Join(t.TempDir(), name)
		if err := mustOpen(t, file).PutAttempt(t.Context(), finished("1")); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(file); err != nil {
			t.Error(err)
		}
	}
}

func TestFilesArePrivate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "data", "setpoint.db")
	if err := mustOpen(t, file).PutAttempt(t.Context(), finished("1")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{
		filepath.Dir(file): 0o700, file: 0o600, file + "-wal": 0o600, file + "-shm": 0o600,
	} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
}

// snapshot gives the content of every file beside the database, with its time of change. The shared-memory index is not on disk
// for SQLite's purposes: it is never synchronized and rebuilt at need.
func snapshot(t *testing.T, file string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, path := range []string{file, file + "-wal"} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[path] = fmt.Sprint(info.ModTime().UnixNano(), len(content), bytes.Count(content, []byte{0}))
	}
	return files
}

func TestReadingAndEqualRecordsWriteNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "setpoint.db")
	opened := mustOpen(t, file)
	if err := opened.Put(t.Context(), store.Status, "shop", []byte("in sync")); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, file)
	for range 20 {
		if err := opened.Put(t.Context(), store.Status, "shop", []byte("in sync")); err != nil {
			t.Fatal(err)
		}
		if _, err := opened.Attempts(t.Context(), store.AttemptQuery{}); err != nil {
			t.Fatal(err)
		}
		if _, err := opened.DropAttempts(t.Context(), time.Now(), 0); err != nil {
			t.Fatal(err)
		}
		if err := opened.Delete(t.Context(), store.Status, "none such"); err != nil {
			t.Fatal(err)
		}
	}
	if difference := cmp.Diff(before, snapshot(t, file)); difference != "" {
		t.Errorf("the files changed:\n%s", difference)
	}
}

func TestFullDiskIsTransientAndPasses(t *testing.T) {
	opened := mustOpen(t, filepath.Join(t.TempDir(), "setpoint.db"))
	if err := opened.PutAttempt(t.Context(), finished("1")); err != nil {
		t.Fatal(err)
	}
	limit := func(pages int) {
		t.Helper()
		if _, err := opened.writer.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
			t.Fatal(err)
		}
	}
	limit(1) // SQLite takes the present size instead: the file can grow no more
	large := finished("2")
	large.Message = strings.Repeat("x", 1<<20)
	err := opened.PutAttempt(t.Context(), large, "1")
	if fault.KindOf(err) != fault.Transient || fault.HintOf(err) != hintSpace {
		t.Errorf("%v, hint %q; want Transient with the hint to free space", err, fault.HintOf(err))
	}
	if kept, err := opened.Attempts(t.Context(), store.AttemptQuery{}); err != nil || len(kept) != 1 || kept[0].ID != "1" {
		t.Errorf("after a failed write: %v, %v; want attempt 1 untouched", kept, err)
	}
	limit(1 << 20)
	if err := opened.PutAttempt(t.Context(), large, "1"); err != nil {
		t.Error(err)
	}
}

func TestLockedByAnotherProgramIsTransient(t *testing.T) {
	file := filepath.Join(t.TempDir(), "setpoint.db")
	opened := mustOpen(t, file)
	other, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	other.SetMaxOpenConns(1)
	if _, err := other.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	if _, err := opened.writer.ExecContext(t.Context(), "PRAGMA busy_timeout = 10"); err != nil {
		t.Fatal(err)
	}
	if err := opened.PutAttempt(t.Context(), finished("1")); fault.HintOf(err) != hintLocked || fault.KindOf(err) != fault.Transient {
		t.Errorf("%v, hint %q; want Transient", err, fault.HintOf(err))
	}
	if _, err := opened.Attempts(t.Context(), store.AttemptQuery{}); err != nil {
		t.Errorf("reading while another writes: %v", err)
	}
	if _, err := other.ExecContext(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	if err := opened.PutAttempt(context.WithoutCancel(t.Context()), finished("1")); err != nil {
		t.Error(err)
	}
}
