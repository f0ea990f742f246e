// Package sops reads SOPS documents as what they hold: whoever renders an artifact through it sees plaintext where an encrypted file is,
// and nothing else changes. Plaintext is in memory only, and for no longer than one render. No program is started: neither gpg nor an age
// plugin nor a command that a variable names.
//
// In the order of the story: artifact.go is the tree that others read, format.go tells a SOPS document from every other file, document.go
// decrypts one, bounds.go says what is too much, emit.go writes the plaintext, values.go remembers what was secret in it. Keys: keys.go and
// environment.go find them, identity.go reads them, service.go opens a document's data key with them, clouds.go asks key services, and
// locked.go says which key is missing.
package sops

import (
	"context"
	"io"
	"log/slog"
	"os"
	"sync"

	"github.com/getsops/sops/v3/logging"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/source"
)

// Options of a Decrypter.
type Options struct {
	// Getenv gives the variables of the agent's environment that name its keys; nil for none. Key services of clouds read the process's own
	// environment, as their libraries do.
	Getenv func(name string) string
	// ReadFile reads a file of keys; nil for os.ReadFile.
	ReadFile func(name string) ([]byte, error)
	// Offline asks no key service: only keys that are here open documents.
	Offline bool
	// Known are values that are secret beside those of an artifact's documents: of documents that Open has decrypted.
	Known []string
	// Log hears of key services that refuse, without any secret; nil for nobody.
	Log *slog.Logger
}

// Decrypter decrypts the SOPS documents of artifacts. Safe for concurrent use.
type Decrypter struct{ options Options }

// New makes a decrypter.
func New(options Options) *Decrypter {
	if options.Getenv == nil {
		options.Getenv = func(string) string { return "" }
	}
	if options.ReadFile == nil {
		options.ReadFile = os.ReadFile
	}
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	silence()
	return &Decrypter{options: options}
}

// silence has the library's own loggers say nothing: they quote comments of documents in plaintext.
var silence = sync.OnceFunc(func() {
	for _, logger := range logging.Loggers {
		logger.SetOutput(io.Discard)
	}
})

// Decrypt gives the artifact of a request in which SOPS documents read as what they hold. It is for one render, which ctx bounds: keys are
// looked for when the first document is read, and its error is that of reading the document.
//
// With How.Decrypt.Keys only those keys count, so that whoever declares keys of his own cannot use the agent's. Without, they are those of
// the environment, and key services.
func (d *Decrypter) Decrypt(ctx context.Context, request render.Request) (source.Artifact, error) {
	find := sync.OnceValues(func() (*keys, error) { return d.keys(ctx, request) })
	return &artifact{
		Artifact: request.Artifact, files: map[string]func() (*plaintext, error){}, known: d.options.Known,
		open: func(name string, data []byte, as format) (*plaintext, error) {
			found, err := find()
			if err != nil {
				return nil, &fault.Error{Op: "decrypt", Item: name, Kind: fault.KindOf(err), Err: err}
			}
			return document{name: name, data: data, format: as}.decrypt(service{ctx: ctx, keys: found, log: d.options.Log})
		},
	}, nil
}

// Open decrypts what a file outside of artifacts holds, with the keys of the environment, and gives the values that were encrypted in it. A
// file that is no SOPS document is given as it is.
func (d *Decrypter) Open(ctx context.Context, name string, data []byte) (text []byte, secrets []string, err error) {
	as, err := formatOf(name, data)
	if as == none || err != nil {
		return pick(err, data), nil, err
	}
	found, err := d.keys(ctx, render.Request{})
	if err != nil {
		return nil, nil, &fault.Error{Op: "decrypt", Item: name, Kind: fault.KindOf(err), Err: err}
	}
	plain, err := document{name: name, data: data, format: as}.decrypt(service{ctx: ctx, keys: found, log: d.options.Log})
	if err != nil {
		return nil, nil, err
	}
	return plain.data, plain.secrets, nil
}
