package git

import (
	"net/url"
	"path"
	"path/filepath"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// location is a repository's address, taken apart.
type location struct {
	scheme string // http, https, ssh, file
	host   string // with the port, when there is one
	path   string
	user   *url.Userinfo // what the URL itself carried; never shown
}

// parseLocation reads https://, http://, ssh://, file:// and the scp form user@host:path.
func parseLocation(text string) (location, error) {
	if !strings.Contains(text, "://") {
		return parseSCP(text)
	}
	u, err := url.Parse(text)
	if err != nil {
		// The text may hold a password, and url.Error would repeat it.
		return location{}, fault.New(fault.Invalid, "read", "git.url", "it is not a URL")
	}
	l := location{scheme: strings.ToLower(u.Scheme), host: strings.ToLower(u.Host), path: u.Path, user: u.User}
	switch l.scheme {
	case "http", "https", "ssh":
		if u.Host == "" || strings.Trim(u.Path, "/") == "" {
			return location{}, fault.New(fault.Invalid, "read", "git.url", "it names no host or no repository")
		}
	case "file":
		if l.host != "" && l.host != "localhost" || !filepath.IsAbs(u.Path) {
			return location{}, fault.New(fault.Invalid, "read", "git.url", "a file:// URL holds an absolute path: file:///srv/repo.git")
		}
		l.host, l.path = "", path.Clean(u.Path)
	default:
		return location{}, fault.New(fault.Invalid, "read", "git.url", "the scheme "+l.scheme+" is not supported").
			WithHint("use https://, http://, ssh://, git@host:path or file://")
	}
	return l, nil
}

func parseSCP(text string) (location, error) {
	host, repo, ok := strings.Cut(text, ":")
	if !ok || host == "" || repo == "" || strings.Contains(host, "/") {
		return location{}, fault.New(fault.Invalid, "read", "git.url", "it is not a URL").
			WithHint("use https://, http://, ssh://, git@host:path or file://")
	}
	l := location{scheme: "ssh", host: host, path: repo}
	if name, rest, ok := strings.Cut(host, "@"); ok {
		l.user, l.host = url.User(name), rest
	}
	l.host = strings.ToLower(l.host)
	return l, nil
}

// String gives the URL without what is secret in it: no user for http, no password anywhere.
func (l location) String() string {
	u := url.URL{Scheme: l.scheme, Host: l.host, Path: l.path}
	if l.scheme == "ssh" {
		u.User = url.User(l.userName("git"))
		if !strings.HasPrefix(u.Path, "/") {
			return u.User.Username() + "@" + l.host + ":" + l.path
		}
	}
	return u.String()
}

func (l location) userName(fallback string) string {
	if l.user != nil && l.user.Username() != "" {
		return l.user.Username()
	}
	return fallback
}

// relative resolves a submodule's URL, which may be relative to its parent's.
func (l location) relative(text string) (location, error) {
	if !strings.HasPrefix(text, "./") && !strings.HasPrefix(text, "../") {
		return parseLocation(text)
	}
	joined := l
	joined.path = path.Join(l.path, text)
	return joined, nil
}
