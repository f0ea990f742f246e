package sops

import (
	"bytes"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/setpoint-dev/setpoint/internal/render"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// artifact reads SOPS documents as plaintext. Hashes, listings and descriptions are those of what is stored.
type artifact struct {
	source.Artifact

	open  func(name string, data []byte, as format) (*plaintext, error)
	known []string // values that are secret beside those of the documents

	mu    sync.Mutex
	files map[string]func() (*plaintext, error) // the SOPS documents that have been read, each decrypted once
}

var (
	_ render.Secretive = (*artifact)(nil)
	_ fs.ReadLinkFS    = (*artifact)(nil)
)

// Raw implements render.Secretive.
func (a *artifact) Raw() source.Artifact { return a.Artifact }

// ReadFile reads a file, decrypted when it is a SOPS document.
func (a *artifact) ReadFile(name string) ([]byte, error) {
	data, err := a.Artifact.ReadFile(name)
	if err != nil {
		return data, err
	}
	plain, err := a.decrypted(name, data)
	if plain == nil || err != nil {
		return pick(err, data), err
	}
	return slices.Clone(plain.data), nil
}

// pick gives nothing beside an error, so that no ciphertext passes for content.
func pick(err error, data []byte) []byte {
	if err != nil {
		return nil
	}
	return data
}

// decrypted gives what a SOPS document holds; nil for every other file.
func (a *artifact) decrypted(name string, data []byte) (*plaintext, error) {
	as, err := formatOf(name, data)
	if err != nil || as == none {
		return nil, err
	}
	a.mu.Lock()
	one := a.files[name]
	if one == nil {
		one = sync.OnceValues(func() (*plaintext, error) { return a.open(name, data, as) })
		a.files[name] = one
	}
	a.mu.Unlock()
	return one()
}

// Open opens a file, decrypted when it is a SOPS document, or a directory.
func (a *artifact) Open(name string) (fs.File, error) {
	file, err := a.Artifact.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil || info.IsDir() || info.Size() > maxUnread {
		return file, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxUnread+1))
	if err != nil {
		return nil, err
	}
	plain, err := a.decrypted(name, data)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	if plain != nil {
		data = plain.data
	}
	return &reader{Reader: bytes.NewReader(data), info: sized{info, int64(len(data))}}, nil
}

// reader is a file that was read already.
type reader struct {
	*bytes.Reader

	info fs.FileInfo
}

func (r *reader) Stat() (fs.FileInfo, error) { return r.info, nil }

func (r *reader) Close() error { return nil }

// sized is the description of a file with the length of what is read.
type sized struct {
	fs.FileInfo

	size int64
}

func (s sized) Size() int64 { return s.size }

// Lstat describes what is at a path without following a link.
func (a *artifact) Lstat(name string) (fs.FileInfo, error) { return fs.Lstat(a.Artifact, name) }

// ReadLink gives what a link points to.
func (a *artifact) ReadLink(name string) (string, error) { return fs.ReadLink(a.Artifact, name) }

// Sensitive implements render.Secretive.
func (a *artifact) Sensitive(name string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.files[name] != nil
}

// plain gives the documents that could be decrypted, by the names of their files.
func (a *artifact) plain() map[string]*plaintext {
	a.mu.Lock()
	files := maps.Clone(a.files)
	a.mu.Unlock()
	all := make(map[string]*plaintext, len(files))
	for name, one := range files {
		if plain, err := one(); err == nil {
			all[name] = plain
		}
	}
	return all
}

// Secrets implements render.Secretive.
func (a *artifact) Secrets() []string {
	values := slices.Clone(a.known)
	for _, plain := range a.plain() {
		values = append(values, plain.secrets...)
	}
	slices.SortFunc(values, strings.Compare)
	return slices.Compact(values)
}

// Encrypted implements render.Secretive.
func (a *artifact) Encrypted(object *state.Object) (pointers []string, ok bool) {
	origin := object.Origin()
	plain := a.plain()[origin.File]
	if plain == nil || origin.Document < 1 || origin.Document > len(plain.pointers) || plain.lists[origin.Document-1] {
		return nil, false
	}
	return plain.pointers[origin.Document-1], true
}
