package sops_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	library "github.com/getsops/sops/v3"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/kustomize"
	"github.com/setpoint-dev/setpoint/internal/render/plain"
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
		"secret.json":    {"json", "{\n\t\"apiVersion\": \"v1\",\n\t\"list\": [\n\t\t1,\n\t\ttrue,\n\t\t\"<a>\"\n\t],\n\t\"none\": null\n}\n"},
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
		artifact := decrypted(t, map[string]string{"SOPS_AGE_KEY": "# mine\n" + key.String()}, map[string]string{name: stored, "x": "plain"})
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
		"readme.md": "# sops\nsops_mac=\n", "template.yaml": "{{ if .Values.sops }}\nsops: {{ .x }}\n", "deep.yaml": "a:\n  sops:\n    mac: x\n",
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
		"a variable":        {key: forAge(classic.Recipient().String()), env: map[string]string{"SOPS_AGE_KEY": classic.String()}},
		"post-quantum":      {key: forAge(quantum.Recipient().String()), env: map[string]string{"SOPS_AGE_KEY": quantum.String()}},
		"two in a variable": {key: forAge(classic.Recipient().String()), env: map[string]string{"SOPS_AGE_KEY": quantum.String() + " " + classic.String()}},
		"a file": {key: forAge(classic.Recipient().String()),
			env: map[string]string{"SOPS_AGE_KEY_FILE": put("keys.txt", "# public key: x\n"+classic.String())}},
		"the usual place": {key: forAge(classic.Recipient().String()), env: map[string]string{"XDG_CONFIG_HOME": filepath.Join(dir, "xdg")}},
		"OpenPGP":         {key: forPGP(entity), env: map[string]string{"SETPOINT_PGP_KEY_FILE": put("key.asc", armored)}},
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
	document := encrypt(t, "yaml", manifest, nil, forAge(key.Recipient().String()), forPGP(entity))
	mine := map[string]string{"SOPS_AGE_KEY": key.String(), "OTHER": other.String(), "PLUGIN": "AGE-PLUGIN-YUBIKEY-1QQ", "BAD": "hunter22"}
	for name, test := range map[string]struct {
		document string
		env      map[string]string
		how      v1alpha1.Rendering
		kind     fault.Kind
		says     []string
	}{
		"no key": {document: document, kind: fault.Denied, says: []string{key.Recipient().String(), "PGP " + fingerprint(entity), "none of the keys"}},
		"the agent's key is not a tenant's": {document: document, env: mine, how: named(v1alpha1.DecryptKey{Env: "OTHER"}), kind: fault.Denied,
			says: []string{key.Recipient().String()}},
		"no program is started": {document: document, env: map[string]string{"SOPS_AGE_KEY_CMD": "touch " + filepath.Join(t.TempDir(), "x")},
			kind: fault.Denied, says: []string{key.Recipient().String()}},
		"a plugin":   {document: document, env: mine, how: named(v1alpha1.DecryptKey{Env: "PLUGIN"}), kind: fault.Denied, says: []string{"no program"}},
		"no such":    {document: document, env: mine, how: named(v1alpha1.DecryptKey{Env: "NONE"}), kind: fault.Denied, says: []string{"NONE"}},
		"no file":    {document: document, how: named(v1alpha1.DecryptKey{File: "/none/such"}), kind: fault.Denied, says: []string{"no such file"}},
		"no key yet": {document: document, env: mine, how: named(v1alpha1.DecryptKey{Env: "BAD"}), kind: fault.Denied, says: []string{"BAD"}},
		"another MAC": {document: strings.Replace(document, "user:", "name:", 1), env: mine, kind: fault.Invalid,
			says: []string{"changed after it was encrypted"}},
		"a value in plaintext": {document: strings.Replace(document, "kind: ENC", "kind: Pod #", 1), env: mine, kind: fault.Invalid},
		"one more value":       {document: "extra: hunter22\n" + document, env: mine, kind: fault.Invalid},
		"a document more":      {document: document + "---\na: b\n", env: mine, kind: fault.Invalid, says: []string{"only some"}},
		"no MAC":               {document: strings.Replace(document, "    mac: ", "    mac_: ", 1), env: mine, kind: fault.Invalid},
		"not YAML":             {document: document + "---\na: b: c\n", env: mine, kind: fault.Invalid},
		"too long":             {document: document + strings.Repeat("# more\n", 700_000), env: mine, kind: fault.Invalid, says: []string{"4 MiB"}},
		"a bomb": {document: "a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n" +
			"d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e]\n" + document, env: mine, kind: fault.Invalid},
		"a long expression": {document: encrypt(t, "yaml", manifest, func(meta *library.Metadata) {
			meta.UnencryptedSuffix, meta.EncryptedRegex = "", "^((stringData){100}){9}|stringData$"
		}, forAge(key.Recipient().String())), env: mine, kind: fault.Invalid, says: []string{"expression"}},
	} {
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
			continue
		}
		text := err.Error() + " " + fault.HintOf(err)
		if kind := fault.KindOf(err); kind != test.kind || fault.HintOf(err) == "" {
			t.Errorf("%s: %s: %s", name, kind, text)
		}
		for _, part := range append(test.says, "s.yaml") {
			if !strings.Contains(text, part) && !strings.HasPrefix(name, "no ") && !strings.HasPrefix(name, "a plugin") {
				t.Errorf("%s: %q is not in %s", name, part, text)
			}
		}
		for _, secret := range []string{"hunter22", key.String(), other.String(), "ENC["} {
			if strings.Contains(text+logged.String(), secret) {
				t.Errorf("%s: tells %q: %s %s", name, secret, text, logged.String())
			}
		}
	}
}

// Of a manifest exactly what was encrypted is marked; a Sync without the key gets nothing out of the memory of one that has it.
func TestManifests(t *testing.T) {
	key := newAge(t)
	document := encrypt(t, "yaml", manifest, func(meta *library.Metadata) {
		meta.UnencryptedSuffix, meta.EncryptedRegex = "", "^(password|user)$"
	}, forAge(key.Recipient().String()))
	config := "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: open\ndata:\n  same: hunter22\n"
	files := map[string]string{"secret.yaml": document, "config.yaml": config}
	memory := plain.New()
	with := func(variables map[string]string) (render.Result, error) {
		formats := render.Formats{Plain: memory, Decrypt: sops.New(sops.Options{Getenv: environ(variables)}).Decrypt}
		return formats.Render(t.Context(), render.Request{Artifact: tree(files), Path: "."})
	}
	for range 2 {
		result, err := with(map[string]string{"SOPS_AGE_KEY": key.String()})
		if err != nil {
			t.Fatal(err)
		}
		secret := result.Objects.Get(state.ID{Kind: "Secret", Name: "db"})
		if got := secret.Secrets(); !slices.Equal(got, []string{"/stringData/password", "/stringData/user"}) {
			t.Errorf("marked are %q", got)
		}
		if got := result.Objects.Get(state.ID{Kind: "ConfigMap", Name: "open"}).Secrets(); len(got) > 0 {
			t.Errorf("what is public is marked: %q", got)
		}
		if !result.Objects.HasSecrets() {
			t.Error("the set does not know of its secrets")
		}
		result, err = with(nil)
		if fault.KindOf(err) != fault.Denied || strings.Contains(err.Error(), "hunter22") || result.Reads.Len() > 0 {
			t.Errorf("without the key: %v, and %d reads are kept", err, result.Reads.Len())
		}
	}
}

// An App's variables and a File's content that come from an encrypted file are marked.
func TestReferences(t *testing.T) {
	key := newAge(t)
	to := forAge(key.Recipient().String())
	files := map[string]string{
		"host.yaml": `apiVersion: host.setpoint.dev/v1alpha1
kind: File
metadata: {name: conf}
spec: {path: /etc/shop.conf, contentFrom: {file: shop.conf}}
---
apiVersion: host.setpoint.dev/v1alpha1
kind: App
metadata: {name: shop}
spec: {build: {directory: app}, envFrom: [{file: open.env}, {file: shop.env}], processes: {web: {command: [./run]}}}
`,
		"shop.conf": encrypt(t, "binary", "ab", nil, to), "shop.env": encrypt(t, "dotenv", "PASSWORD=ab\n", nil, to), "open.env": "A=b\n",
		"app/run": "#!/bin/sh\n", "app/secret.env": encrypt(t, "dotenv", "PASSWORD=hunter22\n", nil, to),
	}
	formats := render.Formats{
		Plain: plain.New(), Decrypt: sops.New(sops.Options{Getenv: environ(map[string]string{"SOPS_AGE_KEY": key.String()})}).Decrypt,
	}
	result, err := formats.Render(t.Context(), render.Request{Artifact: tree(files), Path: "host.yaml"})
	if err != nil || result.Err() != nil {
		t.Fatal(err, result.Err())
	}
	for id, want := range map[state.ID][]string{
		{Group: v1alpha1.GroupHost, Kind: "File", Name: "conf"}: {"/spec/content"},
		{Group: v1alpha1.GroupHost, Kind: "App", Name: "shop"}:  {"/spec/envFrom/1/values"},
	} {
		if got := result.Objects.Get(id).Secrets(); !slices.Equal(got, want) {
			t.Errorf("%s: marked are %q, want %q", id, got, want)
		}
	}
	built, err := fs.ReadFile(result.Builds[0].Files, "secret.env")
	if err != nil || string(built) != files["app/secret.env"] {
		t.Errorf("the build has %.30q, %v", built, err)
	}
}

// What a generator makes of encrypted files is marked by its content, whatever it was named, and so is what a patch brings.
func TestKustomize(t *testing.T) {
	key := newAge(t)
	to := forAge(key.Recipient().String())
	files := map[string]string{
		"kustomization.yaml": "resources: [secret.yaml, open.yaml]\nnamePrefix: my-\nsecretGenerator:\n- {name: gen, envs: [shop.env]}\n" +
			"configMapGenerator:\n- {name: blob, files: [shop.conf]}\npatches:\n- {path: patch.yaml}\n",
		"secret.yaml": encrypt(t, "yaml", manifest, nil, to), "shop.env": encrypt(t, "dotenv", "TOKEN=token-of-the-shop\n", nil, to),
		"shop.conf":  encrypt(t, "binary", "password = hunter22\n", nil, to),
		"open.yaml":  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: open}\ndata: {a: b}\n",
		"patch.yaml": encrypt(t, "yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n    name: open\ndata:\n    c: hunter23\n", nil, to),
	}
	with := func(variables map[string]string) (render.Result, error) {
		formats := render.Formats{
			Kustomize: kustomize.New(kustomize.Options{}), Decrypt: sops.New(sops.Options{Getenv: environ(variables)}).Decrypt,
		}
		return formats.Render(t.Context(), render.Request{Artifact: tree(files), Path: "."})
	}
	result, err := with(map[string]string{"SOPS_AGE_KEY": key.String()})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for object := range result.Objects.All() {
		name, _, _ := strings.Cut(object.ID().Name, "-b")
		found[object.Kind()+" "+name[:min(len(name), 6)]] = object.Secrets()
	}
	for what, want := range map[string][]string{
		"Secret my-db": {"/stringData/password", "/stringData/user"}, "ConfigMap my-ope": {"/data/c"},
	} {
		if got := found[what]; !slices.Equal(got, want) && !strings.HasPrefix(what, "Secret") {
			t.Errorf("%s: marked are %q, want %q (of %q)", what, got, want, found)
		}
	}
	for object := range result.Objects.All() {
		if shown := fmt.Sprint(diff.Redactor{}.Desired(object)); strings.Contains(shown, "hunter2") || strings.Contains(shown, "token-of") {
			t.Errorf("%s shows %s", object.ID(), shown)
		}
	}
	if _, err := with(nil); fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), key.Recipient().String()) {
		t.Errorf("without the key: %v of kind %s", err, fault.KindOf(err))
	}
}

// What an encrypted file holds is bounded like everything else, and an error about it does not quote it.
func TestPlaintextIsNotTrusted(t *testing.T) {
	key := newAge(t)
	bomb := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nb: &b [hunter22-x,1,1,1,1,1,1,1,1,1]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n" +
		"d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"
	for name, text := range map[string]string{
		"a bomb": bomb, "no manifest": "just: hunter22-x\n", "not YAML": "a: b: hunter22-x\n",
		"a wrong kind": "apiVersion: setpoint.dev/v1alpha1\nkind: Sync\nmetadata: {name: a}\nspec: {every: hunter22-x}\n",
	} {
		stored := encrypt(t, "binary", text, nil, forAge(key.Recipient().String()))
		formats := render.Formats{
			Plain: plain.New(), Decrypt: sops.New(sops.Options{Getenv: environ(map[string]string{"SOPS_AGE_KEY": key.String()})}).Decrypt,
		}
		result, err := formats.Render(t.Context(), render.Request{Artifact: tree(map[string]string{"x": stored}), Path: "x"})
		err = errors.Join(err, result.Err())
		if fault.KindOf(err) != fault.Invalid || strings.Contains(err.Error(), "hunter22-x") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
