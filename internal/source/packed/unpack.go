package packed

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"path"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source/fetch"
)

// Format of an archive.
type Format string

// The formats that Unpack reads.
const (
	Tar   Format = "tar"
	TarGz Format = "tar.gz"
	Zip   Format = "zip"
)

// HeadLength is how many bytes Detect needs at most.
const HeadLength = 512

// Detect tells the format from the first bytes of a file; "" when it is none of them.
func Detect(head []byte) Format {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return TarGz
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return Zip
	case len(head) >= 262 && string(head[257:262]) == "ustar":
		return Tar
	}
	return ""
}

// Unpack adds every file of an archive. Strip leaves out so many leading directories of each path. What the archive holds is
// bounded by the writer's limits, also while it is decompressed; a zip file is first written to a temporary file in the store's folder,
// unless it is an io.ReaderAt with a Size. What is wrong in the archive is Invalid; an error of reading it keeps its kind.
func (w *Writer) Unpack(ctx context.Context, archive io.Reader, format Format, strip int) error {
	u := unpacking{ctx: ctx, into: w, strip: strip}
	from := &watched{in: archive}
	var err error
	switch format {
	case Tar:
		err = u.tar(from)
	case TarGz:
		err = u.gzip(from)
	case Zip:
		err = u.zip(archive, from)
	default:
		err = errFormat
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fault.Wrap(fault.Transient, "unpack", "", ctx.Err())
	case from.err != nil && !errors.Is(from.err, io.ErrUnexpectedEOF):
		return unreadable("the archive", from.err)
	}
	if known, ok := errors.AsType[*fault.Error](err); ok {
		return known
	}
	return fault.Wrap(fault.Invalid, "unpack", "the archive", err)
}

var errFormat = errors.New("it is neither tar nor tar.gz nor zip")

// unpacking is one archive on its way into a writer.
type unpacking struct {
	ctx   context.Context //nolint:containedctx // it lives as long as the call of Unpack
	into  *Writer
	strip int
}

func (u unpacking) gzip(from io.Reader) error {
	plain, err := gzip.NewReader(from)
	if err != nil {
		return err
	}
	return u.tar(plain)
}

func (u unpacking) tar(from io.Reader) error {
	bounded := fetch.Bounded(from, u.into.budget.stream(), "the archive, unpacked,")
	whole := &marked{in: bounded}
	entries := tar.NewReader(whole)
	for {
		if err := u.ctx.Err(); err != nil {
			return err
		}
		header, err := entries.Next()
		if err == io.EOF && whole.ended { //nolint:errorlint // as readers give it
			return errCut
		}
		if err == io.EOF { //nolint:errorlint // as above
			_, err = io.Copy(io.Discard, bounded) // so that checksums over the whole are checked
			return err
		}
		if err != nil {
			return err
		}
		if err := u.tarEntry(header, entries); err != nil {
			return err
		}
	}
}

// marked notices that a tar archive ends without the mark of its end, which the library takes for a good one: half of it could be missing.
type marked struct {
	in    io.Reader
	ended bool
}

var errCut = errors.New("it is cut off")

func (m *marked) Read(p []byte) (int, error) {
	n, err := m.in.Read(p)
	m.ended = m.ended || n == 0 && err == io.EOF
	return n, err
}

func (u unpacking) tarEntry(header *tar.Header, content io.Reader) error {
	if header.Typeflag == tar.TypeXGlobalHeader { // a comment
		return nil
	}
	name, err := u.place(header.Name)
	if err != nil || name == "" {
		return err
	}
	switch header.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse:
		return u.into.File(name, header.FileInfo().Mode(), header.Size, content)
	case tar.TypeDir:
		return u.into.dir(name)
	case tar.TypeSymlink:
		return u.into.Link(name, header.Linkname)
	case tar.TypeLink:
		return refuse(name, "it is a hard link")
	}
	return refuse(name, "it is neither a file nor a directory nor a link")
}

// place gives where an entry belongs; "" when it is left out.
func (u unpacking) place(name string) (string, error) {
	if path.IsAbs(name) {
		return "", checkPath(name)
	}
	parts := strings.Split(name, "/")
	kept := parts[:0]
	for _, part := range parts {
		switch part {
		case "", ".":
		case "..":
			return "", refuse(name, "its path leads upwards")
		default:
			kept = append(kept, part)
		}
	}
	return strings.Join(kept[min(u.strip, len(kept)):], "/"), nil
}
