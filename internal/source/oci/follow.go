package oci

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/opencontainers/go-digest"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// follow is what a source follows: a digest, a tag, or the newest of a range of versions.
type follow struct {
	digest  digest.Digest
	tag     string
	text    string // of the range
	field   string // where the source says so, for hints
	allowed *semver.Constraints
	filter  *regexp.Regexp
}

// maxFilter bounds the length of a regular expression.
const maxFilter = 1000

func parseRef(ref v1alpha1.OCIRef) (follow, error) {
	f := follow{field: "oci.ref"}
	invalid := func(field, cause string) (follow, error) {
		return follow{}, fault.New(fault.Invalid, "read", "oci.ref"+field, cause)
	}
	set := 0
	for _, text := range []string{ref.Tag, ref.Semver, ref.Digest} {
		if text != "" {
			set++
		}
	}
	switch {
	case set > 1:
		return invalid("", "only one of tag, semver and digest can be set")
	case ref.Filter != "" && ref.Semver == "":
		return invalid(".filter", "it is for semver alone")
	case ref.Digest != "":
		f.digest = digest.Digest(ref.Digest)
		if f.digest.Validate() != nil || f.digest.Algorithm() != digest.SHA256 {
			return invalid(".digest", "it is not sha256: with 64 hexadecimal digits")
		}
		return f, nil
	case ref.Semver == "":
		if f.tag = ref.Tag; f.tag == "" {
			f.tag = "latest"
		}
		if !isTag(f.tag) {
			return invalid(".tag", "it is not a name that registries allow")
		}
		return f, nil
	}
	var err error
	if len(ref.Filter) > maxFilter {
		return invalid(".filter", "it is longer than 1000 letters")
	}
	if f.filter, err = regexp.Compile(ref.Filter); err != nil {
		return invalid(".filter", "it is not a regular expression")
	}
	return f.within(ref.Semver, "oci.ref.semver")
}

// parseChartVersion reads the version of a chart as Helm does: a version names itself, anything else is a range.
func parseChartVersion(version string) (follow, error) {
	f := follow{field: "helm.version"}
	if _, err := semver.StrictNewVersion(version); err == nil {
		f.tag = TagOf(version)
		return f, nil
	}
	if version == "" {
		version = "*"
	}
	return f.within(version, "helm.version")
}

func (f follow) within(text, field string) (follow, error) {
	allowed, err := semver.NewConstraint(text)
	if err != nil {
		return follow{}, fault.New(fault.Invalid, "read", field, fmt.Sprintf("%q is not a range of versions", text)).
			WithHint(`write it as ">=1.2 <2", "1.x" or "~1.4"`)
	}
	f.allowed, f.text = allowed, text
	return f, nil
}

// String gives what is followed as people write it behind a repository's name.
func (f follow) String() string {
	switch {
	case f.digest != "":
		return suffix(string(f.digest))
	case f.tag != "":
		return suffix(f.tag)
	}
	return suffix(f.text)
}

// find gives the tag to look up, "" for a digest.
func (f follow) find(ctx context.Context, repo *Repository) (string, error) {
	if f.allowed == nil {
		return f.tag, nil
	}
	newest := best{follow: f}
	if err := repo.eachTags(ctx, newest.consider); err != nil {
		return "", err
	}
	if newest.tag == "" {
		return "", fault.New(fault.NotFound, "pull", repo.Name(), fmt.Sprintf("no tag is a version in the range %q", f.text))
	}
	return newest.tag, nil
}

// best is the newest version among the tags that were considered so far: they need not be kept.
type best struct {
	follow
	version *semver.Version
	tag     string
}

func (b *best) consider(tags []string) {
	for _, tag := range tags {
		if b.filter != nil && !b.filter.MatchString(tag) || !isTag(tag) {
			continue
		}
		version, err := semver.NewVersion(versionOf(tag))
		if err != nil || !b.allowed.Check(version) {
			continue
		}
		// Two tags of one version ("1.0.0" and "v1.0.0"): always the same one wins.
		if b.version == nil || version.GreaterThan(b.version) || version.Equal(b.version) && tag < b.tag {
			b.version, b.tag = version, tag
		}
	}
}

// tagPattern is what the specification of OCI distribution says about tags.
var tagPattern = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)

func isTag(text string) bool { return tagPattern.MatchString(text) }

// TagOf gives the tag of a version as Helm does: a tag cannot hold the + of a version's build.
func TagOf(version string) string { return strings.ReplaceAll(version, "+", "_") }

// versionOf is the way back.
func versionOf(tag string) string { return strings.ReplaceAll(tag, "_", "+") }

// shownAs gives a tag that is a version as that version, and every other as it is.
func shownAs(tag string) string {
	if isVersion(tag) {
		return versionOf(tag)
	}
	return tag
}

// isVersion says whether a tag names a release, which never changes: all of its three numbers are there.
func isVersion(tag string) bool {
	_, err := semver.StrictNewVersion(strings.TrimPrefix(versionOf(tag), "v"))
	return err == nil
}

// parseReference follows what a reference names by itself.
func parseReference(reference string) (follow, error) {
	ref := v1alpha1.OCIRef{Tag: reference}
	if strings.Contains(reference, ":") {
		ref = v1alpha1.OCIRef{Digest: reference}
	}
	return parseRef(ref)
}
