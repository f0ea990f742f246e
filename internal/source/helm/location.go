package helm

import (
	"errors"
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// location is the URL of a repository, without a slash at its end.
type location struct{ base url.URL }

const hintIndex = "its publisher has to make the index anew: `helm repo index`"

// chartForm is what Helm allows as a chart's name.
var chartForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,250}$`)

func parseLocation(spec v1alpha1.HelmSource) (location, error) {
	invalid := func(field, cause, hint string) (location, error) {
		return location{}, fault.New(fault.Invalid, "read", "helm."+field, cause).WithHint(hint)
	}
	base, err := url.Parse(spec.URL)
	switch {
	case err != nil, base.Scheme != "https" && base.Scheme != "http", base.Host == "", base.Opaque != "":
		return invalid("url", "it is not the URL of a chart repository",
			"write it as https://charts.example.com, or oci://registry.example.com/charts")
	case base.User != nil:
		return invalid("url", "it holds credentials", "name where they are read from in helm.credentials")
	case base.Fragment != "":
		return invalid("url", "it has a fragment", "remove what stands behind the #")
	case !chartForm.MatchString(spec.Chart):
		return invalid("chart", "it is not the name of a chart", "write its name as `helm search repo` shows it behind the slash")
	case base.Scheme == "http" && spec.Credentials != nil && !spec.Insecure:
		return invalid("credentials", "they would be sent in the clear over http", "use https, or set helm.insecure to true")
	}
	at := location{base: *base}
	at.base.Scheme, at.base.Host = strings.ToLower(base.Scheme), strings.ToLower(base.Host)
	at.base.Path, at.base.RawPath = strings.TrimRight(base.Path, "/"), strings.TrimRight(base.RawPath, "/")
	return at, nil
}

// String gives the URL without a query, which may be a secret of its own.
func (l location) String() string {
	shown := l.base
	shown.RawQuery, shown.ForceQuery = "", false
	return shown.String()
}

// chart names a chart for people.
func (l location) chart(name string) string { return l.String() + "/" + name }

// index gives the URL of the index.
func (l location) index() string {
	at := l.base
	at.Path, at.RawPath = at.Path+"/index.yaml", ""
	return at.String()
}

// archive gives the URL of an archive that an index names. As with Helm, a query of the repository's URL goes with those that are relative.
func (l location) archive(reference string) (*url.URL, error) {
	invalid := func(cause, hint string) (*url.URL, error) {
		return nil, &fault.Error{Kind: fault.Invalid, Err: errors.New(cause), Hint: hint}
	}
	parsed, err := url.Parse(reference)
	switch {
	case reference == "":
		return invalid("the index gives no URL for it", hintIndex)
	case err != nil:
		return invalid("the index gives no valid URL for it", hintIndex)
	case parsed.Scheme == "oci":
		return invalid("it is kept in a registry", "give the source the URL of the registry: "+"oci://"+path.Dir(parsed.Host+parsed.Path))
	case parsed.User != nil:
		return invalid("the index gives a URL with credentials for it", hintIndex)
	}
	base := l.base
	base.Path, base.RawPath, base.RawQuery = base.Path+"/", "", ""
	at := base.ResolveReference(parsed)
	if parsed.Host == "" && at.RawQuery == "" {
		at.RawQuery = l.base.RawQuery
	}
	switch {
	case at.Scheme != "https" && at.Scheme != "http", at.Host == "":
		return invalid("the index gives a URL for it that is neither https nor http", hintIndex)
	}
	return at, nil
}
