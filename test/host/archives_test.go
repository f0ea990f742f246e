package host_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/setpoint-dev/setpoint/test/host"
)

// archiveServer serves builds as archives, good ones and bad ones.
type archiveServer struct {
	url   string
	files map[string][]byte
}

func serveArchives(t *testing.T) *archiveServer {
	t.Helper()
	program, err := os.ReadFile(host.Sample(t))
	if err != nil {
		t.Fatal(err)
	}
	serve := &tar.Header{Name: "app-1.0/bin/serve", Mode: 0o755, Size: int64(len(program))}
	a := &archiveServer{files: map[string][]byte{
		"good.tar.gz":         pack(t, true, entry{serve, program}),
		"wrong-digest.tar.gz": pack(t, true, entry{serve, program}),
		"dotdot.tar":          pack(t, false, entry{&tar.Header{Name: "../../outside", Mode: 0o644, Size: 1}, []byte("x")}),
		"link.tar": pack(t, false, entry{&tar.Header{Name: "app/out", Typeflag: tar.TypeSymlink, Linkname: "/etc"}, nil},
			entry{&tar.Header{Name: "app/out/outside", Mode: 0o644, Size: 1}, []byte("x")}),
		"garbage.tar.gz": []byte(strings.Repeat("this is no archive\n", 100)),
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, found := a.files[strings.TrimPrefix(r.URL.Path, "/")]
		if !found {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(data)
	}))
	t.Cleanup(server.Close)
	a.url = server.URL
	return a
}

type entry struct {
	header *tar.Header
	data   []byte
}

func pack(t *testing.T, compressed bool, entries ...entry) []byte {
	t.Helper()
	var plain bytes.Buffer
	archive := tar.NewWriter(&plain)
	for _, one := range entries {
		if err := archive.WriteHeader(one.header); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write(one.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if !compressed {
		return plain.Bytes()
	}
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	if _, err := zip.Write(plain.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// of gives the fields of a build's archive; one that is called wrong-digest has another digest than it says.
func (a *archiveServer) of(name string) string {
	sum := sha256.Sum256(a.files[name])
	if strings.HasPrefix(name, "wrong-digest") {
		sum = sha256.Sum256([]byte("something else"))
	}
	return fmt.Sprintf("url: %s/%s, sha256: %s, strip: 1", a.url, name, hex.EncodeToString(sum[:]))
}

// TestArchive: an app whose build is an archive.
func TestArchive(t *testing.T) {
	archives, port := serveArchives(t), host.FreePort(t)
	app := host.App("./bin/serve", "one", port)
	app = strings.Replace(app, "build: {directory: build}", "build: {archive: {"+archives.of("good.tar.gz")+"}}", 1)
	s := host.Play(t, map[string]string{"app.yaml": app})
	s.Says(fmt.Sprintf("http://127.0.0.1:%d/", port), "one ")
}
