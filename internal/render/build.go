package render

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"sync"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
)

// Build is a directory of an artifact that an object refers to by its digest.
type Build struct {
	// Digest of every name, mode, link and content below the directory: "sha256:…". It does not depend on where the directory comes
	// from, so the same tree has the same digest in a checkout and in a commit.
	Digest string
	// Files are those of the directory; they stay readable for as long as the artifact is kept.
	Files fs.FS
}

// maxBuildFiles bounds the number of files in a build.
const maxBuildFiles = 200_000

// digests remembers the digests of directories by the artifact's own hash of them, so that a render costs a look-up for each build
// that has not changed. It holds a few hundred and starts anew when it is full.
var digests = struct {
	sync.Mutex
	known map[string]string
}{known: map[string]string{}}

const maxDigests = 1024

func (r *references) build(at string) (Build, error) {
	info, err := r.artifact.Stat(at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Build{}, fault.New(fault.NotFound, "read", "spec.build.directory", "the source has no directory "+at).
			WithHint("a reference starts at the file that declares it, or with / at the root of the source")
	case err != nil:
		return Build{}, Fault(at, err)
	case !info.IsDir():
		return Build{}, fault.New(fault.Invalid, "read", "spec.build.directory", at+" is a file").
			WithHint("name the directory that holds it")
	}
	r.artifact.Tree(at)
	artifact := r.artifact.Raw() // what is built is no declaration: its files stay as they are, encrypted ones too
	files, err := fs.Sub(artifact, at)
	if err != nil {
		return Build{}, Fault(at, err)
	}
	digest, err := digestOf(artifact, at, files)
	return Build{Digest: digest, Files: files}, err
}

func digestOf(artifact source.Artifact, at string, files fs.FS) (string, error) {
	key := ""
	if tree, ok := artifact.Hash(at); ok && artifact.Revision().ID != "" {
		key = tree
		digests.Lock()
		known, found := digests.known[key]
		digests.Unlock()
		if found {
			return known, nil
		}
	}
	sum := treeSum{files: files, hash: sha256.New()}
	if err := sum.directory("."); err != nil {
		return "", Fault(at, err)
	}
	digest := "sha256:" + hex.EncodeToString(sum.hash.Sum(nil))
	if key != "" {
		digests.Lock()
		if len(digests.known) >= maxDigests {
			clear(digests.known)
		}
		digests.known[key] = digest
		digests.Unlock()
	}
	return digest, nil
}

// treeSum hashes a tree in the order of its names.
type treeSum struct {
	files fs.FS
	hash  hash.Hash
	count int
}

func (t *treeSum) directory(name string) error {
	entries, err := fs.ReadDir(t.files, name)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if t.count++; t.count > maxBuildFiles {
			return fault.New(fault.Invalid, "read", name, fmt.Sprintf("a build has at most %d files", maxBuildFiles))
		}
		if err := t.entry(path.Join(name, entry.Name()), entry); err != nil {
			return err
		}
	}
	return nil
}

func (t *treeSum) entry(name string, entry fs.DirEntry) error {
	switch {
	case entry.Type()&fs.ModeSymlink != 0:
		target, err := fs.ReadLink(t.files, name)
		fmt.Fprintf(t.hash, "link %q %q\n", name, target)
		return err
	case entry.IsDir():
		fmt.Fprintf(t.hash, "directory %q\n", name)
		return t.directory(name)
	}
	info, err := entry.Info()
	if err != nil {
		return err
	}
	file, err := t.files.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	content := sha256.New()
	if _, err := io.Copy(content, file); err != nil {
		return err
	}
	fmt.Fprintf(t.hash, "file %q %t %x\n", name, info.Mode()&0o111 != 0, content.Sum(nil))
	return nil
}
