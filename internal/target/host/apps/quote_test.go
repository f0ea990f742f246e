package apps

import (
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/target/host/supervise"
)

// What a process that fails writes last is quoted to everybody, without the secrets that it was given.
func TestSecretsAreNotQuoted(t *testing.T) {
	ofHost := map[string]any{"processes": web("crash"), "secrets": map[string]any{"TOKEN": map[string]any{"env": "TOKEN"}}}
	ofDeclaration := map[string]any{"processes": web("crash"), "env": map[string]any{"TOKEN": "panic: boom", "COLOR": "starting"}}
	for name, test := range map[string]struct {
		spec  map[string]any
		marks []string
		want  string
	}{
		"none":             {map[string]any{"processes": web("crash")}, nil, "starting | panic: boom"},
		"of the host":      {ofHost, nil, "starting | (secret)"},
		"of a declaration": {ofDeclaration, []string{"/spec/env/TOKEN"}, "starting | (secret)"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.env["TOKEN"] = "panic: boom"
			want := object(test.spec).WithSecrets(test.marks)
			entry := b.loop(want, "failure", func(e diff.Entry) bool { return e.Health.Final })
			releases, err := b.driver.Releases("shop")
			if err != nil || len(releases.Releases) != 1 {
				t.Fatalf("releases: %+v, %v", releases, err)
			}
			for what, said := range map[string]string{"health": entry.Health.Message, "release": releases.Releases[0].Message} {
				if !strings.HasSuffix(said, "; it last wrote: "+test.want) {
					t.Errorf("%s: %s", what, said)
				}
			}
		})
	}
}

// When a secret of the host is another by now, nobody knows what the process may have written.
func TestNothingIsQuotedThatMayBeASecretOfBefore(t *testing.T) {
	b := newBench(t)
	b.env["TOKEN"] = "panic: boom"
	want := object(map[string]any{"secrets": map[string]any{"TOKEN": map[string]any{"env": "TOKEN"}}})
	b.converge(want)
	memory := must(b.driver.memoryOf("shop"))(t)
	ended := []supervise.Status{{
		ID:   b.supervisor.running()[0],
		Exit: &supervise.Exit{Code: 2, Output: []string{"panic: boom"}},
	}}
	b.env["TOKEN"] = "another one"
	b.driver.quotable(t.Context(), ground{app: "shop", owner: testOwner, memory: memory}, ended)
	if len(ended[0].Exit.Output) > 0 {
		t.Errorf("quoted: %q", ended[0].Exit.Output)
	}
}
