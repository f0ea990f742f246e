package v1alpha1

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// The patterns of values, which the JSON Schema shows too.
const (
	patternName     = `^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$` // a DNS label, RFC 1123
	patternCommit   = `^[0-9a-fA-F]{40}$`
	patternPointer  = `^(/([^~/]|~[01])*)+$` // RFC 6901, but for the whole document
	patternAccount  = `^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$`
	patternURL      = `^((https?|ssh|file)://[^\s]+|[^\s@:/]+@[^\s:/]+:[^\s]+)$`
	patternRefName  = `^[^-\s~^:?*\[\\/][^\s~^:?*\[\\]*$` // what git check-ref-format lets through, nearly
	patternProxy    = `^(https?|socks5)://[^\s]+$`
	patternDuration = `^([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))*$`
)

// MinInterval is the shortest time between two looks at a source.
const MinInterval = Duration(time.Second)

var (
	formName    = regexp.MustCompile(patternName)
	formCommit  = regexp.MustCompile(patternCommit)
	formPointer = regexp.MustCompile(patternPointer)
	formAccount = regexp.MustCompile(patternAccount)
	formURL     = regexp.MustCompile(patternURL)
	formRefName = regexp.MustCompile(patternRefName)
	formProxy   = regexp.MustCompile(patternProxy)
)

// Validate says what is wrong with the values of a Source, as joined faults of kind Invalid; nil when nothing is. What has a
// default may be left out.
func (s *Source) Validate() error {
	return asError(s.violations(), state.ID{Group: Group, Kind: KindSource, Name: s.Metadata.Name})
}

// Validate says what is wrong with the values of a Sync; see Source.Validate.
func (s *Sync) Validate() error {
	return asError(s.violations(), state.ID{Group: Group, Kind: KindSync, Name: s.Metadata.Name})
}

func asError(wrong []violation, id state.ID) error {
	errs := make([]error, len(wrong))
	for i, v := range wrong {
		errs[i] = fault.New(fault.Invalid, "check", id.String(), dotted(v.pointer)+": "+v.message).WithHint(v.hint)
	}
	return errors.Join(errs...)
}

// checks gathers violations.
type checks []violation

func (c *checks) add(pointer, message, hint string) {
	*c = append(*c, violation{pointer, message, hint})
}

// form demands that a value, unless it is left out, has a form.
func (c *checks) form(pointer, value string, form *regexp.Regexp, want string) {
	if value != "" && !form.MatchString(value) {
		c.add(pointer, fmt.Sprintf("%q is not %s", value, want), "")
	}
}

// word demands one of several words.
func (c *checks) word(pointer, value string, words ...string) {
	if value == "" || slices.Contains(words, value) {
		return
	}
	c.add(pointer, fmt.Sprintf("%q is not known", value), cmp.Or(meant(value, words), "want "+oneOf(words)))
}

// oneOf gives "a, b or c".
func oneOf(words []string) string {
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func (c *checks) name(name string) {
	if name == "" {
		c.add("/metadata/name", "is missing", "")
	}
	c.form("/metadata/name", name, formName, "a DNS label: at most 63 of a-z, 0-9 and -, beginning and ending with a letter or digit")
}

func (s *Source) violations() []violation {
	var c checks
	c.name(s.Metadata.Name)
	c.source(&s.Spec, "/spec")
	return c
}

func (c *checks) git(g *GitSource, at string) {
	c.url(g.URL, at+"/url")
	c.proxy(at+"/proxy", g.Proxy)
	c.ref(g.Ref, at+"/ref")
	if g.Credentials != nil {
		c.credentials(g.Credentials, at+"/credentials")
	}
}

// proxy never shows the value: it may hold a password.
func (c *checks) proxy(at, url string) {
	if url != "" && !formProxy.MatchString(url) {
		c.add(at, "is not an http, https or socks5 URL", "")
	}
}

// url never shows the value: it may hold a password.
func (c *checks) url(url, at string) {
	scheme, rest, _ := strings.Cut(url, "://")
	authority, _, _ := strings.Cut(rest, "/")
	switch {
	case url == "":
		c.add(at, "is missing", "")
	case !formURL.MatchString(url):
		c.add(at, "is not the URL of a Git repository", "want https://, http://, ssh://, file:// or git@host:path")
	case strings.HasPrefix(scheme, "http") && strings.Contains(authority, "@"),
		scheme == "ssh" && strings.Contains(authority, ":") && strings.Contains(authority, "@") &&
			strings.Index(authority, ":") < strings.Index(authority, "@"):
		c.add(at, "holds credentials", "take them out of the URL, and say under credentials where to read them")
	}
}

func (c *checks) ref(r GitRef, at string) {
	set := 0
	for _, given := range []bool{r.Branch != "", r.Tag != "", r.Semver != "", r.Commit != "", r.PR != 0} {
		if given {
			set++
		}
	}
	if set > 1 {
		c.add(at, "follows several things at once", "keep one of branch, tag, semver, commit, pr")
	}
	c.form(at+"/branch", r.Branch, formRefName, "the name of a branch")
	c.form(at+"/tag", r.Tag, formRefName, "the name of a tag")
	c.form(at+"/commit", r.Commit, formCommit, "a commit: want all 40 hexadecimal digits")
	if r.PR < 0 {
		c.add(at+"/pr", "must be 1 or more", "")
	}
	c.versions(at+"/semver", r.Semver)
}

func (c *checks) credentials(given *Credentials, at string) {
	for _, one := range []struct {
		field string
		from  *ValueFrom
	}{
		{"token", given.Token}, {"username", given.Username}, {"password", given.Password},
		{"sshKey", given.SSHKey}, {"sshKeyPass", given.SSHKeyPass}, {"knownHosts", given.KnownHosts},
	} {
		c.valueFrom(at+"/"+one.field, one.from)
	}
}

func (c *checks) valueFrom(at string, from *ValueFrom) {
	if from != nil && (from.Env == "") == (from.File == "") {
		c.add(at, "wants exactly one of env and file", "")
	}
}

func (s *Sync) violations() []violation {
	var c checks
	c.name(s.Metadata.Name)
	spec := &s.Spec
	if spec.Source != nil {
		c.syncSource(spec.Source, "/spec/source")
	}
	c.path(spec.Path)
	c.imports(spec.Imports, "/spec/imports")
	c.rendering(s)
	c.word("/spec/drift", spec.Drift, DriftCorrect, DriftReport)
	c.word("/spec/deletion", spec.Deletion, DeletionPrune, DeletionOrphan)
	if to := spec.To; to != nil && to.Kubernetes != nil {
		c.form("/spec/to/kubernetes/serviceAccount", to.Kubernetes.ServiceAccount, formAccount, `"namespace/name"`)
		c.form("/spec/to/kubernetes/namespace", to.Kubernetes.Namespace, formName, "the name of a namespace")
	}
	for i, rule := range spec.Ignore {
		c.ignore(rule, fmt.Sprintf("/spec/ignore/%d", i))
	}
	for i, ref := range spec.DependsOn {
		c.dependency(s, ref, fmt.Sprintf("/spec/dependsOn/%d", i))
	}
	if spec.Retry.Max != 0 && spec.Retry.Max < spec.Retry.Initial {
		c.add("/spec/retry/max", "is shorter than initial", "")
	}
	c.control(s)
	return c
}

func (c *checks) syncSource(s *SyncSource, at string) {
	if s.Name == "" {
		c.inline(&s.SourceSpec, at)
		return
	}
	c.form(at+"/name", s.Name, formName, "the name of a Source")
	if s.SourceSpec != (SourceSpec{}) {
		c.add(at, "names a Source and declares one", "keep the name, or everything but the name")
	}
}

func (c *checks) inline(s *SourceSpec, at string) {
	if s.Git == nil && s.OCI == nil && s.Helm == nil && s.Bucket == nil && s.Archive == nil {
		c.add(at, "neither names a Source nor declares one", "give it a name, or one of "+listed(upstreams))
		return
	}
	c.source(s, at)
}

func (c *checks) path(p string) { c.pathIn("/spec/path", p, "the source") }

// pathIn demands a path below a root in its shortest form.
func (c *checks) pathIn(at, p, root string) {
	clean := path.Clean("/" + p)[1:]
	switch {
	case p == "" || fs.ValidPath(p):
	case strings.HasPrefix(p, "/"):
		c.add(at, fmt.Sprintf("%q does not begin at the root of %s", p, root), "write "+orRoot(clean))
	case p == ".." || strings.HasPrefix(p, "../") || strings.Contains(p, "/../") || strings.HasSuffix(p, "/.."):
		c.add(at, fmt.Sprintf("%q may not go up with ..", p), "write it from the root of "+root)
	default:
		c.add(at, fmt.Sprintf("%q is not in its shortest form", p), "write "+orRoot(clean))
	}
}

func orRoot(clean string) string {
	if clean == "" {
		return "."
	}
	return clean
}

func (c *checks) ignore(rule Ignore, at string) {
	if len(rule.Fields) == 0 {
		c.add(at+"/fields", "is empty", "name at least one field: /spec/replicas")
	}
	for i, pointer := range rule.Fields {
		if !formPointer.MatchString(pointer) {
			c.add(fmt.Sprintf("%s/fields/%d", at, i), fmt.Sprintf("%q is not a JSON pointer (RFC 6901)", pointer),
				`want for example "/spec/replicas"; a / within a name is written ~1`)
		}
	}
}

func (c *checks) dependency(s *Sync, ref Reference, at string) {
	if ref.Kind == "" {
		c.add(at+"/kind", "is missing", "")
	}
	if ref.Name == "" {
		c.add(at+"/name", "is missing", "")
	}
	own := ref.Group == "" || ref.Group == Group
	if own && ref.Kind == KindSync && ref.Name == s.Metadata.Name && ref.Name != "" {
		c.add(at, "the Sync depends on itself", "")
	}
}
