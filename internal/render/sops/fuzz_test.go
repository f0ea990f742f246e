package sops_test

import (
	"bytes"
	"io/fs"
	"os"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/document"
	"github.com/setpoint-dev/setpoint/internal/render/sops"
)

// fuzzKey opens nothing but seeds.
const fuzzKey = "AGE-SECRET-KEY-1PZQXMPKQCS036XPGCJAC8R4GW7FVWL5YRSKW8FUDEHCU2U9JP7MQY2944D"

// Whatever a file holds, reading it ends in its plaintext, in itself, or in an error that tells nothing; and never does what a reader of
// manifests would take for a SOPS document pass for content.
func FuzzDecrypt(f *testing.F) {
	key, err := age.ParseX25519Identity(fuzzKey) // the same in every process that fuzzes
	if err != nil {
		f.Fatal(err)
	}
	for name, format := range map[string]string{"a.yaml": "yaml", "a.json": "json", "a.env": "dotenv", "a.ini": "ini", "a": "binary"} {
		text := map[string]string{
			"yaml": manifest, "json": `{"a":{"b":"hunter22"}}`, "dotenv": "A=hunter22\n",
			"ini": "[a]\nb = hunter22\n", "binary": "hunter22",
		}[format]
		sealed := encrypt(f, format, text, nil, forAge(key.Recipient().String()))
		f.Add(name, []byte(sealed))
		f.Add(name, []byte(strings.Replace(sealed, "mac", "mak", 1)))
		f.Add(name, []byte(sealed[:len(sealed)/2]))
		f.Add(name, []byte(strings.ReplaceAll(sealed, "type:str", "type:int")))
	}
	f.Add("a.yaml", []byte("sops: {mac: ENC[AES256_GCM,data:], lastmodified: 2026-01-01T00:00:00Z, version: 3, age: [{}]}\n"))
	f.Add("a.yaml", []byte("sops: {mac: x, lastmodified: 2026-01-01T00:00:00Z, "+
		"kms: [{arn: a, created_at: 2026-01-01T00:00:00Z, context: {a: }}]}\n"))
	f.Add("a.json", []byte(`{"sops":{"mac":"","key_groups":[{},{}],"shamir_threshold":-1}}`))
	variables := environ(map[string]string{"SOPS_AGE_KEY": key.String()})
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		if !fs.ValidPath(name) || name == "." {
			name = "a.yaml"
		}
		artifact, err := sops.New(sops.Options{Getenv: variables}).Decrypt(t.Context(), render.Request{
			Artifact: tree(map[string]string{name: string(data)}),
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := artifact.ReadFile(name)
		if err != nil {
			if kind := fault.KindOf(err); kind != fault.Invalid && kind != fault.Denied {
				t.Errorf("%v of kind %s", err, kind)
			}
			if strings.Contains(err.Error(), "hunter22") || got != nil {
				t.Errorf("an error that tells: %v, %q", err, got)
			}
			return
		}
		if !bytes.Equal(got, data) {
			return // it was decrypted, and its MAC was right
		}
		trees, err := document.Parse(got, name)
		if err != nil {
			return
		}
		for _, one := range trees {
			fields, _ := one.Value.(map[string]any)
			meta, _ := fields["sops"].(map[string]any)
			if meta["mac"] != nil || meta["lastmodified"] != nil {
				t.Errorf("a SOPS document passes as it is: %q", got)
			}
		}
	})
}

// The package starts no program and writes nothing.
func TestReachesOutForNothing(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), "_test.go") || !strings.HasSuffix(entry.Name(), ".go") {
			continue
		}
		text, err := os.ReadFile(entry.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{
			"os/exec", "os.WriteFile", "os.Create", "os.MkdirTemp", "keyservice.NewLocalClient", "pgp.NewMasterKey",
		} {
			if bytes.Contains(text, []byte(word)) {
				t.Errorf("%s uses %s", entry.Name(), word)
			}
		}
	}
}
