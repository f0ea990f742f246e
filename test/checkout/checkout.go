// Package checkout finds the modules of this repository that programs for tests are built from, and where what was built is kept.
package checkout

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// rootModule is how the repository is recognised by its go.mod.
var rootModule = regexp.MustCompile(`(?m)^module github\.com/setpoint-dev/setpoint$`)

// Module finds a module below test/ from any folder of the repository. A path compiled in would break under -trimpath.
func Module(name string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for at := dir; ; at = filepath.Dir(at) {
		text, err := os.ReadFile(filepath.Join(at, "go.mod"))
		if err == nil && rootModule.Match(text) {
			return filepath.Join(at, "test", name), nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("find the repository: no go.mod of github.com/setpoint-dev/setpoint in or above %s", dir)
		}
	}
}

// CacheRoot is where builds are kept, outside of the tree: SETPOINT_TEST_CACHE, or the user's folder for caches. It outlives a clean
// checkout, and is shared by all of them.
func CacheRoot() (string, error) {
	if dir := os.Getenv("SETPOINT_TEST_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a folder for built programs: %w; set SETPOINT_TEST_CACHE", err)
	}
	return dir, nil
}
