// Package source pulls immutable revisions of desired state. Its sub-packages are the kinds of upstream; sourcetest is the
// conformance suite that each of them passes.
package source

import (
	"context"
	"io/fs"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// Artifact is the content of one revision: a read-only tree, addressed by the revision's ID, that never changes and out of
// which no path or link leads. Safe for concurrent use. Files opened through it implement io.ReaderAt or not; directories
// implement fs.ReadDirFile. Symbolic links are resolved inside the tree; one that leads outside is an error of kind Invalid.
type Artifact interface {
	fs.FS
	fs.StatFS
	fs.ReadDirFS
	fs.ReadFileFS
	// Revision says which one it is.
	Revision() state.Revision
	// Hash gives a digest of a file's content and mode, or of everything below a directory, without reading the content; ok is
	// false when there is nothing at that path. Equal hashes mean equal content; it costs a look-up, not a read.
	Hash(path string) (hash string, ok bool)
}

// Upstream is one place to pull from, with its reference and credentials. Safe for concurrent use.
type Upstream interface {
	// Key tells upstreams apart: two with equal keys give the same revisions, so they are polled once.
	Key() string
	// String gives the URL and reference for people, without credentials.
	String() string
	// Pull gives the artifact of the newest revision. When that is known's revision it returns known itself, after a look-up as
	// cheap as the protocol allows; known may be nil. Errors are faults: Transient when the server does not answer, Denied for
	// credentials, NotFound for a reference that is not there.
	Pull(ctx context.Context, known Artifact) (Artifact, Note, error)
	// Last gives the last good artifact that is kept on disk, without any network; nil when there is none.
	Last() Artifact
}

// Note is something unusual about a pull that is not an error.
type Note struct {
	// Rewritten says that the new revision does not descend from the old one (a forced push).
	Rewritten bool
	// From is the revision before, when Rewritten.
	From state.Revision
}

// Limits bound what an artifact may hold; beyond them it is refused as Invalid.
type Limits struct {
	Files    int   // number of files in the tree
	FileSize int64 // bytes of one file
	Bytes    int64 // bytes of all files
}

// DefaultLimits are generous for configuration and small for an attack.
var DefaultLimits = Limits{Files: 200_000, FileSize: 32 << 20, Bytes: 2 << 30}
