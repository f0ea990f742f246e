package journal

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/seal"
)

// spoken is a record with a secret in its data.
func spoken(name string) Record {
	record := typical(name, 1)
	record.Data = json.RawMessage(`{"env":{"PASSWORD":"swordfish"}}`)
	return record
}

func logOf(t *testing.T, dir string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, logName))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestDataIsSealedOnTheDisk(t *testing.T) {
	dir := t.TempDir()
	j := mustOpen(t, dir)
	put(t, j, spoken("a"))
	check := func(when string) {
		t.Helper()
		if text := logOf(t, dir); bytes.Contains(text, []byte("swordfish")) || !bytes.Contains(text, []byte(`"name":"a"`)) {
			t.Errorf("%s the log has: %s", when, text)
		}
	}
	check("when it was written")
	j = reopen(t, j)
	if err := j.rewrite(); err != nil {
		t.Fatal(err)
	}
	check("when it was compacted")
	size := len(logOf(t, dir))
	put(t, j, spoken("a"))
	if len(logOf(t, dir)) != size {
		t.Error("an equal record was written again, because it is sealed otherwise each time")
	}
	if got, _ := reopen(t, j).Get(fileID("a")); string(got.Data) != string(spoken("a").Data) {
		t.Errorf("data = %s", got.Data)
	}
}

func TestAnotherKeyOpensNothingAndLosesNothing(t *testing.T) {
	dir := t.TempDir()
	j := mustOpen(t, dir)
	put(t, j, spoken("a"))
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	before := logOf(t, dir)
	other := Options{Key: bytes.Repeat([]byte("x"), 32)}
	for what, open := range map[string]func() (*Journal, error){
		"another key":            func() (*Journal, error) { return Open(dir, other) },
		"another key, read only": func() (*Journal, error) { return OpenReadOnly(dir, other) },
		"no key":                 func() (*Journal, error) { return OpenReadOnly(dir, Options{}) },
	} {
		if _, err := open(); fault.KindOf(err) != fault.Denied {
			t.Errorf("%s: %v", what, err)
		}
	}
	if !bytes.Equal(logOf(t, dir), before) {
		t.Error("the log was changed")
	}
	// What a person has given up is taken over as far as it goes, and nothing of it is deleted by itself.
	if err := os.Rename(filepath.Join(dir, logName), filepath.Join(dir, damagedName)); err != nil {
		t.Fatal(err)
	}
	j, err := Open(dir, other)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	if got, found := j.Get(fileID("a")); !found || !got.Keep || got.Data != nil {
		t.Errorf("taken over: %+v, %v", got, found)
	}
}

func TestADirectoryOfBeforeIsSealed(t *testing.T) {
	dir := t.TempDir()
	plain, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	digest, err := plain.Keep([]byte("password: swordfish"))
	if err != nil {
		t.Fatal(err)
	}
	record := spoken("a")
	record.Blobs = []string{digest}
	put(t, plain, record)
	if err := plain.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := putting(record, seal.Box{})
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, logName, framed([]byte(`{"format":1}`)), lineOf([]change{c}))
	for _, path := range []string{plain.disk.path, plain.blob(digest)} {
		if !tells(t, path, "swordfish") {
			t.Fatalf("%s is none of before", path)
		}
	}
	j := mustOpen(t, dir)
	if got, _ := j.Get(fileID("a")); string(got.Data) != string(record.Data) {
		t.Errorf("data = %s", got.Data)
	}
	if content, err := j.Kept(digest); err != nil || string(content) != "password: swordfish" {
		t.Errorf("kept: %q, %v", content, err)
	}
	for _, path := range []string{j.disk.path, j.blob(digest)} {
		if tells(t, path, "swordfish") {
			t.Errorf("%s is still as it was", path)
		}
	}
}

func TestWhatIsKeptIsSealedOnTheDisk(t *testing.T) {
	dir := t.TempDir()
	j := mustOpen(t, dir)
	digest, err := j.Keep([]byte("password: swordfish"))
	if err != nil || tells(t, j.blob(digest), "swordfish") {
		t.Fatalf("as it is on the disk: %v", err)
	}
	for what, stored := range map[string][]byte{
		"as it was before there was a key": []byte("password: swordfish"), "under another name": j.sealed([]byte("password: swordfish"), "x"),
	} {
		write(t, dir, filepath.Join(blobsName, digest), stored)
		if again, err := j.Keep([]byte("password: swordfish")); err != nil || again != digest || tells(t, j.blob(digest), "swordfish") {
			t.Errorf("%s, kept again: %v", what, err)
		}
		if content, err := j.Kept(digest); err != nil || string(content) != "password: swordfish" {
			t.Errorf("%s, kept: %q, %v", what, content, err)
		}
	}
	record := typical("a", 1)
	record.Blobs = []string{digest}
	put(t, j, record)
	reader, err := OpenReadOnly(dir, locked)
	if err != nil {
		t.Fatal(err)
	}
	if content, err := reader.Kept(digest); err != nil || string(content) != "password: swordfish" {
		t.Errorf("read only: %q, %v", content, err)
	}
}

func tells(t *testing.T, path, text string) bool {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(content, []byte(text))
}
