package helm

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/source"
	"github.com/setpoint-dev/setpoint/internal/source/fetch"
	"github.com/setpoint-dev/setpoint/internal/source/packed"
	"github.com/setpoint-dev/setpoint/internal/state"
)

const (
	// maxArchive is the length of a chart's archive, in bytes. Charts that Helm installs have at most 100 MiB when they are unpacked.
	maxArchive = 64 << 20
	// maxChartFile is the length of a Chart.yaml, in bytes.
	maxChartFile = 1 << 20
	// slack is what an archive may hold beside files, in bytes: headers and padding.
	slack = 64 << 20
)

// download is what is got: a version that an index names, signed as is demanded.
type download struct {
	version

	from     *http.Response // the index
	demanded demand
}

// download gets the archive of a version, and keeps it when it is what the index says.
func (u *upstream) download(ctx context.Context, d download) (source.Artifact, error) {
	v := d.version
	if v.sum.wrong {
		return nil, fault.New(fault.Invalid, "pull", u.named(v), "the index gives a digest for it that is no SHA-256").
			WithHint(hintIndex)
	}
	at, err := u.at.archive(v.url)
	if err != nil {
		return nil, u.about(v, err)
	}
	answer, err := u.client.Follow(ctx, d.from, at.String(), maxArchive)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }() // it was only read
	into, err := u.opts.Store.Create(d.demanded.place, u.opts.Limits)
	if err != nil {
		return nil, err
	}
	defer into.Abort()
	hash := sha256.New()
	raw := io.TeeReader(answer.Body, hash)
	chart, unpackErr := unpack(ctx, into, raw, u.opts.Limits)
	if _, err := io.Copy(io.Discard, raw); err != nil { // what is behind the end of the archive counts for its digest
		return nil, u.about(v, err)
	}
	digits := hex.EncodeToString(hash.Sum(nil))
	switch {
	case v.sum.given && v.sum.String() != "sha256:"+digits:
		return nil, fault.New(fault.Invalid, "pull", u.named(v), "the archive is not the one that the index gives the digest of").
			WithHint("the server is broken or hostile, or is just being updated; nothing of it was used")
	case unpackErr != nil:
		return nil, u.about(v, unpackErr)
	}
	if err := chart.check(u.spec.Chart, v.name); err != nil {
		return nil, u.about(v, err)
	}
	signer, err := u.verify(ctx, d.demanded, proof{from: d.from, at: *at, sha256: digits})
	if err != nil {
		return nil, u.about(v, err)
	}
	return into.Commit(state.Revision{
		ID: "sha256:" + digits, Ref: v.name, Author: signer, Message: chart.message(), Time: v.created,
	})
}

// named gives the version for people.
func (u *upstream) named(v version) string { return u.at.chart(u.spec.Chart) + "@" + v.name }

// about says which version an error is about, where it does not tell itself.
func (u *upstream) about(v version, err error) error {
	known, ok := errors.AsType[*fault.Error](err)
	if !ok || known.Op == "fetch" || known.Op == "verify" {
		return err // it says itself what it is about
	}
	return &fault.Error{Op: "pull", Item: u.named(v), Kind: known.Kind, Err: err, Hint: known.Hint}
}

// metadata is what a Chart.yaml says that is used here.
type metadata struct {
	Name       string `yaml:"name"`
	Version    string `yaml:"version"`
	AppVersion string `yaml:"appVersion"`

	there bool
}

// check says whether it is the chart that the index speaks of: otherwise an old chart, signed as it should be, could be given out as a new
// one.
func (m metadata) check(name, version string) error {
	switch {
	case !m.there:
		return refuse("the archive is no chart: it has no Chart.yaml in its folder", "its publisher has to make it with `helm package`")
	case m.Name != name || strings.TrimPrefix(m.Version, "v") != strings.TrimPrefix(version, "v"):
		return refuse("the archive has another chart, or another version of it, than the index says",
			hintIndex)
	}
	return nil
}

// message gives "podinfo 6.9.4 (app 6.9.4)".
func (m metadata) message() string {
	text := m.Name + " " + m.Version
	if app := strings.Join(strings.Fields(m.AppVersion), " "); app != "" && len(app) <= maxText {
		text += " (app " + app + ")"
	}
	return text
}

func refuse(cause, hint string) error {
	return &fault.Error{Kind: fault.Invalid, Err: errors.New(cause), Hint: hint}
}

const hintBroken = "its publisher has to make it anew with `helm package`"

// unpack puts what is in the one folder of a chart's archive into a writer.
func unpack(ctx context.Context, into *packed.Writer, archive io.Reader, limits source.Limits) (metadata, error) {
	unzipped, err := gzip.NewReader(archive)
	if err != nil {
		return metadata{}, brokenArchive(err)
	}
	bounded := fetch.Bounded(unzipped, limits.Bytes+slack, "the unpacked archive")
	files := tar.NewReader(bounded)
	u := unpacking{into: into, files: files}
	for count := 0; ; count++ {
		header, err := files.Next()
		switch {
		case errors.Is(err, io.EOF):
			if _, err := io.Copy(io.Discard, bounded); err != nil { // so that the checksum over the whole is checked
				return metadata{}, brokenArchive(err)
			}
			return u.chart, nil
		case err != nil:
			return metadata{}, brokenArchive(err)
		case ctx.Err() != nil:
			return metadata{}, ctx.Err()
		case count > 2*limits.Files: // there may be as many directories
			return metadata{}, refuse(fmt.Sprintf("the archive has more than %d entries", 2*limits.Files), hintBroken)
		}
		if err := u.entry(header); err != nil {
			return metadata{}, err
		}
	}
}

// unpacking is an archive that is being unpacked.
type unpacking struct {
	into  *packed.Writer
	files *tar.Reader
	top   string // the folder that everything is in
	chart metadata
}

func (u *unpacking) entry(header *tar.Header) error {
	if header.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	top, name, _ := strings.Cut(strings.TrimPrefix(header.Name, "./"), "/")
	if top == "" && header.Typeflag == tar.TypeDir && (header.Name == "./" || header.Name == ".") {
		return nil
	}
	switch {
	case strings.Contains(header.Name, `\`), top == "", top == "..", path.IsAbs(header.Name):
		return refuse(fmt.Sprintf("the archive has a file with the name %q", header.Name), hintBroken)
	case u.top != "" && top != u.top:
		return refuse(fmt.Sprintf("the archive has several folders, %q and %q: a chart is in one", u.top, top), hintBroken)
	case header.Typeflag == tar.TypeDir:
		u.top = top
		return nil
	case name == "":
		return refuse(fmt.Sprintf("the archive has the file %q outside of the chart's folder", header.Name), hintBroken)
	}
	u.top = top
	switch header.Typeflag {
	case tar.TypeReg:
		return u.file(name, header)
	case tar.TypeSymlink:
		return u.into.Link(name, header.Linkname)
	}
	return refuse(fmt.Sprintf("the archive has %q, which is no file, folder or symbolic link", header.Name), hintBroken)
}

func (u *unpacking) file(name string, header *tar.Header) error {
	content := io.Reader(u.files)
	if name == "Chart.yaml" {
		text, err := io.ReadAll(io.LimitReader(content, maxChartFile+1))
		if err != nil {
			return brokenArchive(err)
		}
		err = decodeYAML(func() error { return yaml.Unmarshal(text, &u.chart) })
		if err != nil || len(text) > maxChartFile {
			return refuse("the archive has a Chart.yaml that cannot be read", hintBroken)
		}
		u.chart.there = true
		content = bytes.NewReader(text)
	}
	return u.into.File(name, header.FileInfo().Mode(), header.Size, content)
}

// brokenArchive keeps what was said already, as by a download that breaks off, and says that the archive is none otherwise.
func brokenArchive(err error) error {
	if _, known := errors.AsType[*fault.Error](err); known {
		return err
	}
	return refuse("what is downloaded is no tar.gz that can be read", hintBroken)
}
