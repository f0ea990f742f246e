package kustomize

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/render"
)

const hintRemote = "set spec.kustomize.remote: true, copy it into the source, or import it (spec.imports)"

// remoteBase gives the path in the view of a base or component that is named by a URL.
func (c *checker) remoteBase(entry, at string) (string, bool) {
	repository, err := parseRepository(entry)
	if err != nil {
		c.fail(at, fmt.Sprintf("%q cannot be used: %s", withoutSecrets(entry), err), fault.HintOf(err))
		return "", false
	}
	if !c.mayFetch(withoutSecrets(entry), at) {
		return "", false
	}
	mounted, err := c.view.mount(repository.title(), func() (*render.Recorder, error) { return c.view.clone(repository) })
	if err != nil {
		c.failed(at, err)
		return "", false
	}
	return path.Join(mounted.at, repository.path), true
}

// mayFetch says whether the Sync allows what is elsewhere, and whether there is somebody who gives it.
func (c *checker) mayFetch(what, at string) bool {
	how := c.view.request.How.Kustomize
	switch {
	case how == nil || !how.Remote:
		c.fail(at, fmt.Sprintf("%q is fetched from elsewhere, and spec.kustomize.remote is not set", what), hintRemote)
	case c.view.request.Outside.Sources == nil:
		c.fail(at, fmt.Sprintf("%q is fetched from elsewhere, and nothing gives it here", what), hintRemote)
	default:
		return true
	}
	return false
}

// clone gives the artifact of a repository. A reference that may be a branch or a tag is looked for as the likelier one first.
func (v *view) clone(from repository) (*render.Recorder, error) {
	var files *render.Recorder
	var err error
	for _, ref := range from.refs() {
		spec := v1alpha1.SourceSpec{Git: &v1alpha1.GitSource{URL: from.url, Ref: ref, Submodules: from.submodules}}
		if files, err = v.pulled(spec); fault.KindOf(err) != fault.NotFound {
			break
		}
	}
	return files, err
}

// relative writes a path of the view from the directory of the kustomization: the library takes no absolute directory.
func (c *checker) relative(name string) string {
	dir := c.dir
	if resolved, err := c.view.resolve(dir); err == nil {
		dir = resolved
	}
	if dir == "." {
		return "./" + name
	}
	return strings.Repeat("../", strings.Count(dir, "/")+1) + name
}

// holds says whether a path of the view is in a layer.
func (l *layer) holds(name string) bool {
	if l.at == "." {
		return name != ".." && !strings.HasPrefix(name, "../") && name != virtual && !strings.HasPrefix(name, virtual+"/")
	}
	return name == l.at || strings.HasPrefix(name, l.at+"/")
}

// pathKeys are the fields, of whatever structure, whose text the library may take for a path or URL.
var pathKeys = []string{"path", "paths", "files", "envs", "env", "targetfilepath", "valuesfile", "crds", "configurations"}

// remote refuses URLs in fields that may be paths; at is where to report them.
func (c *checker) remote(value any, at, key string) {
	switch v := value.(type) {
	case []any:
		for _, item := range v {
			c.remote(item, at, key)
		}
	case map[string]any:
		for key, item := range v {
			c.remote(item, at, strings.ToLower(key))
		}
	case string:
		if slices.Contains(pathKeys, key) && (isRemote(v) || isRemote(afterKey(v))) {
			c.file(v, at)
		}
	}
}

// What the library takes for a Git repository; see its NewRepoSpecFromURL. This refuses a little more than it would fetch.
var gitLike = regexp.MustCompile(`(?i)^(git::)*((ssh|https?|file|git)://|[a-z][-a-z0-9]*@|(www\.)?github\.com[/:]|gh:)`)

// isRemote says whether the library may fetch what a path names.
func isRemote(entry string) bool {
	if gitLike.MatchString(entry) {
		return true
	}
	parsed, err := url.Parse(entry)
	return err == nil && (parsed.Scheme == "http" || parsed.Scheme == "https")
}

// withoutSecrets leaves out what stands before the host of a URL.
func withoutSecrets(entry string) string {
	scheme, rest, ok := strings.Cut(entry, "://")
	if !ok {
		return entry
	}
	if host := strings.LastIndex(rest, "@"); host >= 0 {
		rest = rest[host+1:]
	}
	return scheme + "://" + rest
}
