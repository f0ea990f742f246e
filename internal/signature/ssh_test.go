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
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/signature"
)

var (
	payload  = []byte("tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nmessage\n")
	signedAt = time.Date(2024, 6, 1, 12, 0, 0, 0, time.UTC)
)

// person is somebody with an SSH key.
type person struct{ ssh.Signer }

func newPerson(t testing.TB) person {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return personOf(t, key)
}

func personOf(t testing.TB, key crypto.Signer) person {
	t.Helper()
	signer, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	return person{signer}
}

// line is the key as it stands in files.
func (p person) line() string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(p.PublicKey())))
}

func (p person) fingerprint() string { return ssh.FingerprintSHA256(p.PublicKey()) }

func (p person) sign(t testing.TB, payload []byte, namespace string) []byte {
	t.Helper()
	made, err := sshsig.Sign(bytes.NewReader(payload), p.Signer, sshsig.HashSHA512, namespace)
	if err != nil {
		t.Fatal(err)
	}
	return sshsig.Armor(made)
}

// certificate of the key by an authority.
func (p person) certificate(t testing.TB, authority person, change func(*ssh.Certificate)) person {
	t.Helper()
	certificate := &ssh.Certificate{
		Key: p.PublicKey(), CertType: ssh.UserCert, KeyId: "me", ValidPrincipals: []string{"other@example.com", "me@example.com"},
		ValidAfter: uint64(signedAt.Add(-time.Hour).Unix()), ValidBefore: uint64(signedAt.Add(time.Hour).Unix()),
	}
	if change != nil {
		change(certificate)
	}
	if err := certificate.SignCert(rand.Reader, authority); err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewCertSigner(certificate, p)
	if err != nil {
		t.Fatal(err)
	}
	return person{signer}
}

// refused wants an error that says so, with some words and what to do.
func refused(t *testing.T, name string, err error, words string) {
	t.Helper()
	if !errors.Is(err, signature.ErrUnverified) || fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), words) {
		t.Errorf("%s: %v, want one that is not verified, with %q", name, err, words)
	}
	if fault.HintOf(err) == "" {
		t.Errorf("%s: %v, without a hint", name, err)
	}
}

func TestSSHSignatures(t *testing.T) {
	me, other := newPerson(t), newPerson(t)
	mine, foreign := me.sign(t, payload, "git"), other.sign(t, payload, "git")
	for _, test := range []struct {
		name, allowed string
		signature     []byte
		words         string // of the error
	}{
		{"a key", "me@example.com " + me.line(), mine, ""},
		{"several principals", "# who may\n\nyou@example.com " + other.line() + "\nme@example.com,me@home " + me.line() + " comment\n", mine, ""},
		{"quoted principals", "\"me,Me Myself\" " + me.line(), mine, ""},
		{"for Git", "me namespaces=\"file,git\" " + me.line(), mine, ""},
		{"for everything with g", "me NAMESPACES=\"g*\" " + me.line(), mine, ""},
		{"of its time", "me valid-after=\"20240101Z\",valid-before=\"20250101Z\" " + me.line(), mine, ""},
		{"to the minute", "me valid-after=\"202406011159Z\",valid-before=\"20240601120001Z\" " + me.line(), mine, ""},
		{"the second line counts", "me namespaces=\"file\" " + me.line() + "\nme " + me.line(), mine, ""},
		{"somebody else", "me@example.com " + me.line(), foreign, other.fingerprint() + ", which is not among the allowed signers"},
		{"nobody", "", mine, "no SSH keys are asked for"},
		{"nobody but a comment", "# nobody", mine, "is not among the allowed signers"},
		{"for files", "me namespaces=\"file\" " + me.line(), mine, "may not sign for Git"},
		{"not for Git", "me namespaces=\"*,!git\" " + me.line(), mine, "may not sign for Git"},
		{"too early", "me valid-after=\"20240602Z\" " + me.line(), mine, "not allowed yet"},
		{"too late", "me valid-before=\"20240601115959Z\" " + me.line(), mine, "not allowed any more"},
		{"the key of an authority", "me cert-authority " + me.line(), mine, "not among the allowed signers"},
		{"of a file", "me " + me.line(), me.sign(t, payload, "file"), "was made for file"},
		{"of something else", "me " + me.line(), me.sign(t, []byte("another"), "git"), "not about what is there"},
		{"none", "me " + me.line(), nil, "it is not signed"},
		{"blank", "me " + me.line(), []byte("\n"), "it is not signed"},
		{"X.509", "me " + me.line(), []byte("-----BEGIN SIGNED MESSAGE-----\n"), "not known"},
		{"broken", "me " + me.line(), []byte("-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"), "cannot be read"},
		{"two", "me " + me.line(), append(bytes.Clone(mine), foreign...), "cannot be read"},
		{"a line without a key", "me " + me.line() + "\nyou@example.com", mine, "line 2"},
		{"an unknown option", "me no-touch-required " + me.line(), mine, "line 1"},
		{"an option twice", "me valid-after=\"20240101Z\",valid-after=\"20230101Z\" " + me.line(), mine, "comes twice"},
		{"no time", "me valid-after=\"soon\" " + me.line(), mine, "valid-after"},
		{"never", "me valid-after=\"20250101Z\",valid-before=\"20240101Z\" " + me.line(), mine, "not before"},
		{"an option without quotes", "me namespaces=git " + me.line(), mine, "quotes"},
		{"an open quote", "\"me " + me.line(), mine, "line 1"},
		{"a private key", "me -----BEGIN OPENSSH PRIVATE KEY-----", mine, "line 1"},
	} {
		object := signature.GitObject{Name: "commit 1a2b3c4", Payload: payload, Signature: test.signature, Time: signedAt}
		signer, err := signature.Git(object, signature.GitKeys{AllowedSigners: test.allowed})
		switch {
		case test.words != "":
			refused(t, test.name, err, test.words)
		case err != nil || signer.Key != me.fingerprint() || !strings.HasPrefix(signer.Name, "me"):
			t.Errorf("%s: %v %v", test.name, signer, err)
		}
	}
}

func TestSSHKeysOfEveryKind(t *testing.T) {
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	big, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []crypto.Signer{curve, big} {
		me := personOf(t, key)
		object := signature.GitObject{Payload: payload, Signature: me.sign(t, payload, "git"), Time: signedAt}
		if _, err := signature.Git(object, signature.GitKeys{AllowedSigners: "me " + me.line()}); err != nil {
			t.Errorf("%s: %v", me.PublicKey().Type(), err)
		}
	}
}

func TestSSHCertificates(t *testing.T) {
	me, authority, other := newPerson(t), newPerson(t), newPerson(t)
	for _, test := range []struct {
		name, allowed string
		change        func(*ssh.Certificate)
		words         string
	}{
		{"a certificate", "*@example.com,!other@* cert-authority,namespaces=\"git\" " + authority.line(), nil, ""},
		{"its key by itself", "me@example.com " + me.line(), nil, "authority"},
		{"its authority as a signer", "me@example.com " + authority.line(), nil, "not among the allowed signers"},
		{"of another authority", "* cert-authority " + other.line(), nil, "not among the allowed signers"},
		{"of nobody who may", "*@example.org cert-authority " + authority.line(), nil, "certified nobody"},
		{"of nobody", "* cert-authority " + authority.line(), func(c *ssh.Certificate) { c.ValidPrincipals = nil }, "certified nobody"},
		{"of a host", "* cert-authority " + authority.line(), func(c *ssh.Certificate) { c.CertType = ssh.HostCert }, "a host"},
		{"expired", "* cert-authority " + authority.line(), func(c *ssh.Certificate) { c.ValidBefore = uint64(signedAt.Add(-time.Second).Unix()) },
			"was not valid"},
		{"too late an authority", "* cert-authority,valid-before=\"20240101Z\" " + authority.line(), nil, "not allowed any more"},
	} {
		signed := me.certificate(t, authority, test.change).sign(t, payload, "git")
		object := signature.GitObject{Payload: payload, Signature: signed, Time: signedAt}
		signer, err := signature.Git(object, signature.GitKeys{AllowedSigners: test.allowed})
		switch {
		case test.words != "":
			refused(t, test.name, err, test.words)
		case err != nil || signer.Name != "me@example.com" || signer.Key != me.fingerprint():
			t.Errorf("%s: %v %v", test.name, signer, err)
		}
	}
}

// FuzzAllowedSigners: a file of allowed signers never allows somebody whose key is not in it.
func FuzzAllowedSigners(f *testing.F) {
	me, stranger := newPerson(f), newPerson(f)
	f.Add("me@example.com " + me.line())
	f.Add("* cert-authority,namespaces=\"git\",valid-after=\"20240101Z\" " + me.line())
	f.Add("\"a b\" valid-before=\"20240101\" " + me.line() + " comment\n# x\n\r\n")
	f.Add("a\tnamespaces=\"\\\"\" ssh-ed25519 AAAA")
	f.Add(strings.Repeat("*", 1000) + "! ssh-rsa")
	signed := stranger.sign(f, payload, "git")
	f.Fuzz(func(t *testing.T, allowed string) {
		object := signature.GitObject{Payload: payload, Signature: signed, Time: signedAt}
		signer, err := signature.Git(object, signature.GitKeys{AllowedSigners: allowed})
		if err == nil || !errors.Is(err, signature.ErrUnverified) {
			t.Errorf("%v %v", signer, err)
		}
	})
}
