package packed

import (
	"bufio"
	"compress/flate"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
	"weak"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Writer takes the files of one artifact, in any order. It refuses, as Invalid and with the path in the error, what is beyond the limits,
// absolute paths, paths with .., names that are there already, links that lead outside, and anything but files, directories and links.
// What was refused once cannot be committed. Not safe for concurrent use.
type Writer struct {
	store    *Store
	upstream string
	file     *os.File // nil when it is committed or aborted
	out      *sink
	flate    *flate.Writer
	budget   budget
	tree     *growing
	err      error // the first
}

var errDone = errors.New("the artifact is committed or given up")

func newWriter(s *Store, upstream string, file *os.File, limits source.Limits) *Writer {
	w := &Writer{store: s, upstream: upstream, file: file, budget: newBudget(limits), tree: newGrowing()}
	w.out = &sink{Writer: bufio.NewWriterSize(file, 64<<10)}
	w.flate, _ = flate.NewWriter(nil, flate.BestSpeed) // the level is a good one
	return w
}

// sink knows how far the file is written.
type sink struct {
	*bufio.Writer

	written int64
}

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.Writer.Write(p)
	s.written += int64(n)
	return n, err
}

// File adds a file; of its mode only the executable bit is kept. The content may be longer than size says only to be refused.
func (w *Writer) File(path string, mode fs.FileMode, size int64, content io.Reader) error {
	return w.once(func() error {
		if !mode.IsRegular() {
			return refuse(path, "it is neither a file nor a directory nor a link")
		}
		if err := w.admit(path, size); err != nil {
			return err
		}
		added := &node{mode: plainMode, size: size}
		if mode&0o100 != 0 {
			added.mode = execMode
		}
		if err := w.tree.add(path, added, w.budget.takeDir); err != nil {
			return err
		}
		return w.compress(path, added, content)
	})
}

// Link adds a symbolic link.
func (w *Writer) Link(path, target string) error {
	return w.once(func() error {
		if err := w.admit(path, int64(len(target))); err != nil {
			return err
		}
		if err := checkLink(path, target); err != nil {
			return err
		}
		added := &node{mode: linkMode, target: target, size: int64(len(target)), sum: sha256.Sum256([]byte(target))}
		return w.tree.add(path, added, w.budget.takeDir)
	})
}

// dir notes a directory, so that it cannot be a file or link too.
func (w *Writer) dir(path string) error {
	return w.once(func() error {
		if err := checkPath(path); err != nil {
			return err
		}
		return w.tree.dir(path, w.budget.takeDir)
	})
}

// once does what changes the writer, unless something was refused already.
func (w *Writer) once(do func() error) error {
	if w.file == nil {
		return fault.Wrap(fault.Internal, "write", "an artifact", errDone)
	}
	if w.err == nil {
		w.err = do()
	}
	return w.err
}

func (w *Writer) admit(path string, size int64) error {
	if err := checkPath(path); err != nil {
		return err
	}
	return w.budget.take(path, size)
}

// compress compresses one content to the end of the file.
func (w *Writer) compress(path string, into *node, content io.Reader) error {
	from := &watched{in: content}
	hash := sha256.New()
	begin := w.out.written
	w.flate.Reset(w.out)
	n, err := io.Copy(io.MultiWriter(hash, w.flate), io.LimitReader(from, into.size+1))
	if err == nil {
		err = w.flate.Close()
	}
	switch {
	case from.err != nil:
		return unreadable(path, from.err)
	case err != nil:
		return diskFault("write to", err)
	case n > into.size:
		return refuse(path, "it is longer than it says")
	case n < into.size:
		return refuse(path, "it is shorter than it says")
	}
	into.at = place{begin, w.out.written - begin}
	into.sum = sum(hash.Sum(nil))
	return nil
}

// watched tells apart the errors of reading from those of writing.
type watched struct {
	in  io.Reader
	err error
}

func (r *watched) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

// unreadable keeps the kind of what went wrong underneath; what has none is wrong in the content itself.
func unreadable(path string, err error) error {
	kind := fault.KindOf(err)
	if kind == fault.Internal {
		kind = fault.Invalid
	}
	return &fault.Error{Op: "read", Item: path, Kind: kind, Err: err, Hint: fault.HintOf(err)}
}

// Empty says that nothing was added but directories.
func (w *Writer) Empty() bool { return len(w.tree.order) == 0 }

// Digest gives a digest of everything added so far, that depends on paths, executable bits, targets and contents alone.
func (w *Writer) Digest() state.Digest { return w.tree.seal().digest() }

func (n *node) digest() state.Digest { return state.Digest(hex.EncodeToString(n.sum[:])) }

// Commit makes it an artifact, durable and last of its upstream; what an upstream committed before its last two is removed when nobody
// reads it any more. The writer cannot be used after.
func (w *Writer) Commit(revision state.Revision) (source.Artifact, error) {
	if err := w.once(func() error { return nil }); err != nil {
		w.Abort()
		return nil, err
	}
	p := &pack{file: w.file, root: w.tree.seal()}
	err := w.finish(revision)
	if err == nil {
		err = w.keep(p, kept{File: fileOf(revision.ID, string(p.root.digest())), Revision: revision, Committed: time.Now().UTC()})
	}
	if err != nil {
		w.Abort()
		return nil, diskFault("write to", err)
	}
	w.file = nil // it is the artifact's now
	return &Artifact{pack: p, revision: revision}, nil
}

// finish writes what comes after the contents.
func (w *Writer) finish(revision state.Revision) error {
	if err := writeIndex(w, revision, w.tree); err != nil {
		return err
	}
	return w.out.Flush()
}

func (w *Writer) keep(p *pack, k kept) error {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	if err := publish(w.file, filepath.Join(w.store.dir, k.File)); err != nil {
		return err
	}
	if err := w.store.remember(w.upstream, k); err != nil {
		w.store.sweep()
		return err
	}
	w.store.open[k.File] = weak.Make(p)
	return nil
}

// Abort forgets it. It does nothing after Commit.
func (w *Writer) Abort() {
	if w.file == nil {
		return
	}
	_ = os.Remove(w.file.Name()) // what cannot be removed now goes with the next Open
	_ = w.file.Close()
	w.file = nil
}
