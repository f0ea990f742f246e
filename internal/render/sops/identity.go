package sops

import (
	"bytes"
	"fmt"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// The bounds of what keys are read from.
const (
	maxKeyFile    = 1 << 20
	maxIdentities = 200
)

// add reads keys: of age (one a line, also post-quantum ones), an SSH key that age uses, or OpenPGP's, armored or as a keyring.
func (k *keys) add(data []byte, where string) error {
	unusable := func(cause string) error {
		return fault.New(fault.Denied, "read", where, cause).
			WithHint("give private keys as age-keygen writes them (AGE-SECRET-KEY-…), or armored ones of OpenPGP without a passphrase")
	}
	if len(data) > maxKeyFile {
		return unusable("it is longer than keys are")
	}
	var err error
	switch text := bytes.TrimSpace(data); {
	case bytes.HasPrefix(text, []byte("-----BEGIN PGP")):
		err = k.addPGP(openpgp.ReadArmoredKeyRing(bytes.NewReader(text)))
	case bytes.HasPrefix(text, []byte("-----BEGIN AGE ENCRYPTED FILE-----")):
		return unusable("the keys are protected by a passphrase, which nobody can be asked for")
	case bytes.HasPrefix(text, []byte("-----BEGIN ")):
		var identity age.Identity
		if identity, err = agessh.ParseIdentity(text); err == nil {
			k.age = append(k.age, identity)
		}
	case len(data) > 0 && data[0]&0x80 != 0: // a packet of OpenPGP
		err = k.addPGP(openpgp.ReadKeyRing(bytes.NewReader(data)))
	default:
		err = k.addAge(string(data))
	}
	switch {
	case err != nil && isSentence(err):
		return unusable(err.Error())
	case err != nil:
		return unusable("it is no private key that can be used") // the library's error may quote it
	case len(k.age)+len(k.pgp) > maxIdentities:
		return unusable(fmt.Sprintf("there are more than %d keys", maxIdentities))
	}
	k.from = append(k.from, where)
	return nil
}

// sentence is an error whose text quotes nothing.
type sentence string

func (s sentence) Error() string { return string(s) }

func isSentence(err error) bool {
	_, ok := err.(sentence) //nolint:errorlint // it is never wrapped
	return ok
}

func (k *keys) addAge(text string) error {
	count := 0
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		identity, err := identityOf(line)
		if err != nil {
			return err
		}
		k.age = append(k.age, identity)
		count++
	}
	if count == 0 {
		return sentence("there is no key in it")
	}
	return nil
}

func identityOf(line string) (age.Identity, error) {
	switch {
	case strings.HasPrefix(line, "AGE-PLUGIN-"):
		return nil, sentence("a key of an age plugin cannot be used: no program is started")
	case strings.HasPrefix(line, "AGE-SECRET-KEY-PQ-1"):
		return age.ParseHybridIdentity(line)
	}
	return age.ParseX25519Identity(line)
}

// addPGP takes the private keys of a keyring.
func (k *keys) addPGP(ring openpgp.EntityList, err error) error {
	if err != nil {
		return err
	}
	count, locked := 0, false
	for _, entity := range ring {
		if !private(entity, &locked) {
			continue
		}
		k.pgp = append(k.pgp, entity)
		count++
	}
	switch {
	case count == 0 && locked:
		return sentence("the key is protected by a passphrase, which nobody can be asked for")
	case count == 0:
		return sentence("there is no private key in it")
	}
	return nil
}

// private says whether an entity has a private key that can be used as it is; locked is set when one is protected.
func private(entity *openpgp.Entity, locked *bool) bool {
	usable := false
	all := []*packet.PrivateKey{entity.PrivateKey}
	for _, sub := range entity.Subkeys {
		all = append(all, sub.PrivateKey)
	}
	for _, key := range all {
		switch {
		case key == nil:
		case key.Encrypted:
			*locked = true
		case !key.Dummy():
			usable = true
		}
	}
	return usable
}
