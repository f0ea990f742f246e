package apps

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// downloadDeadline bounds one download.
const downloadDeadline = 15 * time.Minute

// maxLink bounds the target of a link.
const maxLink = 4096

func newHTTP() *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 30 * time.Second,
		IdleConnTimeout:       30 * time.Second,
		MaxIdleConns:          8,
	}}
}

// download writes an archive to a file, and checks that it is the one that was declared before anything looks into it.
func (d *Driver) download(ctx context.Context, a *v1alpha1.Archive, to *os.File) error {
	ctx, cancel := context.WithTimeout(ctx, downloadDeadline)
	defer cancel()
	from, err := url.Parse(a.URL)
	if err != nil {
		return fault.New(fault.Invalid, "download", "spec.build.archive", "its URL cannot be read")
	}
	shown := shownURL(from)
	body, err := d.open(ctx, from)
	if err != nil {
		return err
	}
	defer body.Close()
	sum := sha256.New()
	size, err := io.Copy(io.MultiWriter(to, sum), io.LimitReader(patient{ctx, body}, maxBytes+1))
	switch found := hex.EncodeToString(sum.Sum(nil)); {
	case err != nil && errors.Is(err, ctx.Err()):
		return fault.Wrap(fault.Transient, "download", shown, ctx.Err())
	case err != nil:
		return diskFault("download", shown, plainCause(err))
	case size > maxBytes:
		return fault.New(fault.Invalid, "download", shown, "it is larger than 2 GiB")
	case !strings.EqualFold(found, a.SHA256):
		return fault.New(fault.Invalid, "download", shown, "its SHA-256 is "+found+", and "+strings.ToLower(a.SHA256)+" was declared").
			WithHint("find out why the file has changed; if it is meant, declare the new sha256")
	}
	return nil
}

// open begins to read a URL.
func (d *Driver) open(ctx context.Context, from *url.URL) (io.ReadCloser, error) {
	shown := shownURL(from)
	if from.Scheme == "file" {
		file, err := os.Open(d.cfg.Files.HostPath(from.Path))
		if err != nil {
			return nil, fileFault(from.Path, err)
		}
		if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
			_ = file.Close() // nothing was read yet
			return nil, fault.New(fault.Invalid, "read", from.Path, "it is no file")
		}
		return file, nil
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from.String(), http.NoBody)
	if err != nil {
		return nil, fault.New(fault.Invalid, "download", shown, "its URL cannot be used")
	}
	response, err := d.cfg.HTTP.Do(request)
	if err != nil {
		return nil, fault.Wrap(fault.Transient, "download", shown, plainCause(err))
	}
	if response.StatusCode == http.StatusOK {
		return response.Body, nil
	}
	_ = response.Body.Close() // the status says it all
	kind := fault.Transient
	switch response.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		kind = fault.Denied
	case http.StatusNotFound, http.StatusGone:
		kind = fault.NotFound
	}
	return nil, fault.New(kind, "download", shown, "the server answers "+response.Status)
}

func fileFault(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.NotFound, "read", name, "there is no such file")
	}
	return diskFault("read", name, err)
}

// unpackArchive unpacks a tar or zip file, told by its content, into a tree.
func unpackArchive(file *os.File, strip int, into *tree) error {
	info, err := file.Stat()
	if err != nil {
		return diskFault("read", "the archive", err)
	}
	head := make([]byte, 512)
	n, err := file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return diskFault("read", "the archive", err)
	}
	reader := io.NewSectionReader(file, 0, info.Size())
	switch head = head[:n]; {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return unpackZip(reader, info.Size(), strip, into)
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		plain, err := gzip.NewReader(bufio.NewReader(reader))
		if err != nil {
			return damaged(err)
		}
		// Headers count too: without a bound endless ones could be packed into a few bytes.
		return unpackTar(io.LimitReader(plain, 2*maxBytes), strip, into)
	case len(head) == 512 && bytes.HasPrefix(head[257:], []byte("ustar")):
		return unpackTar(reader, strip, into)
	}
	return fault.New(fault.Invalid, "unpack", "the archive", "it is no tar, tar.gz or zip file")
}

func damaged(err error) error {
	if kind := fault.KindOf(err); kind != fault.Internal {
		return err
	}
	return fault.Wrap(fault.Invalid, "unpack", "the archive", err)
}

// sound is the content of an entry: that it cannot be read is a matter of the archive, not of the disk.
type sound struct{ from io.Reader }

func (s sound) Read(b []byte) (int, error) {
	n, err := s.from.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = damaged(err)
	}
	return n, err
}

func unpackTar(from io.Reader, strip int, into *tree) error {
	reader := tar.NewReader(from)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return damaged(err)
		}
		if err := unpackTarEntry(header, reader, strip, into); err != nil {
			return err
		}
	}
}

func unpackTarEntry(header *tar.Header, content io.Reader, strip int, into *tree) error {
	if header.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	name, err := inner(header.Name, strip)
	if err != nil || name == "" {
		return err
	}
	switch header.Typeflag {
	case tar.TypeDir:
		return into.directory(name)
	case tar.TypeReg:
		return into.file(name, header.FileInfo().Mode(), sound{content})
	case tar.TypeSymlink:
		return into.link(name, header.Linkname)
	case tar.TypeLink:
		old, err := inner(header.Linkname, strip)
		if err != nil || old == "" {
			return invalid(name, "it is a link that leads out of the build")
		}
		return into.hard(name, old)
	}
	return invalid(name, "it is no file, directory or link")
}

func unpackZip(from io.ReaderAt, size int64, strip int, into *tree) error {
	archive, err := zip.NewReader(from, size)
	if err != nil {
		return damaged(err)
	}
	for _, entry := range archive.File {
		name, err := inner(entry.Name, strip)
		if err != nil {
			return err
		}
		if name == "" {
			continue
		}
		if err := unpackZipEntry(entry, name, into); err != nil {
			return err
		}
	}
	return nil
}

func unpackZipEntry(entry *zip.File, name string, into *tree) error {
	mode := entry.Mode()
	if mode.IsDir() {
		return into.directory(name)
	}
	if mode.Type() != 0 && mode.Type() != fs.ModeSymlink {
		return invalid(name, "it is no file, directory or link")
	}
	content, err := entry.Open()
	if err != nil {
		return damaged(err)
	}
	defer content.Close()
	if mode.IsRegular() {
		return into.file(name, mode, sound{content})
	}
	target, err := io.ReadAll(io.LimitReader(content, maxLink+1))
	if err != nil || len(target) > maxLink {
		return invalid(name, "it is a link that cannot be read")
	}
	return into.link(name, string(target))
}

// inner gives the name of an entry without its first directories; "" for one that is dropped with them.
func inner(name string, strip int) (string, error) {
	if path.IsAbs(name) {
		return "", invalid(name, "its name is absolute")
	}
	parts := strings.Split(strings.TrimSuffix(name, "/"), "/")
	var kept []string
	for _, part := range parts {
		switch part {
		case "..":
			return "", invalid(name, "its name leads out of the build")
		case "", ".":
		default:
			kept = append(kept, part)
		}
	}
	if len(kept) <= strip {
		return "", nil
	}
	return path.Join(kept[strip:]...), nil
}

// shownURL gives a URL without what may be secret in it.
func shownURL(u *url.URL) string {
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, Opaque: u.Opaque}
	return shown.String()
}

// plainCause takes what repeats the request or the addresses of one connection off an error, which is then the same each time.
func plainCause(err error) error {
	if request, is := errors.AsType[*url.Error](err); is {
		err = request.Err
	}
	if operation, is := errors.AsType[*net.OpError](err); is {
		if operation.Timeout() {
			return errors.New("no answer in time")
		}
		err = operation.Err
		if system, is := errors.AsType[*os.SyscallError](err); is {
			err = system.Err
		}
	}
	if name, is := errors.AsType[*net.DNSError](err); is {
		return errors.New("the name " + name.Name + " is not known")
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("no answer in time")
	}
	return err
}
