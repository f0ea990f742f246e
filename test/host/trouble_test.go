package host_test

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/test/host"
	"github.com/setpoint-dev/setpoint/test/system"
)

// trouble is one mistake in a commit, or one misfortune of the host.
type trouble struct {
	name   string
	change func(app string) string // of the app's declaration
	file   string                  // or a declaration of something else
	says   []string                // what the Sync says
	asRoot bool                    // it cannot come about otherwise; as another user, the other is tested
}

func replace(pairs ...string) func(string) string { return strings.NewReplacer(pairs...).Replace }

// troubles that a commit brings. Each must be told with these words, and the old release must go on serving.
func troubles(archives *archiveServer) []trouble {
	spec := func(kind, spec string) string {
		return "apiVersion: host.setpoint.dev/v1alpha1\nkind: " + kind + "\nmetadata: {name: trouble}\nspec: {" + spec + "}\n"
	}
	archive := func(name string) func(string) string {
		return replace("build: {directory: build}", "build: {archive: {"+archives.of(name)+"}}")
	}
	return []trouble{
		{name: "command not found", change: replace("VERSION: one", "VERSION: two", "[", "[no-such-program-", "]", "]"),
			says: []string{"no-such-program-", "not found"}},
		{name: "binary without x bit", change: func(app string) string {
			return strings.Replace(replace("VERSION: one", "VERSION: two")(app), "command: ["+sampleIn(app)+"]", "command: [./not-executable]", 1)
		}, says: []string{"not-executable", "executable"}},
		{name: "missing user", change: replace("VERSION: one", "VERSION: two", "  expose:", "  user: nobody-at-all\n  expose:"),
			says: []string{"nobody-at-all"}},
		{name: "archive with the wrong digest", change: archive("wrong-digest.tar.gz"), says: []string{"sha256"}},
		{name: "archive with ..", change: archive("dotdot.tar"), says: []string{".."}},
		{name: "archive with a link that leads outside", change: archive("link.tar"), says: []string{"link"}},
		{name: "archive that is none", change: archive("garbage.tar.gz"), says: []string{"archive"}},
		{name: "pre command that fails", change: replace("VERSION: one", "VERSION: two", "release: {", "release: {pre: ["+"/bin/false"+"], "),
			says: []string{"the command before the switch", "code 1"}},
		{name: "crash at the start", change: replace("VERSION: one", "VERSION: two, EXIT: \"7\""),
			says: []string{"code 7", "the last words of two"}},
		{name: "template error", file: spec("File", `path: /etc/trouble, template: {text: "{{ .Values.missing }}", values: {there: 1}}`),
			says: []string{"missing"}},
		{name: "template syntax", file: spec("File", `path: /etc/trouble, template: {text: "{{ if }}"}`), says: []string{"template"}},
		{name: "validate fails", file: spec("File", `path: /etc/trouble, content: new, validate: {command: [/bin/sh, -c, "echo it is wrong; exit 3"]}`),
			says: []string{"it is wrong", "3"}},
		{name: "validate not found", file: spec("File", `path: /etc/trouble, content: new, validate: {command: [no-such-validator]}`),
			says: []string{"no-such-validator"}},
		{name: "missing owner", file: spec("File", `path: /etc/trouble, content: new, owner: nobody-at-all`), says: []string{"nobody-at-all"}},
		{name: "missing directory", file: spec("File", `path: /etc/none/trouble, content: new`), says: []string{"/etc/none"}},
		{name: "wrong owner", file: spec("File", `path: /etc/trouble, content: new, owner: "0"`), says: []string{"owner"}, asRoot: false},
	}
}

func sampleIn(app string) string {
	_, rest, _ := strings.Cut(app, "command: [")
	command, _, _ := strings.Cut(rest, "]")
	return command
}

// TestTroubles: each mistake is told clearly, changes nothing of what there is, and the commit that takes it back is taken at once.
func TestTroubles(t *testing.T) {
	archives := serveArchives(t)
	port := host.FreePort(t)
	app := host.App(host.Sample(t), "one", port)
	url := fmt.Sprintf("http://127.0.0.1:%d/", port)
	good := map[string]string{"app.yaml": app, "build/not-executable": "#!/bin/sh\n", "other/kept.yaml": host.File("kept", "/etc/kept", "as it was\n")}
	s := host.Play(t, good)
	s.Says(url, "one ")
	if err := os.WriteFile(s.At("/etc/trouble"), []byte("from before\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, one := range troubles(archives) {
		if one.name == "wrong owner" && os.Geteuid() == 0 {
			continue // root may own anything to anybody; see TestTroublesOfOthers
		}
		t.Run(one.name, func(t *testing.T) {
			files := map[string]string{"trouble.yaml": "# nothing\n"}
			if one.change != nil {
				files["app.yaml"] = one.change(app)
			}
			if one.file != "" {
				files["trouble.yaml"] = one.file
			}
			before := s.Processes()
			s.Repo.Commit(files, one.name)
			waitSays(t, s, one.says...)
			if said := s.Says(url, "one "); said == "" {
				t.Error("the old release does not serve")
			}
			for pid := range before {
				if _, there := s.Processes()[pid]; !there {
					t.Errorf("process %d of the old release has ended", pid)
				}
			}
			if s.Read("/etc/kept") != "as it was\n" || s.Read("/etc/trouble") != "from before\n" {
				t.Error("files were touched")
			}
			s.Repo.Commit(map[string]string{"app.yaml": app, "trouble.yaml": "# nothing\n"}, "Take it back")
			s.Agent.WaitInSync()
		})
	}
}

// waitSays waits until the root Sync fails and says all of these words.
func waitSays(t *testing.T, s *host.Scene, words ...string) v1alpha1.SyncStatus {
	t.Helper()
	var status v1alpha1.SyncStatus
	system.Wait(t, "the root to fail and to say "+strings.Join(words, ", "), func() bool {
		status = s.Agent.Statuses()["root"]
		text := status.Reason + " " + status.Message + " " + status.Hint
		for _, problem := range status.Problems {
			text += " " + problem.Message + " " + problem.Hint
		}
		for _, word := range words {
			if !strings.Contains(text, word) {
				return false
			}
		}
		return status.State == "Failed"
	})
	t.Logf("%s: %s\n  hint: %s", status.Reason, status.Message, status.Hint)
	return status
}

// TestPortInUse: an address that somebody else listens on is told with who does, and taken when it is free.
func TestPortInUse(t *testing.T) {
	port := host.FreePort(t)
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	s := host.Prepare(t, map[string]string{"app.yaml": host.App(host.Sample(t), "one", port), "build/readme": "x"})
	system.Wait(t, "the Sync to tell of the address", func() bool {
		return strings.Contains(s.Agent.Statuses()["root"].Message, fmt.Sprint(port))
	})
	t.Log(s.Agent.Statuses()["root"].Message)
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	s.Agent.WaitInSync()
	s.Says(fmt.Sprintf("http://127.0.0.1:%d/", port), "one ")
}
