package explain

import (
	"bytes"
	"io/fs"

	"github.com/setpoint-dev/setpoint/internal/source"
)

// overlaid is an artifact in which some files have another content. It keeps the links of the artifact.
type overlaid struct {
	source.Artifact

	files map[string][]byte
}

var _ fs.ReadLinkFS = overlaid{}

// Hash knows nothing of what is changed, nor of what holds it: whoever keeps results by hashes must not keep these.
func (o overlaid) Hash(name string) (string, bool) {
	for changed := range o.files {
		if name == "." || below("/"+changed, "/"+name) {
			return "", false
		}
	}
	return o.Artifact.Hash(name)
}

// ReadFile reads a file.
func (o overlaid) ReadFile(name string) ([]byte, error) {
	if data, ok := o.files[name]; ok {
		return bytes.Clone(data), nil
	}
	return o.Artifact.ReadFile(name)
}

// Open opens a file or directory.
func (o overlaid) Open(name string) (fs.File, error) {
	file, err := o.Artifact.Open(name)
	data, ok := o.files[name]
	if err != nil || !ok {
		return file, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	return &reading{Reader: bytes.NewReader(data), info: sized{info, int64(len(data))}}, nil
}

// Stat describes what is at a path.
func (o overlaid) Stat(name string) (fs.FileInfo, error) {
	info, err := o.Artifact.Stat(name)
	if data, ok := o.files[name]; ok && err == nil {
		return sized{info, int64(len(data))}, nil
	}
	return info, err
}

// Lstat describes what is at a path, without following a link.
func (o overlaid) Lstat(name string) (fs.FileInfo, error) { return fs.Lstat(o.Artifact, name) }

// ReadLink gives what a link points to.
func (o overlaid) ReadLink(name string) (string, error) { return fs.ReadLink(o.Artifact, name) }

// reading is a changed file that is open.
type reading struct {
	*bytes.Reader

	info fs.FileInfo
}

// Stat describes it.
func (r *reading) Stat() (fs.FileInfo, error) { return r.info, nil }

// Close does nothing.
func (r *reading) Close() error { return nil }

// sized is the description of a file with another length.
type sized struct {
	fs.FileInfo

	size int64
}

// Size is in bytes.
func (s sized) Size() int64 { return s.size }
