package fetch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

func TestValuesAreRead(t *testing.T) {
	dir := t.TempDir()
	file, large := filepath.Join(dir, "token"), filepath.Join(dir, "large")
	for name, content := range map[string]string{file: "from a file\r\n", large: strings.Repeat("x", maxValue+1)} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	getenv := func(name string) string { return map[string]string{"A": "from the environment\n"}[name] }
	for want, from := range map[string]*v1alpha1.ValueFrom{
		"": nil, "from the environment": {Env: "A"}, "from a file": {File: file},
	} {
		if got, err := Read(from, getenv); err != nil || got != want {
			t.Errorf("got %q and %v, want %q", got, err, want)
		}
	}
	for _, from := range []*v1alpha1.ValueFrom{{Env: "NONE"}, {File: filepath.Join(dir, "none")}, {File: dir}, {File: large}, {File: os.DevNull}, {}} {
		got, err := Read(from, getenv)
		if got != "" || fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
			t.Errorf("%+v: got %d bytes and %v", from, len(got), err)
		}
	}
	for want, from := range map[string]*v1alpha1.PublicKeys{
		"": nil, "text\n": {Text: "text\n"}, "from the environment\n": {Env: "A"}, "from a file\r\n": {File: file},
	} {
		if got, err := ReadKeys(from, getenv); err != nil || got != want {
			t.Errorf("got %q and %v, want %q", got, err, want)
		}
	}
	login, err := ReadLogin(&v1alpha1.Credentials{Token: &v1alpha1.ValueFrom{Env: "A"}, Password: &v1alpha1.ValueFrom{File: file}}, getenv)
	if err != nil || login != (Login{Token: "from the environment", Password: "from a file"}) {
		t.Errorf("%v, %v", login, err)
	}
	if _, err := ReadLogin(&v1alpha1.Credentials{Username: &v1alpha1.ValueFrom{Env: "NONE"}}, getenv); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
}
