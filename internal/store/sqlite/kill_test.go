package sqlite

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/store"
)

// writerOf names the database that this test binary writes to instead of running tests; see TestKilledWhileWriting.
const writerOf = "SETPOINT_TEST_WRITE_TO"

func TestMain(m *testing.M) {
	if file := os.Getenv(writerOf); file != "" {
		writeUntilKilled(file)
	}
	os.Exit(m.Run())
}

// writeUntilKilled prints the ID of each attempt after its write has returned. Every third one stands for the one before it.
func writeUntilKilled(file string) {
	ctx := context.Background()
	opened, err := Open(ctx, file, slog.Default())
	if err != nil {
		panic(err)
	}
	before, err := opened.Attempts(ctx, store.AttemptQuery{Limit: 1})
	if err != nil {
		panic(err)
	}
	n := 0
	if len(before) > 0 {
		n = number(before[0].ID)
	}
	for n++; ; n++ {
		var standsFor []string
		if n%3 == 0 {
			standsFor = []string{fmt.Sprintf("%09d", n-1)}
		}
		if err := opened.PutAttempt(ctx, typical(fmt.Sprintf("%09d", n)), standsFor...); err != nil {
			panic(err)
		}
		fmt.Println(n)
	}
}

// number reads an ID, which is a number here; a line that was cut off by death counts as nothing.
func number(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}

// TestKilledWhileWriting kills a process that writes, again and again: what it said was written is there, and nothing else is
// missing, or there that should have gone.
func TestKilledWhileWriting(t *testing.T) {
	file := filepath.Join(t.TempDir(), "setpoint.db")
	for round := range 8 {
		writer := exec.CommandContext(t.Context(), os.Args[0])
		writer.Env = append(os.Environ(), writerOf+"="+file)
		out, err := writer.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := writer.Start(); err != nil {
			t.Fatal(err)
		}
		written, lines := 0, bufio.NewScanner(out)
		for count := 0; count <= 30*round && lines.Scan(); count++ {
			written = max(written, number(lines.Text()))
		}
		if err := writer.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // what it said before it died
			written = max(written, number(lines.Text()))
		}
		_ = writer.Wait() // it was killed
		checkWritten(t, file, written)
	}
}

func checkWritten(t *testing.T, file string, written int) {
	t.Helper()
	opened := mustOpen(t, file)
	attempts, err := opened.Attempts(t.Context(), store.AttemptQuery{Limit: 1 << 20})
	if err != nil || len(attempts) == 0 {
		t.Fatalf("%d attempts, %v", len(attempts), err)
	}
	found, newest := map[int]bool{}, 0
	for _, attempt := range attempts {
		n := number(attempt.ID)
		found[n], newest = true, max(newest, n)
	}
	if newest < written {
		t.Errorf("attempt %d was written, and the newest is %d", written, newest)
	}
	for n := 1; n <= newest; n++ {
		stoodFor := n%3 == 2 && n < newest // by the one after it
		if found[n] == stoodFor {
			t.Errorf("attempt %d of %d: found %v", n, newest, found[n])
		}
	}
	if entries, _ := filepath.Glob(file + ".corrupt-*"); len(entries) > 0 {
		t.Errorf("taken for damaged: %v", entries)
	}
	if err := opened.Close(); err != nil {
		t.Error(err)
	}
}
