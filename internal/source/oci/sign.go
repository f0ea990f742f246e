package oci

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/signature"
)

// Sign attaches a signature to what the reference leads to, as cosign does: under the tag that the digest makes, beside those that are
// there. It says whether that changed anything: what the key has signed already is not signed again.
func (r *Repository) Sign(ctx context.Context, key crypto.Signer) (signed bool, err error) {
	r = r.during("sign")
	at, err := r.resolve(ctx)
	if err != nil {
		return false, err
	}
	public, err := signature.PublicPEM(key)
	if err != nil {
		return false, err
	}
	there, err := r.signatures(ctx, at)
	if err != nil {
		return false, err
	}
	if _, err := signature.OCI(string(at.Digest), there, signature.OCIKeys{Keys: public}); err == nil {
		return false, nil
	}
	made, err := signature.Sign(r.ref.Registry+"/"+r.ref.Repository, string(at.Digest), key)
	if err != nil {
		return false, err
	}
	return true, r.attach(ctx, at.Digest, made)
}

// attach adds a signature to the manifest of signatures.
func (r *Repository) attach(ctx context.Context, of digest.Digest, made signature.OCISignature) error {
	before, err := r.signaturesBeside(ctx, ocispec.Descriptor{Digest: of})
	if err != nil {
		return err
	}
	if len(before.Layers) >= maxSignatures {
		return fault.New(fault.Conflict, "sign", r.String(), "it has as many signatures as are looked at already")
	}
	payload := describe(simpleSigning, made.Payload)
	if err := r.upload(ctx, payload, bytes.NewReader(made.Payload)); err != nil {
		return err
	}
	payload.Annotations = map[string]string{annotationSignature: made.Signature}
	layers := slices.Concat(before.Layers, []ocispec.Descriptor{payload})
	config := configOf(layers)
	described := describe(ocispec.MediaTypeImageConfig, config)
	if err := r.upload(ctx, described, bytes.NewReader(config)); err != nil {
		return err
	}
	text, err := json.Marshal(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: described, Layers: layers,
	})
	if err != nil {
		return fault.Wrap(fault.Internal, "sign", r.String(), err)
	}
	return r.At(signatureTag(of)).put(ctx, describe(ocispec.MediaTypeImageManifest, text), text)
}

// configOf writes the configuration of an image, which a manifest of signatures has for the sake of registries that know nothing else.
func configOf(layers []ocispec.Descriptor) []byte {
	var ids bytes.Buffer
	for i, layer := range layers {
		if i > 0 {
			ids.WriteByte(',')
		}
		fmt.Fprintf(&ids, "%q", layer.Digest)
	}
	const epoch = `"created":"0001-01-01T00:00:00Z"`
	return fmt.Appendf(nil, `{"architecture":"",%s,"history":[{%s}],"os":"","rootfs":{"type":"layers","diff_ids":[%s]},"config":{}}`,
		epoch, epoch, &ids)
}
