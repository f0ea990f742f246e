package signature

import (
	"bytes"
	"encoding/pem"
	"time"

	"github.com/hiddeco/sshsig"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// GitKeys are the texts that v1alpha1.GitVerification names.
type GitKeys struct {
	AllowedSigners string // see ssh-keygen(1)
	PGPKeys        string // armored
}

// GitObject is a commit or an annotated tag with its signature taken out.
type GitObject struct {
	Name      string // "commit 1a2b3c4", for errors
	Payload   []byte // the object without its signature
	Signature []byte // armored; nil when there is none
	Time      time.Time
}

// pgpSignature is the type of an armored signature of OpenPGP.
const pgpSignature = "PGP SIGNATURE"

// Git verifies the signature of a commit or a tag object. Whether a signer was allowed at the time is judged by the time that the object
// has, as Git does it.
func Git(object GitObject, keys GitKeys) (Signer, error) {
	if err := tooLong(object.Name, "its signature", len(object.Signature), maxSignature); err != nil {
		return Signer{}, err
	}
	switch typeOf(object.Signature) {
	case "":
		return Signer{}, fault.Unverified(object.Name, "it is not signed").
			WithHint("sign with `git commit -S` or `git tag -s`, after `git config gpg.format ssh` for SSH keys")
	case sshsig.PEMType:
		if keys.AllowedSigners == "" {
			return Signer{}, fault.Unverified(object.Name, "it is signed with an SSH key, and no SSH keys are asked for").
				WithHint("give verify.git allowedSigners, or sign with an OpenPGP key")
		}
		return verifySSH(object, keys.AllowedSigners)
	case pgpSignature:
		if keys.PGPKeys == "" {
			return Signer{}, fault.Unverified(object.Name, "it is signed with an OpenPGP key, and no OpenPGP keys are asked for").
				WithHint("give verify.git pgpKeys, or sign with an SSH key")
		}
		return verifyArmored(object, keys.PGPKeys)
	}
	return Signer{}, fault.Unverified(object.Name, "its signature is of a kind that is not known").
		WithHint("sign with an SSH or an OpenPGP key: X.509 is not understood")
}

// typeOf says what stands on the first line of an armored signature; "" when there is none.
func typeOf(signature []byte) string {
	if len(bytes.TrimSpace(signature)) == 0 {
		return ""
	}
	first, _, _ := bytes.Cut(bytes.TrimSpace(signature), []byte("\n"))
	first = bytes.TrimSpace(first)
	for _, known := range []string{sshsig.PEMType, pgpSignature} {
		if string(first) == "-----BEGIN "+known+"-----" {
			return known
		}
	}
	return "?"
}

// sshBlock gives the one block that an armored SSH signature consists of.
func sshBlock(signature []byte) []byte {
	block, rest := pem.Decode(signature)
	if block == nil || block.Type != sshsig.PEMType || len(bytes.TrimSpace(rest)) > 0 {
		return nil
	}
	return block.Bytes
}
