// Package signature says who has signed something: SSH and OpenPGP signatures of Git, cosign's of OCI artifacts, Helm's provenance. It
// makes no request and reads no file.
//
// What it is given comes from repositories and registries, and is bounded before it is looked at; the keys come from declarations. Every
// function either names a signer who is one of those that were asked for, or gives an error that is ErrUnverified.
package signature

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// ErrUnverified is what every error is that says that something is not signed as it has to be. Such a thing is not applied, and waits for
// people: Held, not Failed.
var ErrUnverified = fault.ErrUnverified

// Bounds of what is looked at, in bytes: nobody signs with more.
const (
	maxKeys      = 1 << 20
	maxSignature = 64 << 10
	maxPayload   = 64 << 10
	maxBundle    = 1 << 20
	maxShown     = 200 // letters of a name
)

// Signer is who has signed, for the history.
type Signer struct {
	Name string `json:"name"` // a principal, a user ID, a subject; "" for a key in PEM, which has none
	Key  string `json:"key"`  // "SHA256:…", a fingerprint, an issuer
}

// String gives "me@example.com (SHA256:…)", for people.
func (s Signer) String() string {
	if s.Name == "" {
		return s.Key
	}
	return s.Name + " (" + s.Key + ")"
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

// shown makes a name from outside fit for one line.
func shown(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return '?'
	}, name)
	if letters := []rune(name); len(letters) > maxShown {
		return string(letters[:maxShown]) + "…"
	}
	return name
}

// tooLong refuses what nobody signs with.
func tooLong(item, what string, length, most int) *fault.Error {
	if length <= most {
		return nil
	}
	return fault.Unverified(item, fmt.Sprintf("%s has %d bytes, and %d is the limit", what, length, most))
}
