package journal

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Keep stores content under its digest, durably and sealed as the data of records is, for Kept to find. It stays for as long as a record
// names the digest (Record.Blobs), and until the journal is opened again when none ever did: so keep first, then Put the record that names
// it, then change what was there. Errors as of Put.
func (j *Journal) Keep(content []byte) (digest string, err error) {
	digest = string(state.DigestBytes(content))
	path := j.blob(digest)
	if j.readOnly {
		return "", fault.New(fault.Denied, "write", path, "the journal was opened to be read only")
	}
	j.blobs.Lock()
	j.unnamed[digest]++ // from here on nobody deletes it
	j.blobs.Unlock()
	if stored, err := os.ReadFile(path); err == nil && j.stands(stored, digest) {
		return digest, nil
	}
	if err := writeBlob(path, j.sealed(content, digest)); err != nil {
		j.blobs.Lock()
		j.nameOne(digest)
		j.blobs.Unlock()
		return "", diskFault("keep", path, err)
	}
	return digest, nil
}

// writeBlob puts content in its place, whole or not at all. Several writers of the same content do not get in each other's way.
func writeBlob(path string, content []byte) error {
	dir := filepath.Dir(path)
	if err := os.Mkdir(dir, 0o700); err == nil {
		err = syncDir(dir)
		if err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return err
	}
	file, err := os.CreateTemp(dir, "*"+newSuffix) // 0600
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
		return err
	}
	return syncDir(path)
}

// Kept gives what was kept under a digest. Errors: NotFound when nothing was, Invalid when it is not what it was any more.
func (j *Journal) Kept(digest string) ([]byte, error) {
	if decoded, err := hex.DecodeString(digest); err != nil || len(decoded) != 32 || digest != strings.ToLower(digest) {
		return nil, fault.New(fault.Internal, "read", "what was kept as "+digest, "this is no digest")
	}
	path := j.blob(digest)
	stored, err := os.ReadFile(path)
	content, fits := j.opened(stored, digest)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.New(fault.NotFound, "read", path, "what was there before is not kept any more").
			WithHint("put a copy of the file back, or declare the object with `deletion: remove`")
	case err != nil:
		return nil, diskFault("read", path, err)
	case !fits:
		return nil, fault.New(fault.Invalid, "read", path, "it is damaged: its content does not fit its name").
			WithHint("put a copy of the file back, or declare the object with `deletion: remove`")
	}
	return content, nil
}

// sealed gives content as it is stored: sealed, if the journal has a key.
func (j *Journal) sealed(content []byte, digest string) []byte {
	if !j.box.Locks() {
		return content
	}
	return j.box.Seal(content, digest)
}

// opened gives the content of what is stored under a digest, sealed or, by a journal without a key, as it is; false when it is not what it
// was.
func (j *Journal) opened(stored []byte, digest string) (content []byte, fits bool) {
	if isPlain(stored, digest) {
		return stored, true
	}
	content, err := j.box.Open(stored, digest)
	return content, err == nil && isPlain(content, digest)
}

// stands says whether what is stored under a digest can stay as it is.
func (j *Journal) stands(stored []byte, digest string) bool {
	_, fits := j.opened(stored, digest)
	return fits && j.box.Locks() != isPlain(stored, digest)
}

// isPlain says whether bytes are the content of a digest, not sealed.
func isPlain(stored []byte, digest string) bool { return string(state.DigestBytes(stored)) == digest }

// sealBlobs seals what was kept before blobs were.
func (j *Journal) sealBlobs() error {
	if !j.box.Locks() {
		return nil
	}
	for digest := range j.content.blobs {
		stored, err := os.ReadFile(j.blob(digest))
		if err != nil || !isPlain(stored, digest) {
			continue // whoever needs it is told what is wrong with it
		}
		if err := writeBlob(j.blob(digest), j.sealed(stored, digest)); err != nil {
			return diskFault("seal", j.blob(digest), err)
		}
	}
	return nil
}

func (j *Journal) blob(digest string) string { return filepath.Join(j.dir, blobsName, digest) }

// release follows a write: blobs that records name now, and those that no record names any more, which are deleted.
func (j *Journal) release(named, dropped []string) {
	if len(named)+len(dropped) == 0 {
		return
	}
	j.blobs.Lock()
	defer j.blobs.Unlock()
	for _, digest := range named {
		j.nameOne(digest)
	}
	for _, digest := range dropped {
		j.mu.RLock()
		needed := j.unnamed[digest] > 0 || j.content.blobs[digest] > 0
		j.mu.RUnlock()
		if !needed {
			j.discard(digest)
		}
	}
}

func (j *Journal) nameOne(digest string) {
	if j.unnamed[digest]--; j.unnamed[digest] <= 0 {
		delete(j.unnamed, digest)
	}
}

// sweep deletes the blobs that no record names, when nobody can be about to name one.
func (j *Journal) sweep() {
	entries, err := os.ReadDir(filepath.Join(j.dir, blobsName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		j.log.Warn("what the journal of the host keeps could not be listed", "journal", j.disk.path, "error", err)
	}
	for _, entry := range entries {
		if j.content.blobs[entry.Name()] == 0 {
			j.discard(entry.Name())
		}
	}
}

// discard deletes a blob. One that stays is swept when the journal is opened again.
func (j *Journal) discard(name string) {
	if err := os.Remove(j.blob(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		j.log.Warn("what is not needed any more could not be deleted", "file", j.blob(name), "error", err)
	}
}
