package policy

import (
	"slices"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// Refuses says why an object may not be declared at all, or nil: a fault of kind Denied that names the list. Objects without a namespace
// are not matched by lists of namespaces.
func (t *Terms) Refuses(id state.ID) error {
	for _, allowed := range t.allowed() {
		if allowed.Kinds != nil && !slices.ContainsFunc(allowed.Kinds, func(pattern string) bool { return matchesKind(pattern, id) }) {
			hint := "add it to the list, or take the object out"
			if slices.Contains(allowed.Kinds, id.Kind) {
				hint = "kinds of other groups than the core are listed with their group: " + kindOf(id)
			}
			return refused("declare", id.String(), "allowed.kinds of "+allowed.Where+" does not list "+kindOf(id)).WithHint(hint)
		}
		if id.Namespace != "" && allowed.Namespaces != nil && !matchesAny(allowed.Namespaces, id.Namespace) {
			return refused("declare", id.String(), "allowed.namespaces of "+allowed.Where+" does not list "+quoted(id.Namespace)).
				WithHint("move the object to a namespace of the list, or add its own")
		}
	}
	return nil
}

// RefusesTarget says why a target may not be driven, or nil: a fault of kind Denied. The name is that which status shows: "this host",
// "kubernetes context eu-1". In patterns "*" is any run of characters.
func (t *Terms) RefusesTarget(name string) error {
	for _, allowed := range t.allowed() {
		if allowed.Targets != nil && !matchesAny(allowed.Targets, name) {
			return refused("drive", name, "allowed.targets of "+allowed.Where+" does not list it").
				WithHint("use a target of the list, or add this one")
		}
	}
	return nil
}

// RefusesSource says why a source may not be used, or nil: a fault of kind Denied. In patterns "*" is any run of characters, "/" among
// them; but one in the name of the host does not reach into the path, so that "https://*.example.com/*" lets no other host pass. Users
// and passwords in URLs are not compared, "git@host:path" is ssh://host/path, and paths that step up ("/../") are never in a list.
func (t *Terms) RefusesSource(url string) error {
	at := placeOf(url)
	for _, allowed := range t.allowed() {
		if allowed.Sources == nil {
			continue
		}
		switch {
		case at.stepsUp():
			return refused("use the source", at.String(), "its path steps up, and allowed.sources of "+allowed.Where+" goes by paths").
				WithHint("write the URL without . and .. in its path")
		case !slices.ContainsFunc(allowed.Sources, at.is):
			return refused("use the source", at.String(), "allowed.sources of "+allowed.Where+" does not list it").
				WithHint("use a source of the list, or add this one")
		}
	}
	return nil
}

func (t *Terms) allowed() []Allowed {
	if t == nil {
		return nil
	}
	return t.Allowed
}

func refused(op, item, cause string) *fault.Error { return fault.New(fault.Denied, op, item, cause) }

// place is a URL, or a pattern for URLs, in the parts that are compared one by one.
type place struct{ scheme, host, path string }

// placeOf takes a URL apart: "https://user@host/path", "git@host:path", or a path alone. Query and fragment belong to the path here.
func placeOf(url string) place {
	scheme, rest, found := strings.Cut(url, "://")
	if !found {
		host, path, remote := strings.Cut(url, ":")
		if !remote || strings.Contains(host, "/") {
			return place{path: url}
		}
		scheme, rest = "ssh", host+"/"+strings.TrimPrefix(path, "/")
	}
	host, path, _ := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		host = host[at+1:]
	}
	if path != "" || strings.HasSuffix(rest, "/") {
		path = "/" + path
	}
	return place{scheme: strings.ToLower(scheme), host: strings.ToLower(host), path: path}
}

// String gives the URL without credentials.
func (p place) String() string {
	path, _, _ := strings.Cut(p.path, "?")
	if p.scheme == "" {
		return path
	}
	return p.scheme + "://" + p.host + path
}

// is says whether a URL is of a pattern. A pattern that ends with a star in the name of the host leaves the path open.
func (p place) is(pattern string) bool {
	want := placeOf(pattern)
	if pattern == "*" || want.path == "" && strings.HasSuffix(want.host, "*") {
		want.path = "*"
	}
	if pattern == "*" {
		want.scheme, want.host = "*", "*"
	}
	return Matches(want.scheme, p.scheme) && Matches(want.host, p.host) && Matches(want.path, p.path)
}

// stepsUp says whether the path has parts that a server or a file system resolves to another path.
func (p place) stepsUp() bool {
	path := strings.ToLower(p.path)
	if strings.Contains(path, "%2e") || strings.Contains(path, "%2f") || strings.Contains(path, `\`) {
		return true
	}
	return slices.ContainsFunc(strings.Split(path, "/"), func(part string) bool { return part == "." || part == ".." })
}
