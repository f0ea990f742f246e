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

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/store"
)

// filled makes a database of many pages, closed.
func filled(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "setpoint.db")
	refill(t, mustOpen(t, file))
	return file
}

func overwrite(t *testing.T, file string, change func([]byte) []byte) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, change(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDamagedDatabaseIsMovedAside(t *testing.T) {
	scribble := func(from, to int) func([]byte) []byte {
		return func(content []byte) []byte {
			copy(content[from:to], bytes.Repeat([]byte{0xa5}, to-from))
			return content
		}
	}
	for name, change := range map[string]func([]byte) []byte{
		"header":    scribble(0, 100),
		"schema":    scribble(100, 4096),
		"a page":    scribble(3*4096, 4*4096),
		"truncated": func(content []byte) []byte { return content[:len(content)/2] },
		"no pages":  func([]byte) []byte { return []byte("this is not a database, and never was one") },
	} {
		t.Run(name, func(t *testing.T) {
			file := filled(t)
			for round := 1; round <= 2; round++ {
				overwrite(t, file, change)
				var log bytes.Buffer
				opened, err := Open(t.Context(), file, slog.New(slog.NewTextHandler(&log, nil)))
				if err != nil {
					t.Fatal(err)
				}
				aside := fmt.Sprintf("%s.corrupt-%d", file, round)
				if _, err := os.Stat(aside); err != nil {
					t.Error(err)
				}
				if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), aside) {
					t.Errorf("logged %q; want an error that names %s", log.String(), aside)
				}
				if attempts, err := opened.Attempts(t.Context(), store.AttemptQuery{}); err != nil || len(attempts) != 0 {
					t.Errorf("%d attempts, %v; want a new database", len(attempts), err)
				}
				refill(t, opened)
			}
		})
	}
}

// refill makes a new database large enough to be damaged again, and closes it.
func refill(t *testing.T, opened store.Store) {
	t.Helper()
	for n := range 50 {
		attempt := finished(fmt.Sprintf("%04d", n))
		attempt.Message = strings.Repeat("m", 2000)
		if err := opened.PutAttempt(t.Context(), attempt); err != nil {
			t.Fatal(err)
		}
	}
	if err := opened.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestForeignAndNewerDatabasesAreRefused(t *testing.T) {
	for name, statement := range map[string]string{
		"another program's":     "PRAGMA application_id = 7; CREATE TABLE notes (text)",
		"unmarked":              "CREATE TABLE notes (text)",
		"made by a newer agent": fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = 1000", applicationID),
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "setpoint.db")
			other, err := sql.Open("sqlite", "file:"+file)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := other.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
			if err := other.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(t.Context(), file, slog.New(slog.DiscardHandler)); fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
				t.Errorf("%v; want Invalid with a hint", err)
			}
			if _, err := os.Stat(file + ".corrupt-1"); err == nil {
				t.Error("it was moved aside")
			}
		})
	}
}

// TestKilled: what a write returned for is there when the process ended without closing. The files as they are at that instant are
// copied and opened elsewhere, which is what a new process finds.
func TestKilled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "setpoint.db")
	opened := mustOpen(t, file)
	for n := range 5 {
		if err := opened.PutAttempt(context.WithoutCancel(t.Context()), finished(fmt.Sprint(n))); err != nil {
			t.Fatal(err)
		}
		left := filepath.Join(t.TempDir(), "setpoint.db")
		for _, suffix := range []string{"", "-wal"} {
			content, err := os.ReadFile(file + suffix)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(left+suffix, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		found, err := mustOpen(t, left).Attempts(t.Context(), store.AttemptQuery{})
		if err != nil || len(found) != n+1 {
			t.Errorf("%d attempts, %v; want %d", len(found), err, n+1)
		}
	}
}
