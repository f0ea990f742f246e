package apps

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// unpackDeadline bounds the unpacking of one build, with its download.
const unpackDeadline = 30 * time.Minute

// temporary begins the names of what is not finished, beside the directories of releases.
const temporary = ".new-"

// unpack brings the files of a release into its directory: first into one beside it, which gets the name when everything is there and
// on disk. A crash leaves nothing half; what is in the way of an earlier try is removed.
func (d *Driver) unpack(ctx context.Context, p place, r *release, who *account) error {
	if present(p)[r.Number] {
		return nil
	}
	fresh, err := d.bring(ctx, p, r, who)
	if err != nil {
		return err
	}
	found, err := survey(fresh)
	if err != nil {
		return err
	}
	if err := errors.Join(found.write(p.manifestOf(r.Number)), raze(p.release(r.Number))); err != nil {
		return err
	}
	if err := os.Rename(fresh, p.release(r.Number)); err != nil {
		return diskFault("name", p.release(r.Number), err)
	}
	return syncDirectory(p.releases())
}

// bring unpacks a build into a temporary directory, sealed.
func (d *Driver) bring(ctx context.Context, p place, r *release, who *account) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, unpackDeadline)
	defer cancel()
	if err := d.prepare(p, who); err != nil {
		return "", err
	}
	fresh := filepath.Join(p.releases(), temporary+itoa(r.Number))
	if err := raze(fresh); err != nil {
		return "", err
	}
	into, err := newTree(ctx, fresh)
	if err != nil {
		return "", err
	}
	defer into.close()
	if err := d.fillTree(ctx, p, r, into); err != nil {
		return "", errors.Join(err, raze(fresh))
	}
	if err := seal(fresh, gidOf(who)); err != nil {
		return "", diskFault("seal", fresh, err)
	}
	return fresh, nil
}

func (d *Driver) fillTree(ctx context.Context, p place, r *release, into *tree) error {
	if r.Print.Archive == nil {
		files, err := d.cfg.Builds.Open(r.Build)
		if err != nil {
			return err
		}
		if err := copyBuild(files, into); err != nil {
			return err
		}
		return into.finish()
	}
	file, err := os.CreateTemp(p.releases(), temporary+"archive-*")
	if err != nil {
		return diskFault("make a file in", p.releases(), err)
	}
	defer func() {
		_ = file.Close() // what was downloaded has been unpacked, or is of no use
		_ = os.Remove(file.Name())
	}()
	if err := d.download(ctx, r.Print.Archive, file); err != nil {
		return err
	}
	if err := unpackArchive(file, r.Print.Strip, into); err != nil {
		return err
	}
	return into.finish()
}

// copyBuild copies the tree of a source's revision.
func copyBuild(files fs.FS, into *tree) error {
	return fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fault.Wrap(kindOf(err), "read", name, err)
		}
		switch kind := entry.Type(); {
		case kind.IsDir():
			return into.directory(name)
		case kind&fs.ModeSymlink != 0:
			target, err := fs.ReadLink(files, name)
			if err != nil {
				return invalid(name, "it is a link that cannot be read")
			}
			return into.link(name, target)
		case !kind.IsRegular():
			return invalid(name, "it is no file, directory or link")
		}
		info, err := entry.Info()
		if err != nil {
			return fault.Wrap(kindOf(err), "read", name, err)
		}
		file, err := files.Open(name)
		if err != nil {
			return fault.Wrap(kindOf(err), "read", name, err)
		}
		defer file.Close()
		return into.file(name, info.Mode(), file)
	})
}

// kindOf gives the kind of an error; what somebody else says who knows no kinds may go away.
func kindOf(err error) fault.Kind {
	if kind := fault.KindOf(err); kind != fault.Internal {
		return kind
	}
	return fault.Transient
}

// restore puts back what was changed in a release's directory, name by name: processes that run in it keep their directory.
func (d *Driver) restore(ctx context.Context, p place, r *release, who *account) error {
	want, err := readManifest(p.manifestOf(r.Number))
	if err != nil {
		return err
	}
	dir := p.release(r.Number)
	wrong, err := want.compare(dir, 0)
	if err != nil || len(wrong) == 0 {
		return err
	}
	fresh, err := d.bring(ctx, p, r, who)
	if err != nil {
		return err
	}
	if err := errors.Join(unseal(dir), unseal(fresh)); err != nil {
		return diskFault("restore", dir, err)
	}
	for _, one := range wrong {
		if err := restoreOne(dir, fresh, one); err != nil {
			return diskFault("restore", filepath.Join(dir, one.Name), err)
		}
	}
	if err := errors.Join(seal(dir, gidOf(who)), raze(fresh)); err != nil {
		return diskFault("seal", dir, err)
	}
	found, err := survey(dir)
	if err != nil {
		return err
	}
	return found.write(p.manifestOf(r.Number))
}

// restoreOne takes one name from the fresh tree. Names come in order, so that a directory that is missing has come back with all that is
// in it before those are looked at; one whose mode alone was changed is sealed again in any case.
func restoreOne(dir, fresh string, one damage) error {
	at, from := filepath.Join(dir, one.Name), filepath.Join(fresh, one.Name)
	if one.How == "added" {
		return raze(at)
	}
	want, err := os.Lstat(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it came with its directory
	}
	if err != nil {
		return err
	}
	if have, err := os.Lstat(at); err == nil && have.IsDir() && want.IsDir() {
		return nil
	}
	return errors.Join(raze(at), os.Rename(from, at))
}

// prepare makes the directories of an app, with what an earlier try left in them removed.
func (d *Driver) prepare(p place, who *account) error {
	apps := filepath.Dir(string(p))
	for _, dir := range []string{apps, string(p), p.releases(), p.logs(), p.scratch()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return diskFault("make", dir, err)
		}
	}
	if err := sweep(p); err != nil || who == nil {
		return err
	}
	gid := gidOf(who)
	for _, own := range []struct {
		dir      string
		uid, gid int
		mode     fs.FileMode
	}{
		{apps, 0, 0, 0o711},
		{string(p), 0, gid, 0o750}, {p.releases(), 0, gid, 0o750}, {p.scratch(), int(who.uid), gid, 0o700},
	} {
		if err := errors.Join(os.Lchown(own.dir, own.uid, own.gid), os.Chmod(own.dir, own.mode)); err != nil {
			return diskFault("set the owner of", own.dir, err)
		}
	}
	return nil
}

// sweep removes what is not finished and that nobody works on: one controller does all the work of an app.
func sweep(p place) error {
	entries, err := os.ReadDir(p.releases())
	if err != nil {
		return diskFault("read", p.releases(), err)
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), temporary) {
			if err := raze(filepath.Join(p.releases(), entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// gidOf gives the group that may read the files of releases; -1 where the agent cannot choose.
func gidOf(who *account) int {
	if who == nil {
		return -1
	}
	return int(who.gid)
}

// discard removes the files of a release.
func discard(p place, number int) error {
	if err := raze(p.release(number)); err != nil {
		return err
	}
	if err := os.Remove(p.manifestOf(number)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return diskFault("remove", p.manifestOf(number), err)
	}
	return nil
}

// present gives the releases whose files are there as a whole.
func present(p place) map[int]bool {
	found := map[int]bool{}
	entries, err := os.ReadDir(p.releases())
	if err != nil {
		return found // not there, or not readable: then nothing can be started either
	}
	for _, entry := range entries {
		if number := number(entry.Name()); number > 0 && entry.IsDir() {
			if _, err := os.Lstat(p.manifestOf(number)); err == nil {
				found[number] = true
			}
		}
	}
	return found
}

func syncDirectory(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return diskFault("open", dir, err)
	}
	defer file.Close()
	if err := unix.Fsync(int(file.Fd())); err != nil {
		return diskFault("write", dir, err)
	}
	return nil
}
