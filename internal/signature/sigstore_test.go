package signature_test

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"
	"github.com/sigstore/sigstore-go/pkg/tlog"
	sigstore "github.com/sigstore/sigstore/pkg/signature"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/signature"
)

const (
	issuer    = "https://token.actions.githubusercontent.com"
	subject   = "https://github.com/org/base/.github/workflows/release.yaml@refs/heads/main"
	ofCosign  = "https://sigstore.dev/cosign/sign/v1"
	bundleV03 = "application/vnd.dev.sigstore.bundle.v0.3+json"
	inToto    = "application/vnd.in-toto+json"
)

type object = map[string]any

// instance is a Sigstore of the test's own: it certifies and logs in memory.
type instance struct{ *ca.VirtualSigstore }

func newInstance(t testing.TB) instance {
	t.Helper()
	virtual, err := ca.NewVirtualSigstore()
	if err != nil {
		t.Fatal(err)
	}
	return instance{virtual}
}

// root gives the trusted root of the instance, as cosign writes it.
func (i instance) root(t testing.TB) string {
	t.Helper()
	logs := i.RekorLogs()
	for id, log := range logs { // the library writes the ID as text
		raw, err := hex.DecodeString(id)
		if err != nil {
			t.Fatal(err)
		}
		log.ID = raw
	}
	// Its certificates are in no certificate log.
	trusted, err := root.NewTrustedRoot(root.TrustedRootMediaType01, i.FulcioCertificateAuthorities(), nil, nil, logs)
	if err != nil {
		t.Fatal(err)
	}
	text, err := trusted.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// logged is an entry in the log, with the promise and the kind that the library leaves out.
type logged struct {
	body          []byte
	kind, version string
	index, time   int64
	log, promise  []byte
}

func (i instance) logged(t testing.TB, entry *tlog.Entry) logged {
	t.Helper()
	of := entry.TransparencyLogEntry()
	made := logged{body: of.GetCanonicalizedBody(), index: of.GetLogIndex(), time: of.GetIntegratedTime(), log: of.GetLogId().GetKeyId()}
	var kind struct{ Kind, APIVersion string }
	if err := json.Unmarshal(made.body, &kind); err != nil {
		t.Fatal(err)
	}
	made.kind, made.version = kind.Kind, kind.APIVersion
	var err error
	made.promise, err = i.RekorSignPayload(tlog.RekorPayload{
		Body: made.body, IntegratedTime: made.time, LogIndex: made.index, LogID: hex.EncodeToString(made.log),
	})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func statement(t testing.TB, digest, predicate string) []byte {
	t.Helper()
	return encoded(t, object{
		"_type": "https://in-toto.io/Statement/v1", "predicateType": predicate, "predicate": object{},
		"subject": []object{{"name": repository, "digest": object{"sha256": strings.TrimPrefix(digest, "sha256:")}}},
	})
}

func encoded(t testing.TB, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// bundle signs a statement as somebody, and gives the bundle that cosign attaches to an artifact.
func (i instance) bundle(t testing.TB, who string, statement []byte) []byte {
	t.Helper()
	made, err := i.AttestAtTime(who, issuer, statement, time.Now().Add(5*time.Minute), true)
	if err != nil {
		t.Fatal(err)
	}
	by, _ := made.VerificationContent()
	content, _ := made.SignatureContent()
	entries, _ := made.TlogEntries()
	entry, proof := i.logged(t, entries[0]), entries[0].TransparencyLogEntry().GetInclusionProof()
	return encoded(t, object{
		"mediaType": bundleV03,
		"verificationMaterial": object{
			"certificate": object{"rawBytes": by.Certificate().Raw},
			"tlogEntries": []object{{
				"logIndex": strconv.FormatInt(entry.index, 10), "logId": object{"keyId": entry.log},
				"kindVersion":      object{"kind": entry.kind, "version": entry.version},
				"integratedTime":   strconv.FormatInt(entry.time, 10),
				"inclusionPromise": object{"signedEntryTimestamp": entry.promise},
				"inclusionProof": object{
					"logIndex": strconv.FormatInt(proof.GetLogIndex(), 10), "treeSize": strconv.FormatInt(proof.GetTreeSize(), 10),
					"rootHash": proof.GetRootHash(), "hashes": proof.GetHashes(),
					"checkpoint": object{"envelope": proof.GetCheckpoint().GetEnvelope()},
				},
				"canonicalizedBody": entry.body,
			}},
		},
		"dsseEnvelope": content.EnvelopeContent().RawEnvelope(),
	})
}

// annotations sign a payload as somebody, as cosign did before there were bundles.
func (i instance) annotations(t testing.TB, who string, payload []byte) signature.OCISignature {
	t.Helper()
	made, err := i.SignAtTime(who, issuer, payload, time.Now().Add(5*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	by, _ := made.VerificationContent()
	content, _ := made.SignatureContent()
	entries, _ := made.TlogEntries()
	entry := i.logged(t, entries[0])
	return signature.OCISignature{
		Payload:     payload,
		Signature:   base64.StdEncoding.EncodeToString(content.Signature()),
		Certificate: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: by.Certificate().Raw})),
		Bundle: string(encoded(t, object{
			"SignedEntryTimestamp": entry.promise,
			"Payload": object{
				"body": entry.body, "integratedTime": entry.time, "logIndex": entry.index, "logID": hex.EncodeToString(entry.log),
			},
		})),
	}
}

func TestOCISignaturesByIdentities(t *testing.T) {
	own, foreign := newInstance(t), newInstance(t)
	pattern := strings.Replace(subject, "base", "*", 1)
	good := signed(t, digest, newKey(t)).Payload
	bundled := func(made []byte) signature.OCISignature { return signature.OCISignature{Sigstore: made} }
	altered := own.annotations(t, subject, good)
	altered.Payload = bytes.Replace(good, []byte("base"), []byte("best"), 1)
	unlogged := own.annotations(t, subject, good)
	unlogged.Bundle = ""
	for _, test := range []struct {
		name, issuer, subject string
		found                 signature.OCISignature
		words                 string
	}{
		{"a bundle", issuer, subject, bundled(own.bundle(t, subject, statement(t, digest, ofCosign))), ""},
		{"a pattern", issuer, pattern, bundled(own.bundle(t, subject, statement(t, digest, ofCosign))), ""},
		{"annotations", issuer, pattern, own.annotations(t, subject, good), ""},
		{"another issuer", "https://accounts.example.com", subject, bundled(own.bundle(t, subject, statement(t, digest, ofCosign))),
			"signed by " + subject + " (" + issuer + "), who is not among"},
		{"another subject", issuer, pattern, own.annotations(t, "https://github.com/evil/base", good), "https://github.com/evil/base"},
		{"a star over a slash", issuer, "https://github.com/*", own.annotations(t, subject, good), "not among the identities"},
		{"a part of a subject", issuer, "https://github.com/org", own.annotations(t, subject, good), "not among the identities"},
		{"another artifact", issuer, subject, bundled(own.bundle(t, subject, statement(t, another, ofCosign))), "not good"},
		{"another artifact in annotations", issuer, subject, own.annotations(t, subject, signed(t, another, newKey(t)).Payload), "another artifact"},
		{"a list of what is in it", issuer, subject, bundled(own.bundle(t, subject, statement(t, digest, "https://spdx.dev/Document"))),
			"statement about it (https://spdx.dev/Document)"},
		{"another instance", issuer, subject, bundled(foreign.bundle(t, subject, statement(t, digest, ofCosign))), "not good"},
		{"annotations of another instance", issuer, subject, foreign.annotations(t, subject, good), "not good"},
		{"another payload", issuer, subject, altered, "not good"},
		{"in no log", issuer, subject, unlogged, "no transparency log"},
		{"a key", issuer, subject, signed(t, digest, newKey(t)), "identities are asked for"},
	} {
		keys := signature.OCIKeys{TrustedRoot: own.root(t), Identities: []v1alpha1.Identity{{Issuer: test.issuer, Subject: test.subject}}}
		signer, err := signature.OCI(digest, []signature.OCISignature{test.found}, keys)
		switch {
		case test.words != "":
			refused(t, test.name, err, test.words)
		case err != nil || signer != signature.Signer{Name: subject, Key: issuer}:
			t.Errorf("%s: %v %v", test.name, signer, err)
		}
	}
	_, err := signature.OCI(digest, nil, signature.OCIKeys{TrustedRoot: "{}", Identities: []v1alpha1.Identity{{Issuer: issuer, Subject: subject}}})
	refused(t, "a root of nothing", err, "trusted")
}

// keyBundle signs a statement with a key, and gives the bundle that cosign attaches to an artifact.
func keyBundle(t testing.TB, key crypto.Signer, statement []byte) []byte {
	t.Helper()
	signer, err := sigstore.LoadSigner(key, crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	encoding := "DSSEv1 " + strconv.Itoa(len(inToto)) + " " + inToto + " " + strconv.Itoa(len(statement)) + " " + string(statement)
	made, err := signer.SignMessage(strings.NewReader(encoding))
	if err != nil {
		t.Fatal(err)
	}
	return encoded(t, object{
		"mediaType":            bundleV03,
		"verificationMaterial": object{"publicKey": object{"hint": "anything"}},
		"dsseEnvelope":         object{"payload": statement, "payloadType": inToto, "signatures": []object{{"sig": made}}},
	})
}

func TestOCIBundlesByKeys(t *testing.T) {
	key := newKey(t)
	keys := signature.OCIKeys{Keys: publicPEM(t, newKey(t)) + publicPEM(t, key)}
	good := keyBundle(t, key, statement(t, digest, ofCosign))
	if signer, err := signature.OCI(digest, []signature.OCISignature{{Sigstore: good}}, keys); err != nil || signer.Key == "" {
		t.Errorf("%v %v", signer, err)
	}
	own := newInstance(t)
	for name, test := range map[string]struct {
		bundle []byte
		words  string
	}{
		"another key":        {keyBundle(t, newKey(t), statement(t, digest, ofCosign)), "not signed by one of the keys"},
		"another artifact":   {keyBundle(t, key, statement(t, another, ofCosign)), "not signed by one of the keys"},
		"a list of contents": {keyBundle(t, key, statement(t, digest, "https://spdx.dev/Document")), "statement about it"},
		"a certificate":      {own.bundle(t, subject, statement(t, digest, ofCosign)), "keys are asked for"},
	} {
		_, err := signature.OCI(digest, []signature.OCISignature{{Sigstore: test.bundle}}, keys)
		refused(t, name, err, test.words)
	}
	_, err := signature.OCI(digest, []signature.OCISignature{{Sigstore: good}}, signature.OCIKeys{
		TrustedRoot: own.root(t), Identities: []v1alpha1.Identity{{Issuer: issuer, Subject: subject}},
	})
	refused(t, "a key for identities", err, "identities are asked for")
}
