package helm

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// The bounds of an index. The largest that are known have some 20 MiB and 30,000 versions.
const (
	// maxIndex is the length of index.yaml, in bytes. What Helm writes is read as it arrives, and never held as a whole.
	maxIndex = 64 << 20
	// maxJSON is the length of one in JSON, and maxFlow that of one in YAML that is not written as Helm does it, in bytes. They are read as
	// a whole; a tree of YAML takes up to a hundred times its length of memory.
	maxJSON = 16 << 20
	maxFlow = 2 << 20
	// maxVersions is the number of versions of all charts together: some 60 MiB of memory.
	maxVersions = 200_000
	// maxText bounds a version, and what a chart says about the version of its application, in bytes.
	maxText = 256
	// maxURL bounds a URL, in bytes.
	maxURL = 8 << 10
)

// index is what is needed of an index.yaml. Immutable.
type index struct {
	charts map[string][]version // in the order of the file
	count  int                  // of all versions
}

// version is one version of a chart.
type version struct {
	name    string // "6.9.4"
	app     string // of the application inside
	url     string // absolute, or relative to the index; "" when the index gives none
	sum     sum
	created time.Time
}

// sum is the SHA-256 of an archive as the index gives it.
type sum struct {
	given bool
	wrong bool // what is given is no SHA-256
	bytes [sha256.Size]byte
}

func (s sum) String() string { return "sha256:" + hex.EncodeToString(s.bytes[:]) }

func parseSum(text string) sum {
	text = strings.TrimPrefix(strings.TrimSpace(text), "sha256:")
	if text == "" {
		return sum{}
	}
	s := sum{given: true}
	digits, err := hex.DecodeString(text)
	if s.wrong = err != nil || len(digits) != sha256.Size; !s.wrong {
		s.bytes = [sha256.Size]byte(digits)
	}
	return s
}

// entry is a version as an index writes it: the fields that count. The names are those of the Helm project.
type entry struct {
	Version    string   `json:"version"    yaml:"version"`
	AppVersion string   `json:"appVersion" yaml:"appVersion"`
	URLs       []string `json:"urls"       yaml:"urls"`
	Digest     string   `json:"digest"     yaml:"digest"`
	Created    string   `json:"created"    yaml:"created"`
}

// wanted are the keys of an entry that are read at all.
var wanted = map[string]bool{"version": true, "appVersion": true, "urls": true, "digest": true, "created": true}

// add takes an entry in. As with Helm, one that is no version is left out, and only the first of its URLs counts.
func (x *index) add(chart string, e entry) error {
	if e.Version == "" || len(e.Version) > maxText || len(e.AppVersion) > maxText {
		return nil
	}
	if x.count++; x.count > maxVersions {
		return tooLong(fmt.Sprintf("the index lists more than %d versions", maxVersions))
	}
	v := version{name: e.Version, app: e.AppVersion, sum: parseSum(e.Digest)}
	if len(e.URLs) > 0 && len(e.URLs[0]) <= maxURL {
		v.url = e.URLs[0]
	}
	if created, err := time.Parse(time.RFC3339, e.Created); err == nil {
		v.created = created.UTC()
	}
	x.charts[chart] = append(x.charts[chart], v)
	return nil
}

// tooLong refuses an index; whoever asked for it adds where it is from.
func tooLong(cause string) error {
	return &fault.Error{Kind: fault.Invalid, Err: errors.New(cause), Hint: "split the repository, or give the chart an oci:// URL"}
}

// notAnIndex refuses what is no index.
func notAnIndex(cause string) error {
	return &fault.Error{Kind: fault.Invalid, Err: errors.New(cause),
		Hint: "the URL is that of the folder that has the repository's index.yaml: check it with `helm repo add`"}
}
