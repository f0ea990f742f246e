// Package seal encrypts what is kept on a disk with a key of the agent, so that a copy of it alone tells nothing.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
)

// Box seals for one purpose. The zero value has no key: it seals nothing, see Locks. Safe for concurrent use.
type Box struct{ aead cipher.AEAD }

// New gives the box of a purpose. Its key is derived from that of the agent, of at least 16 bytes (HKDF, RFC 5869), so that what was sealed
// for one purpose does not open for another.
func New(key []byte, purpose string) (Box, error) {
	if len(key) < 16 {
		return Box{}, errors.New("the key is too short")
	}
	derived, err := hkdf.Key(sha256.New, key, nil, purpose, 32)
	if err != nil {
		return Box{}, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return Box{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block) // the nonce is put before what it gives
	return Box{aead: aead}, err
}

// Locks says whether there is a key.
func (b Box) Locks() bool { return b.aead != nil }

// Seal encrypts data that belongs to a name (AES-256-GCM). Only a box that locks may be asked.
func (b Box) Seal(data []byte, name string) []byte {
	return b.aead.Seal(nil, nil, data, []byte(name)) //nolint:gosec // this AEAD makes a random nonce by itself
}

// Open decrypts what Seal gave for the same name. It is an error when the key or the name was another, or anything was changed.
func (b Box) Open(sealed []byte, name string) ([]byte, error) {
	if !b.Locks() {
		return nil, errors.New("the key is missing")
	}
	data, err := b.aead.Open(nil, nil, sealed, []byte(name))
	if err != nil {
		return nil, errors.New("the key is another, or it was changed")
	}
	return data, nil
}
