package host_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/setpoint-dev/setpoint/test/host"
	"github.com/setpoint-dev/setpoint/test/system"
)

// What is encrypted in testdata/secrets.txtar.
const (
	firstVariable  = "pl4in-variable-one"
	secondVariable = "pl4in-variable-two"
	argument       = "pl4in-argument"
)

// What somebody has on the host.
const (
	ofHost   = "pl4in-of-the-host"
	before   = "pl4in-before"
	intruder = "pl4in-intruder"
)

// TestSecretsAreToldToNobody: an app is started with variables that were decrypted, a file is made of them, another replaces one that was
// there, a release fails with its secrets for last words, and a command that fails quotes one. Nothing that the agent says or keeps on its
// disk holds one of them, and yet the app is started again by the next agent.
func TestSecretsAreToldToNobody(t *testing.T) {
	parsed, err := txtar.ParseFile("testdata/secrets.txtar")
	if err != nil {
		t.Fatal(err)
	}
	encrypted := map[string]string{}
	for _, file := range parsed.Files {
		encrypted[file.Name] = string(file.Data)
	}
	keys := filepath.Join(t.TempDir(), "key.txt")
	if err := os.WriteFile(keys, []byte(encrypted["key.txt"]), 0o600); err != nil {
		t.Fatal(err)
	}
	app := strings.Replace(host.App(host.Sample(t), "one", host.FreePort(t)), "  processes:", "  envFrom: [{file: app.env}]\n  processes:", 1)
	conf := strings.Replace(host.File("conf", "/etc/conf", ""), `content: ""`, "contentFrom: {file: app.env}", 1)
	s := host.Prepare(t, map[string]string{
		"kustomization.yaml": "resources: [shop.yaml]\n", "shop.yaml": app + conf, "build/README": "nothing\n", "app.env": encrypted["1/app.env"],
	}, "SOPS_AGE_KEY_FILE="+keys, "SETPOINT_LOG_LEVEL=debug")
	s.Agent.WaitInSync()
	if info, err := os.Stat(s.At("/etc/conf")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a file with secrets and no mode of its own: %v, %v", info, err)
	}
	heard := system.Heard{}
	listen := func(moment string) {
		s.Agent.Eavesdrop(heard, moment,
			[]string{"syncs", "syncs/root", "syncs/root/objects", "tree", "history?limit=1000", "apps", "apps/web/releases",
				"events?since=2000-01-01T00:00:00Z"},
			[]string{"status", "status root", "diff root", "history root", "history app/web", "tree", "tree --why root"})
	}
	listen("at first")

	if err := os.WriteFile(s.At("/etc/conf"), []byte("TOKEN="+intruder+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Agent.Wait("the file to be repaired", func() bool { return s.Read("/etc/conf") == "TOKEN="+firstVariable+"\n" })
	s.Repo.Commit(map[string]string{"app.env": encrypted["2/app.env"]}, "Change the variable")
	s.Agent.Wait("the new release", func() bool { return len(s.Releases("web")) == 2 && s.Releases("web")[0].State == "Active" })
	s.Agent.WaitInSync()
	lastWords(s, app, conf)
	listen("with last words")
	s.Repo.Commit(map[string]string{"shop.yaml": app + conf + host.File("old", "/etc/old", "new\n")}, "Go back")
	s.Agent.WaitInSync()
	s.Repo.Commit(map[string]string{
		"kustomization.yaml": "resources: [shop.yaml, command.yaml, quote.yaml]\n", "command.yaml": encrypted["3/command.yaml"],
		"quote.yaml": "apiVersion: host.setpoint.dev/v1alpha1\nkind: Command\nmetadata: {name: quote}\n" +
			"spec: {app: web, command: [cat, $TOKEN]}\n",
	}, "Look for a file")
	s.Agent.WaitState("Failed", "root")
	s.Agent.Wait("the command in the app to be quoted", func() bool {
		return strings.Contains(s.Agent.Setpoint("status", "root").Stdout, "it last wrote: cat: (secret): No such file")
	})
	listen("with a failure")

	s.Agent.Kill()
	s.Agent.Start()
	for pid, mark := range s.Processes() {
		if strings.HasPrefix(mark, "web/") {
			if got := host.Variable(t, pid, "TOKEN"); got != secondVariable {
				t.Errorf("process %s has TOKEN=%s", mark, got)
			}
			if process, err := os.FindProcess(pid); err != nil || process.Kill() != nil {
				t.Errorf("kill %s: %v", mark, err)
			}
			break
		}
	}
	s.Agent.Wait("both processes to be there", func() bool {
		count := 0
		for _, mark := range s.Processes() {
			if strings.HasPrefix(mark, "web/") {
				count++
			}
		}
		return count == 2
	})
	listen("at last")
	s.Agent.Search(heard)
	maps.DeleteFunc(heard, func(place, _ string) bool { // what a program prints is its own doing
		return strings.HasPrefix(place, "disk host/commands/") && strings.Contains(place, "/logs/") || strings.HasPrefix(place, "disk host/apps/web/logs/")
	})

	for _, secret := range []string{
		firstVariable, secondVariable, argument, ofHost, before, intruder, strings.TrimSpace(encrypted["key.txt"]),
	} {
		for _, place := range heard.Tells(secret) {
			t.Errorf("%q is told: %s", secret, place)
		}
	}
	for place, harmless := range map[string]string{
		"log": "conf", "disk setpoint.db": "Change the variable", "disk host/journal/journal.log": `"name":"web"`,
		"with a failure setpoint status root": "look", "with last words GET apps/web/releases": "it last wrote: (secret)",
		"at first setpoint history app/web": "Begin",
	} {
		if !heard.Holds(place, harmless) {
			t.Errorf("%s does not tell %q, so that this test may be deaf", place, harmless)
		}
	}
}

// lastWords has a release of an app end with its secrets for last words, one decrypted and one of the host; and a file replaces one that
// was there.
func lastWords(s *host.Scene, app, conf string) {
	s.Helper()
	for name, content := range map[string]string{"/etc/token": ofHost + "\n", "/etc/old": before + "\n"} {
		if err := os.WriteFile(s.At(name), []byte(content), 0o600); err != nil {
			s.Fatal(err)
		}
	}
	failing := strings.Replace(app, "  processes:", "  secrets: {HOST_TOKEN: {file: /etc/token}}\n  processes:", 1)
	failing = strings.Replace(failing, "command: ["+host.Sample(s)+"]", "command: [printenv, TOKEN, HOST_TOKEN]", 1)
	s.Repo.Commit(map[string]string{"shop.yaml": failing + conf + host.File("old", "/etc/old", "new\n")}, "Say all")
	s.Agent.Wait("the release to fail", func() bool { return s.Releases("web")[0].State == "Failed" })
	if said := s.Releases("web")[0].Message; !strings.HasSuffix(said, "it last wrote: (secret) | (secret)") {
		s.Errorf("the release: %s", said)
	}
	s.Agent.Wait("the file to be replaced", func() bool { return s.Read("/etc/old") == "new\n" })
}
