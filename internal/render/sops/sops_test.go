package sops_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	library "github.com/getsops/sops/v3"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/sops"
	"github.com/setpoint-dev/setpoint/internal/state"
)

const manifest = `apiVersion: v1
kind: Secret
metadata:
    name: db
stringData:
    # the password of the shop
    password: hunter22
    user: shop
`

// Every format reads byte for byte as SOPS itself writes its plaintext.
func TestFormats(t *testing.T) {
	key := newAge(t)
	for name, test := range map[string]struct{ format, text string }{
		"secret.yaml":    {"yaml", manifest},
		"two.yml":        {"yaml", manifest + "---\n" + strings.Replace(manifest, "name: db", "name: other", 1)},
		"secret.json":    {"json", `{"apiVersion": "v1", "list": [1, true, "<a>"], "none": null}`},
		"app.env":        {"dotenv", "# comment\nPASSWORD=hunter22\nLINES=a\\nb\n"},
		"settings":       {"dotenv", "PASSWORD=hunter22\n"},
		"app.ini":        {"ini", "[db]\npassword = hunter22\n\n"},
		"blob.bin":       {"binary", "\x00\x01 anything \xff"},
		"config.toml":    {"binary", "password = 'hunter22'\n"},
		"values.enc":     {"yaml", "password: hunter22\n"},
		".dockerconfig":  {"json", "{\n\t\"auths\": {\n\t\t\"example.com\": \"hunter22\"\n\t}\n}\n"},
		"empty.yaml":     {"yaml", "a: {}\nb: []\n"},
		"quotes.yaml":    {"yaml", "a: \"1\"\nb: 'yes'\nc: 1.5\nd: true\n"},
		"multiline.yaml": {"yaml", "key: |\n    line one\n    line two\n"},
	} {
		want := test.text
		if s := store(t, test.format); test.format != "binary" {
			branches, err := s.LoadPlainFile([]byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			text, err := s.EmitPlainFile(branches)
			if err != nil {
				t.Fatal(err)
			}
			want = string(text)
		}
		stored := encrypt(t, test.format, test.text, nil, forAge(key.Recipient().String()))
		artifact := decrypted(t, map[string]string{"SOPS_AGE_KEY": "# mine\n" + key.String()}, map[string]string{name: stored})
		got, err := artifact.ReadFile(name)
		if err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v; want %q", name, got, err, want)
			continue
		}
		file, err := artifact.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := io.ReadAll(file)
		if info, err := file.Stat(); err != nil || string(again) != want || info.Size() != int64(len(want)) {
			t.Errorf("%s: opened it reads %q", name, again)
		}
		if hash, _ := artifact.Hash(name); hash == "" || !artifact.(render.Secretive).Sensitive(name) {
			t.Errorf("%s: hash %q, or not sensitive", name, hash)
		}
		if raw, _ := artifact.(render.Secretive).Raw().ReadFile(name); string(raw) != stored {
			t.Errorf("%s: raw it is %q", name, raw)
		}
	}
}

// Whatever is no SOPS document passes unread.
func TestOthersPass(t *testing.T) {
	files := map[string]string{
		"values.yaml": "sops:\n  enabled: true\n", ".sops.yaml": "creation_rules:\n- age: age1\n",
		"readme.md":     "# sops\nsops_mac=\n",
		"template.yaml": "{{ if .Values.sops }}\nsops: {{ .x }}\n", "deep.yaml": "a:\n  sops:\n    mac: x\n",
		"map.yaml": "data:\n  x: |\n    sops_mac=ENC[AES256_GCM,data:x]\n    sops_version=3\n", "list.json": `[{"sops":{"mac":"x"}}]`,
		"big.txt": strings.Repeat("sops and more\n", 400_000),
	}
	artifact := decrypted(t, nil, files)
	for name, want := range files {
		if got, err := artifact.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s: got %.60q, %v", name, got, err)
		}
	}
	if names, err := fs.Glob(artifact, "*"); err != nil || len(names) != len(files) {
		t.Errorf("listed: %q, %v", names, err)
	}
}

// values are ConfigMaps and Secrets of a cluster.
type values map[string]*state.Object

func (v values) Object(_ context.Context, id state.ID) (*state.Object, error) {
	if object := v[id.String()]; object != nil {
		return object, nil
	}
	return nil, fault.New(fault.NotFound, "read", id.String(), "the cluster has no such object")
}

// Each kind of key opens a document, from each of the places that keys come from.
func TestKeys(t *testing.T) {
	classic, dir := newAge(t), t.TempDir()
	quantum, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	entity, armored := newPGP(t)
	put := func(name, content string) string {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	secret := state.NewObject(map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"namespace": "keys", "name": "sops"},
		"data": map[string]any{
			"a.agekey": base64.StdEncoding.EncodeToString([]byte(quantum.String())),
			"b.asc":    base64.StdEncoding.EncodeToString([]byte(armored)), "note": "%%%",
		},
	}, state.Origin{})
	put("xdg/sops/age/keys.txt", "# created\n"+classic.String()+"\n")
	inSecret := named(v1alpha1.DecryptKey{Secret: &v1alpha1.ObjectName{Namespace: "keys", Name: "sops"}})
	for name, test := range map[string]struct {
		key sealer
		env map[string]string
		how v1alpha1.Rendering
	}{
		"a variable":   {key: forAge(classic.Recipient().String()), env: map[string]string{"SOPS_AGE_KEY": classic.String()}},
		"post-quantum": {key: forAge(quantum.Recipient().String()), env: map[string]string{"SOPS_AGE_KEY": quantum.String()}},
		"two in a variable": {key: forAge(classic.Recipient().String()),
			env: map[string]string{"SOPS_AGE_KEY": quantum.String() + " " + classic.String()}},
		"a file": {key: forAge(classic.Recipient().String()),
			env: map[string]string{"SOPS_AGE_KEY_FILE": put("keys.txt", "# public key: x\n"+classic.String())}},
		"the usual place": {key: forAge(classic.Recipient().String()),
			env: map[string]string{"XDG_CONFIG_HOME": filepath.Join(dir, "xdg")}},
		"OpenPGP": {key: forPGP(entity), env: map[string]string{"SETPOINT_PGP_KEY_FILE": put("key.asc", armored)}},
		"a named variable": {key: forAge(classic.Recipient().String()), env: map[string]string{"TEAM_KEY": classic.String()},
			how: named(v1alpha1.DecryptKey{Env: "TEAM_KEY"})},
		"a named file": {key: forPGP(entity), how: named(v1alpha1.DecryptKey{File: put("team.asc", armored)})},
		"a Secret":     {key: forAge(quantum.Recipient().String()), how: inSecret},
		"its .asc":     {key: forPGP(entity), how: inSecret},
	} {
		artifact, err := sops.New(sops.Options{Getenv: environ(test.env)}).Decrypt(t.Context(), render.Request{
			Artifact: tree(map[string]string{"s.yaml": encrypt(t, "yaml", manifest, nil, test.key)}),
			How:      test.how, Outside: render.Outside{Values: values{"Secret/keys/sops": secret}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := artifact.ReadFile("s.yaml"); err != nil || string(got) != manifest {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// What cannot be decrypted is an error that names the file and the keys, and tells nothing else.
func TestLocked(t *testing.T) {
	key, other := newAge(t), newAge(t)
	entity, _ := newPGP(t)
	recipient := key.Recipient().String()
	document := encrypt(t, "yaml", manifest, nil, forAge(recipient), forPGP(entity))
	env := map[string]string{
		"SOPS_AGE_KEY": key.String(), "OTHER": other.String(), "PLUGIN": "AGE-PLUGIN-YUBIKEY-1QQ", "BAD": "hunter22",
	}
	command := map[string]string{"SOPS_AGE_KEY_CMD": "touch " + filepath.Join(t.TempDir(), "x")}
	by := func(name string) v1alpha1.Rendering { return named(v1alpha1.DecryptKey{Env: name}) }
	for name, test := range map[string]struct {
		env  map[string]string
		how  v1alpha1.Rendering
		says []string
	}{
		"no key":                            {says: []string{recipient, "PGP " + fingerprint(entity), "none of the keys"}},
		"the agent's key is not a tenant's": {env: env, how: by("OTHER"), says: []string{recipient}},
		"no program is started":             {env: command, says: []string{recipient}},
		"a plugin":                          {env: env, how: by("PLUGIN"), says: []string{"no program"}},
		"no such variable":                  {env: env, how: by("NONE"), says: []string{"NONE"}},
		"no key in it":                      {env: env, how: by("BAD"), says: []string{"BAD"}},
		"no such file":                      {how: named(v1alpha1.DecryptKey{File: "/none/such"}), says: []string{"no such file"}},
	} {
		refused(t, name, attempt{document: document, env: test.env, how: test.how, kind: fault.Denied, says: test.says, key: key})
	}
}

// What was changed, or is too much, is an error too, though the key is there.
func TestBroken(t *testing.T) {
	key := newAge(t)
	to := forAge(key.Recipient().String())
	document := encrypt(t, "yaml", manifest, nil, to)
	ten := func(of string) string { return "[" + strings.Repeat(of+",", 9) + of + "]" }
	bomb := "a: &a " + ten("1") + "\nb: &b " + ten("*a") + "\nc: &c " + ten("*b") + "\nd: &d " + ten("*c") + "\ne: &e " + ten("*d") +
		"\nf: " + ten("*e") + "\n"
	long := encrypt(t, "yaml", manifest, func(meta *library.Metadata) {
		meta.UnencryptedSuffix, meta.EncryptedRegex = "", "^((stringData){100}){9}|stringData$"
	}, to)
	var many []sealer
	for range 101 {
		many = append(many, to)
	}
	for name, test := range map[string]struct{ document, says string }{
		"another MAC":          {strings.Replace(document, "user:", "name:", 1), "changed after it was encrypted"},
		"a value in plaintext": {strings.Replace(document, "kind: ENC", "kind: Pod #", 1), "changed"},
		"one more value":       {"extra: hunter22\n" + document, "changed"},
		"a document more":      {document + "---\na: b\n", "only some"},
		"no MAC":               {strings.Replace(document, "    mac: ", "    mac_: ", 1), "changed"},
		"not YAML":             {document + "---\na: b: c\n", "cannot be read"},
		"too long":             {document + strings.Repeat("# more\n", 700_000), "4 MiB"},
		"a bomb":               {bomb + document, "SOPS document"},
		"a long expression":    {long, "expression"},
		"many keys":            {encrypt(t, "yaml", manifest, nil, many...), "100 keys"},
		"no metadata":          {"sops:\n  mac: ENC[AES256_GCM,data:]\n", "metadata"},
	} {
		refused(t, name, attempt{
			document: test.document, env: map[string]string{"SOPS_AGE_KEY": key.String()}, key: key,
			kind: fault.Invalid, says: []string{test.says},
		})
	}
}

// attempt is a document that cannot be read, and what is said of it.
type attempt struct {
	document string
	env      map[string]string
	how      v1alpha1.Rendering
	kind     fault.Kind
	says     []string
	key      *age.X25519Identity
}

func refused(t *testing.T, name string, test attempt) {
	t.Helper()
	var logged bytes.Buffer
	log := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	artifact, err := sops.New(sops.Options{Getenv: environ(test.env), Log: log}).Decrypt(t.Context(), render.Request{
		Artifact: tree(map[string]string{"s.yaml": test.document}), How: test.how,
	})
	if err != nil {
		t.Fatal(err)
	}
	data, err := artifact.ReadFile("s.yaml")
	if err == nil || data != nil {
		t.Errorf("%s: it reads %.40q", name, data)
		return
	}
	if kind := fault.KindOf(err); kind != test.kind || fault.HintOf(err) == "" {
		t.Errorf("%s: %s: %v, hint %q", name, kind, err, fault.HintOf(err))
	}
	for _, part := range append(test.says, "s.yaml") {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %q is not in %v", name, part, err)
		}
	}
	for _, secret := range []string{"hunter22", test.key.String(), "ENC["} {
		if text := err.Error() + fault.HintOf(err) + logged.String(); strings.Contains(text, secret) {
			t.Errorf("%s: tells %q: %s", name, secret, text)
		}
	}
}
