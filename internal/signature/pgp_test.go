package signature_test

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/setpoint-dev/setpoint/internal/signature"
)

// at gives what a key is made or used with at a time, for so many seconds; 0 is for ever.
func at(when time.Time, lifetime uint32) *packet.Config {
	return &packet.Config{
		Time: func() time.Time { return when }, Algorithm: packet.PubKeyAlgoEdDSA, DefaultHash: crypto.SHA256,
		KeyLifetimeSecs: lifetime,
	}
}

func newEntity(t testing.TB, name string, config *packet.Config) *openpgp.Entity {
	t.Helper()
	entity, err := openpgp.NewEntity(name, "", strings.ToLower(name)+"@example.com", config)
	if err != nil {
		t.Fatal(err)
	}
	return entity
}

// armored gives a key as people put it into files.
func armored(t testing.TB, entity *openpgp.Entity) string {
	t.Helper()
	var text bytes.Buffer
	w, err := armor.Encode(&text, openpgp.PublicKeyType, nil)
	if err == nil {
		err = errors.Join(entity.Serialize(w), w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return text.String() + "\n"
}

func detached(t testing.TB, entity *openpgp.Entity, payload []byte, when time.Time) []byte {
	t.Helper()
	var text bytes.Buffer
	if err := openpgp.ArmoredDetachSign(&text, entity, bytes.NewReader(payload), at(when, 0)); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

func TestPGPSignatures(t *testing.T) {
	day := 24 * time.Hour
	me, other := newEntity(t, "Me", at(signedAt.Add(-day), 0)), newEntity(t, "Other", at(signedAt.Add(-day), 0))
	short := newEntity(t, "Short", at(signedAt.Add(-day), 7*24*3600)) // has expired long since
	revoked := newEntity(t, "Revoked", at(signedAt.Add(-day), 0))
	gone := detached(t, revoked, payload, signedAt)
	if err := revoked.RevokeKey(packet.KeySuperseded, "", at(signedAt.Add(day), 0)); err != nil {
		t.Fatal(err)
	}
	ring := armored(t, other) + "comment\n" + armored(t, me) + armored(t, short) + armored(t, revoked)
	mine := detached(t, me, payload, signedAt)
	for _, test := range []struct {
		name, keys string
		signature  []byte
		words      string
	}{
		{"a key", armored(t, me), mine, ""},
		{"one of several keys", ring, mine, ""},
		{"a key that has expired since", ring, detached(t, short, payload, signedAt), ""},
		{"a key that had expired", ring, stamped(t, short, payload, signedAt.Add(30*day)), "was not valid when it was signed"},
		{"a key that was not there yet", ring, stamped(t, me, payload, signedAt.Add(-3*day)), "was not valid when it was signed"},
		{"a revoked key", ring, gone, "has been revoked"},
		{"somebody else", armored(t, me), detached(t, other, payload, signedAt), fmt.Sprintf("%X", other.PrimaryKey.Fingerprint)},
		{"something else", ring, detached(t, me, []byte("another"), signedAt), "not about what is there"},
		{"no keys asked for", "", mine, "no OpenPGP keys are asked for"},
		{"no keys in the text", "me", mine, "there is no key in it"},
		{"a broken key", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n", mine, "cannot be read"},
		{"a private key", ring + "-----BEGIN PGP PRIVATE KEY BLOCK-----\n", mine, "private key"},
		{"a broken signature", ring, []byte("-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n"), "cannot be read"},
		{"two signatures", ring, twice(t, mine, detached(t, other, payload, signedAt)), "cannot be read"},
		{"too long a signature", ring, append(bytes.Clone(mine), make([]byte, 65<<10)...), "limit"},
	} {
		object := signature.GitObject{Name: "commit 1a2b3c4", Payload: payload, Signature: test.signature, Time: signedAt}
		signer, err := signature.Git(object, signature.GitKeys{PGPKeys: test.keys})
		switch {
		case test.words == "limit":
			if !errors.Is(err, signature.ErrUnverified) || !strings.Contains(err.Error(), "limit") {
				t.Errorf("%s: %v", test.name, err)
			}
		case test.words != "":
			refused(t, test.name, err, test.words)
		case err != nil || !strings.Contains(signer.Name, "@example.com") || signer.Key == "":
			t.Errorf("%s: %v %v", test.name, signer, err)
		}
	}
}

// stamped signs at a time at which the key may not be valid, as no decent program would.
func stamped(t testing.TB, entity *openpgp.Entity, payload []byte, when time.Time) []byte {
	t.Helper()
	var text bytes.Buffer
	w, err := armor.Encode(&text, "PGP SIGNATURE", nil)
	if err != nil {
		t.Fatal(err)
	}
	made := &packet.Signature{
		Version: 4, SigType: packet.SigTypeBinary, PubKeyAlgo: entity.PrimaryKey.PubKeyAlgo, Hash: crypto.SHA256, CreationTime: when,
		IssuerKeyId: &entity.PrimaryKey.KeyId, IssuerFingerprint: entity.PrimaryKey.Fingerprint,
	}
	h, err := made.PrepareSign(nil)
	if err != nil {
		t.Fatal(err)
	}
	h.Write(payload)
	if err := errors.Join(made.Sign(h, entity.PrivateKey, nil), made.Serialize(w), w.Close()); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

// twice puts two signatures into one block.
func twice(t testing.TB, signatures ...[]byte) []byte {
	t.Helper()
	var text bytes.Buffer
	w, err := armor.Encode(&text, "PGP SIGNATURE", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range signatures {
		block, err := armor.Decode(bytes.NewReader(one))
		if err != nil {
			t.Fatal(err)
		}
		var raw bytes.Buffer
		if _, err := raw.ReadFrom(block.Body); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(raw.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

const (
	chartFile = "podinfo-6.6.1.tgz"
	chartSum  = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	chartText = "apiVersion: v1\nname: podinfo\nversion: 6.6.1\n\n...\nfiles:\n  " + chartFile + ": sha256:" + chartSum + "\n"
)

// provenance signs a text as `helm package --sign` does.
func provenance(t testing.TB, entity *openpgp.Entity, text string) []byte {
	t.Helper()
	var signed bytes.Buffer
	w, err := clearsign.Encode(&signed, entity.PrivateKey, at(signedAt, 0))
	if err == nil {
		_, err = w.Write([]byte(text))
		err = errors.Join(err, w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return signed.Bytes()
}

func TestProvenance(t *testing.T) {
	me, other := newEntity(t, "Me", at(signedAt, 0)), newEntity(t, "Other", at(signedAt, 0))
	keys, good := armored(t, me), provenance(t, me, chartText)
	signer, err := signature.Helm(good, chartFile, strings.ToUpper(chartSum), keys)
	if err != nil || signer.Name != "Me <me@example.com>" || signer.Key != fmt.Sprintf("%X", me.PrimaryKey.Fingerprint) {
		t.Errorf("%v %v", signer, err)
	}
	_, err = signature.Helm(good, chartFile, strings.Repeat("0", 64), keys)
	refused(t, "another archive", err, "not the file that")
	_, err = signature.Helm(good, "podinfo-6.9.4.tgz", chartSum, keys)
	refused(t, "another file", err, "about another file")
	_, err = signature.Helm(provenance(t, other, chartText), chartFile, chartSum, keys)
	refused(t, "another signer", err, "not among the keys")
	_, err = signature.Helm(bytes.Replace(good, []byte("6.6.1"), []byte("6.6.2"), 1), chartFile, chartSum, keys)
	refused(t, "another text", err, "not about what is there")
	_, err = signature.Helm([]byte(chartText), chartFile, chartSum, keys)
	refused(t, "no signature", err, "not signed")
	_, err = signature.Helm(provenance(t, me, "files: {}\n"), chartFile, chartSum, keys)
	if !errors.Is(err, signature.ErrUnverified) {
		t.Errorf("one document: %v", err)
	}
	_, err = signature.Helm(good, chartFile, chartSum, "")
	refused(t, "no keys", err, "no key")
	// What stands around the signed text is nobody's word.
	around := append([]byte("files:\n  a.tgz: sha256:00\n...\n"), good...)
	_, err = signature.Helm(around, "a.tgz", "00", keys)
	refused(t, "a text in front", err, "about another file")
}

// FuzzGitSignature: nothing that is not a signature by the keys passes, and nothing makes it panic.
func FuzzGitSignature(f *testing.F) {
	me, entity := newPerson(f), newEntity(f, "Me", at(signedAt, 0))
	keys := signature.GitKeys{AllowedSigners: "me " + me.line(), PGPKeys: armored(f, entity)}
	f.Add(me.sign(f, []byte("another"), "git"))
	f.Add(me.certificate(f, me, nil).sign(f, []byte("another"), "git"))
	f.Add(detached(f, entity, []byte("another"), signedAt))
	f.Add(twice(f, detached(f, entity, payload, signedAt), detached(f, entity, payload, signedAt)))
	f.Add([]byte("-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----"))
	f.Fuzz(func(t *testing.T, made []byte) {
		signer, err := signature.Git(signature.GitObject{Payload: payload, Signature: made, Time: signedAt}, keys)
		if err == nil || !errors.Is(err, signature.ErrUnverified) {
			t.Errorf("%v %v", signer, err)
		}
	})
}

// FuzzProvenance: no text is the provenance of a file that nobody has signed.
func FuzzProvenance(f *testing.F) {
	entity := newEntity(f, "Me", at(signedAt, 0))
	keys := armored(f, entity)
	f.Add(provenance(f, entity, chartText))
	f.Add(provenance(f, entity, "a\n...\nfiles: [\n"))
	f.Add([]byte("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n- x\n...\n-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		signer, err := signature.Helm(text, "other.tgz", chartSum, keys)
		if err == nil || !errors.Is(err, signature.ErrUnverified) {
			t.Errorf("%v %v", signer, err)
		}
	})
}
