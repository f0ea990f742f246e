package packed_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/packed"
	"github.com/setpoint-dev/setpoint/internal/state"
)

func tarOf(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range headers {
		text := h.Name
		if h.Typeflag == 0 {
			h.Typeflag, h.Size, h.Mode = tar.TypeReg, int64(len(text)), h.Mode|0o644
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(w, text); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func gzipped(t testing.TB, content []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zipOf(t testing.TB, change func(*zip.FileHeader), names ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, name := range names {
		header := &zip.FileHeader{Name: name, Method: zip.Deflate}
		header.SetMode(0o644)
		if change != nil {
			change(header)
		}
		into, err := w.CreateHeader(header)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(into, name); err != nil && !strings.HasSuffix(name, "/") {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func unpack(t testing.TB, archive io.Reader, format packed.Format, limits source.Limits) (*packed.Writer, error) {
	t.Helper()
	store, err := packed.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w, err := store.Create("up", limits)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Abort)
	return w, w.Unpack(t.Context(), archive, format, 0)
}

func TestUnpackGivesTheSameOfEveryFormat(t *testing.T) {
	plain := tarOf(t, tar.Header{Name: "pax_global_header", Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "x"}},
		tar.Header{Name: "./top/", Typeflag: tar.TypeDir}, tar.Header{Name: "./top/a"}, tar.Header{Name: "top/sub/b"},
		tar.Header{Name: "top/" + strings.Repeat("long/", 40) + "c"}, tar.Header{Name: "top/empty/", Typeflag: tar.TypeDir})
	names := []string{"top/a", "top/sub/b", "top/" + strings.Repeat("long/", 40) + "c"}
	for i, archive := range [][]byte{plain, gzipped(t, plain)} {
		format := packed.Detect(archive)
		if want := []packed.Format{packed.Tar, packed.TarGz}[i]; format != want {
			t.Fatalf("detected %q, want %q", format, want)
		}
		w, err := unpack(t, bytes.NewReader(archive), format, source.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		a := commit(t, w, "1")
		content(t, a, "top/a", "./top/a")
		content(t, a, "top/sub/b", "top/sub/b")
		if _, err := a.Stat("top/empty"); !errors.Is(err, fs.ErrNotExist) {
			t.Error("an empty directory is content")
		}
	}
	archive := zipOf(t, nil, append(names, "top/empty/")...)
	if packed.Detect(archive) != packed.Zip || packed.Detect(nil) != "" || packed.Detect([]byte("<html>")) != "" {
		t.Error("detected something else")
	}
	for _, reader := range []io.Reader{bytes.NewReader(archive), io.MultiReader(bytes.NewReader(archive))} {
		w, err := unpack(t, reader, packed.Zip, source.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		content(t, commit(t, w, "1"), names[2], names[2])
	}
}

func TestUnpackStripsDirectories(t *testing.T) {
	w := create(t, open(t, t.TempDir()), "up")
	archive := tarOf(t, tar.Header{Name: "chart/", Typeflag: tar.TypeDir}, tar.Header{Name: "chart/a"}, tar.Header{Name: "README"}, tar.Header{Name: "chart/sub/b"})
	if err := w.Unpack(t.Context(), bytes.NewReader(archive), packed.Tar, 1); err != nil {
		t.Fatal(err)
	}
	a := commit(t, w, "1")
	content(t, a, "a", "chart/a")
	content(t, a, "sub/b", "chart/sub/b")
	if entries, err := a.ReadDir("."); err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestTarAttacks(t *testing.T) {
	few := source.Limits{Files: 10, FileSize: 1000, Bytes: 3000}
	many := make([]tar.Header, 0, 100)
	for i := range 100 {
		many = append(many, tar.Header{Name: fmt.Sprint("f", i)})
	}
	dirs := make([]tar.Header, 0, 100)
	for i := range 100 {
		dirs = append(dirs, tar.Header{Name: fmt.Sprint("d", i, "/"), Typeflag: tar.TypeDir})
	}
	device := func(kind byte) []byte { return tarOf(t, tar.Header{Name: "dev", Typeflag: kind, Linkname: "a"}) }
	link := func(target string) []byte {
		return tarOf(t, tar.Header{Name: "a/l", Typeflag: tar.TypeSymlink, Linkname: target})
	}
	for name, test := range map[string]struct {
		archive []byte
		word    string
	}{
		"absolute":         {tarOf(t, tar.Header{Name: "/etc/passwd"}), "/etc/passwd"},
		"upwards":          {tarOf(t, tar.Header{Name: "a/../../x"}), "a/../../x"},
		"upwards inside":   {tarOf(t, tar.Header{Name: "a/../x"}), "a/../x"},
		"link outside":     {link("../../x"), "../../x"},
		"absolute link":    {link("/etc"), "/etc"},
		"through a link":   {tarOf(t, tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "d"}, tar.Header{Name: "l/x"}), "l"},
		"link over a dir":  {tarOf(t, tar.Header{Name: "d/x"}, tar.Header{Name: "d", Typeflag: tar.TypeSymlink, Linkname: "e"}), "d"},
		"dir over a link":  {tarOf(t, tar.Header{Name: "d", Typeflag: tar.TypeSymlink, Linkname: "e"}, tar.Header{Name: "d/", Typeflag: tar.TypeDir}), "d"},
		"hard link":        {device(tar.TypeLink), "hard link"},
		"character device": {device(tar.TypeChar), "dev"},
		"block device":     {device(tar.TypeBlock), "dev"},
		"pipe":             {device(tar.TypeFifo), "dev"},
		"twice":            {tarOf(t, tar.Header{Name: "a"}, tar.Header{Name: "./a"}), "twice"},
		"many files":       {tarOf(t, many...), "10"},
		"many directories": {tarOf(t, dirs...), "10"},
		"cut off":          {tarOf(t, tar.Header{Name: "a"})[:512], ""},
		"cut off in order": {tarOf(t, tar.Header{Name: "a"}, tar.Header{Name: "b"})[:1024], "cut off"},
		"no archive":       {[]byte("<html>" + strings.Repeat(" ", 1000)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			for format, archive := range map[packed.Format][]byte{packed.Tar: test.archive, packed.TarGz: gzipped(t, test.archive)} {
				_, err := unpack(t, bytes.NewReader(archive), format, few)
				if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), test.word) {
					t.Errorf("%s: %v of kind %s", format, err, fault.KindOf(err))
				}
			}
		})
	}
}

func TestUnpackEndsWithItsContextAndReader(t *testing.T) {
	archive := tarOf(t, tar.Header{Name: "a"}, tar.Header{Name: "b"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := create(t, open(t, t.TempDir()), "up")
	if err := w.Unpack(ctx, bytes.NewReader(archive), packed.Tar, 0); fault.KindOf(err) != fault.Transient {
		t.Errorf("%v of kind %s", err, fault.KindOf(err))
	}
	broken := fault.New(fault.Transient, "fetch", "x", "the connection ended too early")
	for _, format := range []packed.Format{packed.Tar, packed.Zip} {
		_, err := unpack(t, io.MultiReader(bytes.NewReader(archive[:600]), errReader{broken}), format, source.Limits{})
		if fault.KindOf(err) != fault.Transient {
			t.Errorf("%s: %v of kind %s", format, err, fault.KindOf(err))
		}
	}
	if _, err := unpack(t, strings.NewReader(""), "", source.Limits{}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("%v of kind %s", err, fault.KindOf(err))
	}
}

func TestZipAttacks(t *testing.T) {
	few := source.Limits{Files: 10, FileSize: 1000, Bytes: 3000}
	many := make([]string, 0, 10_000)
	for i := range 10_000 {
		many = append(many, fmt.Sprint("f", i))
	}
	as := func(mode fs.FileMode) func(*zip.FileHeader) { return func(h *zip.FileHeader) { h.SetMode(mode) } }
	lying := func(size uint32) []byte { // of one file, in the index
		archive := zipOf(t, nil, "lying")
		at := bytes.LastIndex(archive, []byte("PK\x01\x02"))
		binary.LittleEndian.PutUint32(archive[at+24:], size)
		return archive
	}
	encrypted := zipOf(t, nil, "locked")
	encrypted[bytes.LastIndex(encrypted, []byte("PK\x01\x02"))+8] |= 1
	for name, test := range map[string]struct {
		archive []byte
		word    string
	}{
		"absolute":      {zipOf(t, nil, "/etc/passwd"), "/etc/passwd"},
		"upwards":       {zipOf(t, nil, "../x"), "../x"},
		"twice":         {zipOf(t, nil, "a", "a"), "twice"},
		"link outside":  {zipOf(t, as(fs.ModeSymlink|0o777), "../x"), "../x"},
		"absolute link": {zipOf(t, as(fs.ModeSymlink|0o777), "/x"), "/x"},
		"device":        {zipOf(t, as(fs.ModeDevice|0o644), "dev"), "dev"},
		"many files":    {zipOf(t, nil, many[:20]...), "10"},
		"a long index":  {zipOf(t, func(h *zip.FileHeader) { h.Method = zip.Store }, many...), "10"},
		"says less":     {lying(2), "lying"},
		"says more":     {lying(900), "lying"},
		"says huge":     {lying(1 << 31), "lying"},
		"encrypted":     {encrypted, "locked"},
		"cut off":       {zipOf(t, nil, "a")[:40], ""},
		"no archive":    {[]byte("PK\x03\x04"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := unpack(t, bytes.NewReader(test.archive), packed.Zip, few)
			if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), test.word) {
				t.Errorf("%v of kind %s", err, fault.KindOf(err))
			}
		})
	}
}

// endless gives headers of empty files, for ever.
type endless struct {
	left []byte
	next func(i int) []byte
	i    int
}

func (e *endless) Read(p []byte) (int, error) {
	if len(e.left) == 0 {
		e.left = e.next(e.i)
		e.i++
	}
	n := copy(p, e.left)
	e.left = e.left[n:]
	return n, nil
}

// TestMemoryIsBounded: whatever an archive holds, unpacking takes 256 MiB at the very most with the limits that an agent has.
func TestMemoryIsBounded(t *testing.T) {
	header := func(h tar.Header) []byte { return bytes.TrimRight(tarOf(t, h), "\x00") }
	padded := func(content []byte) []byte { return append(content, make([]byte, (512-len(content)%512)%512)...) }
	name := strings.Repeat("n", 50)
	for what, next := range map[string]func(int) []byte{
		"millions of files": func(i int) []byte {
			return padded(header(tar.Header{Name: fmt.Sprint(name, i), Typeflag: tar.TypeSymlink, Linkname: "x"}))
		},
		"millions of directories": func(i int) []byte {
			return padded(header(tar.Header{Name: fmt.Sprint(name, i, "/"), Typeflag: tar.TypeDir}))
		},
	} {
		t.Run(what, func(t *testing.T) {
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := unpack(t, &endless{next: next}, packed.Tar, source.Limits{Files: 20_000, FileSize: 1 << 20, Bytes: 64 << 20})
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("%v of kind %s", err, fault.KindOf(err))
			}
			runtime.ReadMemStats(&after)
			if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 256<<20 {
				t.Errorf("the heap has grown by %d MiB", grown>>20)
			}
		})
	}
}

// TestABombIsRefused: a few kilobytes that become megabytes.
func TestABombIsRefused(t *testing.T) {
	var bomb bytes.Buffer
	compressed := gzip.NewWriter(&bomb)
	archive := tar.NewWriter(compressed)
	for i := range 3 {
		if err := archive.WriteHeader(&tar.Header{Name: fmt.Sprint("zeros", i), Mode: 0o644, Size: 4 << 20}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(archive, zeros{}, 4<<20); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), compressed.Close()); err != nil {
		t.Fatal(err)
	}
	_, err := unpack(t, &bomb, packed.TarGz, source.Limits{Files: 10, FileSize: 5 << 20, Bytes: 10 << 20})
	if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "10485760") {
		t.Errorf("%v of kind %s", err, fault.KindOf(err))
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func FuzzUnpackTar(f *testing.F) {
	f.Add(tarOf(f, tar.Header{Name: "a"}, tar.Header{Name: "b/c"}, tar.Header{Name: "b/l", Typeflag: tar.TypeSymlink, Linkname: "c"}), 0)
	f.Add(tarOf(f, tar.Header{Name: "top/l", Typeflag: tar.TypeSymlink, Linkname: "../../x"}), 1)
	f.Add(tarOf(f, tar.Header{Name: strings.Repeat("long/", 60) + "x"}), 1)
	f.Add(gzipped(f, tarOf(f, tar.Header{Name: "a"})), 0)
	f.Fuzz(func(t *testing.T, archive []byte, strip int) {
		format := packed.Tar
		if packed.Detect(archive) == packed.TarGz {
			format = packed.TarGz
		}
		roundTrip(t, archive, format, strip)
	})
}

func FuzzUnpackZip(f *testing.F) {
	f.Add(zipOf(f, nil, "a", "b/c", "d/"))
	f.Add(zipOf(f, func(h *zip.FileHeader) { h.SetMode(fs.ModeSymlink | 0o777) }, "a", "b/../c"))
	f.Fuzz(func(t *testing.T, archive []byte) { roundTrip(t, archive, packed.Zip, 0) })
}

// roundTrip checks that an archive is refused as Invalid, or read back and packed again as it was committed.
func roundTrip(t *testing.T, archive []byte, format packed.Format, strip int) {
	t.Helper()
	limits := source.Limits{Files: 50, FileSize: 1 << 16, Bytes: 1 << 18}
	dir := t.TempDir()
	store := open(t, dir)
	w, err := store.Create("up", limits)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if err := w.Unpack(t.Context(), bytes.NewReader(archive), format, max(strip, 0)%4); err != nil {
		if fault.KindOf(err) != fault.Invalid {
			t.Fatalf("%v of kind %s", err, fault.KindOf(err))
		}
		return
	}
	digest := w.Digest()
	if _, err := w.Commit(state.Revision{ID: "1"}); err != nil {
		t.Fatal(err)
	}
	a, ok := open(t, dir).Load("1").(*packed.Artifact)
	if !ok || a.Digest() != digest {
		t.Fatal("what is loaded is not what was committed")
	}
	readAll(t, a)
	var again bytes.Buffer
	if err := packed.Pack(t.Context(), &again, a, source.Limits{}); err != nil {
		t.Fatal(err)
	}
	back, err := store.Create("back", limits)
	if err != nil {
		t.Fatal(err)
	}
	defer back.Abort()
	if err := back.Unpack(t.Context(), &again, packed.TarGz, 0); err != nil || back.Digest() != digest {
		t.Fatalf("packed and unpacked it is another: %v", err)
	}
}

func readAll(t *testing.T, a source.Artifact) {
	t.Helper()
	err := fs.WalkDir(a, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Type() == fs.ModeSymlink {
			return err
		}
		_, err = a.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
