package signature

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

const (
	maxSignatures = 64 // of one artifact: more are not looked at
	maxPublicKeys = 100
	minRSA        = 2048 // bits
)

// signedTypes are what the payload of a signature of an image says of itself. A key signs other things too.
var signedTypes = []string{"cosign container image signature", "https://sigstore.dev/cosign/sign/v1"}

// OCI verifies that one of the signatures is by one of the keys or identities, and is about the digest ("sha256:…").
func OCI(digest string, signatures []OCISignature, keys OCIKeys) (Signer, error) {
	judge, err := newJudge(digest, keys)
	if err != nil {
		return Signer{}, err
	}
	if len(signatures) == 0 {
		return Signer{}, fault.Unverified(digest, "it is not signed").
			WithHint("sign it with `cosign sign`, or with `setpoint push --sign-key`")
	}
	var reasons []error
	for _, one := range signatures[:min(len(signatures), maxSignatures)] {
		signer, err := judge.signature(one)
		if err == nil {
			return signer, nil
		}
		reasons = append(reasons, err)
	}
	cause := reasons[0].Error()
	if len(reasons) > 1 {
		cause = fmt.Sprintf("none of its %d signatures counts; the first one: %s", len(reasons), cause)
	}
	return Signer{}, fault.Unverified(digest, cause).
		WithHint("have it signed by somebody who is allowed to; " +
			"or, when you trust who has signed it, add the key or identity to verify.oci")
}

// judge knows who may sign.
type judge struct {
	digest string
	keys   []publicKey
	rooted *rooted // nil where no identities are asked for
}

// publicKey is a key in PEM.
type publicKey struct {
	verifier signature.Verifier
	signer   Signer
}

func newJudge(digest string, keys OCIKeys) (*judge, error) {
	j := &judge{digest: digest}
	var err error
	if keys.Keys != "" {
		if j.keys, err = readPEM(keys.Keys); err != nil {
			return nil, err
		}
	}
	if len(keys.Identities) > 0 {
		if j.rooted, err = newRooted(keys); err != nil {
			return nil, err
		}
	}
	if len(j.keys) == 0 && j.rooted == nil {
		return nil, fault.Unverified(digest, "nobody may sign it: neither keys nor identities are given").
			WithHint("give verify.oci keys, or identities with a trustedRoot")
	}
	return j, nil
}

// readPEM reads public keys.
func readPEM(text string) ([]publicKey, error) {
	if err := tooLong("", "the text of verify.oci.keys", len(text), maxKeys); err != nil {
		return nil, err
	}
	broken := func(cause string) ([]publicKey, error) {
		return nil, fault.Unverified("", "verify.oci.keys: "+cause).
			WithHint("want PEM with -----BEGIN PUBLIC KEY-----, as `cosign public-key` writes it")
	}
	var keys []publicKey
	for block, rest := pem.Decode([]byte(text)); block != nil; block, rest = pem.Decode(rest) {
		key, err := cryptoutils.UnmarshalPEMToPublicKey(pem.EncodeToMemory(block))
		if err != nil || weak(key) {
			return broken("one of them is no public key, or is too weak to be trusted")
		}
		verifier, err := signature.LoadVerifier(key, crypto.SHA256)
		if err != nil {
			return broken("one of them cannot verify anything")
		}
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			return broken("one of them cannot be written")
		}
		sum := sha256.Sum256(der)
		keys = append(keys, publicKey{verifier, Signer{Key: "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])}})
		if len(keys) > maxPublicKeys {
			return broken(fmt.Sprintf("there are more than %d", maxPublicKeys))
		}
	}
	if len(keys) == 0 {
		return broken("there is none in the text")
	}
	return keys, nil
}

// weak says whether somebody else may have found the private part of a key.
func weak(key crypto.PublicKey) bool {
	known, ok := key.(*rsa.PublicKey)
	return ok && known.N.BitLen() < minRSA
}

// signature judges one of them. Its errors are sentences.
func (j *judge) signature(one OCISignature) (Signer, error) {
	for _, part := range []struct{ length, most int }{
		{len(one.Payload), maxPayload}, {len(one.Sigstore), maxBundle}, {len(one.Bundle), maxBundle},
		{len(one.Signature) + len(one.Certificate), maxSignature},
	} {
		if part.length > part.most {
			return Signer{}, errors.New("a signature of it is longer than anybody makes them")
		}
	}
	if len(one.Sigstore) > 0 {
		return j.bundle(one.Sigstore)
	}
	raw, err := base64.StdEncoding.DecodeString(one.Signature)
	if err != nil || len(raw) == 0 {
		return Signer{}, errors.New("a signature of it cannot be read")
	}
	var signer Signer
	if one.Certificate != "" {
		signer, err = j.certified(one, raw)
	} else {
		signer, err = j.keyed(one.Payload, raw)
	}
	if err == nil {
		err = j.about(one.Payload)
	}
	return signer, err
}

// keyed verifies a signature by one of the keys.
func (j *judge) keyed(payload, raw []byte) (Signer, error) {
	if len(j.keys) == 0 {
		return Signer{}, errors.New("it is signed with a key, and identities are asked for")
	}
	for _, key := range j.keys {
		if key.verifier.VerifySignature(bytes.NewReader(raw), bytes.NewReader(payload)) == nil {
			return key.signer, nil
		}
	}
	return Signer{}, errors.New("it is not signed by one of the keys that may sign")
}

// about holds what was signed against the artifact.
func (j *judge) about(payload []byte) error {
	var signed struct {
		Critical struct {
			Type  string `json:"type"`
			Image struct {
				Digest string `json:"docker-manifest-digest"`
			} `json:"image"`
		} `json:"critical"`
	}
	switch err := json.Unmarshal(payload, &signed); {
	case err != nil || !slices.Contains(signedTypes, signed.Critical.Type):
		return errors.New("what is signed is no signature of an artifact")
	case signed.Critical.Image.Digest != j.digest:
		return errors.New("what is signed is another artifact, " + shown(signed.Critical.Image.Digest))
	}
	return nil
}
