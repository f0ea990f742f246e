package files_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/target/host/files"
)

func template(text string, values map[string]any, secrets map[string]any) spec {
	t := map[string]any{"text": text}
	if values != nil {
		t["values"] = values
	}
	if secrets != nil {
		t["secrets"] = secrets
	}
	return spec{"path": "/it", "template": t}
}

func TestTemplates(t *testing.T) {
	values := map[string]any{"port": 80, "hosts": []any{"a", "b"}, "empty": "", "tls": map[string]any{"on": true}, "big": 12345678, "half": 0.5}
	for _, c := range []struct{ text, want string }{
		{"port = {{ .Values.port }}", "port = 80"},
		{"{{ .Host.Name }} {{ .Host.OS }}/{{ .Host.Arch }} {{ .Host.CPUs }}", "one linux/amd64 4"},
		{"{{ range .Values.hosts }}<{{ . }}>{{ end }}", "<a><b>"},
		{`{{ join "," .Values.hosts | upper }}`, "A,B"},
		{`{{ .Values.empty | default "x" }} {{ index .Values "none" | default 5 }} {{ default "y" .Values.port }}`, "x 5 80"},
		{`{{ quote .Values.port }} {{ lower "ABC" }}`, `"80" abc`},
		{"{{ toJson .Values.tls }}", `{"on":true}`},
		{`{{ indent 2 "a\nb" }}`, "  a\n  b"},
		{`{{ required "say which" .Values.port }}`, "80"},
		{`{{ printf "%05d" .Values.port }} {{ .Values.big }} {{ .Values.half }}`, "00080 12345678 0.5"},
		{`{{ define "x" }}[{{ . }}]{{ end }}{{ template "x" .Values.port }}`, "[80]"},
		{`{{ if .Values.tls.on }}on{{ else }}off{{ end }}`, "on"},
	} {
		h := newHost(t)
		h.put(object("File", "it", template(c.text, values, nil)))
		if got := h.content("it"); got != c.want {
			t.Errorf("%s gives %q, want %q", c.text, got, c.want)
		}
	}
}

func TestWrongTemplates(t *testing.T) {
	values := map[string]any{"port": 80, "map": map[string]any{}}
	for name, text := range map[string]string{
		"syntax":                "{{ .Values.port",
		"unknown function":      "{{ nothing }}",
		"missing value":         "{{ .Values.none }}",
		"missing nested value":  "{{ .Values.map.none }}",
		"missing secret":        "{{ .Secrets.none }}",
		"unknown field":         "{{ .Hosts }}",
		"required":              `{{ required "say which" (index .Values "none") }}`,
		"recursion":             `{{ define "x" }}{{ template "x" }}{{ end }}{{ template "x" }}`,
		"recursion that spawns": `{{ define "x" }}{{ template "x" }}{{ template "x" }}{{ end }}{{ template "x" }}`,
		"endless loop":          "{{ range 1000000000 }}{{ range 1000000000 }}{{ end }}{{ end }}",
		"endless output":        `{{ range 1000000000 }}text{{ end }}`,
		"growing text":          `{{ $x := "text" }}{{ range 60 }}{{ $x = print $x $x }}{{ end }}`,
		"growing format":        `{{ $x := "text" }}{{ range 60 }}{{ $x = printf "%[1]s%[1]s" $x }}{{ end }}`,
		"growing escapes":       `{{ $x := "<" }}{{ range 60 }}{{ $x = html $x $x }}{{ end }}`,
		"wide format":           `{{ range 100 }}{{ printf "%1000000d" 1 }}{{ end }}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := files.CheckTemplate(text, values, nil)
			if fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
				t.Errorf("checked: %v", err)
			}
			h := newHost(t)
			entry := h.compare(object("File", "it", template(text, values, nil)))
			if entry.Op != diff.Create || fault.KindOf(entry.Err) != fault.Invalid || !strings.Contains(entry.Err.Error(), "/it") {
				t.Errorf("compared: %s, %v", entry.Op, entry.Err)
			}
			if strings.HasPrefix(name, "endless") {
				return // it takes its time
			}
			if again := h.compare(object("File", "it", template(text, values, nil))); again.Err.Error() != entry.Err.Error() {
				t.Errorf("the same problem gives %q and %q", entry.Err, again.Err)
			}
		})
	}
	if err := files.CheckTemplate("{{ .Secrets.token }} {{ .Host.Name }} {{ .Values.port }}", values, []string{"token"}); err != nil {
		t.Errorf("a good template: %v", err)
	}
}

// No secret is shown anywhere but in the file.
func TestSecrets(t *testing.T) {
	const first, second = "hunter2-first", "hunter2-second"
	for name, want := range map[string]spec{
		"from a variable":              {"path": "/it", "contentFrom": map[string]any{"secret": map[string]any{"env": "TOKEN"}}},
		"from a file":                  {"path": "/it", "contentFrom": map[string]any{"secret": map[string]any{"file": "/run/token"}}},
		"in a template":                template("{{ .Secrets.token }}", nil, map[string]any{"token": map[string]any{"env": "TOKEN"}}),
		"in a template, from a file":   template("{{ .Secrets.token }}", nil, map[string]any{"token": map[string]any{"file": "/run/token"}}),
		"through a link inside of run": {"path": "/it", "contentFrom": map[string]any{"secret": map[string]any{"file": "/run/link"}}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			set := func(value string) {
				h.env["TOKEN"] = value
				h.write("run/token", value)
			}
			set(first)
			h.must(os.Symlink("/run/token", h.path("run/link")))
			it := object("File", "it", want)
			h.put(it)
			if h.content("it") != first {
				t.Errorf("%q is in it", h.content("it"))
			}
			if info, err := os.Stat(h.path("it")); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("its mode is %v, %v", info.Mode(), err)
			}
			set(second)
			entry := h.compare(it)
			if entry.Op != diff.Update || len(entry.Fields) != 1 || !strings.Contains(entry.Fields[0].Old, "hmac:") ||
				!strings.Contains(entry.Fields[0].New, "hmac:") || entry.Fields[0].Old == entry.Fields[0].New {
				t.Errorf("%+v", entry)
			}
			result := h.put(it)
			record, _ := h.journal.Get(it.ID())
			shown, err := json.Marshal([]any{entry.Fields, record, result.Health})
			if err != nil || strings.Contains(string(shown), "hunter2") {
				t.Errorf("%s, %v", shown, err)
			}
		})
	}
}

func TestMissingSecrets(t *testing.T) {
	h := newHost(t)
	for _, from := range []map[string]any{{"env": "NONE"}, {"file": "/run/none"}} {
		for _, want := range []spec{
			{"path": "/it", "contentFrom": map[string]any{"secret": from}},
			template("{{ .Secrets.token }}", nil, map[string]any{"token": from}),
		} {
			entry := h.compare(object("File", "it", want))
			if fault.KindOf(entry.Err) != fault.NotFound || entry.Op != diff.Create {
				t.Errorf("%v: %s, %v", want, entry.Op, entry.Err)
			}
		}
	}
	h.must(os.MkdirAll(h.path("run"), 0o700))
	h.must(os.WriteFile(h.path("run/big"), make([]byte, 2<<20), 0o600))
	entry := h.compare(object("File", "it", spec{"path": "/it", "contentFrom": map[string]any{"secret": map[string]any{"file": "/run/big"}}}))
	if fault.KindOf(entry.Err) != fault.Invalid {
		t.Errorf("a secret that is too long: %v", entry.Err)
	}
}

// A secret that a template chokes on does not get into the error.
func TestSecretsInErrors(t *testing.T) {
	h := newHost(t)
	h.env["TOKEN"] = "hunter2-token"
	for _, text := range []string{`{{ required .Secrets.token "" }}`, `{{ index .Values .Secrets.token "x" }}`, `{{ join .Secrets.token .Secrets.token }}`} {
		entry := h.compare(object("File", "it", template(text, map[string]any{}, map[string]any{"token": map[string]any{"env": "TOKEN"}})))
		if entry.Err == nil || strings.Contains(entry.Err.Error(), "hunter2") {
			t.Errorf("%s: %v", text, entry.Err)
		}
	}
}

func validated(command ...string) spec {
	list := make([]any, len(command))
	for i, word := range command {
		list[i] = word
	}
	return spec{"path": "/it", "content": "new", "mode": "0750", "validate": map[string]any{"command": list, "timeout": "10s"}}
}

func TestValidate(t *testing.T) {
	with := func(s spec, more spec) spec {
		maps.Copy(s, more)
		return s
	}
	plainFile := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plainFile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	quick := map[string]any{"command": []any{"sleep", "1000"}, "timeout": "50ms"}
	for _, c := range []struct {
		name string
		want spec
		kind fault.Kind // "" when the new file is accepted
		text string     // of the error
	}{
		{"accepted", validated("grep", "-q", "new", "{}"), "", ""},
		{"the new file itself is run", with(validated("{}"), spec{"content": "#!/bin/sh\nexit 0\n"}), "", ""},
		{"refused", validated("sh", "-c", "echo first; echo the port is wrong >&2; exit 3", "{}"), fault.Invalid, "(exit status 3): first; the port is wrong"},
		{"refused with its path", validated("sh", "-c", "echo $0 is wrong; exit 1", "{}"), fault.Invalid, "/it is wrong"},
		{"sensitive", with(validated("sh", "-c", "cat $0; exit 1", "{}"), spec{"content": "hunter2", "sensitive": true}), fault.Invalid, "(exit status 1)"},
		{"no such command", validated("no-such-command-here", "{}"), fault.NotFound, "there is no command no-such-command-here"},
		{"no such file", validated("/no/such/command", "{}"), fault.NotFound, "there is no command /no/such/command"},
		{"not executable", validated(plainFile, "{}"), fault.Denied, "cannot be executed"},
		{"too slow", with(validated("x"), spec{"validate": quick}), fault.Transient, "did not end within 50ms"},
		{"killed", validated("sh", "-c", "kill -9 $$"), fault.Invalid, "signal: killed"},
		{"no secrets of the agent", validated("sh", "-c", `test -z "$SETPOINT_TOKEN"`), "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("SETPOINT_TOKEN", "hunter2")
			h := newHost(t)
			h.write("it", "old")
			it := object("File", "it", c.want)
			result := h.apply(diff.Update, it)
			if c.kind == "" {
				if result.Err != nil {
					t.Fatal(result.Err)
				}
				h.equal(it)
				return
			}
			if fault.KindOf(result.Err) != c.kind || !strings.Contains(fmt.Sprint(result.Err), c.text) || fault.HintOf(result.Err) == "" {
				t.Errorf("%v is %s with the hint %q", result.Err, fault.KindOf(result.Err), fault.HintOf(result.Err))
			}
			if again := h.apply(diff.Update, it); fmt.Sprint(again.Err) != fmt.Sprint(result.Err) {
				t.Errorf("the same problem gives %q and %q", result.Err, again.Err)
			}
			if strings.Contains(fmt.Sprint(result.Err), "hunter2") || result.Health.Ready() || result.Changed {
				t.Errorf("%+v", result)
			}
			if tree := h.tree(); len(tree) != 1 || tree["/it"] != "-rw-r--r-- old" {
				t.Errorf("the old file is not what it was: %v", tree)
			}
			if _, owned := h.journal.Get(it.ID()); owned {
				t.Error("what was never changed is owned")
			}
		})
	}
}

// What a command leaves running ends with it, and does not hold up anything.
func TestValidateEndsWithItsChildren(t *testing.T) {
	h := newHost(t)
	pipe := h.path("alive")
	it := object("File", "it", validated("sh", "-c", "sleep 1000 & echo $! > "+pipe+"; exit 0"))
	h.put(it)
	pid := strings.TrimSpace(h.content("alive"))
	await(t, "the child is gone", func() bool {
		status, err := os.ReadFile("/proc/" + pid + "/stat")
		return err != nil || strings.Contains(string(status), ") Z ")
	})
}

func TestCancelledApply(t *testing.T) {
	h := newHost(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	result := h.driver.Apply(ctx, owner, step(diff.Create, file("it", "/it", "x")))
	if fault.KindOf(result.Err) != fault.Transient || len(h.tree()) > 0 || len(h.journal.All()) > 0 {
		t.Errorf("%+v", result)
	}
	if entry := h.driver.Compare(ctx, owner, file("it", "/it", "x"), recordOf(h, file("it", "/it", "x"))); fault.KindOf(entry.Err) != fault.Transient {
		t.Errorf("%+v", entry)
	}
}
