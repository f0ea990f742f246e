package signature_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/sigstore/sigstore/pkg/cryptoutils"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/signature"
)

// TestPrivateKey: keys as cosign writes them and plain ones sign; what does not open tells nothing.
func TestPrivateKey(t *testing.T) {
	locked, _, err := cryptoutils.GeneratePEMEncodedECDSAKeyPair(elliptic.P256(), cryptoutils.StaticPasswordFunc([]byte("swordfish")))
	if err != nil {
		t.Fatal(err)
	}
	plain := func(key any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, given := range map[string]struct {
		pem      []byte
		password string
	}{"cosign": {locked, "swordfish"}, "ecdsa": {plain(curve), ""}, "ed25519": {plain(edwards), ""}} {
		key, err := signature.PrivateKey(given.pem, []byte(given.password))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		signed, err := signature.Sign("registry.example.com/fleet/base", "sha256:"+strings.Repeat("ab", 32), key)
		if err != nil || !verifies(key.Public(), signed) {
			t.Errorf("%s: got %+v and error %v", name, signed, err)
		}
		var said struct {
			Critical struct {
				Identity map[string]string
				Image    map[string]string
				Type     string
			}
		}
		if err := json.Unmarshal(signed.Payload, &said); err != nil || said.Critical.Type != "cosign container image signature" ||
			said.Critical.Image["docker-manifest-digest"] != "sha256:"+strings.Repeat("ab", 32) {
			t.Errorf("%s: signed %s", name, signed.Payload)
		}
	}
	for name, given := range map[string]struct {
		pem      []byte
		password string
	}{"no key": {[]byte("swordfish"), ""}, "no password": {locked, ""}, "another password": {locked, "swordfisk"}} {
		if _, err := signature.PrivateKey(given.pem, []byte(given.password)); fault.KindOf(err) != fault.Denied ||
			strings.Contains(err.Error()+fault.HintOf(err), "swordfis") {
			t.Errorf("%s: got error %v", name, err)
		}
	}
}

func verifies(public crypto.PublicKey, signed signature.OCISignature) bool {
	raw, err := base64.StdEncoding.DecodeString(signed.Signature)
	if err != nil {
		return false
	}
	sum := sha256.Sum256(signed.Payload)
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, sum[:], raw)
	case ed25519.PublicKey:
		return ed25519.Verify(key, signed.Payload, raw)
	}
	return false
}
