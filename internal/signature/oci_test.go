package signature_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/signature"
)

const (
	repository = "registry.example.com/fleet/base"
	digest     = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	another    = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
)

func newKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func publicPEM(t testing.TB, key crypto.Signer) string {
	t.Helper()
	text, err := signature.PublicPEM(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func signed(t testing.TB, digest string, key crypto.Signer) signature.OCISignature {
	t.Helper()
	made, err := signature.Sign(repository, digest, key)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestOCISignaturesByKeysOfEveryKind(t *testing.T) {
	_, small, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	big, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	others := publicPEM(t, newKey(t))
	for _, key := range []crypto.Signer{newKey(t), small, big} {
		keys := signature.OCIKeys{Keys: others + publicPEM(t, key)}
		found := []signature.OCISignature{signed(t, digest, newKey(t)), signed(t, digest, key)}
		signer, err := signature.OCI(digest, found, keys)
		if err != nil || !strings.HasPrefix(signer.Key, "SHA256:") || signer.String() != signer.Key {
			t.Errorf("%T: %v %v", key, signer, err)
		}
	}
}

func TestOCISignaturesThatDoNotCount(t *testing.T) {
	key := newKey(t)
	keys := signature.OCIKeys{Keys: publicPEM(t, key)}
	good := signed(t, digest, key)
	change := func(change func(*signature.OCISignature)) []signature.OCISignature {
		changed := good
		change(&changed)
		return []signature.OCISignature{changed}
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		keys  signature.OCIKeys
		found []signature.OCISignature
		words string
	}{
		{"none", keys, nil, "not signed"},
		{"another key", keys, []signature.OCISignature{signed(t, digest, newKey(t))}, "not signed by one of the keys"},
		{"another artifact", keys, []signature.OCISignature{signed(t, another, key)}, "another artifact, sha256:0000"},
		{"two that do not count", keys, []signature.OCISignature{signed(t, another, key), signed(t, digest, newKey(t))}, "none of its 2"},
		{"another payload", keys, change(func(s *signature.OCISignature) {
			s.Payload = bytes.Replace(s.Payload, []byte("base"), []byte("best"), 1)
		}),
			"not signed by one of the keys"},
		{"no base64", keys, change(func(s *signature.OCISignature) { s.Signature = "%" }), "cannot be read"},
		{"no signature", keys, change(func(s *signature.OCISignature) { s.Signature = "" }), "cannot be read"},
		{"a long payload", keys, change(func(s *signature.OCISignature) { s.Payload = make([]byte, 65<<10) }), "longer"},
		{"a certificate", keys, change(func(s *signature.OCISignature) { s.Certificate = "x" }), "keys are asked for"},
		{"a broken bundle", keys, change(func(s *signature.OCISignature) { s.Sigstore = []byte("{}") }), "cannot be read"},
		{"nobody", signature.OCIKeys{}, []signature.OCISignature{good}, "nobody may sign"},
		{"no key in the text", signature.OCIKeys{Keys: "me"}, []signature.OCISignature{good}, "none in the text"},
		{"a weak key", signature.OCIKeys{Keys: publicPEM(t, weak)}, []signature.OCISignature{good}, "too weak"},
		{"a broken key", signature.OCIKeys{Keys: "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"}, []signature.OCISignature{good},
			"no public key"},
	} {
		_, err := signature.OCI(digest, test.found, test.keys)
		refused(t, test.name, err, test.words)
	}
}

// FuzzOCIPayload: no payload, signature, certificate or bundle is a signature by a key that has signed nothing.
func FuzzOCIPayload(f *testing.F) {
	keys := signature.OCIKeys{Keys: publicPEM(f, newKey(f))}
	good := signed(f, digest, newKey(f))
	f.Add(good.Payload, good.Signature, "", "", []byte(nil))
	f.Add([]byte(`{"critical":{"type":"cosign container image signature"}}`), "MEUCIQ==", "", "", []byte(nil))
	f.Add([]byte("{}"), "AA==", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", `{"Payload":{"body":"e30="}}`, []byte(nil))
	f.Add([]byte(nil), "", "", "", []byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{}}}`))
	f.Fuzz(func(t *testing.T, payload []byte, made, certificate, bundle string, sigstore []byte) {
		found := []signature.OCISignature{{Payload: payload, Signature: made, Certificate: certificate, Bundle: bundle, Sigstore: sigstore}}
		signer, err := signature.OCI(digest, found, keys)
		if err == nil || !errors.Is(err, signature.ErrUnverified) {
			t.Errorf("%v %v", signer, err)
		}
	})
}
