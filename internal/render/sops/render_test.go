package sops_test

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	library "github.com/getsops/sops/v3"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/diff"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/helm"
	"github.com/setpoint-dev/setpoint/internal/render/kustomize"
	"github.com/setpoint-dev/setpoint/internal/render/plain"
	"github.com/setpoint-dev/setpoint/internal/render/sops"
	"github.com/setpoint-dev/setpoint/internal/state"
)

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
	bomb := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nb: &b [hunter22-x,1,1,1,1,1,1,1,1,1]\n" +
		"c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n" +
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

// Keys are in every difference and every error, so that no program may make one of what was encrypted.
func TestSecretsInKeys(t *testing.T) {
	key := newAge(t)
	to := forAge(key.Recipient().String())
	formats := render.Formats{
		Plain: plain.New(), Kustomize: kustomize.New(kustomize.Options{}), Helm: helm.New(helm.Options{}),
		Decrypt: sops.New(sops.Options{Getenv: environ(map[string]string{"SOPS_AGE_KEY": key.String()})}).Decrypt,
	}
	open := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: open}\ndata: {a: b}\n"
	for what, files := range map[string]map[string]string{
		"chart": {
			"Chart.yaml":  "apiVersion: v2\nname: shop\nversion: 1.0.0\n",
			"values.yaml": encrypt(t, "yaml", "password: hunter22\n", nil, to),
			"templates/keyed.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: keyed}\n" +
				"data: {'of-{{ .Values.password }}': x, other: y}\n",
			"templates/open.yaml": open,
		},
		"kustomize": {
			"kustomization.yaml": "resources: [open.yaml]\ngeneratorOptions: {disableNameSuffixHash: true}\n" +
				"configMapGenerator:\n- {name: keyed, envs: [keys]}\n- {name: other, envs: [shop.env]}\n",
			"keys": "hunter22=x\n", "shop.env": encrypt(t, "dotenv", "PASSWORD=hunter22\n", nil, to), "open.yaml": open,
		},
	} {
		result, err := formats.Render(t.Context(), render.Request{Artifact: tree(files), Path: ".", Name: "shop"})
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		err = result.Wrong[state.ID{Kind: "ConfigMap", Name: "keyed"}]
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "read data: a secret value would go into a key") ||
			!strings.Contains(err.Error(), "ConfigMap/keyed") || strings.Contains(err.Error()+fault.HintOf(err), "hunter22") {
			t.Errorf("%s: %v", what, err)
		}
		if len(result.Wrong) != 1 || result.Objects.Get(state.ID{Kind: "ConfigMap", Name: "open"}) == nil {
			t.Errorf("%s: wrong are %v", what, result.Wrong)
		}
		for object := range result.Objects.All() {
			if shown := fmt.Sprint(diff.Redactor{}.Desired(object)); strings.Contains(shown, "hunter22") {
				t.Errorf("%s: %s shows %s", what, object.ID(), shown)
			}
		}
	}
}
