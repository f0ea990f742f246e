package oci

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/signature"
	"github.com/setpoint-dev/setpoint/internal/source/fetch"
)

// Bounds of signatures: more of them, and longer ones, are not looked at.
const (
	maxSignatures = 32
	maxPayload    = 64 << 10 // bytes of what cosign signs
	maxBundle     = 1 << 20  // bytes of a bundle of Sigstore, and of a chart's provenance
)

// Media types and annotations as cosign writes them.
const (
	simpleSigning = "application/vnd.dev.cosign.simplesigning.v1+json"
	sigstore      = "application/vnd.dev.sigstore.bundle.v0.3+json"
	cosign        = "application/vnd.dev.cosign." // begins those of cosign's own artifacts

	annotationSignature   = "dev.cosignproject.cosign/signature"
	annotationCertificate = "dev.sigstore.cosign/certificate"
	annotationChain       = "dev.sigstore.cosign/chain"
	annotationBundle      = "dev.sigstore.cosign/bundle"
)

// candidate is an artifact that is not trusted yet.
type candidate struct {
	found ocispec.Descriptor // what the reference leads to, which is what is signed
	tag   string
	layer layer
}

// mustVerify says whether an artifact, that is in force perhaps, was not verified by the keys of this moment: keys are taken back too.
func (u *upstream) mustVerify(of digest.Digest) bool {
	if len(u.opts.Verify) == 0 {
		return false
	}
	proof := u.proof(of)
	return proof == "" || u.verified != proof
}

// proof names what verifying an artifact by the keys of this moment proves; "" while they cannot be read.
func (u *upstream) proof(of digest.Digest) string {
	sum := sha256.New()
	for _, one := range u.opts.Verify {
		keys, err := u.keys(one)
		if err != nil {
			return ""
		}
		_ = json.NewEncoder(sum).Encode(keys) // plain data into a hash
	}
	return string(of) + " " + hex.EncodeToString(sum.Sum(nil))
}

// keys are the texts that a verification names, for this kind of source.
type keys struct {
	OCI  *signature.OCIKeys
	Helm string
}

func (u *upstream) keys(demanded *v1alpha1.Verification) (k keys, err error) {
	switch {
	case demanded == nil:
		return k, nil
	case u.chart != "" && demanded.Helm != nil:
		k.Helm, err = fetch.ReadKeys(demanded.Helm.PGPKeys, u.opts.Getenv)
		return k, err
	case demanded.OCI != nil:
		k.OCI = &signature.OCIKeys{Identities: demanded.OCI.Identities}
		if k.OCI.Keys, err = fetch.ReadKeys(demanded.OCI.Keys, u.opts.Getenv); err != nil {
			return k, err
		}
		k.OCI.TrustedRoot, err = fetch.ReadKeys(demanded.OCI.TrustedRoot, u.opts.Getenv)
		return k, err
	}
	return k, fault.Unverified(u.String(), "the verification that applies here names no keys for this kind of source, which refuses it").
		WithHint("name keys for it in the verification, or use a source of a kind that it names")
}

// verify demands every signature that has to be there, and says who signed: by the last demand, which is the nearest.
func (u *upstream) verify(ctx context.Context, what candidate) (signer signature.Signer, err error) {
	proof := u.proof(what.found.Digest)
	if len(u.opts.Verify) == 0 || u.verified == proof && proof != "" {
		return signer, nil
	}
	var found []signature.OCISignature
	for _, one := range u.opts.Verify {
		wanted, err := u.keys(one)
		if err != nil {
			return signer, err
		}
		switch {
		case wanted.OCI != nil:
			if found == nil {
				if found, err = u.repo.At(what.tag).signatures(ctx, what.found); err != nil {
					return signer, err
				}
			}
			signer, err = signature.OCI(string(what.found.Digest), found, *wanted.OCI)
		case one != nil:
			signer, err = u.verifyChart(ctx, what, wanted.Helm)
		}
		if err != nil {
			return signer, err
		}
	}
	u.verified = proof
	return signer, nil
}

// verifyChart verifies the provenance that was pushed with a chart.
func (u *upstream) verifyChart(ctx context.Context, what candidate, keys string) (signature.Signer, error) {
	repo := u.repo.At(what.tag)
	if what.layer.provenance == nil {
		return signature.Signer{}, fault.Unverified(repo.String(), "the chart has no provenance").
			WithHint("`helm package --sign` makes one, and `helm push` pushes it too")
	}
	provenance, err := repo.small(ctx, *what.layer.provenance, maxBundle)
	if err != nil {
		return signature.Signer{}, err
	}
	file := u.chart + "-" + versionOf(what.tag) + ".tgz"
	return signature.Helm(provenance, file, what.layer.Digest.Encoded(), keys)
}

// signatures gathers what is signed about an artifact: beside it, under a tag that its digest makes, and as referrers. None is no error.
func (r *Repository) signatures(ctx context.Context, of ocispec.Descriptor) ([]signature.OCISignature, error) {
	found := []signature.OCISignature{}
	beside, err := r.signaturesBeside(ctx, of)
	if err != nil {
		return nil, err
	}
	for _, one := range beside.Layers {
		if found, err = r.addSigned(ctx, found, one); err != nil {
			return nil, err
		}
	}
	var referring []ocispec.Descriptor
	err = r.remote.Referrers(ctx, of, "", func(page []ocispec.Descriptor) error {
		for _, one := range page {
			if len(referring) < maxSignatures && (one.ArtifactType == sigstore || strings.HasPrefix(one.ArtifactType, cosign)) {
				referring = append(referring, one)
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, errdef.ErrNotFound) {
		return nil, r.explain("read the signatures of", preferring(ctx, err))
	}
	for _, one := range referring {
		if found, err = r.addReferring(ctx, found, one); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// signaturesBeside gives the manifest that holds signatures; an empty one when there is none.
func (r *Repository) signaturesBeside(ctx context.Context, of ocispec.Descriptor) (ocispec.Manifest, error) {
	at, err := r.At(signatureTag(of.Digest)).resolve(ctx)
	if fault.KindOf(err) == fault.NotFound {
		return ocispec.Manifest{}, nil
	}
	if err != nil {
		return ocispec.Manifest{}, err
	}
	text, err := r.manifest(ctx, at)
	if err != nil {
		return ocispec.Manifest{}, err
	}
	manifest, err := decode[ocispec.Manifest](text)
	if err != nil {
		return ocispec.Manifest{}, fault.Wrap(fault.Invalid, "read the signatures of", r.String(), err)
	}
	return manifest, nil
}

func signatureTag(of digest.Digest) string { return strings.Replace(string(of), ":", "-", 1) + ".sig" }

func (r *Repository) addReferring(
	ctx context.Context, found []signature.OCISignature, at ocispec.Descriptor,
) ([]signature.OCISignature, error) {
	text, err := r.manifest(ctx, at)
	manifest, broken := decode[ocispec.Manifest](text)
	if broken != nil || err != nil {
		return found, unlessBroken(err)
	}
	for _, one := range manifest.Layers {
		if found, err = r.addSigned(ctx, found, one); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// addSigned fetches one layer that holds a signature; others, and those that are too long, are none.
func (r *Repository) addSigned(
	ctx context.Context, found []signature.OCISignature, at ocispec.Descriptor,
) ([]signature.OCISignature, error) {
	limit := map[string]int64{simpleSigning: maxPayload, sigstore: maxBundle}[at.MediaType]
	if limit == 0 || at.Size > limit || len(found) >= maxSignatures {
		return found, nil
	}
	text, err := r.small(ctx, at, limit)
	if err != nil {
		return found, unlessBroken(err)
	}
	if at.MediaType == sigstore {
		return append(found, signature.OCISignature{Sigstore: text}), nil
	}
	return append(found, signature.OCISignature{
		Payload: text, Signature: at.Annotations[annotationSignature], Certificate: at.Annotations[annotationCertificate],
		Chain: at.Annotations[annotationChain], Bundle: at.Annotations[annotationBundle],
	}), nil
}

// unlessBroken forgives what is wrong with one signature: it does not take away the good one beside it. What may go away by itself is not
// forgiven, since it could hide the good one.
func unlessBroken(err error) error {
	if kind := fault.KindOf(err); kind == fault.NotFound || kind == fault.Invalid {
		return nil
	}
	return err
}
