package signature

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strconv"

	"github.com/sigstore/sigstore-go/pkg/bundle"
)

// object is a mapping of JSON. Bytes in it are written in base64, as in every bundle.
type object = map[string]any

// fromAnnotations makes a bundle of what cosign writes into annotations: the form that there was before bundles.
func fromAnnotations(one OCISignature, raw []byte) (*bundle.Bundle, error) {
	leaf, _ := pem.Decode([]byte(one.Certificate))
	if leaf == nil || leaf.Type != "CERTIFICATE" {
		return nil, errors.New("the certificate of its signature cannot be read")
	}
	entry, err := logEntry(one.Bundle)
	if err != nil {
		return nil, err
	}
	mediaType, err := bundle.MediaTypeString("0.1")
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(one.Payload)
	text, err := json.Marshal(object{
		"mediaType": mediaType,
		"verificationMaterial": object{
			"x509CertificateChain": object{"certificates": []object{{"rawBytes": leaf.Bytes}}}, // the root has all that are above it
			"tlogEntries":          []object{entry},
		},
		"messageSignature": object{
			"messageDigest": object{"algorithm": "SHA2_256", "digest": sum[:]},
			"signature":     raw,
		},
	})
	if err != nil {
		return nil, err
	}
	var made bundle.Bundle
	if err := made.UnmarshalJSON(text); err != nil {
		return nil, errors.New("its certificate and its entry in the log do not belong together")
	}
	return &made, nil
}

// logEntry reads the entry in a transparency log that cosign keeps beside a signature, and gives it in the form of bundles.
func logEntry(text string) (object, error) {
	if text == "" {
		return nil, errors.New("its signature is in no transparency log")
	}
	var kept struct {
		SignedEntryTimestamp []byte
		Payload              struct {
			Body           []byte `json:"body"`
			IntegratedTime int64  `json:"integratedTime"`
			LogIndex       int64  `json:"logIndex"`
			LogID          string `json:"logID"`
		}
	}
	var of struct {
		Kind       string `json:"kind"`
		APIVersion string `json:"apiVersion"`
	}
	if json.Unmarshal([]byte(text), &kept) != nil || json.Unmarshal(kept.Payload.Body, &of) != nil {
		return nil, errors.New("its entry in the transparency log cannot be read")
	}
	id, err := hex.DecodeString(kept.Payload.LogID)
	if err != nil {
		return nil, errors.New("its entry in the transparency log names no log")
	}
	return object{
		"logIndex":          strconv.FormatInt(kept.Payload.LogIndex, 10),
		"logId":             object{"keyId": base64.StdEncoding.EncodeToString(id)},
		"kindVersion":       object{"kind": of.Kind, "version": of.APIVersion},
		"integratedTime":    strconv.FormatInt(kept.Payload.IntegratedTime, 10),
		"inclusionPromise":  object{"signedEntryTimestamp": kept.SignedEntryTimestamp},
		"canonicalizedBody": kept.Payload.Body,
	}, nil
}
