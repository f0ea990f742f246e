package jsonnet

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/google/go-jsonnet"
)

// reader is what the importer wants of the artifact.
type reader interface {
	ReadFile(name string) ([]byte, error)
}

// importer finds imports in the artifact: beside the importing file first, then in the libraries.
type importer struct {
	files     reader
	libraries []string
	read      map[string]jsonnet.Contents // the library wants the same for the same file, always
}

var _ jsonnet.Importer = (*importer)(nil)

// Import implements jsonnet.Importer.
func (i *importer) Import(from, imported string) (jsonnet.Contents, string, error) {
	var none jsonnet.Contents
	switch {
	case path.IsAbs(imported):
		return none, "", fmt.Errorf("couldn't open import %q: it is an absolute path", imported)
	case strings.Contains(imported, "://"):
		return none, "", fmt.Errorf("couldn't open import %q: nothing is fetched while rendering", imported)
	}
	for _, dir := range append([]string{path.Dir(from)}, i.libraries...) {
		name := path.Join(dir, imported)
		if !fs.ValidPath(name) {
			return none, "", fmt.Errorf("couldn't open import %q: it leads outside of the source", imported)
		}
		if known, ok := i.read[name]; ok {
			return known, name, nil
		}
		data, err := i.files.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return none, "", fmt.Errorf("couldn't open import %q: %w", imported, unpathed(err))
		}
		i.read[name] = jsonnet.MakeContentsRaw(data)
		return i.read[name], name, nil
	}
	return none, "", fmt.Errorf("couldn't open import %q: there is no such file", imported)
}

// unpathed gives the cause of an error that repeats the path.
func unpathed(err error) error {
	if pathed, ok := errors.AsType[*fs.PathError](err); ok {
		return pathed.Err
	}
	return err
}
