package render_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/kustomize"
	"github.com/setpoint-dev/setpoint/internal/render/plain"
	"github.com/setpoint-dev/setpoint/internal/source/memory"
	"github.com/setpoint-dev/setpoint/internal/state"
)

var update = flag.Bool("update", false, "write what is rendered into the testdata")

var formats = render.Formats{Kustomize: kustomize.Renderer{}, Plain: plain.Renderer{}}

// TestRender renders what each file of testdata holds, and compares the objects with their places, or the errors with their
// hints, with its section "want". The lines before the first file say what to do:
//
//	render PATH        which path (default ".")
//	link NAME TARGET   make a symbolic link
func TestRender(t *testing.T) {
	goldenArchives(t, "testdata/*.txtar", renderArchive)
}

// goldenArchives compares what is made of each archive with its section "want".
func goldenArchives(t *testing.T, pattern string, made func(*testing.T, *txtar.Archive) string) {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatal("no testdata", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := made(t, archive)
			if *update {
				setWant(archive, got)
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(wantOf(archive), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func renderArchive(t *testing.T, archive *txtar.Archive) string {
	t.Helper()
	path, links, files := ".", map[string]string{}, map[string]string{}
	for line := range strings.Lines(string(archive.Comment)) {
		switch words := strings.Fields(line); {
		case len(words) == 2 && words[0] == "render":
			path = words[1]
		case len(words) == 3 && words[0] == "link":
			links[words[1]] = words[2]
		}
	}
	for _, file := range archive.Files {
		if file.Name != "want" {
			files[file.Name] = string(file.Data)
		}
	}
	artifact := memory.NewLinked(state.Revision{ID: "1"}, files, links)
	result, err := formats.Render(t.Context(), render.Request{Artifact: artifact, Path: path})
	err = errors.Join(err, result.Err())
	var out strings.Builder
	writeFaults(&out, err)
	for object := range result.Objects.All() {
		fmt.Fprintf(&out, "%s at %s\n", object.ID(), object.Origin())
	}
	if err == nil && result.Objects.Len() == 0 {
		out.WriteString("no objects\n")
	}
	if result.Reads.Len() > 0 && !result.Reads.Unchanged(memory.NewLinked(state.Revision{ID: "2"}, files, links)) {
		t.Error("the same content is said to be changed")
	}
	return out.String()
}

// writeFaults writes each error with its hint.
func writeFaults(out *strings.Builder, err error) {
	for _, one := range fault.Flatten(err) {
		fmt.Fprintf(out, "%s: %v\n", fault.KindOf(one), one)
		if hint := fault.HintOf(one); hint != "" {
			fmt.Fprintf(out, "  hint: %s\n", hint)
		}
	}
}

func wantOf(archive *txtar.Archive) string {
	for _, file := range archive.Files {
		if file.Name == "want" {
			return string(file.Data)
		}
	}
	return ""
}

func setWant(archive *txtar.Archive, want string) {
	for i := range archive.Files {
		if archive.Files[i].Name == "want" {
			archive.Files[i].Data = []byte(want)
			return
		}
	}
	archive.Files = append(archive.Files, txtar.File{Name: "want", Data: []byte(want)})
}
