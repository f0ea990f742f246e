// Package packed keeps artifacts that come as archives or as single files: each is one file on disk, addressed by the revision's ID, that
// is read without being unpacked. It also packs a directory reproducibly.
package packed

import (
	"context"
	"errors"
	"io"
	"io/fs"

	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Store is a folder of artifacts. Safe for concurrent use, by several upstreams too.
type Store struct{ dir string }

// Open makes the folder where it is missing, and removes what a crash has left half-written.
func Open(dir string) (*Store, error) { return &Store{dir: dir}, nil }

// Load gives an artifact that was kept, by its revision's ID; nil when there is none, or it is damaged. It is read from disk on demand.
func (s *Store) Load(id string) source.Artifact { return nil }

// Last gives the artifact that an upstream (by its Key) committed last; nil when there is none.
func (s *Store) Last(upstream string) source.Artifact { return nil }

// Create begins an artifact of an upstream (by its Key).
func (s *Store) Create(upstream string, limits source.Limits) (*Writer, error) {
	return nil, errors.ErrUnsupported
}

// Writer takes the files of one artifact, in any order. It refuses, as Invalid and with the path in the error, what is beyond the limits,
// absolute paths, paths with .., names that are there already, links that lead outside, and anything but files, directories and links.
// Not safe for concurrent use.
type Writer struct{}

// File adds a file; of its mode only the executable bit is kept. The content may be longer than size says only to be refused.
func (w *Writer) File(path string, mode fs.FileMode, size int64, content io.Reader) error {
	return errors.ErrUnsupported
}

// Link adds a symbolic link.
func (w *Writer) Link(path, target string) error { return errors.ErrUnsupported }

// Digest gives a digest of everything added so far, that depends on paths, executable bits, targets and contents alone.
func (w *Writer) Digest() state.Digest { return "" }

// Commit makes it an artifact, durable and last of its upstream; what an upstream committed before its last two is removed when nobody
// reads it any more. The writer cannot be used after.
func (w *Writer) Commit(revision state.Revision) (source.Artifact, error) {
	return nil, errors.ErrUnsupported
}

// Abort forgets it. It does nothing after Commit.
func (w *Writer) Abort() {}

// Format of an archive.
type Format string

// The formats that Unpack reads.
const (
	Tar   Format = "tar"
	TarGz Format = "tar.gz"
	Zip   Format = "zip"
)

// Detect tells the format from the first bytes of a file; "" when it is none of them.
func Detect(head []byte) Format { return "" }

// Unpack adds every file of an archive to a writer. Strip leaves out so many leading directories of each path. What the archive holds is
// bounded by the writer's limits, also while it is decompressed; a zip file is first written to a temporary file in the store's folder.
func Unpack(ctx context.Context, into *Writer, archive io.Reader, format Format, strip int) error {
	return errors.ErrUnsupported
}

// Pack writes a directory as tar.gz, the same bytes for the same content on every machine: sorted paths, no times, no owners, modes 0644 and
// 0755, links kept. Limits bound it as they bound a Writer.
func Pack(ctx context.Context, into io.Writer, files fs.FS, limits source.Limits) error {
	return errors.ErrUnsupported
}
