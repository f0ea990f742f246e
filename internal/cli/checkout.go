package cli

import (
	"os"
	"path/filepath"
)

// checkout finds the local checkout that a folder lies in, so that what the folder refers to (../../base) is found as it would
// be in a commit, and nothing beyond: the nearest parent that holds .git, or the folder itself. The second value is the folder
// inside it, with slashes.
func checkout(path string) (root, inside string, err error) {
	full, err := filepath.Abs(path)
	if err != nil {
		return "", "", err
	}
	if full, err = filepath.EvalSymlinks(full); err != nil {
		return "", "", noFolder(path)
	}
	if info, err := os.Stat(full); err != nil || !info.IsDir() {
		return "", "", noFolder(path)
	}
	root = full
	for dir := full; ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			root = dir
			break
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	relative, err := filepath.Rel(root, full)
	return root, filepath.ToSlash(relative), err
}
