package sops

import (
	"errors"
	"time"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	"github.com/getsops/sops/v3/config"
	"github.com/getsops/sops/v3/keyservice"
	"github.com/getsops/sops/v3/stores/dotenv"
	"github.com/getsops/sops/v3/stores/ini"
	"github.com/getsops/sops/v3/stores/json"
	"github.com/getsops/sops/v3/stores/yaml"
)

// document is one SOPS document.
type document struct {
	name   string
	data   []byte
	format format
}

// plaintext is what a document holds.
type plaintext struct {
	data     []byte
	secrets  []string   // the values that were encrypted
	pointers [][]string // where they are, for each of the YAML documents in it
	lists    []bool     // which of those are lists of objects
}

// store reads and writes a format, as SOPS itself does.
func (d document) store() sops.Store {
	stores := config.NewStoresConfig()
	switch d.format {
	case asYAML:
		return yaml.NewStore(&stores.YAML)
	case asDotenv:
		return dotenv.NewStore(&stores.Dotenv)
	case asINI:
		return ini.NewStore(&stores.INI)
	case asBinary:
		return json.NewBinaryStore(&stores.JSONBinary)
	}
	return json.NewStore(&stores.JSON)
}

// decrypt gives what the document holds. No error tells anything of the content: the library's own quote it.
func (d document) decrypt(with service) (plain *plaintext, err error) {
	defer func() {
		if caught := recover(); caught != nil { // the library panics on some broken documents
			plain, err = nil, broken(d.name, "it is no document that SOPS has made")
		}
	}()
	if err := d.expanded(); err != nil {
		return nil, err
	}
	store := d.store()
	tree, err := store.LoadEncryptedFile(d.data)
	if err != nil {
		return nil, broken(d.name, "the metadata of SOPS in it is broken")
	}
	if err := d.bounded(tree); err != nil {
		return nil, err
	}
	sealed, err := d.sealedValues(tree.Branches)
	if err != nil {
		return nil, err
	}
	if err := d.unlock(&tree, with); err != nil {
		return nil, err
	}
	text, err := d.emit(store, tree.Branches)
	if err != nil {
		return nil, broken(d.name, "what it holds cannot be written as the format that its name says")
	}
	return sealed.plaintext(text, tree.Branches), nil
}

// unlock decrypts the values of a tree in place, and verifies that they are those that were encrypted.
func (d document) unlock(tree *sops.Tree, with service) error {
	asked := &asking{service: with, file: d.name}
	services := []keyservice.KeyServiceClient{keyservice.NewCustomLocalClient(asked)}
	key, err := tree.Metadata.GetDataKeyWithKeyServices(services, sops.DefaultDecryptionOrder)
	if err != nil {
		return asked.locked(tree.Metadata)
	}
	cipher := aes.NewCipher()
	computed, err := tree.Decrypt(key, cipher)
	if err != nil {
		return broken(d.name, "its values cannot be decrypted by its own data key: it was changed after it was encrypted")
	}
	meta := tree.Metadata
	stored, err := cipher.Decrypt(meta.MessageAuthenticationCode, key, meta.LastModified.Format(time.RFC3339))
	if err != nil || stored != computed || computed == "" {
		return broken(d.name, "its MAC does not match: it was changed after it was encrypted")
	}
	return nil
}

var errNoTree = errors.New("there is no document in it")
