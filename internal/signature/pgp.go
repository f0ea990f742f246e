package signature

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// verifyArmored verifies an armored signature of OpenPGP.
func verifyArmored(object GitObject, keys string) (Signer, error) {
	block, err := armor.Decode(bytes.NewReader(object.Signature))
	if err != nil || block.Type != pgpSignature {
		return Signer{}, unreadable(object.Name)
	}
	return verifyPGP(object.Name, object.Payload, block.Body, keys)
}

func unreadable(item string) error {
	return fault.Unverified(item, "its OpenPGP signature cannot be read").WithHint("sign it again")
}

// verifyPGP verifies the one signature that the packets are.
func verifyPGP(item string, payload []byte, packets io.Reader, keys string) (Signer, error) {
	ring, err := readKeys(keys)
	if err != nil {
		return Signer{}, err
	}
	raw, err := io.ReadAll(io.LimitReader(packets, maxSignature))
	if err != nil {
		return Signer{}, unreadable(item)
	}
	made, err := only(raw)
	if err != nil {
		return Signer{}, unreadable(item)
	}
	entity, err := openpgp.CheckDetachedSignature(ring, bytes.NewReader(payload), bytes.NewReader(raw), nil)
	if errors.Is(err, pgperrors.ErrKeyExpired) && entity != nil && livedAt(entity, *made.IssuerKeyId, made.CreationTime) {
		err = nil // it has expired since, which takes nothing from what it has signed before
	}
	if err == nil && entity.PrimaryKey.CreationTime.After(made.CreationTime) {
		err = pgperrors.ErrKeyExpired
	}
	if err != nil {
		return Signer{}, unsigned(item, made, entity, err)
	}
	return signerOf(entity), nil
}

// only gives the signature of some packets, which must be the one packet there is: with two of them it would be open which one is meant.
func only(raw []byte) (*packet.Signature, error) {
	reader := packet.NewReader(bytes.NewReader(raw))
	first, err := reader.Next()
	if err != nil {
		return nil, err
	}
	made, ok := first.(*packet.Signature)
	if !ok || made.IssuerKeyId == nil {
		return nil, errors.New("it is no signature, or names no key")
	}
	if _, err := reader.Next(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more than one packet")
	}
	return made, nil
}

// livedAt says whether a key that has expired by now was still good at a time.
func livedAt(entity *openpgp.Entity, id uint64, at time.Time) bool {
	self, _ := entity.PrimarySelfSignature()
	if self == nil || entity.PrimaryKey.KeyExpired(self, at) {
		return false
	}
	if entity.PrimaryKey.KeyId == id {
		return true
	}
	for _, subkey := range entity.Subkeys {
		if subkey.PublicKey.KeyId == id {
			return !subkey.PublicKey.KeyExpired(subkey.Sig, at)
		}
	}
	return false
}

// unsigned says why a signature does not count.
func unsigned(item string, made *packet.Signature, entity *openpgp.Entity, err error) error {
	id := fmt.Sprintf("%016X", *made.IssuerKeyId)
	if len(made.IssuerFingerprint) > 0 {
		id = fingerprint(made.IssuerFingerprint)
	}
	by := "it is signed by the OpenPGP key " + id
	if entity != nil {
		by += " of " + signerOf(entity).Name
	}
	switch {
	case errors.Is(err, pgperrors.ErrUnknownIssuer):
		return fault.Unverified(item, by+", which is not among the keys that may sign").
			WithHint("have it signed by somebody who is allowed to; or, when you trust whose key it is, add it to pgpKeys")
	case errors.Is(err, pgperrors.ErrKeyRevoked):
		return fault.Unverified(item, by+", which has been revoked").WithHint("have it signed with another key")
	case errors.Is(err, pgperrors.ErrKeyExpired):
		return fault.Unverified(item, by+", which was not valid when it was signed").
			WithHint("when the key has been renewed, put the renewed one into pgpKeys; else have it signed with another key")
	case errors.Is(err, pgperrors.ErrSignatureExpired):
		return fault.Unverified(item, by+", and the signature has expired").WithHint("have it signed again")
	}
	return fault.Unverified(item, "its OpenPGP signature by "+id+" is not about what is there").
		WithHint("somebody may have changed it after it was signed: look at it, and sign it again")
}

func signerOf(entity *openpgp.Entity) Signer {
	name := ""
	if identity := entity.PrimaryIdentity(); identity != nil {
		name = shown(identity.Name)
	}
	return Signer{Name: name, Key: fingerprint(entity.PrimaryKey.Fingerprint)}
}

func fingerprint(of []byte) string { return strings.ToUpper(hex.EncodeToString(of)) }

// beginPublic begins an armored block of keys.
var beginPublic = "-----BEGIN " + openpgp.PublicKeyType + "-----"

// readKeys reads armored public keys: one block, or several behind each other.
func readKeys(text string) (openpgp.EntityList, error) {
	if err := tooLong("", "the text of pgpKeys", len(text), maxKeys); err != nil {
		return nil, err
	}
	broken := func(cause string) (openpgp.EntityList, error) {
		return nil, fault.Unverified("", "pgpKeys: "+cause).WithHint("want what `gpg --export --armor KEY` writes")
	}
	if strings.Contains(text, "-----BEGIN "+openpgp.PrivateKeyType+"-----") {
		return broken("it holds a private key, which has no business here")
	}
	var ring openpgp.EntityList
	for _, block := range strings.Split(text, beginPublic)[1:] {
		found, err := openpgp.ReadArmoredKeyRing(strings.NewReader(beginPublic + block))
		if err != nil {
			return broken("a key in it cannot be read")
		}
		ring = append(ring, found...)
	}
	if len(ring) == 0 {
		return broken("there is no key in it")
	}
	return ring, nil
}
