// Package signature says who has signed something: SSH and OpenPGP signatures of Git, cosign's of OCI artifacts, Helm's provenance. It
// makes no request and reads no file.
package signature

import (
	"errors"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// ErrUnverified is what every error wraps that says that something is not signed as it has to be. Such a thing is not applied, and waits for
// people: Held, not Failed.
var ErrUnverified = errors.New("not verified")

// Signer is who has signed, for the history.
type Signer struct {
	Name string `json:"name"` // a principal, a user ID, a subject
	Key  string `json:"key"`  // "SHA256:…", a fingerprint, an issuer
}

// Git verifies the signature of a commit or a tag object: payload is the object without its signature.
func Git(payload, signature []byte, keys GitKeys) (Signer, error) {
	return Signer{}, fault.Wrap(fault.Denied, "verify", "signature", ErrUnverified)
}

// GitKeys are the texts that v1alpha1.GitVerification names.
type GitKeys struct {
	AllowedSigners string // see ssh-keygen(1)
	PGPKeys        string // armored
}

// OCIKeys are the texts that v1alpha1.OCIVerification names.
type OCIKeys struct {
	Keys        string // PEM, one or several
	TrustedRoot string // JSON
	Identities  []v1alpha1.Identity
}

// OCISignature is one signature that was found beside an artifact.
type OCISignature struct {
	// Payload, Signature (base64), and for one without a key Certificate, Chain (PEM) and Bundle (JSON) are cosign's annotations.
	Payload     []byte
	Signature   string
	Certificate string
	Chain       string
	Bundle      string
	// Sigstore is a bundle of Sigstore (application/vnd.dev.sigstore.bundle.v0.3+json) in the place of all the others.
	Sigstore []byte
}

// OCI verifies that one of the signatures is by one of the keys or identities, and is about the digest ("sha256:…").
func OCI(digest string, signatures []OCISignature, keys OCIKeys) (Signer, error) {
	return Signer{}, fault.Wrap(fault.Denied, "verify", digest, ErrUnverified)
}

// Helm verifies the provenance file of a chart archive by its name and SHA-256 in hexadecimal digits.
func Helm(provenance []byte, file, sha256, pgpKeys string) (Signer, error) {
	return Signer{}, fault.Wrap(fault.Denied, "verify", file, ErrUnverified)
}
