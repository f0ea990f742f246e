package git

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/test/gitserver"
)

func packFiles(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*", packFolder, "*.pack"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestOldObjectsGo pulls many revisions: the packs stay few, and an artifact that somebody holds stays whole.
func TestOldObjectsGo(t *testing.T) {
	s := newSite(t, "file", gitserver.Options{})
	s.Write(map[string]string{"a": "0", "sub/b": "b"})
	u := s.Upstream(source.DefaultLimits)
	held, _, err := u.Pull(context.Background(), nil)
	s.must(err)
	dropped := plumbing.NewHash(s.Write(map[string]string{"gone": "gone"}))
	known, _, err := u.Pull(context.Background(), held)
	s.must(err)
	for i := range 2 * maxPacks {
		s.Write(map[string]string{"a": fmt.Sprint(i)})
		known, _, err = u.Pull(context.Background(), known)
		s.must(err)
		if i == 2 {
			runtime.GC() // so that only what is held counts as held
		}
	}
	if n := len(packFiles(t, s.dir)); n > maxPacks {
		t.Errorf("there are %d packs", n)
	}
	if u.(*upstream).store.has(dropped) {
		t.Error("an old commit is still there")
	}
	for path, want := range map[string]string{"a": "0", "sub/b": "b"} {
		if data, err := held.ReadFile(path); err != nil || string(data) != want {
			t.Errorf("%s: got %q and error %v", path, data, err)
		}
	}
}

// TestDamageIsFoundAndRepaired flips bytes all over the packs.
func TestDamageIsFoundAndRepaired(t *testing.T) {
	s := newSite(t, "http", gitserver.Options{})
	files := map[string]string{}
	for i := range 50 {
		files[fmt.Sprintf("d%d/f", i%7)+fmt.Sprint(i)] = strings.Repeat(fmt.Sprint(i), 500)
	}
	s.Write(files)
	u := s.Upstream(source.DefaultLimits)
	known, _, err := u.Pull(context.Background(), nil)
	s.must(err)
	for round := range 5 {
		for _, pack := range packFiles(t, s.dir) {
			s.must(os.Chmod(pack, 0o600))
			content, err := os.ReadFile(pack)
			s.must(err)
			for i := 100 + round; i < len(content)-20; i += 97 {
				content[i] ^= 0x55
			}
			s.must(os.WriteFile(pack, content, 0o600)) // in place: the open file changes, too
		}
		failed := 0
		for path, want := range files {
			data, err := known.ReadFile(path)
			if err != nil {
				failed++
			} else if string(data) != want {
				t.Fatalf("%s: damaged content was given out", path)
			}
		}
		if failed == 0 {
			t.Fatal("no damage was found")
		}
		known, _, err = u.Pull(context.Background(), known)
		s.must(err)
		for path, want := range files {
			if data, err := known.ReadFile(path); err != nil || string(data) != want {
				t.Fatalf("%s after the repair: %v", path, err)
			}
		}
	}
}

// TestBrokenFolderIsMadeAnew starts on what a full disk or a power failure may leave.
func TestBrokenFolderIsMadeAnew(t *testing.T) {
	for name, harm := range map[string]func(file string) error{
		"empty":     func(file string) error { return os.Truncate(file, 0) },
		"shortened": func(file string) error { return os.Truncate(file, 40) },
		"removed":   os.Remove,
		"rubbish":   func(file string) error { return os.WriteFile(file, bytes.Repeat([]byte("rubbish "), 100), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, "http", gitserver.Options{})
			s.Write(map[string]string{"a": "1"})
			origin := s.Upstream(source.DefaultLimits)
			_, _, err := origin.Pull(context.Background(), nil)
			s.must(err)
			s.must(filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() || filepath.Base(path) == "last.json" {
					return err
				}
				copied := filepath.Join(s.dir, "copy", strings.TrimPrefix(path, s.dir))
				if strings.Contains(path, "/copy/") {
					return nil
				}
				s.must(os.MkdirAll(filepath.Dir(copied), 0o700))
				content, err := os.ReadFile(path)
				s.must(err)
				s.must(os.WriteFile(copied, content, 0o600))
				return harm(copied)
			}))
			copyLast(s, origin.(*upstream).store.dir)
			s.dir = filepath.Join(s.dir, "copy") // as another process would find it
			if a := s.Upstream(source.DefaultLimits).Last(); a != nil {
				t.Errorf("an artifact was made of nothing: %v", a)
			}
			if content, _ := s.pulled(s.Upstream(source.DefaultLimits), "a"); content != "1" {
				t.Errorf("got %q", content)
			}
		})
	}
}

func copyLast(s *site, dir string) {
	content, err := os.ReadFile(filepath.Join(dir, "last.json"))
	s.must(err)
	s.must(os.WriteFile(filepath.Join(s.dir, "copy", filepath.Base(dir), "last.json"), content, 0o600))
}

// TestPullerProcess is the child of TestKill: it pulls for ever.
func TestPullerProcess(t *testing.T) {
	url := os.Getenv("PULLER_URL")
	if url == "" {
		return // it is not the child
	}
	u, err := New(v1alpha1.GitSource{URL: url}, Options{Dir: os.Getenv("PULLER_DIR")})
	if err != nil {
		t.Fatal(err)
	}
	known := u.Last()
	for {
		if a, _, err := u.Pull(context.Background(), known); err == nil {
			known = a
		}
	}
}

// TestKill kills a pulling process at random instants: what is on disk is always usable, and nothing is left lying about.
func TestKill(t *testing.T) {
	s := newSite(t, "http", gitserver.Options{})
	s.spec.Ref = v1alpha1.GitRef{}
	files := map[string]string{}
	for i := range 300 {
		files[fmt.Sprintf("d%d/f%d", i%10, i)] = strings.Repeat(fmt.Sprint(i), 200)
	}
	s.Write(files)
	for round := range 20 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestPullerProcess$")
		cmd.Env = append(os.Environ(), "PULLER_URL="+s.spec.URL, "PULLER_DIR="+s.dir)
		s.must(cmd.Start())
		for range 3 {
			s.Write(map[string]string{"d1/f1": fmt.Sprint(round, rand.Int()), fmt.Sprint("new/", round): strings.Repeat("x", 10_000)})
			time.Sleep(time.Duration(rand.IntN(15)) * time.Millisecond)
		}
		s.must(cmd.Process.Kill())
		_ = cmd.Wait()
	}
	u := s.Upstream(source.DefaultLimits)
	if last := u.Last(); last != nil {
		if _, err := last.ReadFile("d0/f0"); err != nil {
			t.Error(err)
		}
	}
	a, _, err := u.Pull(context.Background(), u.Last())
	s.must(err)
	if a.Revision().ID != s.repo.Head() {
		t.Errorf("got %s, want %s", a.Revision().ID, s.repo.Head())
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, "*", "*", "incoming-*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

// TestPacksAreReadLikeGitDoes compares every object of a pack full of deltas with git's own idea of it.
func TestPacksAreReadLikeGitDoes(t *testing.T) {
	s := newSite(t, "http", gitserver.Options{})
	text := []string{}
	for i := range 400 {
		text = append(text, fmt.Sprintf("line %d of the file", i))
	}
	for i := range 40 {
		text[rand.IntN(len(text))] = fmt.Sprint("changed ", i)
		s.Write(map[string]string{"a": strings.Join(text, "\n"), fmt.Sprint("d/", i): fmt.Sprint(i)})
	}
	s.repo.Git("repack", "-adfq", "--depth=50", "--window=50")
	pack, err := filepath.Glob(filepath.Join(s.folder(), "objects", "pack", "*.pack"))
	s.must(err)
	content, err := os.ReadFile(pack[0])
	s.must(err)
	st, err := openStore(t.TempDir(), source.DefaultLimits)
	s.must(err)
	s.must(st.add(bytes.NewReader(content)))
	lines := strings.Split(s.repo.Git("cat-file", "--batch-check", "--batch-all-objects"), "\n")
	kinds := map[string]plumbing.ObjectType{"blob": plumbing.BlobObject, "tree": plumbing.TreeObject, "commit": plumbing.CommitObject}
	for _, line := range lines {
		var name, kind string
		var size int64
		_, err := fmt.Sscan(line, &name, &kind, &size)
		s.must(err)
		got, err := st.size(plumbing.NewHash(name))
		if err != nil || got != size {
			t.Errorf("%s: got the size %d and error %v, want %d", name, got, err, size)
		}
		if data, err := st.read(plumbing.NewHash(name), kinds[kind], 1<<20); err != nil || int64(len(data)) != size {
			t.Errorf("%s: got %d bytes and error %v, want %d", name, len(data), err, size)
		}
	}
	if len(lines) < 100 {
		t.Errorf("there are only %d objects", len(lines))
	}
	t.Run("damaged on the way", func(t *testing.T) {
		for range 100 {
			broken := bytes.Clone(content)
			for range 1 + rand.IntN(3) {
				broken[rand.IntN(len(broken))] ^= byte(1 + rand.IntN(255))
			}
			if rand.IntN(3) == 0 {
				broken = broken[:rand.IntN(len(broken))]
			}
			if _, err := receive(bytes.NewReader(broken), filepath.Join(t.TempDir(), "0.pack"), st.bounds(), nowhere); err == nil {
				t.Fatal("a damaged pack was taken in")
			}
		}
	})
}

// TestPackBounds takes in packs that are made to exhaust memory or disk.
func TestPackBounds(t *testing.T) {
	small := bounds{pack: 1 << 20, sum: 4 << 20, object: 1 << 20}
	for name, c := range map[string]struct {
		pack   []byte
		bounds bounds
	}{
		"zeros":         {packOf(rawObject(plumbing.BlobObject, make([]byte, 8<<20))), small},
		"pack file":     {packOf(rawObject(plumbing.BlobObject, noise(100_000))), bounds{pack: 50_000, sum: 1 << 30, object: 1 << 30}},
		"delta to 1 GB": {packOf(rawObject(plumbing.BlobObject, noise(100)), rawDelta(100, 1<<30)), small},
		"count":         {append([]byte("PACK\x00\x00\x00\x02"), 0xff, 0xff, 0xff, 0xff), small},
	} {
		_, err := receive(bytes.NewReader(c.pack), filepath.Join(t.TempDir(), "0.pack"), c.bounds, nowhere)
		if !errors.Is(err, errTooLarge) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.IntN(256))
	}
	return b
}

type raw struct {
	head    []byte
	content []byte
}

func rawObject(kind plumbing.ObjectType, content []byte) raw {
	return raw{[]byte{byte(kind)}, content}
}

// rawDelta is a delta on the object with the all-zero content's name: its base is what stands first in the pack.
func rawDelta(from, to uint64) raw {
	delta := binary.AppendUvarint(binary.AppendUvarint(nil, from), to)
	return raw{[]byte{byte(plumbing.OFSDeltaObject)}, append(delta, 0x90, 1)}
}

// packOf writes objects as a pack; an offset-delta's base is the first object.
func packOf(objects ...raw) []byte {
	var pack bytes.Buffer
	pack.Write(binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), uint32(len(objects))))
	for _, o := range objects {
		kind, size := o.head[0], len(o.content)
		var body bytes.Buffer
		at := pack.Len()
		c := kind<<4 | byte(size&15)
		for size >>= 4; size > 0; size >>= 7 {
			body.WriteByte(c | 0x80)
			c = byte(size & 0x7f)
		}
		body.WriteByte(c)
		if kind == byte(plumbing.OFSDeltaObject) {
			back := at - 12
			if back >= 128 {
				body.WriteByte(byte(back>>7) - 1 | 0x80)
			}
			body.WriteByte(byte(back & 0x7f))
		}
		pack.Write(body.Bytes())
		pack.Write(deflated(o.content))
	}
	sum := sha1.Sum(pack.Bytes())
	return append(pack.Bytes(), sum[:]...)
}

func deflated(content []byte) []byte {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write(content)
	_ = w.Close()
	return b.Bytes()
}
