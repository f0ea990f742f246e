package v1alpha1

import (
	"fmt"
	"regexp"
	"strings"
)

// source demands exactly one upstream, and that the signatures that are demanded are such as it can have.
func (c *checks) source(s *SourceSpec, at string) {
	if s.kinds(c, at) == 0 {
		c.add(at, "names no upstream", "give it one of "+listed(upstreams))
	}
	c.upstream(s, at)
	if s.Interval != 0 && s.Interval < MinInterval {
		c.add(at+"/interval", "must be at least "+MinInterval.String(), "")
	}
	if s.Verify != nil {
		c.verifies(s, at+"/verify")
	}
}

// kinds counts the upstreams, and reports every one beside an earlier one.
func (s *SourceSpec) kinds(c *checks, at string) int {
	return c.oneOf(at, []choice{
		{"git", s.Git != nil}, {"oci", s.OCI != nil}, {"helm", s.Helm != nil}, {"bucket", s.Bucket != nil}, {"archive", s.Archive != nil},
	})
}

func (c *checks) upstream(s *SourceSpec, at string) {
	if s.Git != nil {
		c.git(s.Git, at+"/git")
	}
	if s.OCI != nil {
		c.oci(s.OCI, at+"/oci")
	}
	if s.Helm != nil {
		c.charts(s.Helm, at+"/helm")
	}
	if s.Bucket != nil {
		c.bucket(s.Bucket, at+"/bucket")
	}
	if s.Archive != nil {
		c.archived(s.Archive, at+"/archive")
	}
}

func (c *checks) oci(o *OCISource, at string) {
	c.address(at+"/url", o.URL, address{formOCI, "is not the URL of a repository of a registry", hintOCI(o.URL)})
	c.ociRef(o.Ref, at+"/ref")
	c.access(at, o.Proxy, o.Credentials)
}

// hintOCI knows the mistake that references of containers invite.
func hintOCI(url string) string {
	const hint = `want for example "oci://registry.example.com/fleet/base"`
	_, path, _ := strings.Cut(strings.TrimPrefix(url, "oci://"), "/")
	switch {
	case strings.Contains(path, "@"):
		return hint + ", and the digest under ref.digest"
	case strings.Contains(path, ":"):
		return hint + ", and the tag under ref.tag"
	case path != strings.ToLower(path):
		return hint + ", all in small letters"
	}
	return hint
}

func (c *checks) ociRef(r OCIRef, at string) {
	c.oneOf(at, []choice{{"tag", r.Tag != ""}, {"semver", r.Semver != ""}, {"digest", r.Digest != ""}})
	c.form(at+"/tag", r.Tag, formTag, "a tag: at most 128 of letters, digits, _, . and -")
	c.form(at+"/digest", r.Digest, formDigest, "a digest: want sha256: and all 64 hexadecimal digits, in small letters")
	c.versions(at+"/semver", r.Semver)
	if r.Filter == "" {
		return
	}
	if _, err := regexp.Compile(r.Filter); err != nil || len(r.Filter) > maxFilter {
		c.add(at+"/filter", fmt.Sprintf("%q is not a regular expression", r.Filter), `want for example "^v[0-9]"`)
	}
	if r.Semver == "" {
		c.add(at+"/filter", "filters nothing", "it chooses among the tags that semver looks at: give it a semver, or remove it")
	}
}

// versions demands a range of versions, unless it is left out.
func (c *checks) versions(at, text string) {
	if text != "" && !isRange(text) {
		c.add(at, fmt.Sprintf("%q is not a range of versions", text), `want for example ">=1.2 <2" or "1.x"`)
	}
}

func (c *checks) charts(h *HelmSource, at string) {
	registry := strings.HasPrefix(h.URL, "oci://")
	c.address(at+"/url", h.URL, address{formCharts, "is not the URL of a chart repository",
		`want for example "https://charts.example.com" or "oci://registry.example.com/charts"`})
	c.required(at+"/chart", h.Chart)
	c.form(at+"/chart", h.Chart, formChart, "the name of a chart")
	c.versions(at+"/version", h.Version)
	if h.Insecure && !registry && h.URL != "" {
		c.add(at+"/insecure", "is for registries", "remove it: this URL says itself whether TLS is spoken")
	}
	c.access(at, h.Proxy, h.Credentials)
}

func (c *checks) bucket(b *BucketSource, at string) {
	c.address(at+"/endpoint", b.Endpoint, address{formEndpoint, "is not the URL of a server alone",
		`want for example "https://s3.eu-central-1.amazonaws.com", and the bucket under bucket`})
	c.required(at+"/bucket", b.Bucket)
	c.form(at+"/bucket", b.Bucket, formBucket, "the name of a bucket: 3 to 63 of a-z, 0-9, -, . and _")
	if b.Prefix != "" && !formPrefix.MatchString(b.Prefix) {
		c.add(at+"/prefix", fmt.Sprintf("%q does not begin a name in a bucket", b.Prefix), "write it without / in front")
	}
	c.form(at+"/region", b.Region, formRegion, "the name of a region")
	c.access(at, b.Proxy, nil)
	if keys := b.Credentials; keys != nil {
		c.valueFrom(at+"/credentials/accessKey", &keys.AccessKey)
		c.valueFrom(at+"/credentials/secretKey", &keys.SecretKey)
		c.valueFrom(at+"/credentials/sessionToken", keys.SessionToken)
	}
}

func (c *checks) archived(a *ArchiveSource, at string) {
	c.address(at+"/url", a.URL, address{formDownload, "is not the URL of a file on a web server",
		`want for example "https://example.com/releases/config-1.4.0.tar.gz"`})
	c.form(at+"/sha256", a.SHA256, formSHA256, "a SHA-256: want all 64 hexadecimal digits")
	if strings.HasPrefix(a.URL, "http://") && a.SHA256 == "" {
		c.add(at+"/sha256", "is missing", "over http:// anybody on the way can change the file: give its sha256, or use https://")
	}
	c.access(at, a.Proxy, a.Credentials)
}

// address is a form of a URL, with what is wrong with one that has another.
type address struct {
	form *regexp.Regexp
	not  string
	hint string
}

// address never shows the value: it may hold a password.
func (c *checks) address(at, url string, want address) {
	_, rest, _ := strings.Cut(url, "://")
	server, _, _ := strings.Cut(rest, "/")
	switch {
	case url == "":
		c.add(at, "is missing", "")
	case strings.Contains(server, "@"):
		c.add(at, "holds credentials", "take them out of the URL, and say under credentials where to read them")
	case !want.form.MatchString(url):
		c.add(at, want.not, want.hint)
	}
}

// access checks what the kinds that speak HTTP have in common.
func (c *checks) access(at, proxy string, given *Credentials) {
	c.proxy(at+"/proxy", proxy)
	if given == nil {
		return
	}
	at += "/credentials"
	c.credentials(given, at)
	for _, one := range []choice{
		{"sshKey", given.SSHKey != nil}, {"sshKeyPass", given.SSHKeyPass != nil}, {"knownHosts", given.KnownHosts != nil},
	} {
		if one.given {
			c.add(at+"/"+one.field, "is for Git over ssh", "give it a token, or username and password")
		}
	}
}

// imports demands places that are apart from each other.
func (c *checks) imports(imports []Import, at string) {
	for i := range imports {
		here, one := fmt.Sprintf("%s/%d", at, i), &imports[i]
		c.mount(here+"/at", one.At)
		c.syncSource(&one.Source, here+"/source")
		c.pathIn(here+"/path", one.Path, "what is imported")
		for j := range i {
			c.apart(here+"/at", one.At, imports[j].At)
		}
	}
}

func (c *checks) mount(at, place string) {
	if c.required(at, place); place == "." {
		c.add(at, "is the root of the source", "name a directory below it, that is not there yet: base")
		return
	}
	c.pathIn(at, place, "the source")
}

func (c *checks) apart(at, place, earlier string) {
	switch {
	case place == "" || earlier == "":
	case place == earlier:
		c.add(at, fmt.Sprintf("%q is the place of another import", place), "give each a directory of its own")
	case strings.HasPrefix(place, earlier+"/"), strings.HasPrefix(earlier, place+"/"):
		c.add(at, fmt.Sprintf("%q and %q are one inside the other", earlier, place), "mount them side by side")
	}
}
