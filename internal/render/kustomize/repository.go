package kustomize

import (
	"io/fs"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// repository is what a URL of a base names, by Kustomize's own rules.
type repository struct {
	url        string
	path       string // of the base in it
	ref        string // a branch, a tag or a commit; "" for the default branch
	submodules bool
}

// title names a repository for people; equal titles have equal content.
func (r repository) title() string {
	title := r.url
	if r.ref != "" {
		title += "@" + r.ref
	}
	if !r.submodules {
		title += " without submodules"
	}
	return title
}

var (
	commit  = regexp.MustCompile(`^[0-9a-f]{40}$`)
	release = regexp.MustCompile(`^v?\d+(\.\d+)*([-+.].*)?$`)
)

// refs gives what the reference may be, the likelier first.
func (r repository) refs() []v1alpha1.GitRef {
	branch, tag := v1alpha1.GitRef{Branch: r.ref}, v1alpha1.GitRef{Tag: r.ref}
	switch {
	case r.ref == "":
		return []v1alpha1.GitRef{{}}
	case commit.MatchString(r.ref):
		return []v1alpha1.GitRef{{Commit: r.ref}}
	case strings.HasPrefix(r.ref, "refs/heads/"):
		return []v1alpha1.GitRef{{Branch: strings.TrimPrefix(r.ref, "refs/heads/")}}
	case strings.HasPrefix(r.ref, "refs/tags/"):
		return []v1alpha1.GitRef{{Tag: strings.TrimPrefix(r.ref, "refs/tags/")}}
	case release.MatchString(r.ref):
		return []v1alpha1.GitRef{tag, branch}
	}
	return []v1alpha1.GitRef{branch, tag}
}

// What a URL of a base cannot be, each with what to do instead.
var (
	errWebFile = fault.New(fault.Invalid, "", "", "a file of a web server has no revision that could be verified").
			WithHint("name it in its Git repository: https://host/org/repo//path/file.yaml?ref=v1, or copy it into the source")
	errLocal = fault.New(fault.Invalid, "", "", "a repository on the agent's own machine is not for files of a source to name").
			WithHint("give it a Source, and import that (spec.imports)")
	errSecret = fault.New(fault.Invalid, "", "", "a URL must not hold a password").
			WithHint("leave it out: the agent has credentials for the hosts that it may speak to; or import it (spec.imports)")
	errNoRepository = fault.New(fault.Invalid, "", "", "it names no repository").
			WithHint("write https://host/org/repo//path?ref=v1; write ./ before a local path that looks like a URL")
	errLeaves = fault.New(fault.Invalid, "", "", "its path leads out of the repository").
			WithHint("write the path after // from the root of the repository")
)

// parseRepository reads a URL as Kustomize does: the repository ends at _git/NAME, at //, after .git, or after two parts of the path.
func parseRepository(entry string) (repository, error) {
	text, query, _ := strings.Cut(entry, "?")
	text = strings.TrimPrefix(text, "git::")
	if raw, ok := rawFile(text); ok {
		return raw, nil
	}
	host, rest, err := splitHost(text)
	if err != nil {
		return repository{}, err
	}
	isWeb := strings.HasPrefix(host, "https://") || strings.HasPrefix(host, "http://")
	repo, inner, marked := splitPath(rest)
	if isWeb && !marked && query == "" && isManifest(rest) {
		return repository{}, errWebFile
	}
	found := repository{url: host + repo, path: path.Join(".", strings.TrimPrefix(inner, "/")), submodules: true}
	switch {
	case strings.Trim(repo, "/") == "" || strings.ContainsAny(found.url, " \t\n"):
		return repository{}, errNoRepository
	case !fs.ValidPath(found.path):
		return repository{}, errLeaves
	}
	return found.withQuery(query), nil
}

// withQuery reads ref, version and submodules; timeout is the source's own affair.
func (r repository) withQuery(query string) repository {
	values, err := url.ParseQuery(query)
	if err != nil {
		return r
	}
	if r.ref = values.Get("ref"); r.ref == "" {
		r.ref = values.Get("version")
	}
	if submodules, err := strconv.ParseBool(values.Get("submodules")); err == nil {
		r.submodules = submodules
	}
	return r
}

var (
	scheme   = regexp.MustCompile(`(?i)^(ssh|https?|file|git)://`)
	username = regexp.MustCompile(`^([a-zA-Z][a-zA-Z0-9-]*)@`)
	password = regexp.MustCompile(`^[^/@]*:[^/]*@`)
	github   = regexp.MustCompile(`(?i)^(?:www\.)?github\.com[/:]`)
)

// splitHost takes apart what is before the path of a repository ("https://host/", "git@host:") and the path with all that follows.
func splitHost(text string) (host, rest string, err error) {
	prefix := strings.ToLower(scheme.FindString(text))
	text = text[len(prefix):]
	if prefix == "file://" || prefix == "git://" {
		return "", "", errLocal
	}
	if password.MatchString(text) && prefix != "" {
		return "", "", errSecret
	}
	user := username.FindString(text)
	text = text[len(user):]
	if match := github.FindString(text); match != "" { // GitHub's forms are all the same
		text = strings.TrimLeft(text[len(match):], "/")
		if prefix == "ssh://" || prefix == "" && user != "" {
			return max(user, "git@") + "github.com:", text, nil
		}
		return "https://github.com/", text, nil
	}
	if strings.HasPrefix(prefix, "http") {
		user = "" // the agent has its own
	}
	end := strings.Index(text, "/")
	if colon := strings.Index(text, ":"); prefix == "" && user != "" && colon > 0 && (end < 0 || colon < end) {
		end = colon
	}
	if end <= 0 || prefix == "" && user == "" {
		return "", "", errNoRepository
	}
	return prefix + user + text[:end+1], text[end+1:], nil
}

// segments of the path of a repository when nothing marks its end.
const segments = 2

// splitPath divides a path into that of the repository and that in it; marked says whether something marks where.
func splitPath(text string) (repo, inner string, marked bool) {
	if at := strings.Index(text, "_git/"); at >= 0 {
		at += len("_git/")
		name, inner, _ := strings.Cut(text[at:], "/")
		return text[:at] + name, inner, true
	}
	if repo, inner, ok := strings.Cut(text, "//"); ok {
		return repo, inner, true
	}
	if at := strings.Index(text, ".git"); at >= 0 {
		return text[:at+len(".git")], text[at+len(".git"):], true
	}
	parts := strings.Split(text, "/")
	if len(parts) < segments {
		return "", "", false
	}
	return strings.Join(parts[:segments], "/"), strings.Join(parts[segments:], "/"), false
}

func isManifest(name string) bool {
	switch path.Ext(name) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// rawFile reads the address of a file as GitHub gives it out, which says by itself which revision of which repository it is of.
func rawFile(text string) (repository, bool) {
	rest, ok := strings.CutPrefix(text, "https://raw.githubusercontent.com/")
	if !ok {
		return repository{}, false
	}
	parts := strings.Split(rest, "/")
	if len(parts) > 5 && parts[2] == "refs" { // org/repo/refs/heads/main/path
		parts = append([]string{parts[0], parts[1], strings.Join(parts[2:5], "/")}, parts[5:]...)
	}
	if len(parts) < 4 {
		return repository{}, false
	}
	inner := strings.Join(parts[3:], "/")
	if !fs.ValidPath(inner) || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return repository{}, false
	}
	return repository{url: "https://github.com/" + parts[0] + "/" + parts[1], path: inner, ref: parts[2]}, true
}
