package system

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Updating says whether files of what is wanted are to be written anew.
func Updating() bool { return *update }

// Golden compares a text with testdata/NAME.golden, which `go test -update` writes.
func Golden(t testing.TB, name, text string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != text {
		t.Errorf("%s has changed (write it anew by -update). Now:\n%s\nwas:\n%s", file, text, want)
	}
}
