package fetch

import (
	"io"
	"os"
	"strings"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
)

// maxValue bounds a file that holds a credential or public keys, in bytes.
const maxValue = 1 << 20

// Read gives the value that a source names, as it is now, without line breaks at its end; "" for nil. Errors are faults of kind Invalid
// that name the variable or file, and never hold any of the value.
func Read(value *v1alpha1.ValueFrom, getenv func(string) string) (string, error) {
	if value == nil {
		return "", nil
	}
	content, err := valueOf(value.Env, value.File, getenv)
	return strings.TrimRight(content, "\r\n"), err
}

// ReadKeys gives the public keys that a source names, as they are now; "" for nil. Errors are those of Read.
func ReadKeys(keys *v1alpha1.PublicKeys, getenv func(string) string) (string, error) {
	switch {
	case keys == nil:
		return "", nil
	case keys.Text != "":
		return keys.Text, nil
	}
	return valueOf(keys.Env, keys.File, getenv)
}

// Login is what credentials for a web server say, read.
type Login struct{ Username, Password, Token string }

// ReadLogin gives the credentials for a web server that a source names, as they are now; nothing for nil. Errors are those of Read.
func ReadLogin(c *v1alpha1.Credentials, getenv func(string) string) (login Login, err error) {
	if c == nil {
		return Login{}, nil
	}
	if login.Token, err = Read(c.Token, getenv); err != nil {
		return Login{}, err
	}
	if login.Username, err = Read(c.Username, getenv); err != nil {
		return Login{}, err
	}
	if login.Password, err = Read(c.Password, getenv); err != nil {
		return Login{}, err
	}
	return login, nil
}

func valueOf(env, file string, getenv func(string) string) (string, error) {
	if env == "" {
		return readFile(file)
	}
	value := getenv(env)
	if value == "" {
		return "", fault.New(fault.Invalid, "read", "the environment variable "+env, "it is not set").
			WithHint("set it where the agent runs")
	}
	return value, nil
}

// readFile reads a file that holds little. A device or pipe that never ends, or never begins, is none.
func readFile(name string) (string, error) {
	refuse := func(cause string) error {
		return fault.New(fault.Invalid, "read", "the file "+name, cause).WithHint("check that it exists and that the agent may read it")
	}
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return "", refuse("it cannot be read")
	case !info.Mode().IsRegular():
		return "", refuse("it is not a file")
	}
	file, err := os.Open(name)
	if err != nil {
		return "", refuse("it cannot be read")
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, maxValue+1))
	switch {
	case err != nil:
		return "", refuse("it cannot be read")
	case len(content) > maxValue:
		return "", refuse("it is larger than 1 MiB")
	}
	return string(content), nil
}
