package gitserver

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Repo writes to one branch of a repository on the server, as somebody would who pushes. What goes wrong fails the test, or
// panics where there is none.
type Repo struct {
	server *Server
	dir    string
	name   string
	branch string
	author string
}

// Repo gives a repository by its name, made when there is none. It writes to main.
func (s *Server) Repo(name string) *Repo {
	r := &Repo{server: s, dir: filepath.Join(s.repositories(), name+".git"), name: name, branch: "main", author: "Ann <ann@example.com>"}
	if _, err := os.Stat(r.dir); err != nil {
		if err := initBare(r.dir); err != nil {
			s.fail(err)
		}
	}
	return r
}

// initBare makes an empty repository as git init --bare does; tests make many.
func initBare(dir string) error {
	for _, folder := range []string{"objects/info", "objects/pack", "refs/heads", "refs/tags"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			return err
		}
	}
	config := "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "HEAD"), []byte("ref: refs/heads/main\n"), 0o600)
}

// URL gives the repository's address over HTTP.
func (r *Repo) URL() string { return r.server.URL(r.name) }

// SSHURL gives the repository's address over SSH.
func (r *Repo) SSHURL() string { return r.server.sshURL(r.name) }

// FileURL gives the repository's address on this machine.
func (r *Repo) FileURL() string { return "file://" + r.dir }

// On gives the same repository, writing to another branch: its first commit there starts from the commit at the tip of this one.
func (r *Repo) On(branch string) *Repo {
	if other := r.ref("refs/heads/" + branch); other == "" {
		if tip := r.Head(); tip != "" {
			r.Set("refs/heads/"+branch, tip)
		}
	}
	on := *r
	on.branch = branch
	return &on
}

// As gives the same repository, with another author: "Bob <bob@example.com>".
func (r *Repo) As(author string) *Repo {
	as := *r
	as.author = author
	return &as
}

// Head gives the commit at the branch's tip; "" when there is none.
func (r *Repo) Head() string { return r.ref("refs/heads/" + r.branch) }

func (r *Repo) ref(name string) string {
	if id, err := os.ReadFile(filepath.Join(r.dir, name)); err == nil {
		return strings.TrimSpace(string(id))
	}
	if _, err := os.Stat(filepath.Join(r.dir, "packed-refs")); err != nil {
		return "" // spares a process
	}
	return r.server.run(r.dir, "", "for-each-ref", "--format=%(objectname)", name)
}

// Commit writes files (path → content) and gives the new commit. Other files stay.
func (r *Repo) Commit(files map[string]string, message string) string {
	var b strings.Builder
	for _, path := range slices.Sorted(maps.Keys(files)) {
		inline(&b, "100644", path, files[path])
	}
	return r.change(r.Head(), b.String(), message)
}

// CommitFS writes all files of a file system, below a path of the repository, in one commit.
func (r *Repo) CommitFS(content fs.FS, below, message string) string {
	files := map[string]string{}
	err := fs.WalkDir(content, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(content, path)
		files[strings.TrimPrefix(below+"/"+path, "/")] = string(data)
		return err
	})
	if err != nil {
		r.server.fail(err)
	}
	return r.Commit(files, message)
}

// Executable writes a file that can be executed.
func (r *Repo) Executable(path, content, message string) string {
	var b strings.Builder
	inline(&b, "100755", path, content)
	return r.change(r.Head(), b.String(), message)
}

// Symlink writes a symbolic link.
func (r *Repo) Symlink(path, target, message string) string {
	var b strings.Builder
	inline(&b, "120000", path, target)
	return r.change(r.Head(), b.String(), message)
}

// Submodule adds another repository's commit at a path, with its URL in .gitmodules.
func (r *Repo) Submodule(path, url, commit, message string) string {
	var b strings.Builder
	inline(&b, "100644", ".gitmodules", fmt.Sprintf("[submodule %q]\n\tpath = %s\n\turl = %s\n", path, path, url))
	fmt.Fprintf(&b, "M 160000 %s %s\n", commit, strconv.Quote(path))
	return r.change(r.Head(), b.String(), message)
}

// Delete removes files or directories.
func (r *Repo) Delete(message string, paths ...string) string {
	var b strings.Builder
	for _, path := range paths {
		fmt.Fprintf(&b, "D %s\n", strconv.Quote(path))
	}
	return r.change(r.Head(), b.String(), message)
}

// Rename moves a file or directory.
func (r *Repo) Rename(from, to, message string) string {
	return r.change(r.Head(), fmt.Sprintf("R %s %s\n", strconv.Quote(from), strconv.Quote(to)), message)
}

// Amend replaces the commit at the tip by another one with the same parent, as a forced push does.
func (r *Repo) Amend(files map[string]string, message string) string {
	parent := r.server.run(r.dir, "", "rev-list", "--max-count=1", "--skip=1", "--first-parent", r.Head())
	var b strings.Builder
	for _, path := range slices.Sorted(maps.Keys(files)) {
		inline(&b, "100644", path, files[path])
	}
	return r.change(parent, b.String(), message)
}

// ForcePush moves the branch to any commit.
func (r *Repo) ForcePush(commit string) { r.Set("refs/heads/"+r.branch, commit) }

// Branch makes a branch at this one's tip.
func (r *Repo) Branch(name string) { r.Set("refs/heads/"+name, r.Head()) }

// DeleteBranch removes a branch.
func (r *Repo) DeleteBranch(name string) {
	r.server.run(r.dir, "", "update-ref", "-d", "refs/heads/"+name)
}

// Tag makes a tag at the branch's tip: a plain one without a message, else an annotated one.
func (r *Repo) Tag(name, message string) {
	if message == "" {
		r.Set("refs/tags/"+name, r.Head())
		return
	}
	r.server.run(r.dir, "", "-c", "user.name=Ann", "-c", "user.email=ann@example.com",
		"tag", "--force", "-a", "-m", message, name, r.Head())
}

// Set points a reference with its full name, such as refs/pull/7/head, to a commit.
func (r *Repo) Set(ref, commit string) { r.server.run(r.dir, "", "update-ref", ref, commit) }

// Config sets one of git's settings for the repository, such as uploadpack.allowFilter.
func (r *Repo) Config(name, value string) { r.server.run(r.dir, "", "config", name, value) }

// Git runs any git command in the repository and gives its output.
func (r *Repo) Git(args ...string) string { return r.server.run(r.dir, "", args...) }

// change makes a commit by git fast-import: one process, however many files.
func (r *Repo) change(parent, changes, message string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "commit refs/heads/%s\nmark :1\n", r.branch)
	fmt.Fprintf(&b, "author %s now\ncommitter %s now\n", r.author, r.author)
	fmt.Fprintf(&b, "data %d\n%s\n", len(message), message)
	if parent != "" {
		fmt.Fprintf(&b, "from %s\n", parent)
	}
	b.WriteString(changes)
	b.WriteString("\nget-mark :1\n")
	return r.server.run(r.dir, b.String(), "fast-import", "--quiet", "--force", "--date-format=now")
}

func inline(b *strings.Builder, mode, path, content string) {
	fmt.Fprintf(b, "M %s inline %s\ndata %d\n%s\n", mode, strconv.Quote(path), len(content), content)
}
