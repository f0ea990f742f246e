package signature

import (
	"bytes"
	"encoding/hex"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// rooted verifies signatures of identities: by certificates and log entries that a trusted root vouches for. Nothing is fetched.
type rooted struct {
	verifier   *verify.Verifier
	identities []v1alpha1.Identity
}

func newRooted(keys OCIKeys) (*rooted, error) {
	if err := tooLong("", "the trusted root", len(keys.TrustedRoot), maxKeys); err != nil {
		return nil, err
	}
	trusted, err := root.NewTrustedRootFromJSON([]byte(keys.TrustedRoot))
	if err != nil {
		return nil, fault.Unverified("", "verify.oci.trustedRoot is no trusted root of Sigstore").
			WithHint("want what `cosign trusted-root create` writes, or the trusted_root.json of the instance that signs")
	}
	// What the root knows of is demanded: certificates are logged, and so are signatures, wherever there is such a log.
	options := []verify.VerifierOption{verify.WithObserverTimestamps(1)}
	if len(trusted.RekorLogs()) > 0 {
		options = append(options, verify.WithTransparencyLog(1))
	}
	if len(trusted.CTLogs()) > 0 {
		options = append(options, verify.WithSignedCertificateTimestamps(1))
	}
	verifier, err := verify.NewVerifier(trusted, options...)
	if err != nil {
		return nil, fault.Unverified("", "verify.oci.trustedRoot cannot be used")
	}
	return &rooted{verifier, keys.Identities}, nil
}

// bundle judges a bundle of Sigstore, by a key or by an identity, as it says itself.
func (j *judge) bundle(text []byte) (Signer, error) {
	var made bundle.Bundle
	if err := made.UnmarshalJSON(text); err != nil {
		return Signer{}, errors.New("a bundle of Sigstore beside it cannot be read")
	}
	content, err := made.VerificationContent()
	if err != nil {
		return Signer{}, errors.New("a bundle of Sigstore beside it names nobody")
	}
	algorithm, sum, _ := strings.Cut(j.digest, ":")
	raw, err := hex.DecodeString(sum)
	if err != nil || algorithm != "sha256" {
		return Signer{}, errors.New("its digest is no SHA-256")
	}
	artifact := verify.WithArtifactDigest(algorithm, raw)
	if content.Certificate() == nil {
		return j.bundleByKey(&made, artifact)
	}
	if j.rooted == nil {
		return Signer{}, errors.New("it is signed with a certificate, and keys are asked for")
	}
	return j.rooted.verify(&made, artifact)
}

// bundleByKey tries every key: the hint in a bundle is only that.
func (j *judge) bundleByKey(made *bundle.Bundle, artifact verify.ArtifactPolicyOption) (Signer, error) {
	if len(j.keys) == 0 {
		return Signer{}, errors.New("it is signed with a key, and identities are asked for")
	}
	for _, key := range j.keys {
		trusted := root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) {
			return root.NewExpiringKey(key.verifier, time.Time{}, time.Time{}), nil
		})
		verifier, err := verify.NewVerifier(trusted, verify.WithNoObserverTimestamps())
		if err != nil {
			return Signer{}, errors.New("its signature cannot be verified")
		}
		result, err := verifier.Verify(made, verify.NewPolicy(artifact, verify.WithKey()))
		if err == nil {
			return key.signer, signs(result)
		}
	}
	return Signer{}, errors.New("it is not signed by one of the keys that may sign")
}

// signs refuses statements about an artifact that are no signature of it: whoever describes what is in it has not said that it is good.
func signs(result *verify.VerificationResult) error {
	if result.Statement != nil && !slices.Contains(signedTypes, result.Statement.GetPredicateType()) {
		what := shown(result.Statement.GetPredicateType())
		return errors.New("what is signed is a statement about it (" + what + "), and no signature of it")
	}
	return nil
}

// verify verifies everything but who it is first, so that it can be said who has signed instead.
func (r *rooted) verify(made *bundle.Bundle, artifact verify.ArtifactPolicyOption) (Signer, error) {
	result, err := r.verifier.Verify(made, verify.NewPolicy(artifact, verify.WithoutIdentitiesUnsafe()))
	if err != nil {
		return Signer{}, errors.New("its certificate, its entry in the log or its signature is not good: " + shown(err.Error()))
	}
	if result.Signature == nil || result.Signature.Certificate == nil {
		return Signer{}, errors.New("it is signed without a certificate")
	}
	by := result.Signature.Certificate
	signer := Signer{Name: shown(by.SubjectAlternativeName), Key: shown(by.Issuer)}
	for _, identity := range r.identities {
		if identity.Issuer != "" && identity.Issuer == by.Issuer && matchSubject(identity.Subject, by.SubjectAlternativeName) {
			return signer, signs(result)
		}
	}
	return Signer{}, errors.New("it is signed by " + signer.String() + ", who is not among the identities that may sign")
}

// matchSubject matches a pattern in which * stands for any letters but /.
func matchSubject(pattern, subject string) bool {
	parts := strings.Split(pattern, "*")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	form, err := regexp.Compile(`\A` + strings.Join(parts, `[^/]*`) + `\z`)
	return err == nil && pattern != "" && form.MatchString(subject)
}

// certified verifies a signature of an identity that cosign has written into annotations.
func (j *judge) certified(one OCISignature, raw []byte) (Signer, error) {
	if j.rooted == nil {
		return Signer{}, errors.New("it is signed with a certificate, and keys are asked for")
	}
	made, err := fromAnnotations(one, raw)
	if err != nil {
		return Signer{}, err
	}
	return j.rooted.verify(made, verify.WithArtifact(bytes.NewReader(one.Payload)))
}
