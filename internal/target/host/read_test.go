package host

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/state"
	"github.com/setpoint-dev/setpoint/internal/target"
)

// What is read is what is there, in the words of a declaration; what is not there, or nobody has declared, is nil.
func TestReadsWhatIsThere(t *testing.T) {
	root := t.TempDir()
	h := openReal(t, t.TempDir(), root)
	file, directory := declareAt("File", "motd", "/motd", "declared"), declareAt("Directory", "srv", "/srv", "")
	if err := h.Apply(t.Context(), shop, steps(file, directory), func(target.Result) {}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "motd")
	spec := func(id state.ID) map[string]any {
		t.Helper()
		object, err := h.Read(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if object == nil {
			return nil
		}
		found, _ := object.Content()["spec"].(map[string]any)
		return found
	}
	if err := os.WriteFile(path, []byte("edited"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := spec(file.ID()); got["path"] != "/motd" || got["content"] != "edited" || got["mode"] != "0600" {
		t.Errorf("the file is read as %v", got)
	}
	if got := spec(directory.ID()); got["path"] != "/srv" {
		t.Errorf("the directory is read as %v", got)
	}
	if err := os.WriteFile(path, []byte{0xff, 0}, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := spec(file.ID()); got["content"] != nil || got["contentBase64"] != "/wA=" {
		t.Errorf("what is no text is read as %v", got)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := spec(file.ID()); got != nil {
		t.Errorf("a file that is gone is read as %v", got)
	}
	if got := spec(declareAt("File", "other", "/srv", "").ID()); got != nil {
		t.Errorf("what nobody has declared is read as %v", got)
	}
}
