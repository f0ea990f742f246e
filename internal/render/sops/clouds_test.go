package sops_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/getsops/sops/v3/hcvault"
	"github.com/getsops/sops/v3/keys"
	"github.com/getsops/sops/v3/kms"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/render/sops"
)

const arn = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

// cloud is a key service of AWS and of Vault, whose way to encrypt is base64.
type cloud struct {
	server *httptest.Server
	asked  atomic.Int32
	status atomic.Int32 // of every answer; 0 for success
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{}
	c.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.asked.Add(1)
		if status := c.status.Load(); status != 0 {
			w.WriteHeader(int(status))
			_, _ = w.Write([]byte(`{"errors":["no"],"__type":"AccessDeniedException"}`))
			return
		}
		var body map[string]any
		_ = json.NewDecoder(r.Body).Decode(&body)
		if r.Header.Get("X-Amz-Target") == "TrentService.Decrypt" {
			blob, _ := body["CiphertextBlob"].(string)
			_ = json.NewEncoder(w).Encode(map[string]any{"KeyId": arn, "Plaintext": blob})
			return
		}
		if r.URL.Path != "/v1/transit/decrypt/sops" || r.Header.Get("X-Vault-Token") != "the-token" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		sealed, _ := body["ciphertext"].(string)
		_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"plaintext": strings.TrimPrefix(sealed, "vault:v1:")}})
	}))
	t.Cleanup(c.server.Close)
	t.Setenv("AWS_ENDPOINT_URL_KMS", c.server.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "key")
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	t.Setenv("AWS_CONFIG_FILE", "/none")
	t.Setenv("HOME", t.TempDir())
	t.Setenv("VAULT_ADDR", c.server.URL)
	t.Setenv("VAULT_TOKEN", "the-token")
	t.Setenv("VAULT_MAX_RETRIES", "0")
	return c
}

func forAWS(t testing.TB, dataKey []byte) keys.MasterKey {
	t.Helper()
	key := kms.NewMasterKeyWithProfile(arn, "", nil, "a-profile-that-is-not-here")
	key.EncryptedKey = base64.StdEncoding.EncodeToString(dataKey)
	return key
}

func forVault(address string) sealer {
	return func(t testing.TB, dataKey []byte) keys.MasterKey {
		t.Helper()
		key := hcvault.NewMasterKey(address, "transit", "sops")
		key.EncryptedKey = "vault:v1:" + base64.StdEncoding.EncodeToString(dataKey)
		return key
	}
}

// Key services open documents with the agent's credentials, and only those that the agent knows get them.
func TestKeyServices(t *testing.T) {
	c := newCloud(t)
	var elsewhere atomic.Int32
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(thief.Close)
	own := newAge(t)
	for name, test := range map[string]struct {
		key    sealer
		how    v1alpha1.Rendering
		status int32
		kind   fault.Kind
		says   string
	}{
		"AWS":            {key: forAWS},
		"Vault":          {key: forVault(c.server.URL)},
		"another Vault":  {key: forVault(thief.URL), kind: fault.Denied, says: "VAULT_ADDR"},
		"AWS refuses":    {key: forAWS, status: http.StatusBadRequest, kind: fault.Denied, says: "AWS KMS " + arn},
		"Vault refuses":  {key: forVault(c.server.URL), status: http.StatusForbidden, kind: fault.Denied, says: "transit/keys/sops"},
		"a tenant's own": {key: forAWS, how: named(v1alpha1.DecryptKey{Env: "OWN"}), kind: fault.Denied, says: "keys of its own"},
	} {
		c.status.Store(test.status)
		before := c.asked.Load()
		env := environ(map[string]string{"VAULT_ADDR": c.server.URL, "OWN": own.String()})
		artifact, err := sops.New(sops.Options{Getenv: env}).Decrypt(t.Context(), render.Request{
			Artifact: tree(map[string]string{"s.yaml": encrypt(t, "yaml", manifest, nil, test.key)}), How: test.how,
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := artifact.ReadFile("s.yaml")
		switch {
		case test.kind == "" && (err != nil || string(got) != manifest):
			t.Errorf("%s: %q, %v", name, got, err)
		case fault.KindOf(err) != test.kind:
			t.Errorf("%s: %v of kind %s", name, err, fault.KindOf(err))
		case test.kind != "" && !strings.Contains(err.Error(), test.says):
			t.Errorf("%s: %v", name, err)
		}
		if asked := c.asked.Load() > before; asked != (test.kind == "" || test.status != 0) {
			t.Errorf("%s: asked %v", name, asked)
		}
	}
	if elsewhere.Load() > 0 {
		t.Error("the agent's token went to a place that a document names")
	}
}

// Offline no key service is asked: a key that is here opens a document that also has others, and without one the error names what is
// missing, and says how to have it asked.
func TestOfflineAsksNobody(t *testing.T) {
	c := newCloud(t)
	own := newAge(t)
	entity, armored := newPGP(t)
	env := map[string]string{"VAULT_ADDR": c.server.URL}
	open := func(env map[string]string, groups ...sealer) ([]byte, error) {
		t.Helper()
		artifact, err := sops.New(sops.Options{Getenv: environ(env), Offline: true}).Decrypt(t.Context(), render.Request{
			Artifact: tree(map[string]string{"s.yaml": encrypt(t, "yaml", manifest, nil, groups...)}),
		})
		if err != nil {
			t.Fatal(err)
		}
		return artifact.ReadFile("s.yaml")
	}
	_, err := open(env, forAWS, forVault(c.server.URL))
	if fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), "AWS KMS "+arn) || !strings.Contains(err.Error(), "transit/keys/sops") {
		t.Errorf("without a key: %v of kind %s", err, fault.KindOf(err))
	}
	if hint := fault.HintOf(err); !strings.Contains(hint, "--sops-services") {
		t.Errorf("the hint is %q", hint)
	}
	_, err = open(env, forAge(own.Recipient().String()))
	if hint := fault.HintOf(err); strings.Contains(hint, "--sops-services") || strings.Contains(hint, "agent") {
		t.Errorf("no key service opens it, and the hint is %q", hint)
	}
	env["SOPS_AGE_KEY"] = own.String()
	if got, err := open(env, forAWS, forVault(c.server.URL), forAge(own.Recipient().String())); err != nil || string(got) != manifest {
		t.Errorf("with a key of age: %q, %v", got, err)
	}
	env = map[string]string{pgpKeys: filepath.Join(t.TempDir(), "key.asc")}
	if err := os.WriteFile(env[pgpKeys], []byte(armored), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := open(env, forAWS, forPGP(entity)); err != nil || string(got) != manifest {
		t.Errorf("with a key of OpenPGP: %q, %v", got, err)
	}
	if c.asked.Load() > 0 {
		t.Error("a key service was asked")
	}
}

const pgpKeys = "SETPOINT_PGP_KEY_FILE"

// A file outside of artifacts is opened in the same way, and what was encrypted in it is secret in what is rendered.
func TestOpen(t *testing.T) {
	own := newAge(t)
	one := sops.New(sops.Options{Getenv: environ(map[string]string{"SOPS_AGE_KEY": own.String()}), Offline: true})
	stored := encrypt(t, "yaml", "password: hunter22\n", nil, forAge(own.Recipient().String()))
	text, secrets, err := one.Open(t.Context(), "values.yaml", []byte(stored))
	if err != nil || string(text) != "password: hunter22\n" || !slices.Equal(secrets, []string{"hunter22"}) {
		t.Errorf("got %q with secrets %q, %v", text, secrets, err)
	}
	text, secrets, err = one.Open(t.Context(), "values.yaml", []byte("a: 1\n"))
	if err != nil || string(text) != "a: 1\n" || secrets != nil {
		t.Errorf("what is not encrypted: got %q with secrets %q, %v", text, secrets, err)
	}
	text, _, err = sops.New(sops.Options{Offline: true}).Open(t.Context(), "values.yaml", []byte(stored))
	if fault.KindOf(err) != fault.Denied || text != nil || !strings.Contains(err.Error(), own.Recipient().String()) {
		t.Errorf("without a key: got %q, %v", text, err)
	}
	artifact, err := sops.New(sops.Options{Known: []string{"hunter22"}}).Decrypt(t.Context(), render.Request{Artifact: tree(nil)})
	if err != nil || !slices.Equal(artifact.(render.Secretive).Secrets(), []string{"hunter22"}) {
		t.Errorf("what is known to be secret is not: %v", err)
	}
}
