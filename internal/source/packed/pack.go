package packed

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
)

// unknownOS is what a gzip header says of the machine: nothing (RFC 1952).
const unknownOS = 255

// Pack writes a directory as tar.gz, the same bytes for the same content on every machine: sorted paths, no times, no owners, modes 0644
// and 0755, links kept, directories only by what is in them. Limits bound it as they bound a Writer. Links are read through fs.ReadLinkFS.
func Pack(ctx context.Context, into io.Writer, files fs.FS, limits source.Limits) error {
	compressed, err := gzip.NewWriterLevel(into, gzip.BestCompression)
	if err != nil {
		return fault.Wrap(fault.Internal, "pack", "", err)
	}
	compressed.OS = unknownOS
	p := &packing{ctx: ctx, files: files, out: tar.NewWriter(compressed), budget: newBudget(limits)}
	if err := fs.WalkDir(files, ".", p.entry); err != nil {
		return err
	}
	if err := p.out.Close(); err != nil {
		return fault.Wrap(fault.Transient, "pack", "", err)
	}
	return fault.Wrap(fault.Transient, "pack", "", compressed.Close())
}

// packing is one directory on its way into an archive.
type packing struct {
	ctx    context.Context //nolint:containedctx // it lives as long as the call of Pack
	files  fs.FS
	out    *tar.Writer
	budget budget
}

func (p *packing) entry(name string, entry fs.DirEntry, err error) error {
	switch {
	case p.ctx.Err() != nil:
		return fault.Wrap(fault.Transient, "pack", name, p.ctx.Err())
	case err != nil:
		return fault.Wrap(kindOfRead(err), "read", name, err)
	case name == ".":
		return nil
	}
	if err := checkPath(name); err != nil {
		return err
	}
	switch entry.Type() {
	case fs.ModeDir:
		return p.budget.takeDir(name)
	case fs.ModeSymlink:
		return p.link(name)
	case 0:
		return p.file(name)
	}
	return refuse(name, "it is neither a file nor a directory nor a link")
}

func (p *packing) link(name string) error {
	target, err := fs.ReadLink(p.files, name)
	if err != nil {
		return fault.Wrap(kindOfRead(err), "read", name, err)
	}
	if err := p.budget.take(name, int64(len(target))); err != nil {
		return err
	}
	if err := checkLink(name, target); err != nil {
		return err
	}
	header := &tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}
	return fault.Wrap(fault.Transient, "pack", name, p.out.WriteHeader(header))
}

func (p *packing) file(name string) error {
	file, err := p.files.Open(name)
	if err != nil {
		return fault.Wrap(kindOfRead(err), "read", name, err)
	}
	defer func() { _ = file.Close() }() // nothing is written to it
	info, err := file.Stat()
	switch {
	case err != nil:
		return fault.Wrap(kindOfRead(err), "read", name, err)
	case !info.Mode().IsRegular():
		return refuse(name, "it is neither a file nor a directory nor a link")
	}
	if err := p.budget.take(name, info.Size()); err != nil {
		return err
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: info.Size(), Mode: 0o644}
	if info.Mode()&0o100 != 0 {
		header.Mode = 0o755
	}
	if err := p.out.WriteHeader(header); err != nil {
		return fault.Wrap(fault.Transient, "pack", name, err)
	}
	from := &watched{in: file}
	n, err := io.Copy(p.out, io.LimitReader(from, info.Size()))
	switch {
	case from.err != nil:
		return fault.Wrap(kindOfRead(from.err), "read", name, from.err)
	case err != nil:
		return fault.Wrap(fault.Transient, "pack", name, err)
	case n != info.Size():
		return fault.New(fault.Transient, "read", name, "it was changed while it was read")
	}
	return nil
}

// kindOfRead keeps the kind of what went wrong underneath; files that are not there or may not be read are the user's affair.
func kindOfRead(err error) fault.Kind {
	if kind := fault.KindOf(err); kind != fault.Internal {
		return kind
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.NotFound
	case errors.Is(err, fs.ErrPermission):
		return fault.Denied
	}
	return fault.Invalid
}
