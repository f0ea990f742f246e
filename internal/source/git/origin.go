package git

import (
	"errors"
	"io"
	"io/fs"
	"net/url"
	"path"
	"strings"
	"time"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	gitobject "github.com/go-git/go-git/v5/plumbing/object"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// Origin says which commit a directory of a work tree is from.
type Origin struct {
	URL     string    // of the remote origin, without credentials; "" when there is none
	Commit  string    // HEAD
	Author  string    // "Name <mail>"
	Subject string    // the first line of the message
	Time    time.Time // when it was committed
	Dirty   bool      // the directory holds something else than the commit
}

// OriginOf finds the commit that a directory of the work tree at root is from; nil when root is no work tree, or nothing was committed yet.
// The files are those of the directory that count, and are compared with what the commit has there: only a difference in them makes it
// dirty.
func OriginOf(root, directory string, files fs.FS) (*Origin, error) {
	repository, err := gogit.PlainOpenWithOptions(root, &gogit.PlainOpenOptions{EnableDotGitCommonDir: true})
	if errors.Is(err, gogit.ErrRepositoryNotExists) {
		return nil, nil //nolint:nilnil // no origin is not an error
	}
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "read", "the repository "+root, err)
	}
	head, err := repository.Head()
	if errors.Is(err, plumbing.ErrReferenceNotFound) {
		return nil, nil //nolint:nilnil // no commit is not an error
	}
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "read", "the repository "+root, err)
	}
	commit, err := repository.CommitObject(head.Hash())
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "read", "the commit "+head.Hash().String(), err)
	}
	subject, _, _ := strings.Cut(strings.TrimSpace(commit.Message), "\n")
	origin := &Origin{
		URL: originURL(repository), Commit: commit.Hash.String(), Time: commit.Committer.When.UTC(),
		Author: oneLine([]byte(commit.Author.Name + " <" + commit.Author.Email + ">")), Subject: oneLine([]byte(subject)),
	}
	same, err := holds(commit, directory, files)
	origin.Dirty = !same
	return origin, fault.Wrap(fault.Invalid, "compare", "the directory with its commit", err)
}

// originURL gives the remote's URL without what is secret in it.
func originURL(repository *gogit.Repository) string {
	remote, err := repository.Remote("origin")
	if err != nil || len(remote.Config().URLs) == 0 {
		return ""
	}
	text := remote.Config().URLs[0]
	if parsed, err := url.Parse(text); err == nil && parsed.Host != "" {
		if parsed.Scheme == "http" || parsed.Scheme == "https" {
			parsed.User = nil
		} else if parsed.User != nil {
			parsed.User = url.User(parsed.User.Username())
		}
		return parsed.String()
	}
	if strings.HasPrefix(text, "/") || strings.HasPrefix(text, ".") {
		return "" // a path says nothing on another machine
	}
	return text
}

// holds says whether a directory of a commit holds exactly these files.
func holds(commit *gitobject.Commit, directory string, files fs.FS) (bool, error) {
	tree, err := commit.Tree()
	if err == nil && path.Clean(directory) != "." {
		tree, err = tree.Tree(path.Clean(directory))
	}
	if errors.Is(err, gitobject.ErrDirectoryNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	committed := map[string]gitobject.TreeEntry{}
	walker := gitobject.NewTreeWalker(tree, true, nil)
	defer walker.Close()
	for {
		name, entry, err := walker.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return false, err
		}
		if entry.Mode != filemode.Dir {
			committed[name] = entry
		}
	}
	return matches(committed, files)
}

var errDiffers = errors.New("it differs")

func matches(committed map[string]gitobject.TreeEntry, files fs.FS) (bool, error) {
	left := len(committed)
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		left--
		mode, hash, err := asBlob(files, name, entry)
		if err != nil {
			return err
		}
		if want, there := committed[name]; !there || want.Mode != mode || want.Hash != hash {
			return errDiffers
		}
		return nil
	})
	if errors.Is(err, errDiffers) {
		return false, nil
	}
	return err == nil && left == 0, err
}

// asBlob gives a file's mode and hash as Git has them: a link is a file that says where it leads.
func asBlob(files fs.FS, name string, entry fs.DirEntry) (filemode.FileMode, plumbing.Hash, error) {
	if entry.Type()&fs.ModeSymlink != 0 {
		target, err := fs.ReadLink(files, name)
		return filemode.Symlink, plumbing.ComputeHash(plumbing.BlobObject, []byte(target)), err
	}
	file, err := files.Open(name)
	if err != nil {
		return 0, plumbing.ZeroHash, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return 0, plumbing.ZeroHash, err
	}
	sum := plumbing.NewHasher(plumbing.BlobObject, info.Size())
	_, err = io.Copy(sum, file)
	if info.Mode()&0o100 != 0 {
		return filemode.Executable, sum.Sum(), err
	}
	return filemode.Regular, sum.Sum(), err
}
