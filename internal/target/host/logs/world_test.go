package logs

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

var dawn = time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC)

// at makes a line of a process, so many milliseconds after dawn.
func at(ms int, process, text string) v1alpha1.LogLine {
	return v1alpha1.LogLine{
		Time: dawn.Add(time.Duration(ms) * time.Millisecond), App: "shop", Process: process, Release: 3, Stream: "stdout", Text: text,
	}
}

func newWriter(t testing.TB, dir string, size int64, files int) *Writer {
	t.Helper()
	w, err := OpenWriter(WriterOptions{Dir: dir, Size: size, Files: files})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func write(t testing.TB, w *Writer, lines ...v1alpha1.LogLine) {
	t.Helper()
	for _, line := range lines {
		if err := w.Write(line); err != nil {
			t.Fatal(err)
		}
	}
}

func read(t testing.TB, dir string, query v1alpha1.LogQuery) []v1alpha1.LogLine {
	t.Helper()
	var lines []v1alpha1.LogLine
	err := Read(t.Context(), dir, query, func(l v1alpha1.LogLine) error { lines = append(lines, l); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func texts(lines []v1alpha1.LogLine) []string {
	found := []string{}
	for _, l := range lines {
		found = append(found, l.Text)
	}
	return found
}

// bytesIn sums up the files of a directory.
func bytesIn(t testing.TB, dir string) (sum int64, files int) {
	t.Helper()
	found, err := numbers(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, number := range found {
		info, err := os.Stat(fileName(dir, number))
		if err != nil {
			t.Fatal(err)
		}
		sum += info.Size()
	}
	return sum, len(found)
}

func appendTo(t *testing.T, name, content string) {
	t.Helper()
	file, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(content); err != nil {
		t.Fatal(err)
	}
}

func in(dir string, parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }

func numbered(i int) string { return fmt.Sprintf("line %06d", i) }
