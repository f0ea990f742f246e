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

func TestALogOfBeforeIsSealed(t *testing.T) {
	dir := t.TempDir()
	c, err := putting(spoken("a"), seal.Box{})
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, logName, framed([]byte(`{"format":1}`)), lineOf([]change{c}))
	if !bytes.Contains(logOf(t, dir), []byte("swordfish")) {
		t.Fatal("this is no log of before")
	}
	j := mustOpen(t, dir)
	if got, _ := j.Get(fileID("a")); string(got.Data) != string(spoken("a").Data) {
		t.Errorf("data = %s", got.Data)
	}
	if bytes.Contains(logOf(t, dir), []byte("swordfish")) {
		t.Error("it is still as it was")
	}
}
