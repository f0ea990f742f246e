package git

import (
	"bufio"
	"compress/zlib"
	"context"
	"crypto/sha1" //nolint:gosec // the format's sum
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	gitobject "github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"

	"github.com/go-git/go-billy/v5/osfs"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// local is a repository on this machine. Its objects are copied like a server's, since its owner may remove them.
type local struct{ repo *gogit.Repository }

func openLocal(path string) (remote, error) {
	found, err := gogit.PlainOpenWithOptions(path, &gogit.PlainOpenOptions{EnableDotGitCommonDir: true})
	if err != nil {
		return nil, fault.New(fault.NotFound, "pull", "file://"+path, "there is no Git repository").
			WithHint("check the path, and that the agent may read it")
	}
	storage, ok := found.Storer.(*filesystem.Storage)
	if !ok {
		return &local{found}, nil
	}
	// Large files are streamed instead of being read into memory.
	bounded := filesystem.NewStorageWithOptions(storage.Filesystem(), cache.NewObjectLRU(4*cache.MiByte), filesystem.Options{
		KeepDescriptors: true, LargeObjectThreshold: 1 << 20, AlternatesFS: osfs.New("/"),
	})
	repo, err := gogit.Open(bounded, nil)
	if err != nil {
		return nil, err
	}
	return &local{repo}, nil
}

func (l *local) speaks() int { return 2 }

func (l *local) close() {
	if s, ok := l.repo.Storer.(io.Closer); ok {
		_ = s.Close()
	}
}

func (l *local) lookup(_ context.Context, _ []string) (refs, error) {
	found := newRefs()
	all, err := l.repo.References()
	if err != nil {
		return refs{}, err
	}
	err = all.ForEach(func(r *plumbing.Reference) error {
		name, hash := r.Name().String(), r.Hash()
		if r.Type() == plumbing.SymbolicReference {
			if name != "HEAD" {
				return nil
			}
			found.head = r.Target().String()
			resolved, err := l.repo.Reference(r.Target(), true)
			if err != nil {
				return nil //nolint:nilerr // a branch without a commit is as good as none
			}
			hash = resolved.Hash()
		}
		found.names[name] = hash
		if tag, err := l.repo.TagObject(hash); err == nil {
			if commit, err := tag.Commit(); err == nil {
				found.peeled[name] = commit.Hash
			}
		}
		return nil
	})
	return found, err
}

func (l *local) fetch(ctx context.Context, req fetchRequest, take func(io.Reader) error) error {
	if req.commits {
		return errOnlyLocal
	}
	c := collector{repo: l.repo, ctx: ctx, has: req.has, seen: map[plumbing.Hash]bool{}}
	if c.has == nil {
		c.has = func(plumbing.Hash) bool { return false }
	}
	if err := c.commit(req.want); err != nil {
		return err
	}
	return streamPack(ctx, c.found, func(h plumbing.Hash) (plumbing.ObjectType, int64, io.ReadCloser, error) {
		o, err := l.repo.Storer.EncodedObject(plumbing.AnyObject, h)
		if err != nil {
			return 0, 0, nil, err
		}
		r, err := o.Reader()
		return o.Type(), o.Size(), r, err
	}, take)
}

var errOnlyLocal = errors.New("history is read in place")

// descends walks the history of a commit back to another.
func (l *local) descends(ctx context.Context, old, commit plumbing.Hash) (bool, error) {
	seen := map[plumbing.Hash]bool{commit: true}
	for queue := []plumbing.Hash{commit}; len(queue) > 0; queue = queue[1:] {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		c, err := l.repo.CommitObject(queue[0])
		if err != nil {
			continue // a shallow repository ends here
		}
		for _, p := range c.ParentHashes {
			if p == old {
				return true, nil
			}
			if !seen[p] {
				seen[p] = true
				queue = append(queue, p)
			}
		}
	}
	return false, nil
}

// collector lists the objects of a commit's tree that are not there yet.
type collector struct {
	repo  *gogit.Repository
	ctx   context.Context //nolint:containedctx // lives for one call
	has   func(plumbing.Hash) bool
	seen  map[plumbing.Hash]bool
	found []plumbing.Hash
}

func (c *collector) commit(hash plumbing.Hash) error {
	if tag, err := c.repo.TagObject(hash); err == nil && tag.TargetType == plumbing.CommitObject {
		c.add(hash)
		hash = tag.Target
	}
	commit, err := c.repo.CommitObject(hash)
	if err != nil {
		return &serverError{text: "not our ref " + hash.String()}
	}
	c.add(hash)
	return c.tree(commit.TreeHash, 0)
}

func (c *collector) add(hash plumbing.Hash) bool {
	if c.seen[hash] || c.has(hash) {
		return false
	}
	c.seen[hash] = true
	c.found = append(c.found, hash)
	return true
}

func (c *collector) tree(hash plumbing.Hash, depth int) error {
	if depth > maxDepth {
		return errTooDeep
	}
	if !c.add(hash) {
		return nil
	}
	if err := c.ctx.Err(); err != nil {
		return err
	}
	t, err := gitobject.GetTree(c.repo.Storer, hash)
	if err != nil {
		return fmt.Errorf("%w: %s", errMissing, hash)
	}
	for _, e := range t.Entries {
		switch e.Mode {
		case filemode.Submodule:
		case filemode.Dir:
			if err := c.tree(e.Hash, depth+1); err != nil {
				return err
			}
		default:
			c.add(e.Hash)
		}
	}
	return nil
}

// openObject gives an object to be written into a pack.
type openObject func(plumbing.Hash) (plumbing.ObjectType, int64, io.ReadCloser, error)

// streamPack writes objects as a pack, without deltas, while take reads it.
func streamPack(ctx context.Context, hashes []plumbing.Hash, open openObject, take func(io.Reader) error) error {
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		buffered := bufio.NewWriterSize(w, 64<<10)
		err := writePack(ctx, buffered, hashes, open)
		if err == nil {
			err = buffered.Flush()
		}
		_ = w.CloseWithError(err)
	}()
	err := take(r)
	_ = r.CloseWithError(io.ErrClosedPipe)
	<-done
	return err
}

func writePack(ctx context.Context, out io.Writer, hashes []plumbing.Hash, open openObject) error {
	sum := sha1.New() //nolint:gosec // the format's sum
	w := io.MultiWriter(out, sum)
	head := binary.BigEndian.AppendUint32([]byte("PACK"), 2)
	if _, err := w.Write(binary.BigEndian.AppendUint32(head, uint32(len(hashes)))); err != nil {
		return err
	}
	deflate, err := zlib.NewWriterLevel(w, zlib.BestSpeed)
	if err != nil {
		return err
	}
	for _, h := range hashes {
		if err := ctx.Err(); err != nil {
			return err
		}
		kind, size, content, err := open(h)
		if err != nil {
			return err
		}
		if err := writeObject(w, deflate, entry{kind: kind, size: size}, content); err != nil {
			return err
		}
	}
	_, err = out.Write(sum.Sum(nil))
	return err
}

func writeObject(w io.Writer, deflate *zlib.Writer, e entry, content io.ReadCloser) error {
	defer content.Close()
	c := byte(e.kind)<<4 | byte(e.size&15)
	head := []byte{}
	for size := e.size >> 4; size > 0; size >>= 7 {
		head = append(head, c|0x80)
		c = byte(size & 0x7f)
	}
	if _, err := w.Write(append(head, c)); err != nil {
		return err
	}
	deflate.Reset(w)
	if _, err := io.Copy(deflate, content); err != nil {
		return err
	}
	return deflate.Close()
}
