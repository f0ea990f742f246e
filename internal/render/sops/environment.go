package sops

import (
	"errors"
	"io/fs"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/setpoint-dev/setpoint/internal/fault"
)

// pgpKeyFile is the variable that names a file of armored OpenPGP keys. SOPS itself has none, as it asks gpg.
const pgpKeyFile = "SETPOINT_PGP_KEY_FILE"

// environment adds the keys that SOPS itself would find in the agent's environment, but for those that a program would have to be started
// for: SOPS_AGE_KEY_CMD, SOPS_AGE_SSH_PRIVATE_KEY_CMD, age plugins and gpg. A variable that leads to no key is an error; a file in its
// usual place may be missing, and one that holds no key that can be used is left out.
func (d *Decrypter) environment(to *keys) error {
	get := d.options.Getenv
	if text := get("SOPS_AGE_KEY"); text != "" {
		if err := to.add([]byte(onePerLine(text)), "SOPS_AGE_KEY"); err != nil {
			return err
		}
	}
	for _, variable := range []string{"SOPS_AGE_KEY_FILE", "SOPS_AGE_SSH_PRIVATE_KEY_FILE", pgpKeyFile} {
		if name := get(variable); name != "" {
			if err := d.file(to, name, variable); err != nil {
				return err
			}
		}
	}
	for _, name := range d.usual() {
		if data, err := d.options.ReadFile(name); err == nil {
			_ = to.add(data, name) // a key of another kind may lie there
		}
	}
	return nil
}

// onePerLine splits lines of several keys, as SOPS reads its variable.
func onePerLine(text string) string {
	var words []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			words = append(words, strings.Fields(line)...)
		}
	}
	return strings.Join(words, "\n")
}

// usual gives the files that SOPS looks for keys in.
func (d *Decrypter) usual() []string {
	get := d.options.Getenv
	home, config := get("HOME"), get("XDG_CONFIG_HOME")
	if config == "" && home != "" {
		config = filepath.Join(home, ".config")
		if runtime.GOOS == "darwin" {
			config = filepath.Join(home, "Library", "Application Support")
		}
	}
	var names []string
	if config != "" {
		names = append(names, filepath.Join(config, "sops", "age", "keys.txt"))
	}
	if home != "" {
		names = append(names, filepath.Join(home, ".ssh", "id_ed25519"), filepath.Join(home, ".ssh", "id_rsa"))
	}
	rings := get("GNUPGHOME")
	if rings == "" && home != "" {
		rings = filepath.Join(home, ".gnupg")
	}
	if rings != "" {
		names = append(names, filepath.Join(rings, "secring.gpg"))
	}
	return names
}

// reasonOf words an error of reading a file the same each time.
func reasonOf(err error) string {
	var pathed *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file"
	case errors.Is(err, fs.ErrPermission):
		return "the agent may not read it"
	case errors.As(err, &pathed):
		return pathed.Err.Error()
	case fault.KindOf(err) != fault.Internal:
		return err.Error()
	}
	return "it cannot be read"
}
