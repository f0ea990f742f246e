package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestOnlyWarningsOfOldFieldsAreMuted(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"# Warning: 'vars' is deprecated. Please use 'replacements' instead. [EXPERIMENTAL] Run 'kustomize edit fix' to update.\n",
		"Enter the code: ",
		"\n# Warning: 'bases' is deprecated. Please use 'resources' instead.\n# Warning: the login ends soon\n",
	} {
		if _, err := io.WriteString(write, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}
	passing(read, file)
	got, err := os.ReadFile(file.Name())
	if want := "Enter the code: \n# Warning: the login ends soon\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}
