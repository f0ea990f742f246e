package host_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/setpoint-dev/setpoint/test/host"
)

// base is what a site publishes in a version: a folder with one File.
func base(version int) map[string]string {
	return map[string]string{
		"kustomization.yaml": "resources: [motd.yaml]\n",
		"motd.yaml":          host.File("motd", "/etc/motd", fmt.Sprintf("version %d", version)),
	}
}

// tarball packs files below a prefix.
func tarball(prefix string, files map[string]string) []byte {
	var out bytes.Buffer
	compressed := gzip.NewWriter(&out)
	archive := tar.NewWriter(compressed)
	for _, name := range []string{"Chart.yaml", "kustomization.yaml", "motd.yaml"} {
		content, there := files[name]
		if !there {
			continue
		}
		_ = archive.WriteHeader(&tar.Header{Name: prefix + name, Mode: 0o644, Size: int64(len(content))})
		_, _ = io.WriteString(archive, content)
	}
	_, _ = archive.Close(), compressed.Close() // nothing fails in memory
	return out.Bytes()
}

func sum(content []byte) string { return fmt.Sprintf("%x", sha256.Sum256(content)) }

// publishing is a kind of server: what declares it as a source, and what it answers of a version.
type publishing struct {
	// declare gives the fields of a source.
	declare func(host string) string
	// answer gives what is at a path, with its type; content says that it is what is published itself, not a look-up.
	answer func(version int, r *http.Request) (body []byte, mediaType string, content bool)
}

var publishers = map[string]publishing{
	"oci": {
		func(host string) string { return "oci: {url: \"oci://" + host + "/fleet/base\", " },
		func(version int, r *http.Request) ([]byte, string, bool) {
			layer := tarball("", base(version))
			const manifest = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",` +
				`"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:%s","size":2},` +
				`"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:%s","size":%d}]}`
			switch {
			case strings.Contains(r.URL.Path, "/manifests/"):
				text := fmt.Appendf(nil, manifest, sum([]byte("{}")), sum(layer), len(layer))
				return text, "application/vnd.oci.image.manifest.v1+json", false
			case strings.HasSuffix(r.URL.Path, "/blobs/sha256:"+sum(layer)):
				return layer, "application/octet-stream", true
			}
			return nil, "", false
		},
	},
	"helm": {
		func(host string) string { return "helm: {url: \"https://" + host + "\", chart: base, " },
		func(version int, r *http.Request) ([]byte, string, bool) {
			files := base(version)
			files["Chart.yaml"] = fmt.Sprintf("apiVersion: v2\nname: base\nversion: 1.0.%d\n", version)
			archive := tarball("base/", files)
			switch r.URL.Path {
			case "/index.yaml":
				return fmt.Appendf(nil, "apiVersion: v1\nentries:\n  base:\n  - {apiVersion: v2, name: base, version: 1.0.%d, urls: [base-1.0.%d.tgz], digest: %s}\n",
					version, version, sum(archive)), "text/yaml", false
			case fmt.Sprintf("/base-1.0.%d.tgz", version):
				return archive, "application/gzip", true
			}
			return nil, "", false
		},
	},
	"bucket": {
		func(host string) string {
			return "bucket: {endpoint: \"https://" + host + "\", bucket: fleet, region: eu-central-1, "
		},
		func(version int, r *http.Request) ([]byte, string, bool) {
			files := base(version)
			if name := strings.TrimPrefix(r.URL.Path, "/fleet/"); name != "" {
				return []byte(files[name]), "text/yaml", true
			}
			list := &bytes.Buffer{}
			for _, name := range []string{"kustomization.yaml", "motd.yaml"} {
				fmt.Fprintf(list, "<Contents><Key>%s</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>\"%x\"</ETag><Size>%d</Size></Contents>",
					name, md5.Sum([]byte(files[name])), len(files[name]))
			}
			return fmt.Appendf(nil, "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>%s</ListBucketResult>", list),
				"application/xml", false
		},
	},
	"archive": {
		func(host string) string { return "archive: {url: \"https://" + host + "/base.tar.gz\", " },
		func(version int, _ *http.Request) ([]byte, string, bool) {
			return tarball("", base(version)), "application/gzip", true
		},
	},
}

// site is a server that publishes versions, as long as it is not told to do otherwise. Safe for concurrent use.
type site struct {
	publishing
	server *httptest.Server
	caFile string

	mu      sync.Mutex
	version int
	worse   misbehaviour
}

// misbehaviour answers instead of a site; good is what the site would answer.
type misbehaviour struct {
	everywhere bool // also look-ups, not only what is published
	answer     func(w http.ResponseWriter, r *http.Request, good []byte)
}

func newSite(t *testing.T, kind string) *site {
	t.Helper()
	s := &site{publishing: publishers[kind], version: 1}
	s.server = httptest.NewTLSServer(s)
	t.Cleanup(func() { s.server.CloseClientConnections(); s.server.Close() })
	s.caFile = filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.server.Certificate().Raw})
	if err := os.WriteFile(s.caFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// source declares the site as one that is looked at every second, for five at most.
func (s *site) source() string {
	return s.declare(s.server.Listener.Addr().String()) + "caFile: " + s.caFile + "}, interval: 1s, timeout: 5s"
}

// publish makes a new version, which is answered for as a misbehaviour says.
func (s *site) publish(worse misbehaviour) (version int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	s.worse = worse
	return s.version
}

// ServeHTTP implements http.Handler.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	version, worse := s.version, s.worse
	s.mu.Unlock()
	body, mediaType, content := s.answer(version, r)
	if body == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, md5.Sum(body)))
	w.Header().Set("Docker-Content-Digest", "sha256:"+sum(body))
	w.Header().Set("Last-Modified", "Fri, 02 Jan 2026 03:04:05 GMT")
	if worse.answer != nil && (content || worse.everywhere) {
		worse.answer(w, r, body)
		return
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // who has gone has gone
	}
}
