package signature

import (
	"bytes"
	"errors"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// namespace is what Git signs for: a signature for anything else is none for Git.
const namespace = "git"

// verifySSH verifies an SSH signature by the allowed signers.
func verifySSH(object GitObject, allowed string) (Signer, error) {
	signers, err := parseAllowedSigners(allowed)
	if err != nil {
		return Signer{}, err
	}
	made, err := sshsig.ParseSignature(sshBlock(object.Signature))
	if err != nil {
		return Signer{}, fault.Unverified(object.Name, "its SSH signature cannot be read").WithHint("sign it again")
	}
	if made.Namespace != namespace {
		return Signer{}, fault.Unverified(object.Name, "its SSH signature was made for "+shown(made.Namespace)+", not for Git").
			WithHint("sign it by Git, or with `ssh-keygen -Y sign -n git`")
	}
	if !sound(made) || sshsig.Verify(bytes.NewReader(object.Payload), made, made.PublicKey, made.HashAlgorithm, namespace) != nil {
		return Signer{}, fault.Unverified(object.Name, "its SSH signature is not about what is there").
			WithHint("somebody may have changed it after it was signed: look at it, and sign it again")
	}
	if certificate, ok := made.PublicKey.(*ssh.Certificate); ok {
		return certified(object, certificate, signers)
	}
	return keyed(object, made.PublicKey, signers)
}

// sound refuses signatures by SHA-1, which the library lets certificates have: those of RSA under its old name, and all of DSA.
func sound(made *sshsig.Signature) bool {
	return made.Signature != nil && made.Signature.Format != ssh.KeyAlgoRSA && made.Signature.Format != "ssh-dss"
}

// keyed looks a key up among the allowed signers.
func keyed(object GitObject, key ssh.PublicKey, signers []allowedSigner) (Signer, error) {
	fingerprint := ssh.FingerprintSHA256(key)
	wrong := "is not among the allowed signers"
	for _, signer := range signers {
		if signer.authority || !bytes.Equal(signer.key.Marshal(), key.Marshal()) {
			continue
		}
		reason := signer.valid(namespace, object.Time)
		if reason == "" {
			return Signer{Name: shown(signer.principals), Key: fingerprint}, nil
		}
		wrong = "of " + shown(signer.principals) + " " + reason
	}
	return Signer{}, fault.Unverified(object.Name, "it is signed by the SSH key "+fingerprint+", which "+wrong).
		WithHint("have it signed by somebody who is allowed to; or, when you trust whose key it is, add it to the allowed signers")
}

// certified looks the authority of a certificate up among the allowed signers, which say for which of its principals it may speak.
func certified(object GitObject, certificate *ssh.Certificate, signers []allowedSigner) (Signer, error) {
	authority := ssh.FingerprintSHA256(certificate.SignatureKey)
	wrong := "is not among the allowed signers"
	for _, signer := range signers {
		if !signer.authority || !bytes.Equal(signer.key.Marshal(), certificate.SignatureKey.Marshal()) {
			continue
		}
		if wrong = signer.valid(namespace, object.Time); wrong != "" {
			continue
		}
		principal, err := speaksFor(certificate, signer.principals, object.Time)
		if err == nil {
			return Signer{Name: shown(principal), Key: ssh.FingerprintSHA256(certificate.Key)}, nil
		}
		wrong = err.Error()
	}
	return Signer{}, fault.Unverified(object.Name, "it is signed with a certificate of the authority "+authority+", which "+wrong).
		WithHint("have it signed by somebody who is allowed to; " +
			"or, when you trust the authority, add it to the allowed signers as cert-authority")
}

// speaksFor gives the principal of a certificate that some patterns allow.
func speaksFor(certificate *ssh.Certificate, patterns string, at time.Time) (string, error) {
	if certificate.CertType != ssh.UserCert {
		return "", errors.New("has certified a host and no person")
	}
	checker := ssh.CertChecker{Clock: func() time.Time { return at }}
	for _, principal := range certificate.ValidPrincipals {
		if !matchList(patterns, principal) {
			continue
		}
		if err := checker.CheckCert(principal, certificate); err != nil {
			return "", errors.New("has not certified this: the certificate is broken, or was not valid when it was signed")
		}
		return principal, nil
	}
	return "", errors.New("has certified nobody who is allowed to sign")
}
