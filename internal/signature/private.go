package signature

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"github.com/sigstore/sigstore/pkg/cryptoutils"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// PrivateKey reads a key to sign with: as cosign generates it, or in PKCS #8, in PEM; the password is for an encrypted one. Errors hold
// nothing of either.
func PrivateKey(pem, password []byte) (crypto.Signer, error) {
	key, err := cryptoutils.UnmarshalPEMToPrivateKey(pem, cryptoutils.StaticPasswordFunc(password))
	if err != nil {
		return nil, fault.New(fault.Denied, "read", "the signing key", "it is no private key in PEM, or the password does not open it").
			WithHint("give a key as `cosign generate-key-pair` writes it, or one in PKCS #8, and its password in SETPOINT_SIGN_PASSWORD")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fault.New(fault.Invalid, "read", "the signing key", "it is no key to sign with")
	}
	return signer, nil
}

// PublicPEM gives the public part of a key in PEM, as OCIKeys has it.
func PublicPEM(key crypto.Signer) (string, error) {
	pem, err := cryptoutils.MarshalPublicKeyToPEM(key.Public())
	return string(pem), fault.Wrap(fault.Invalid, "read", "the signing key", err)
}

// Sign signs an artifact of a registry as cosign does: the name of its repository ("registry.example.com/fleet/base") and its digest.
func Sign(repository, digest string, key crypto.Signer) (OCISignature, error) {
	payload, err := json.Marshal(map[string]any{
		"critical": map[string]any{
			"identity": map[string]string{"docker-reference": repository},
			"image":    map[string]string{"docker-manifest-digest": digest},
			"type":     "cosign container image signature",
		},
		"optional": nil,
	})
	if err != nil {
		return OCISignature{}, fault.Wrap(fault.Internal, "sign", digest, err)
	}
	sum := sha256.Sum256(payload)
	message, opts := sum[:], crypto.SignerOpts(crypto.SHA256)
	if _, whole := key.Public().(ed25519.PublicKey); whole { // it signs the message, not its sum
		message, opts = payload, crypto.Hash(0)
	}
	signed, err := key.Sign(rand.Reader, message, opts)
	if err != nil {
		return OCISignature{}, fault.Wrap(fault.Invalid, "sign", digest, err)
	}
	return OCISignature{Payload: payload, Signature: base64.StdEncoding.EncodeToString(signed)}, nil
}
