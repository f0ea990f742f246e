package system_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/test/gitserver"
	"github.com/setpoint-dev/setpoint/test/system"
)

// What is secret in the scene of TestSecretsAreToldToNobody, beside what the chart makes at random. The first six are encrypted in
// testdata/secrets.txtar.
const (
	firstLogin   = `pl4in "login" pässword`
	secondLogin  = `pl4in 'second' login`
	bannerText   = "pl4in-banner"
	firstDotenv  = "pl4in-dotenv-one"
	secondDotenv = "pl4in-dotenv-two"
	refusedIP    = "pl4in-refused"
	variable     = "pl4in-variable"
	firstValue   = "pl4in-value-one"
	secondValue  = "pl4in-value-two"
	intruder     = "pl4in-intruder"
)

// secretScene is an agent whose desired state gets secrets in every way there is: documents encrypted by SOPS, for a key of the agent's and
// for one in the cluster, a generator's file, a variable, a chart's values, and what a chart makes at random.
type secretScene struct {
	*scene

	files    map[string]string // of testdata/secrets.txtar
	checkout map[string]string // the first commit
	heard    system.Heard
	moment   int // at which it was listened
}

// TestSecretsAreToldToNobody lets secrets go wrong in every way: they drift, change, wait for an approval, are refused by API server and
// template, are rolled back, and forgotten by a restart. Then nothing that the agent wrote or said may hold one of them.
func TestSecretsAreToldToNobody(t *testing.T) {
	s := prepareSecrets(t)
	s.agent.WaitInSync("root", "shop", "web", "keyed")
	s.eavesdrop("root", "shop", "web", "keyed")
	s.offline()
	s.drift()
	s.change()
	s.refused()
	s.templateFails()
	s.forgotten()
	s.eavesdrop("root", "shop", "web", "keyed")
	s.nothingHeard()
}

func prepareSecrets(t *testing.T) *secretScene {
	t.Helper()
	s := newSecretScene(t)
	s.gives("variables", "TOKEN: "+variable)
	s.gives("values", "token: "+firstValue)
	s.gives("sops", "age.agekey: "+strings.TrimSpace(s.files["key.txt"]))
	files := s.layer("1")
	maps.Copy(files, s.layer("0"))
	s.commit("Begin with secrets", files)
	s.checkout = files
	s.listenTo()
	return s
}

// newSecretScene gives a scene without an agent, and with an empty repository.
func newSecretScene(t *testing.T) *secretScene {
	t.Helper()
	s := &secretScene{
		scene: &scene{T: t, plant: system.Shared(t), repo: gitserver.Start(t, gitserver.Options{}).Repo("fleet")},
		files: archive(t, "secrets"), heard: system.Heard{},
	}
	s.ns = s.plant.MakeNamespace("secrets")
	return s
}

// listenTo starts an agent that has the key and tells all that it would tell of its work.
func (s *secretScene) listenTo() {
	s.Helper()
	keys := writeFiles(s.T, "keys", map[string]string{"key.txt": s.files["key.txt"]})
	s.agent = system.StartAgent(s.T, system.Agent{
		Repo: s.repo, Kubeconfig: s.plant.Kubeconfig(), Args: []string{"--log-level", "debug"},
		Env: []string{"SOPS_AGE_KEY_FILE=" + keys + "/key.txt"},
	})
}

// gives makes a Secret of the cluster that the agent reads.
func (s *secretScene) gives(name, data string) {
	s.Helper()
	s.plant.Apply("somebody", s.secret(name),
		"apiVersion: v1\nkind: Secret\nmetadata: {name: "+name+", namespace: "+s.ns+"}\nstringData: {"+data+"}\n")
}

func (s *secretScene) secret(name string) string { return system.Path("v1", "secrets", s.ns, name) }

// layer gives the files below a folder of testdata/secrets.txtar, as they are in the repository.
func (s *secretScene) layer(name string) map[string]string {
	files := map[string]string{}
	for path, text := range s.files {
		if inside, ok := strings.CutPrefix(path, name+"/"); ok {
			files[inside] = text
		}
	}
	return files
}

// commit leaves alone what is encrypted: the letters that stand for the namespace may be in it.
func (s *secretScene) commit(message string, files map[string]string) {
	s.Helper()
	for name, text := range files {
		if !strings.Contains(text, "ENC[") {
			files[name] = strings.ReplaceAll(text, "NS", s.ns)
		}
	}
	s.repo.Commit(files, message)
}

// data gives one key of a Secret in the cluster, in plaintext.
func (s *secretScene) data(name, key string) string {
	return plainText(s.plant.Find(s.secret(name)).Field("data", key))
}

func (s *secretScene) waitData(name, key, want string) {
	s.Helper()
	system.Wait(s, name+"'s "+key+" to be as declared", func() bool { return s.data(name, key) == want })
}

// drift has a Secret and a ConfigMap with a secret changed by others: shown while the Sync is suspended, and repaired then.
func (s *secretScene) drift() {
	s.Helper()
	if banner, login := s.value("banner", "text"), s.data("keyed-login", "password"); banner != bannerText || login != firstLogin {
		s.Errorf("the banner is %q, and the login %q", banner, login)
	}
	s.order("suspend", "shop")
	s.plant.Edit("somebody", s.secret("login"), func(o system.Object) {
		o["data"] = nil
		o["stringData"] = map[string]any{"password": intruder}
	})
	s.plant.Edit("somebody", s.config("banner"), func(o system.Object) {
		o["data"] = map[string]any{"text": intruder, "colour": "red"}
	})
	s.agent.Wait("the drift to be seen", func() bool { return s.agent.Statuses()["shop"].Objects.Different == 2 })
	s.eavesdrop("root", "shop", "web", "keyed")
	s.order("resume", "shop")
	s.waitData("login", "password", firstLogin)
	system.Wait(s, "the banner to be repaired", func() bool { return s.value("banner", "text") == bannerText })
}

// change brings new secrets, which wait for an approval, and gives the chart another value.
func (s *secretScene) change() {
	s.Helper()
	s.gives("values", "token: "+secondValue)
	s.waitData("web", "token", secondValue)
	fleet := strings.Replace(s.files["0/fleet.yaml"], "approval: never", "approval: always", 1)
	s.commit("Ask before", map[string]string{"fleet.yaml": fleet})
	s.agent.WaitInSync("root", "shop")
	s.commit("Change secrets", s.layer("2"))
	s.waitProblem("shop", "Held", "ApprovalRequired")
	s.eavesdrop("root", "shop", "web", "keyed")
	s.order("approve", "shop", "--yes")
	s.waitData("login", "password", secondLogin)
	s.commit("Ask no more", map[string]string{"fleet.yaml": s.files["0/fleet.yaml"]})
	s.agent.WaitInSync("root", "shop", "web", "keyed")
}

// refused has the API server quote a secret in its refusal: the Sync goes back to what was healthy.
func (s *secretScene) refused() {
	s.Helper()
	s.commit("Use a secret wrongly", s.layer("3"))
	s.waitProblem("shop", "RolledBack", "refused")
	s.eavesdrop("root", "shop", "web", "keyed")
}

// templateFails has a template print the value that it was given in its failure.
func (s *secretScene) templateFails() {
	s.Helper()
	s.commit("Fail in a template", map[string]string{"values.yaml": "broken: true\n"})
	s.waitProblem("web", "Failed", "RenderFailed", "the token is")
	s.eavesdrop("root", "shop", "web", "keyed")
	s.commit("Mend the template", map[string]string{"values.yaml": "broken: false\n"})
	s.agent.WaitInSync("web")
}

// forgotten kills the agent: what was gone back to was in its memory alone, so what failed is held.
func (s *secretScene) forgotten() {
	s.Helper()
	s.agent.Kill()
	s.agent.Start()
	s.waitProblem("shop", "Held", "NothingToGoBackTo", "not kept any more")
	s.waitData("login", "password", secondLogin)
	s.agent.WaitInSync("web")
}

// nothingHeard looks for all secrets of the scene. The ConfigMap banner has one because that is declared.
func (s *secretScene) nothingHeard() {
	s.Helper()
	s.search("banner")
	s.notTold([]string{
		firstLogin, secondLogin, bannerText, firstDotenv, secondDotenv, refusedIP, variable, firstValue, secondValue, intruder,
		s.data("web", "random"), strings.TrimSpace(s.files["key.txt"]),
	}, map[string]string{
		"log": "/login", "disk setpoint.db": "Change secrets", "configmaps": "harmless",
		"1 GET syncs/shop/objects": "green", "1 GET events": "Begin with secrets", "3 GET history": "Change secrets",
		"2 setpoint diff shop": "colour", "2 setpoint diff shop -o json": "hmac:", "3 setpoint status shop": "Change secrets",
		"1 setpoint events --since 2000-01-01T00:00:00Z -o json": "login", "3 setpoint history -n 100 -o json": "Change secrets",
		"offline render web -o=json": "example.com/main:1", "offline render web --explain": "from chart/templates/web.yaml",
		"offline render that fails": "the token is", "offline diff": "chart/templates/web.yaml",
	})
}
