package sops

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"filippo.io/age"
	agearmor "filippo.io/age/armor"
	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/getsops/sops/v3/keyservice"
)

// maxAsking bounds what all key services of one document may take.
const maxAsking = 30 * time.Second

// service opens data keys with the keys of one render.
type service struct {
	ctx  context.Context //nolint:containedctx // the library's interface gives a context of its own, which nothing ends
	keys *keys
	log  *slog.Logger
}

// asking is the service for one document: the only one that the library asks, so that nothing is used but what is here.
type asking struct {
	service

	file    string
	closed  []refusal // what did not open, in order
	unasked bool      // a key service might have opened it, and none is asked
}

// refusal is one key that did not open the document, and why.
type refusal struct {
	key  string
	why  string // "" when the private key is simply not there
	wait bool   // it may go away by itself
}

var _ keyservice.KeyServiceServer = (*asking)(nil)

var (
	errNotHere   = errors.New("no such key at hand")
	errReadsOnly = errors.New("this service only decrypts")
)

// Encrypt implements keyservice.KeyServiceServer: nothing is ever encrypted.
func (*asking) Encrypt(context.Context, *keyservice.EncryptRequest) (*keyservice.EncryptResponse, error) {
	return nil, errReadsOnly
}

// Decrypt implements keyservice.KeyServiceServer.
func (a *asking) Decrypt(_ context.Context, request *keyservice.DecryptRequest) (*keyservice.DecryptResponse, error) {
	if err := a.ctx.Err(); err != nil {
		return nil, err
	}
	var opened []byte
	var err error
	switch request.GetKey().GetKeyType().(type) {
	case *keyservice.Key_AgeKey:
		opened, err = a.keys.openAge(request.GetCiphertext())
	case *keyservice.Key_PgpKey:
		opened, err = a.keys.openPGP(request.GetCiphertext())
	default:
		opened, err = a.ask(request)
	}
	if err != nil {
		a.refused(request.GetKey(), err)
		return nil, err
	}
	return &keyservice.DecryptResponse{Plaintext: opened}, nil
}

func (k *keys) openAge(sealed []byte) ([]byte, error) {
	if len(k.age) == 0 {
		return nil, errNotHere
	}
	open, err := age.Decrypt(agearmor.NewReader(bytes.NewReader(sealed)), k.age...)
	if err != nil {
		return nil, errNotHere
	}
	return io.ReadAll(io.LimitReader(open, maxDataKey))
}

func (k *keys) openPGP(sealed []byte) ([]byte, error) {
	if len(k.pgp) == 0 {
		return nil, errNotHere
	}
	block, err := armor.Decode(bytes.NewReader(sealed))
	if err != nil {
		return nil, errNotHere
	}
	most := int64(maxSealedKey)
	message, err := openpgp.ReadMessage(block.Body, k.pgp, nil, &packet.Config{MaxDecompressedMessageSize: &most})
	if err != nil {
		return nil, errNotHere
	}
	return io.ReadAll(io.LimitReader(message.UnverifiedBody, maxDataKey))
}
