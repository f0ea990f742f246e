package sqlite

import (
	"net/url"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// inMemory is the location of a database that lives as long as the process.
const inMemory = ":memory:"

// scheme finds "postgres:" in front of a location. A drive letter is too short to be one.
var scheme = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]+):`)

// parseLocation reads the forms of SETPOINT_DATABASE_URL: a plain path, "sqlite:///absolute/path", "sqlite:relative/path",
// ":memory:" and "sqlite::memory:". It gives an absolute path, or inMemory. Errors never repeat what follows the scheme,
// because that may hold a password.
func parseLocation(location string) (string, error) {
	rest := location
	if found := scheme.FindStringSubmatch(location); found != nil {
		if found[1] != "sqlite" && found[1] != "sqlite3" {
			return "", fault.New(fault.Invalid, "open", "database "+found[1]+"://…", "only SQLite is supported yet").
				WithHint("use a file path, sqlite:///absolute/path or :memory:")
		}
		rest = strings.TrimPrefix(location, found[0])
		if after, ok := strings.CutPrefix(rest, "//"); ok {
			rest = after
		}
		if unescaped, err := url.PathUnescape(rest); err == nil {
			rest = unescaped
		}
	}
	switch {
	case rest == inMemory:
		return inMemory, nil
	case rest == "":
		return "", fault.New(fault.Invalid, "open", "database", "its location is empty").
			WithHint("use a file path, sqlite:///absolute/path or :memory:")
	case strings.ContainsRune(rest, 0):
		return "", fault.New(fault.Invalid, "open", "database", "its location holds a zero byte")
	}
	path, err := filepath.Abs(rest)
	if err != nil {
		return "", fault.Wrap(fault.Internal, "open", "database "+rest, err)
	}
	return path, nil
}
