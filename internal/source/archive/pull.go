package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/fetch"
	"github.com/setpoint-dev/setpoint/internal/source/packed"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// seen is what the last answer was, so that the next request can ask for another alone.
type seen struct {
	id             string // of the revision that it became
	err            error  // or why it was refused
	etag, modified string
}

// Pull asks whether the file is another than known, and fetches it then. A file that is pinned and there costs no request at all.
func (u *upstream) Pull(ctx context.Context, known source.Artifact) (source.Artifact, source.Note, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, u.opts.Timeout)
	defer cancel()
	artifact, err := u.pull(ctx, u.opts.Whole(known, u.name))
	return artifact, source.Note{}, err
}

func (u *upstream) pull(ctx context.Context, known source.Artifact) (source.Artifact, error) {
	if there := u.pinnedIn(known, u.Last()); there != nil {
		return there, nil
	}
	client, err := u.connect()
	if err != nil {
		return nil, err
	}
	response, err := client.Get(ctx, u.spec.URL, u.question(known), packed.ArchiveBytes(u.opts.Limits))
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }() // it was read
	switch {
	case response.StatusCode == http.StatusNotModified && u.seen.err != nil:
		return nil, u.seen.err
	case response.StatusCode == http.StatusNotModified && known != nil:
		return known, nil
	case response.StatusCode != http.StatusOK:
		return nil, u.wrap(fault.New(fault.Invalid, "", "", "the server answers: "+http.StatusText(response.StatusCode)))
	}
	artifact, err := u.take(ctx, response, known)
	u.seen = seen{etag: response.Header.Get("ETag"), modified: response.Header.Get("Last-Modified")}
	if err != nil {
		if fault.KindOf(err) == fault.Invalid {
			u.seen.err = err
		} else {
			u.seen = seen{}
		}
		return nil, err
	}
	u.seen.id = artifact.Revision().ID
	return artifact, nil
}

// pinnedIn gives the one of some artifacts that is what is pinned.
func (u *upstream) pinnedIn(there ...source.Artifact) source.Artifact {
	for _, a := range there {
		if u.pinned != "" && a != nil && a.Revision().ID == u.pinned {
			return a
		}
	}
	return nil
}

// connect gives the client, which is another when the credentials are.
func (u *upstream) connect() (*fetch.Client, error) {
	login, err := fetch.ReadLogin(u.spec.Credentials, u.opts.Getenv)
	if err != nil || u.client != nil && login == u.login {
		return u.client, err
	}
	client, err := fetch.New(fetch.Options{
		CAFile: u.spec.CAFile, Proxy: u.spec.Proxy, Username: login.Username, Password: login.Password, Token: login.Token,
		Insecure: u.pinned != "", // whoever is in between cannot make another file of the same digest
	})
	if err == nil {
		u.client, u.login = client, login
	}
	return client, err
}

// question asks for what is not known, as it is: what is compressed for the way alone would have another digest.
func (u *upstream) question(known source.Artifact) http.Header {
	header := http.Header{"Accept-Encoding": {"identity"}}
	if u.seen.err == nil && (known == nil || known.Revision().ID != u.seen.id) {
		return header
	}
	if u.seen.etag != "" {
		header.Set("If-None-Match", u.seen.etag)
	}
	if u.seen.modified != "" {
		header.Set("If-Modified-Since", u.seen.modified)
	}
	return header
}

// take downloads the file whole, and makes an artifact of it when its digest is what it has to be.
func (u *upstream) take(ctx context.Context, response *http.Response, known source.Artifact) (source.Artifact, error) {
	file, err := u.opts.Store.Temp()
	if err != nil {
		return nil, err
	}
	defer func() {
		_ = os.Remove(file.Name()) // what cannot be removed now goes when the store is opened next
		_ = file.Close()
	}()
	hash := sha256.New()
	size, err := io.Copy(io.MultiWriter(file, hash), response.Body)
	if err != nil {
		return nil, u.wrap(err)
	}
	revision := state.Revision{ID: "sha256:" + hex.EncodeToString(hash.Sum(nil)), Ref: u.ref()}
	if at, err := http.ParseTime(response.Header.Get("Last-Modified")); err == nil {
		revision.Time = at.UTC().Truncate(time.Second)
	}
	switch {
	case u.pinned != "" && revision.ID != u.pinned:
		return nil, u.wrap(fault.New(fault.Invalid, "", "", "its digest is "+revision.ID+", and "+u.pinned+" is wanted").
			WithHint("if the file was meant to change, change archive.sha256; nothing of it was used"))
	case known != nil && known.Revision().ID == revision.ID:
		return known, nil
	}
	return u.unpack(ctx, io.NewSectionReader(file, 0, size), revision)
}

func (u *upstream) unpack(ctx context.Context, file *io.SectionReader, revision state.Revision) (source.Artifact, error) {
	into, err := u.opts.Store.Create(u.key, u.opts.Limits)
	if err != nil {
		return nil, err
	}
	defer into.Abort()
	head := make([]byte, packed.HeadLength)
	n, err := file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, u.wrap(err)
	}
	if err := into.Unpack(ctx, file, packed.Detect(head[:n]), 0); err != nil {
		return nil, u.wrap(err)
	}
	if into.Empty() {
		return nil, u.wrap(fault.New(fault.Invalid, "", "", "the archive holds no file"))
	}
	return into.Commit(revision)
}

// wrap says which file an error is about.
func (u *upstream) wrap(err error) error {
	return packed.PullFault(u.name, err, "publish a whole tar, tar.gz or zip file there; nothing of this one was used")
}
