package signature

import (
	"bytes"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"go.yaml.in/yaml/v3"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// Helm verifies the provenance file of a chart archive by its name and SHA-256 in hexadecimal digits.
func Helm(provenance []byte, file, sha256, pgpKeys string) (Signer, error) {
	if err := tooLong(file, "its provenance", len(provenance), maxBundle); err != nil {
		return Signer{}, err
	}
	block, _ := clearsign.Decode(provenance)
	if block == nil {
		return Signer{}, fault.Unverified(file, "its provenance is not signed").
			WithHint("`helm package --sign` makes the archive and the file beside it that ends in .prov")
	}
	signer, err := verifyPGP(file, block.Bytes, block.ArmoredSignature.Body, pgpKeys)
	if err != nil {
		return Signer{}, err
	}
	sums, ok := provenanceSums(block.Plaintext)
	sum, named := sums[file]
	switch {
	case !ok:
		return Signer{}, fault.Unverified(file, "what is signed in its provenance cannot be read")
	case !named:
		return Signer{}, fault.Unverified(file, "its provenance by "+signer.Name+" is about another file").
			WithHint("put the archive and its own .prov beside each other, under the names that they were made with")
	case !strings.EqualFold(sum, "sha256:"+sha256):
		return Signer{}, fault.Unverified(file, "it is not the file that "+signer.Name+" has signed").
			WithHint("somebody may have changed it after it was signed: package and sign it again")
	}
	return signer, nil
}

// provenanceSums gives the sums of files by their names, which Helm writes as a second document.
func provenanceSums(signed []byte) (map[string]string, bool) {
	parts := bytes.Split(signed, []byte("\n...\n"))
	if len(parts) < 2 {
		return nil, false
	}
	var sums struct {
		Files map[string]string `yaml:"files"`
	}
	if err := yaml.Unmarshal(parts[1], &sums); err != nil {
		return nil, false
	}
	return sums.Files, true
}
